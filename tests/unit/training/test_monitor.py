"""What follows from a Dice that is measured after every epoch: halved learning rates, the network of the best epoch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import store_case
from torch import nn
from training_runs import stop_after

from lib import ROOT
from lib.config.load import load
from lib.config.schema import Training
from lib.errors import SeglossError
from lib.labels import BINARY, Labels
from lib.losses import build_loss
from lib.losses.base import set_progress
from lib.losses.specification import resolved
from lib.measures.overlap import dice
from lib.measures.segmentation import Segmentation
from lib.measures.slices import slices
from lib.measures.surface import surface_measures
from lib.networks import build_network
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.monitor import measure_cases
from lib.training.sampling import PatchSampler
from lib.training.schedulers import halvings
from lib.training.selection import best_epoch
from lib.training.settings import Measured, TrainingSettings

CPU = torch.device("cpu")
RATE = 0.001
MEASURED = ["overlap", "slices", "surface"]
ADAM = {"name": "adam", "learning_rate": RATE}
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict:
    return json.loads((shared / "golden/boundary_loss.json").read_text())["schedules"]


def halved_after(values: list[float], form: str, patience: int) -> list[int]:
    counts = [halvings(values[:epochs], form, patience) for epochs in range(len(values) + 1)]
    assert set(np.diff(counts)) <= {0, 1}
    return np.flatnonzero(np.diff(counts)).tolist()


def better_up_to(last: int) -> list[float]:
    """A new best value in every epoch up to the ``last``, and none in the others of 100."""
    return [0.001 * (epoch if epoch <= last else -epoch) for epoch in range(100)]


@pytest.mark.parametrize(
    ("trace", "last"),
    [
        ("best stays at epoch 0", 0),
        ("a new best at every epoch (never stagnates)", 99),
        ("best at 0..30 then never", 30),
        ("best at 0..45 then never", 45),
        ("best at 0..60 then never", 60),
    ],
)
def test_the_released_rule_halves_after_the_golden_epochs(golden: dict, trace: str, last: int) -> None:
    expected = golden["lr (--schedule): epochs after which the lr is halved"][trace]
    assert halved_after(better_up_to(last), "released", 20) == expected


def test_the_released_rule_takes_an_equal_value_for_no_better_one() -> None:
    assert halved_after([0.5] * 100, "released", 20) == [0, 20, 40, 60, 80]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([5], []),
        ([5, 1, 1], []),
        ([5, 1, 1, 1], [3]),
        ([1, 1, 1, 1], [3]),  # equal is not better
        ([5, 1, 1, 1, 1, 1, 1, 6, 1, 1, 1], [3, 6, 10]),  # counted anew after each
        ([5, 1, 1, 1, 2, 3, 4], [3, 6]),  # better than the last, not than the best
        ([1, 0, 0, 2, 0, 0, 3, 0, 0], []),
        ([-3, -4, -2, -5, -5, -5], [5]),
    ],
)
def test_the_rule_of_the_paper_halves_after_epochs_without_a_better_value(
    values: list[float], expected: list[int]
) -> None:
    assert halved_after(values, "paper", 3) == expected


def test_the_rule_of_the_paper_lets_a_rising_dice_alone() -> None:
    assert halvings(better_up_to(99), "paper", 20) == 0
    assert halved_after(better_up_to(30), "paper", 20) == [50, 70, 90]


@pytest.mark.parametrize(
    ("values", "epoch"), [([0.0], 0), ([0.0] * 3, 0), ([0.5, 0.7, 0.7, 0.1], 1), ([-2, -1, -3], 1)]
)
def test_the_best_epoch_is_the_first_of_equals(values: list[float], epoch: int) -> None:
    assert best_epoch(values) == epoch


@pytest.fixture
def cases(tmp_path: Path) -> list[StoredCase]:
    label = np.zeros((16, 16), np.uint8)
    label[4:10, 5:12] = 1
    image = np.random.default_rng(0).normal(0, 0.3, label.shape) + label
    return [store_case(tmp_path, "a", image[None], label)]


INFERENCE = {"patch_size": [8, 8], "stride": [8, 8]}
THREE = Labels(("background", "left", "right"))
NETWORK = {"name": "space_to_depth_unet_2d", "channels": [4, 4]}


def halving(form: str, patience: int = 20) -> dict:
    return {"name": "halving", "form": form, "patience": patience}


def make_trainer(cases: list[StoredCase], checkpoint: Path, **training: object) -> Trainer:
    settings = TrainingSettings(
        run="study/data/base/dice/seed-1",
        seed=1,
        loss=resolved("dice"),
        network={"network": NETWORK, "out_channels": 1},
        sampling={"patch_size": (8, 8), "batch_size": 2},
        training={"epochs": 6, "steps_per_epoch": 2, "optimizer": ADAM, **training},
        measured={"measures": MEASURED, "labels": BINARY, "inference": INFERENCE},
    )
    torch.manual_seed(0)
    network = build_network(NETWORK, 1)
    sampler = PatchSampler(cases, settings.sampling, [], 1, 400)
    return Trainer(network, build_loss("dice"), sampler, settings, CPU, checkpoint, "key", measures={}, save_every=0)


def foretell(trainer: Trainer, part: str, **values: list[float]) -> list[Weights]:
    """Let the measures of a part be known beforehand; returns the networks that are measured, as they come."""
    seen = []

    def measure(network: nn.Module) -> dict[str, float]:
        seen.append(weights_of(network))
        return {name: listed[len(trainer.history.rows)] for name, listed in values.items()}

    trainer.monitor.measures[part] = measure
    return seen


def weights_of(network: nn.Module) -> Weights:
    return {name: values.clone() for name, values in network.state_dict().items()}


def equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


DICE = [0.2, 0.6, 0.3, 0.6, 0.1, 0.4]
RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


@pytest.mark.parametrize(
    ("part", "measure", "form", "halved"),
    [
        ("validation", "dice", "paper", [0, 0, 0, 0, 1, 1]),
        ("validation", "dice", "released", [0, 1, 1, 1, 2, 2]),
        ("test", "dice_slices", "paper", [0] * 6),
        ("test", "dice_slices", "released", [0, 1, 1, 1, 1, 1]),
        ("test", "dice", None, [0] * 6),
    ],
)
def test_the_learning_rate_follows_what_was_measured_before_the_epoch(
    cases: list[StoredCase], tmp_path: Path, part: str, measure: str, form: str | None, halved: list[int]
) -> None:
    scheduler, monitor = halving(form, 2) if form else "constant", {"part": part, "measure": measure}
    trainer = make_trainer(cases, tmp_path / "c.pt", scheduler=scheduler, monitor=monitor)
    foretell(trainer, part, dice=DICE, dice_slices=RISING)
    rates = [row["learning_rate"] for row in trainer.train().rows]
    assert rates == pytest.approx([RATE / 2**count for count in halved], rel=1e-12)


def test_the_first_two_rates_of_the_released_rule_are_the_golden_ones(
    golden: dict, cases: list[StoredCase], tmp_path: Path
) -> None:
    monitor = {"part": "test"}
    trainer = make_trainer(cases, tmp_path / "c.pt", scheduler=halving("released"), monitor=monitor, epochs=2)
    foretell(trainer, "test", dice=RISING)
    expected = golden["lr (--schedule): epochs after which the lr is halved"]["lr of epoch 0 / epoch 1"]
    assert [row["learning_rate"] for row in trainer.train().rows] == expected


def test_the_outcome_is_the_network_of_the_best_epoch(cases: list[StoredCase], tmp_path: Path) -> None:
    trainer = make_trainer(cases, tmp_path / "c.pt", monitor={"keep_best": True})
    seen = foretell(trainer, "validation", dice=DICE)
    history = trainer.train()
    assert [row["selected"] for row in history.rows] == [0, 1, 0, 0, 0, 0]
    assert equal(weights_of(trainer.network), seen[1])
    assert not equal(seen[1], seen[-1])


def test_what_is_kept_is_chosen_by_the_measure_that_is_followed(cases: list[StoredCase], tmp_path: Path) -> None:
    monitor = {"keep_best": True, "measure": "dice_slices"}
    trainer = make_trainer(cases, tmp_path / "c.pt", monitor=monitor, epochs=5)
    seen = foretell(trainer, "validation", dice=DICE, dice_slices=[1, 2, 4, 3, 0])
    assert [row["selected"] for row in trainer.train().rows] == [0, 0, 1, 0, 0]
    assert equal(weights_of(trainer.network), seen[2])


def test_without_keep_best_the_outcome_is_the_last_network(cases: list[StoredCase], tmp_path: Path) -> None:
    trainer = make_trainer(cases, tmp_path / "c.pt", scheduler=halving("paper"), monitor={})
    seen = foretell(trainer, "validation", dice=DICE)
    assert "selected" not in trainer.train().rows[0]
    assert equal(weights_of(trainer.network), seen[-1])
    assert torch.load(tmp_path / "c.pt", weights_only=True)["best"] is None


def followed(cases: list[StoredCase], checkpoint: Path) -> Trainer:
    monitor = {"keep_best": True}
    trainer = make_trainer(cases, checkpoint, scheduler=halving("released", 2), monitor=monitor, test_epochs=2)
    foretell(trainer, "validation", dice=DICE)
    foretell(trainer, "test", dice=RISING)
    return trainer


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 6])
def test_an_interrupted_training_keeps_the_best_network_and_ends_with_the_same_bits(
    cases: list[StoredCase], tmp_path: Path, epochs: int
) -> None:
    whole = followed(cases, tmp_path / "whole.pt")
    history = whole.train().as_csv()
    cut = followed(cases, tmp_path / "cut.pt")
    stop_after(epochs, cut)
    with pytest.raises(KeyboardInterrupt):
        cut.train()
    assert ("selected" in history) and len(cut.history.rows) == epochs
    again = followed(cases, tmp_path / "cut.pt")
    assert again.train().as_csv() == history
    assert equal(weights_of(again.network), weights_of(whole.network))
    kept, kept_whole = (torch.load(tmp_path / name, weights_only=True)["best"] for name in ("cut.pt", "whole.pt"))
    assert equal(kept, kept_whole)


def test_what_an_epoch_did_not_measure_is_an_empty_cell(cases: list[StoredCase], tmp_path: Path) -> None:
    history = followed(cases, tmp_path / "c.pt").train()
    header, *rows = (line.split(",") for line in history.as_csv().splitlines())
    column = {name: [row[header.index(name)] for row in rows] for name in header}
    assert column["test_dice"] == ["", "", "", "", "0.5", "0.6"]
    assert column["test_hd95"] == [""] * 6
    assert column["validation_dice"] == [str(value) for value in DICE]


def test_parts_are_measured_as_often_as_they_are_needed() -> None:
    def measured(**options: object) -> dict[str, int]:
        return Training(epochs=10, steps_per_epoch=1, optimizer=ADAM, **options).measured

    assert measured() == {}
    assert measured(test_epochs=3) == {"test": 3}
    assert measured(monitor={}) == {"validation": 10}
    assert measured(test_epochs=3, monitor={"keep_best": True}) == {"test": 3, "validation": 10}
    assert measured(test_epochs=3, monitor={"part": "test"}) == {"test": 10}


class Thresholds(nn.Module):
    """Predicts three classes from an image's values: below 1, below 2, above."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([0 * x, 4 * (x - 1), 8 * (x - 1.5)], dim=1)


