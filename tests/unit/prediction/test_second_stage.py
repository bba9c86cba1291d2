"""Prediction by both stages of a cascade."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from prediction_script import predict_bright

from lib.arrays import write_array
from lib.config.cascade import Cascade
from lib.config.schema import Inference, Resampling
from lib.fields import Section
from lib.labels import Labels
from lib.measures.catalogue import DECIDED, MEASURES, TRUE_REGION
from lib.measures.evaluation import case_rows, segmentations, thresholds
from lib.prediction.second_stage import predict_inside
from lib.store import Case, open_cases, open_prediction

LIVER = Labels(("background", "liver", "tumour"))
CPU = torch.device("cpu")


class Bright(torch.nn.Module):
    """Marks what is brighter than 1/2, and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.numpy().copy())
        return 20 * (x - 0.5)


class Chosen(Section):
    cascade: Cascade
    labels: Labels = LIVER
    inference: Inference = Inference(patch_size=(4, 4, 4), stride=(4, 4, 4))
    resampling: Resampling = Resampling()


def chosen(**options: Any) -> Chosen:
    return Chosen(cascade=Cascade(first="base", region=["liver", "tumour"], inside=["tumour"], **options))


@pytest.fixture
def case() -> SimpleNamespace:
    """A liver with a bright tumour, of which the first stage finds a half, and another bright spot far from it."""
    true = np.zeros((14, 10, 8), np.uint8)
    true[1:7, 2:8, 2:6] = 1
    true[3:6, 4, 4] = 2
    image = (true == 2).astype(np.float32)
    image[12, 8, 7] = 1
    first = np.where(true == 2, 1, true).astype(np.uint8)
    first[4:] = 0
    return SimpleNamespace(true=true, image=image[None], first=first)


def test_what_the_first_stage_misses_is_lost_and_the_true_region_finds_it(case: SimpleNamespace) -> None:
    predicted = predict_inside(Bright(), case.image, (1, 1, 1), case.first, chosen(), CPU)
    expected = case.first.copy()
    expected[3, 4, 4] = 2
    np.testing.assert_array_equal(predicted, expected)
    found = predict_inside(Bright(), case.image, (1, 1, 1), case.true, chosen(), CPU)
    np.testing.assert_array_equal(found, case.true)
    wider = predict_inside(Bright(), case.image, (1, 1, 1), case.first, chosen(dilate_mm=1), CPU)
    assert np.argwhere(wider == 2)[:, 0].tolist() == [3, 4]


def test_the_network_sees_the_region_alone(case: SimpleNamespace) -> None:
    case.image[:] = 1
    network = Bright()
    predict_inside(network, case.image, (1, 1, 1), case.first, chosen(), CPU)
    assert sum(seen.sum() for seen in network.seen) == (case.first > 0).sum()
    network = Bright()
    predict_inside(network, case.image, (1, 1, 1), case.first, chosen(crop=False, mask=True), CPU)
    assert sum(seen.sum() for seen in network.seen) == (case.first > 0).sum()


def test_nothing_is_found_where_the_first_stage_finds_nothing(case: SimpleNamespace) -> None:
    network = Bright()
    found = predict_inside(network, case.image, (1, 1, 1), 0 * case.first, chosen(convex_hull=True), CPU)
    assert not found.any() and not network.seen


def test_on_another_grid(case: SimpleNamespace) -> None:
    halved = chosen().model_copy(update={"resampling": Resampling(factor=2)})
    found = predict_inside(Bright(), case.image, (1, 1, 1), case.true, halved, CPU)
    assert found.shape == case.true.shape and ((found > 0) == (case.true > 0)).all()


def test_from_the_first_stage_to_rows_of_both_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stage misses half of the liver, with a part of the tumour, and the second one finds what it sees."""
    true = np.zeros((14, 10, 8), np.uint8)
    true[1:7, 2:8, 2:6] = 1
    true[3:6, 4, 4] = 2
    first = np.where(true == 2, 1, true).astype(np.uint8)
    first[4:] = 0
    case = Case((true == 2).astype(np.float32)[None], true, (1, 1, 1), "p")
    (tmp_path / "first").mkdir()
    write_array(tmp_path / "first/test.labels.b2nd", first)
    reads = {"test": ("labels", "labels_true_region"), "validation": ("labels",)}
    model = predict_bright(
        tmp_path,
        monkeypatch,
        {"test": case, "validation": case},
        first=tmp_path / "first",
        labels=LIVER,
        cascade=chosen().cascade,
        postprocessing={"steps": ["largest_component"]},
        reads=reads,
    )
    predictions = tmp_path / "predictions"
    found = {kind: open_prediction(predictions, "test", kind)[...] for kind in reads["test"]}
    assert (found["labels"] == 2).sum() == 1 and (found["labels"] > 0).sum() == (first > 0).sum()
    np.testing.assert_array_equal(found["labels_true_region"], true)
    # validation cases are predicted within the true region, so that the first stage needs not predict them
    np.testing.assert_array_equal(open_prediction(predictions, "validation")[...], true)
    assert (model["first"], model["cascade"]["inside"]) == ("f", ["tumour"])
    assert {choice["before"] for choice in model["postprocessing"]} == {1.0}

    cuts = {cut: thresholds(cut, [], predictions, LIVER) for cut in (DECIDED, TRUE_REGION)}
    stored = open_cases(tmp_path, tmp_path / "lists/test.json")
    rows = case_rows(segmentations(stored, predictions, LIVER, cuts), [MEASURES.parse("overlap")], "any")
    dice = {(row["structure"], row["cut"]): row["dice"] for row in rows}
    liver, of_first = (true == 1).sum(), (first > 0).sum() - 1
    assert dice == {
        ("liver", DECIDED): pytest.approx(2 * of_first / (liver + of_first)),
        ("tumour", DECIDED): pytest.approx(2 * 1 / (3 + 1)),
        ("liver", TRUE_REGION): 1,
        ("tumour", TRUE_REGION): 1,
    }
