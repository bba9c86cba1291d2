"""What TensorBoard shows of trainings, read by its own reader."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_runs import make_trainer

from lib.errors import Diverged
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.trackers import TensorBoard, tag_of


def tracked(cases: list[StoredCase], folder: Path, **changes: Any) -> Trainer:
    trainer = make_trainer(cases, folder / "results/checkpoint.pt", **changes)
    links = {"checkpoints/last.pt": folder / "results/checkpoint.pt"}
    trainer.tracker = TensorBoard(folder / "logs/basemodel/run", trainer.settings, links)
    return trainer


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "logs/basemodel/run/events"), size_guidance={"scalars": 0, "images": 0})
    return found.Reload()


def test_every_number_of_the_history_is_shown_once(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    trainer = tracked(tiny_cases, tmp_path)
    rows, found = trainer.train().rows, events(tmp_path)
    for column in ("loss", "patch_dice", "learning_rate"):
        points = [(point.step, point.value) for point in found.Scalars(tag_of(column))]
        assert points == [(row["step"], pytest.approx(row[column], rel=1e-6)) for row in rows]
    assert {"seconds/train", "seconds/measure"} <= set(found.Tags()["scalars"])
    assert len(found.Images("patch/image, mask, prediction")) == 4
    assert "hparam/dice/train" in found.Tags()["scalars"]


def test_a_training_that_was_killed_has_no_point_twice(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    tracked(tiny_cases, tmp_path).train(last=2)
    killed = tracked(tiny_cases, tmp_path)
    state = (tmp_path / "results/checkpoint.pt").read_bytes()
    killed.train(last=3)
    (tmp_path / "results/checkpoint.pt").write_bytes(state)  # as if epoch 3 had not been saved
    rows = tracked(tiny_cases, tmp_path).train().rows
    assert [point.step for point in events(tmp_path).Scalars("loss/train")] == [row["step"] for row in rows]


def test_the_files_of_the_run_are_found_from_the_folder(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    tracked(tiny_cases, tmp_path).train()
    tracked(tiny_cases, tmp_path).train()  # the links are made again
    link = tmp_path / "logs/basemodel/run/checkpoints/last.pt"
    assert link.is_symlink() and not link.readlink().is_absolute()
    assert torch.load(link, weights_only=True)["history"]


def test_a_tracker_that_fails_never_fails_a_run(
    tiny_cases: list[StoredCase], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        rows = tracked(tiny_cases, tmp_path).train().rows
    assert len(rows) == 4
    assert [record.message.split(":")[0] for record in caplog.records] == ["TensorBoard"]


def test_weights_are_the_same_with_and_without(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    plain = make_trainer(tiny_cases, tmp_path / "plain.pt")
    plain.train()
    seen = tracked(tiny_cases, tmp_path)
    seen.train()
    for name, values in plain.network.state_dict().items():
        assert torch.equal(values, seen.network.state_dict()[name]), name
    assert plain.history.rows == seen.history.rows


def test_faults_of_the_training_are_not_hidden(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    trainer = tracked(tiny_cases, tmp_path, training={"optimizer": {"learning_rate": 1e30}})
    with pytest.raises(Diverged, match="hold NaN or infinity"):
        trainer.train()


@pytest.mark.parametrize(
    ("column", "tag"),
    [
        ("loss", "loss/train"),
        ("validation_dice", "dice/validation"),
        ("test_dice_slices", "dice_slices/test"),
        ("loss.cross_entropy", "train/loss.cross_entropy"),
    ],
)
def test_tags_name_measure_and_part(column: str, tag: str) -> None:
    assert tag_of(column) == tag