def test_what_is_measured_is_a_mean_over_cases_and_structures(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    stored, rows, pooled = [], [], {1: np.zeros(3), 2: np.zeros(3)}
    for name in "ab":
        image = rng.uniform(0, 3, (8, 8, 4)).astype(np.float32)
        label = rng.integers(0, 3, image.shape).astype(np.uint8)
        stored.append(store_case(tmp_path, name, image[None], label))
        for number, counts in pooled.items():
            target, prediction = label == number, np.floor(image) == number
            counts += [(target & prediction).sum(), target.sum(), prediction.sum()]
            one = Segmentation(target, prediction, (1, 1, 1))
            rows.append(slices(one) | surface_measures(one, tolerance=1) | {"dice": dice(prediction, target)})
    measured = Measured(measures=MEASURED, labels=THREE, inference=INFERENCE)
    values = measure_cases(stored, measured, CPU, Thresholds())
    expected = {name: np.mean([row[name] for row in rows]) for name in ("dice", "dice_slices", "hd95")}
    expected["dice_pooled"] = np.mean([2 * both / (there + found) for both, there, found in pooled.values()])
    assert values == pytest.approx(expected)
    assert len(rows) == 4


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    for part in ("studies", "published"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def refusal(studies: Path, study: str, **training: object) -> str:
    path = studies / f"studies/{study}.yaml"
    content = yaml.safe_load(path.read_text())
    content["demo"]["training"] |= training
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SeglossError) as error:
        load({"studies": [study]}, studies)
    return str(error.value)


def test_choosing_a_network_on_the_test_cases_is_refused(studies: Path) -> None:
    message = refusal(studies, "boundary", monitor={"part": "test", "keep_best": True})
    why = "keep_best with part: test would choose the network on the cases it is reported on"
    assert message == f"studies/boundary.yaml: demo (slices): training.monitor: {why}"


@pytest.mark.parametrize(
    ("study", "measure", "told"),
    [
        ("t_loss", "dice_slices", "'dice_slices'; did you mean 'dice_pooled'? allowed: dice, dice_pooled"),
        ("boundary", "hd95", "'hd95'; allowed: dice, dice_pooled, dice_slices"),  # low values are good
        ("boundary", "nsd", "'nsd'; allowed: dice, dice_pooled, dice_slices"),  # of evaluations alone
        ("boundary", "Dice", "'Dice'; did you mean 'dice'? allowed: dice, dice_pooled, dice_slices"),
    ],
)
def test_following_what_is_not_measured_or_should_be_low_is_refused(
    studies: Path, study: str, measure: str, told: str
) -> None:
    message = refusal(studies, study, monitor={"part": "test", "measure": measure})
    where = f"studies/{study}.yaml: demo ({'base' if study == 't_loss' else 'slices'})"
    assert message == f"{where}: training.monitor.measure: unknown measure {told}"


def test_unknown_rules_are_refused(studies: Path) -> None:
    message = refusal(studies, "boundary", scheduler={"name": "halving", "form": "published"}, monitor={})
    assert "training.scheduler.form: 'published' is not allowed; expected 'paper' or 'released'" in message
    assert "\n" not in message


def loss_of_the_study(label: str) -> nn.Module:
    study = yaml.safe_load((ROOT / "studies/boundary.yaml").read_text())
    return build_loss(study["losses"][label])


def weights_in(loss: nn.Module, epoch: int) -> list[float]:
    set_progress(loss, epoch, 100)
    return loss.weights.tolist()


@pytest.mark.parametrize(
    ("label", "schedule"),
    [
        ("gdl_boundary_rebalance_2d", "StealWeight(to_steal=0.01) from [1, 0.01]"),
        ("gdl_boundary_rebalance_published", "StealWeight(to_steal=0.01) from [1, 0.01]"),
        ("gdl_boundary_increase", "AddWeightLoss([0, 0.01]) from [1, 0.01]"),
    ],
)
def test_the_studys_weights_are_the_golden_ones(golden: dict, label: str, schedule: str) -> None:
    loss = loss_of_the_study(label)
    for epoch, weights in golden["weights used in epoch e"][schedule].items():
        assert weights_in(loss, int(epoch)) == pytest.approx(weights, abs=1e-12)


def test_the_studys_corrected_weights_are_shares_of_one(golden: dict) -> None:
    loss = loss_of_the_study("gdl_boundary_rebalance")
    weights = np.array([weights_in(loss, epoch) for epoch in range(100)])
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    assert weights.min() >= 0 and weights.max() <= 1
    intended = golden["intended min(): alpha used at epoch 0,50,98,99,150"]
    assert weights[:, 1].max() <= max(intended)
