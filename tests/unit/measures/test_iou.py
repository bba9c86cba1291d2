"""Intersection over union and accuracy by class: by hand, and as the label-marginal publication's code counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_runs import case_row, evaluated, rows_of

from lib.datasets import DATASETS, reading
from lib.errors import CaseExcluded
from lib.labels import IGNORED, Labels
from lib.measures.catalogue import MEASURES
from lib.measures.evaluation import case_rows, segmentation_of
from lib.measures.iou import iou, of_run
from lib.measures.overlap import of_run as overlap_of_run
from lib.measures.overlap import overlap
from lib.measures.segmentation import Segmentation

FOUR = Labels(("road", "wall", "tree", "car"), background=False, partly_annotated=True)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "label_marginal_losses.json").read_text())["metrics"]


def case_rows_of(labels: Labels, prediction: np.ndarray, label: np.ndarray, case: str = "a") -> list[dict[str, Any]]:
    found = [
        ({"case": case, "structure": name}, segmentation_of({"labels": prediction}, label, (1, 1), labels, name))
        for name in labels.structures
    ]
    return case_rows(found, [MEASURES.parse("overlap"), MEASURES.parse("iou")], "any")


def counted(structure: str, both: int, present: int, predicted: int) -> dict[str, Any]:
    return {"structure": structure, "both": both, "present": present, "predicted": predicted}


def test_iou_by_hand() -> None:
    target = np.array([[1, 1, 0, 0]], bool)
    for prediction, expected in (([1, 0, 1, 0], 1 / 3), ([1, 1, 0, 0], 1), ([0, 0, 1, 1], 0), ([0, 0, 0, 0], 0)):
        assert iou(Segmentation(target, np.array([prediction], bool), (1, 1))) == {"iou": expected}
    assert iou(Segmentation(target & False, target & False, (1, 1))) == {"iou": 1}


def test_classes_that_are_absent_count_as_published_or_not_at_all() -> None:
    """Found by half, missed, only predicted, neither there nor predicted; each in two cases."""
    rows = [
        counted("half", 2, 4, 2),
        counted("half", 1, 2, 3),
        *[counted("missed", 0, 2, 0)] * 2,
        *[counted("predicted", 0, 0, 1), counted("predicted", 0, 0, 0)],
        *[counted("nowhere", 0, 0, 0)] * 2,
    ]
    assert of_run(rows, ["a", "b"]) == pytest.approx(
        {
            "miou": (3 / 8 + 0 + 0) / 3,  # 3 of a union of 8; of the predicted one's union of 1 nothing
            "macc": (3 / 6 + 0) / 2,
            "miou_published": (3 / 8) / 4,
            "macc_published": (3 / 6) / 4,
            "iou_pooled": 3 / (8 + 4 + 1),
        }
    )


def test_without_any_voxel_all_is_right_and_no_class_measured() -> None:
    numbers = of_run([counted("nowhere", 0, 0, 0)], ["a"])
    assert np.isnan([numbers["miou"], numbers["macc"]]).all()
    assert [numbers["miou_published"], numbers["macc_published"], numbers["iou_pooled"]] == [0, 0, 1]
    assert np.isnan([*of_run([], []).values()]).all()


def test_a_runs_numbers_are_those_of_the_publications_evaluators(golden: dict[str, Any]) -> None:
    logits = np.random.default_rng(0).standard_normal((2, 4, 16, 16))
    label = np.random.default_rng(1).integers(0, 4, (2, 16, 16))
    label[np.random.default_rng(2).random(label.shape) < 0.1] = IGNORED
    prediction = logits.argmax(1)
    pairs = [*zip(prediction, label, ("a", "b"), strict=True)]
    rows = [row for pair in pairs for row in case_rows_of(FOUR, *pair)]
    intersection, union, *_ = golden["mc_ignore argmax accumulated [intersect, union, pred, label] per class"]
    for number, name in enumerate(FOUR.names):
        alone = of_run([row for row in rows if row["structure"] == name], ["a", "b"])
        assert alone["miou"] == alone["iou_pooled"] == pytest.approx(intersection[number] / union[number], abs=1e-15)
        assert alone["miou"] == pytest.approx(golden["mc_ignore class IoU"][number], abs=1e-12)
    numbers = of_run(rows, ["a", "b"])
    assert numbers["miou"] == numbers["miou_published"] == pytest.approx(golden["mc_ignore mIoU"], abs=1e-12)
    assert numbers["macc"] == numbers["macc_published"] == pytest.approx(golden["mc_ignore mAcc"], abs=1e-12)
    assert numbers["iou_pooled"] == pytest.approx(golden["mc_ignore micro IoU (per-iteration 'iou')"], abs=1e-12)

    with_background = Labels(FOUR.names, partly_annotated=True)  # as the evaluator of polyps, which leaves it out
    rows = [row for pair in pairs for row in case_rows_of(with_background, *pair)]
    for name, expected in zip(
        with_background.structures, golden["mc_ignore SegmentEvaluator class dice (fg only)"], strict=True
    ):
        of_one = [row for row in rows if row["structure"] == name]
        assert overlap_of_run(of_one, ["a", "b"])["dice_pooled"] == pytest.approx(expected, abs=1e-9)
    pooled = overlap_of_run(rows, ["a", "b"])["dice_pooled"]
    assert pooled == pytest.approx(golden["mc_ignore SegmentEvaluator mdsc"], abs=1e-9)


def test_dice_of_pictures_is_that_of_the_publications_evaluator(golden: dict[str, Any]) -> None:
    """Its 1e-10 in numerator and denominator give 1 for two empty masks, and 1e-10 instead of 0 if one is."""
    predictions = np.random.default_rng(10).standard_normal((2, 1, 16, 16)) > 0  # a probability above 0.5
    targets = np.random.default_rng(11).integers(0, 2, (2, 16, 16)) > 0

    def dice(target: np.ndarray, prediction: np.ndarray) -> float:
        return overlap(Segmentation(target, prediction, (1, 1)))["dice"]

    found = [dice(target, prediction[0]) for target, prediction in zip(targets, predictions, strict=True)]
    assert found == pytest.approx(np.ravel(golden["dice_coef bin thr 0.5 per image"]), abs=1e-9)
    empty, pixel = np.zeros((4, 4), bool), np.eye(4, dtype=bool) & (np.arange(4) == 0)
    for name, pair in {
        "empty pred, empty gt": (empty, empty),
        "empty pred, 1px gt": (pixel, empty),
        "1px pred, empty gt": (empty, pixel),
    }.items():
        assert dice(*pair) == pytest.approx(golden[f"dice_coef {name}"][0][0], abs=1e-9), name


def test_a_value_beyond_the_classes_is_refused_and_not_counted_as_the_last() -> None:
    """The publication's histogram of classes counts C as C - 1, since its last bin is closed."""
    labels = DATASETS["cityscapes"].labels
    count = len(labels.names)
    stray = np.array([[count - 1, count]])
    assert np.histogram(stray, bins=np.arange(count + 1))[0][-1] == 2
    assert labels.mask(stray, labels.names[-1]).sum() == 1
    with pytest.raises(CaseExcluded, match="the mask holds label 34; known are 0, 1"):
        reading.labels(np.array([[33, 34]]), range(34), "the mask")


def test_a_runs_table_counts_the_structures_that_no_test_case_has(tmp_path: Path) -> None:
    """In means over structures of the run; they have no rows of their own, and no part in the other measures."""
    rows = [
        case_row("a", "found", iou=30 / 50),
        case_row("a", "absent", present=0, predicted=0, both=0, dice=1, iou=1),
        case_row("a", "imagined", present=0, predicted=10, both=0, dice=0, iou=0),
    ]
    table = rows_of([evaluated(tmp_path, rows, measures=("overlap", "iou"))])
    (row,) = table.to_dict("records")
    assert row["structures"] == 1 and row["dice"] == 0.75 and row["iou"] == 0.6
    expected = {
        **{"miou": 0.6 / 2, "macc": 0.75, "miou_published": 0.6 / 3, "macc_published": 0.75 / 3},
        "iou_pooled": 30 / 60,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
