"""Training: drawn patches, exact resumption, loud failure."""

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import store_case
from training_runs import LEFT, changed, command, make_trainer, sampler, sampling, settings, train

from lib.arrays import write_array
from lib.config.load import load
from lib.errors import SeglossError
from lib.inference import predict_volume
from lib.losses import build_resolved
from lib.losses.specification import resolved
from lib.networks import build_network
from lib.store import StoredCase
from lib.training import checkpoints
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler


def test_batches_are_a_function_of_seed_and_step(tiny_cases: list[StoredCase]) -> None:
    first, second = sampler(tiny_cases), sampler(tiny_cases)
    for step in (7, 3):
        for name, values in first[step].items():
            np.testing.assert_array_equal(values, second[step][name])
    assert not np.array_equal(first[7]["image"], first[3]["image"])
    assert not np.array_equal(first[7]["image"], sampler(tiny_cases, seed=4)[7]["image"])


def test_batches_have_the_stated_shapes(tiny_cases: list[StoredCase]) -> None:
    batch = sampler(tiny_cases)[0]
    assert {name: values.shape for name, values in batch.items()} == {
        "image": (2, 1, 8, 8, 8),
        "label": (2, 1, 8, 8, 8),
        "components": (2, 1, 8, 8, 8),
    }


def test_image_label_and_components_are_cut_at_one_place(tiny_cases: list[StoredCase]) -> None:
    for step in range(40):
        batch = sampler(tiny_cases)[step]
        np.testing.assert_array_equal(batch["label"] > 0, batch["components"] > 0)
        if (batch["label"] > 0).any():
            inside, outside = (batch["image"][batch["label"] == value].mean() for value in (1, 0))
            assert inside > outside + 1


def test_cases_are_drawn_by_their_lesions_and_patches_centred_on_them(tiny_cases: list[StoredCase]) -> None:
    drawn = sampler(tiny_cases, foreground_fraction=1.0, patch_size=[2, 2, 2])
    np.testing.assert_allclose(drawn.probabilities, [2 / 3, 1 / 3, 0])
    labels = [drawn[step] for step in range(400)]
    centres = np.concatenate([batch["label"][:, 0, 1, 1, 1] for batch in labels])
    assert (centres == 1).all()
    lesions = np.concatenate([batch["components"][:, 0, 1, 1, 1] for batch in labels])
    # the first lesion of case 0, or the only one of case 1; and the second of case 0
    assert np.mean(lesions == 2) == pytest.approx(1 / 3, abs=0.06)


def test_small_lesions_are_centred_on_as_often_as_large_ones(tmp_path: Path) -> None:
    label = np.zeros((20, 20, 20), np.uint8)
    label[2:10, 2:10, 2:10] = label[15, 15, 15] = 1  # 512 voxels and 1 voxel
    case = store_case(tmp_path, "unequal", label[None] * 1.0, label)
    drawn = PatchSampler([case], sampling(patch_size=[2, 2, 2], foreground_fraction=1.0), ["components"], 0, 400)
    centres = np.concatenate([drawn[step]["components"][:, 0, 1, 1, 1] for step in range(400)])
    assert np.mean(centres == 2) == pytest.approx(0.5, abs=0.06)


def test_padding_is_the_minimum_of_the_image_and_zero_for_label_and_components(tmp_path: Path) -> None:
    label = np.ones((4, 4, 4), np.uint8)
    case = store_case(tmp_path, "small", np.where(np.indices(label.shape)[:1] > 1, 9.0, 7.0), label)
    batch = PatchSampler([case], sampling(), ["components"], 0, 1)[0]
    assert set(batch["image"].ravel()) == {7.0, 9.0}
    assert {0, 1} == set(batch["label"].ravel()) == set(batch["components"].ravel())


def test_without_lesion_the_place_is_uniform_along_axes_where_the_patch_fits(tmp_path: Path) -> None:
    label = np.zeros((3, 3, 40), np.uint8)
    label[1, 1, 20] = 1
    position = np.broadcast_to(np.arange(40.0), label.shape)[None]
    case = store_case(tmp_path, "flat", position, label)
    inside = PatchSampler([case], sampling(patch_size=[3, 3, 8], foreground_fraction=0), [], 0, 99)
    starts = {int(inside[step]["image"][sample, 0, 0, 0, 0]) for step in range(99) for sample in (0, 1)}
    assert starts == set(range(33))
    wide = PatchSampler([case], sampling(patch_size=[4, 4, 8], foreground_fraction=0), [], 0, 99)
    starts = {int(wide[step]["image"][sample, 0, 1, 1, 0]) for step in range(99) for sample in (0, 1)}
    assert starts == set(range(33))
    released = sampling(patch_size=[4, 4, 8], foreground_fraction=0, place="anywhere_or_centre")
    wide = PatchSampler([case], released, [], 0, 99)
    assert {int(wide[step]["image"][0, 0, 1, 1, 0]) for step in range(20)} == {16}  # the centre, always
    thick = PatchSampler([case], sampling(patch_size=[3, 3, 44], foreground_fraction=0), [], 0, 99)
    assert {int(thick[step]["image"][0, 0, 0, 0, 2]) for step in range(20)} == {0}  # the centre, always


def test_nothing_to_draw_from(tiny_cases: list[StoredCase]) -> None:
    with pytest.raises(SeglossError, match="none of the 1 training cases has a lesion"):
        sampler(tiny_cases[2:])


def test_the_optimizer_takes_the_rate_of_the_epoch(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt")
    rates = [row["learning_rate"] for row in trainer.train().rows]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001])
    assert trainer.optimizer.param_groups[0]["lr"] == rates[-1]


def test_batch_statistics_are_learnt_in_training_and_used_in_inference(
    tiny_cases: list[StoredCase], tmp_path: Path
) -> None:
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt")
    trainer.network.eval()
    before = {name: value.clone() for name, value in trainer.network.named_buffers()}
    trainer.train()
    assert any(not torch.equal(value, before[name]) for name, value in trainer.network.named_buffers())
    learnt = {name: value.clone() for name, value in trainer.network.named_buffers()}
    image = tiny_cases[0].array("image")
    trainer.network.train()
    first = predict_volume(trainer.network, image, (8,) * 3, (8,) * 3, torch.device("cpu"))
    trainer.network.train()
    second = predict_volume(trainer.network, image, (24,) * 3, (24,) * 3, torch.device("cpu"))
    assert all(torch.equal(value, learnt[name]) for name, value in trainer.network.named_buffers())
    assert first[1].shape == second[1].shape


RISING = {"name": "dice", "weight": {"schedule": "linear", "start": 0, "stop": 1}}


ADAM = {"name": "adam", "learning_rate": 0.01}
SGD = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9}


@pytest.mark.parametrize(
    ("optimizer", "scheduler", "loss"),
    [
        (ADAM, {"name": "milestones", "epochs": [2]}, "cross_entropy"),
        (SGD, {"name": "poly", "warmup_steps": 2}, "dice_ce"),
        ({"name": "adamw", "learning_rate": 0.01}, {"name": "cosine"}, "dice_ce"),
        ({"name": "rmsprop", "learning_rate": 0.001, "momentum": 0.5}, {"name": "one_cycle"}, "dice"),
        (SGD | {"nesterov": True}, {"name": "cyclic", "rise_steps": 3}, "dice"),
        (ADAM | {"weight_decay": 0.1}, {"name": "step", "every": 1}, {"sum": ["t_loss", RISING]}),
        (ADAM, {"name": "nu_plateau", "every": 1, "patience": 6, "threshold": 1}, "t_loss"),
    ],
)
def test_training_stopped_at_any_step_ends_with_the_same_bits(
    tiny_cases: list[StoredCase], tmp_path: Path, optimizer: dict, scheduler: dict, loss: object
) -> None:
    changes = {"loss": resolved(loss), "training": {"optimizer": optimizer, "scheduler": scheduler}}
    history, weights = train(tiny_cases, tmp_path / "whole.pt", **changes)
    for stop_at in (1, 3, 5, 11):
        checkpoint = tmp_path / f"stopped_after_{stop_at}.pt"
        trainer = make_trainer(tiny_cases, checkpoint, **changes)
        trainer._step = stopping_after(stop_at, trainer._step)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        again_history, again_weights = train(tiny_cases, checkpoint, **changes)
        assert again_history == history
        assert all(torch.equal(weights[name], again_weights[name]) for name in weights)


def test_a_network_that_draws_goes_on_with_the_same_draws(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    def train_again(name: str, stop_at: int | None) -> tuple[str, dict]:
        trainer = make_trainer(tiny_cases, tmp_path / name)
        trainer.network = torch.nn.Sequential(trainer.network, torch.nn.Dropout3d(0.5))
        if stop_at:
            trainer._step = stopping_after(stop_at, trainer._step)
        try:
            return trainer.train().as_csv(), trainer.network.state_dict()
        except KeyboardInterrupt:
            return train_again(name, None)

    history, weights = train_again("whole", None)
    for stop_at in (1, 2, 3, 7):
        again_history, again = train_again(f"{stop_at}", stop_at)
        assert again_history == history
        assert all(torch.equal(weights[name], again[name]) for name in weights)


def stopping_after(steps: int, step: Callable) -> Callable:
    remaining = iter(range(steps))

    def stopping_step(*arguments: object) -> torch.Tensor:
        if next(remaining, None) is None:
            raise KeyboardInterrupt
        return step(*arguments)

    return stopping_step


def test_no_flipped_bit_of_saved_weights_is_read(tmp_path: Path) -> None:
    """Neither of the tensors nor of the directory around them, of which only a part has checksums."""
    saved, path = torch.nn.Conv3d(2, 3, 3), tmp_path / "weights.pt"
    checkpoints.save(path, {"network": saved.state_dict()})
    written = path.read_bytes()
    refused = 0
    for place in range(len(written)):
        path.write_bytes(written[:place] + bytes([written[place] ^ 0x38]) + written[place + 1 :])
        read = torch.nn.Conv3d(2, 3, 3)
        try:
            checkpoints.load_weights(path, read)
        except SeglossError:
            refused += 1
        else:
            for name, tensor in saved.state_dict().items():
                assert torch.equal(read.state_dict()[name], tensor), place
    assert refused > 1000


def test_checkpoints_of_other_settings_or_damaged_ones_are_not_continued(
    tiny_cases: list[StoredCase], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "checkpoint.pt"
    history, _ = train(tiny_cases, path)
    assert train(tiny_cases, path, key="other")[0] == history
    assert "other settings, code or data" in caplog.text
    path.write_bytes(path.read_bytes()[:1000])
    assert train(tiny_cases, path)[0] == history
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e13])
def test_a_diverging_loss_stops_the_run_and_names_run_step_and_loss(
    tiny_cases: list[StoredCase], tmp_path: Path, bad: float
) -> None:
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt")
    forward, calls = trainer.loss.forward, iter(range(99))
    trainer.loss.forward = lambda *inputs: forward(*inputs) * (bad if next(calls) == 4 else 1)
    with pytest.raises(SeglossError, match=r"run study/data/base/bce/seed-3: its loss became .* at step 5;"):
        trainer.train()


def test_equal_states_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        checkpoints.save(tmp_path / name, {"w": torch.arange(5)})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


class Harmful:
    """What torch's message would advise to load."""


def test_what_holds_more_than_tensors_and_numbers_is_not_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, reason = tmp_path / "c.pt", "it holds something other than tensors and numbers and is not loaded"
    checkpoints.save(path, {"network": {}, "more": Harmful()})
    with pytest.raises(SeglossError) as fault:
        checkpoints.load_weights(path, torch.nn.Identity())
    expected = f"{path}: not the weights of this network ({reason}); delete it and train the run again"
    assert str(fault.value) == expected
    assert checkpoints.load(path, bool) is None
    assert f"({reason}): starting from the beginning" in caplog.text and "weights_only" not in caplog.text


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    checkpoints.save(path, {"epoch": 1})
    before = path.read_bytes()

    def full(self: Path, content: bytes) -> None:
        with self.open("wb") as stream:
            stream.write(content[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SeglossError, match=r"c\.pt: cannot be written: No space left on device"):
        checkpoints.save(path, {"epoch": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_a_killed_job_leaves_no_output_and_ends_with_the_same_files(
    tiny_cases: list[StoredCase], tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(tiny_cases, whole), check=True, capture_output=True, cwd=tmp_path)
    for epoch in (2, 9, 20):
        job = subprocess.Popen(command(tiny_cases, cut), stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        while f"epoch {epoch}/30" not in job.stderr.readline():
            assert job.poll() is None
        time.sleep(0.002 * epoch)
        job.send_signal(signal.SIGKILL)
        job.communicate()
        assert (cut / "checkpoint.pt").exists()
        assert not (cut / "weights.pt").exists()
        assert not (cut / "history.csv").exists()
    done = subprocess.run(command(tiny_cases, cut), check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "resumed after step" in done.stderr
    for name in ("weights.pt", "history.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(file.name for file in cut.iterdir()) == LEFT
    provenance = json.loads((cut / "provenance.json").read_text())
    assert provenance["settings"]["seed"] == 3
    assert provenance["packages"]["torch"] == torch.__version__
    assert provenance["seconds"] > 0


def test_a_finished_run_is_not_trained_again_unless_its_data_are_others(
    tiny_cases: list[StoredCase], tmp_path: Path
) -> None:
    arguments, out = command(tiny_cases, tmp_path / "out"), tmp_path / "out"
    names = ("weights.pt", "history.csv", "provenance.json")
    subprocess.run(arguments, check=True, capture_output=True, cwd=tmp_path)
    before = [(out / name).read_bytes() for name in names]
    for name in names:
        (out / name).unlink()
    again = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "trained before" in again.stderr and "epoch" not in again.stderr
    assert [(out / name).read_bytes() for name in names] == before
    cases = json.loads((tmp_path / "train.json").read_text())
    cases["case0"]["sha256"]["label"] = write_array(tmp_path / "case0/label.b2nd", 1 - tiny_cases[0].array("label"))
    (tmp_path / "train.json").write_text(json.dumps(cases))
    other = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "belongs to other settings, code or data" in other.stderr
    assert (out / "weights.pt").read_bytes() != before[0]


def test_cases_of_other_content_than_the_list_says_are_not_trained_on(
    tiny_cases: list[StoredCase], tmp_path: Path
) -> None:
    arguments = command(tiny_cases, tmp_path / "out")
    write_array(tmp_path / "case0/label.b2nd", 1 - tiny_cases[0].array("label"))
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "label.b2nd: damaged (it is another array than the one that was prepared) and removed" in done.stderr


def test_the_seed_decides_the_first_weights(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    weights = []
    for seed in (3, 4):
        arguments = command(tiny_cases, tmp_path / str(seed))
        brief = {
            "epochs": 1,
            "steps_per_epoch": 1,
            "optimizer": {"learning_rate": 1e-12},
        }  # weights stay as made
        arguments[3] = settings(seed=seed, training=brief).model_dump_json()
        subprocess.run(arguments, check=True, capture_output=True, cwd=tmp_path)
        state = torch.load(tmp_path / str(seed) / "weights.pt")["network"]
        weights.append(state["head.weight"])
    assert (weights[0] - weights[1]).abs().max() > 0.01


def test_several_loading_workers_change_no_bit(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    history, weights = train(tiny_cases, tmp_path / "a.pt")
    trainer = make_trainer(tiny_cases, tmp_path / "b.pt")
    trainer.workers = 2
    assert trainer.train().as_csv() == history
    assert all(torch.equal(v, trainer.network.state_dict()[k]) for k, v in weights.items())


def test_a_limit_on_file_size_ends_in_one_line(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    limited = [
        "bash",
        "-c",
        'trap "" XFSZ; ulimit -f 8; exec "$@"',
        "-",
        *command(tiny_cases, tmp_path / "out"),
    ]
    done = subprocess.run(limited, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "checkpoint.pt: cannot be written: File too large" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_patches_too_small_for_the_normalisation_end_in_a_line(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    deep = {"name": "plain_unet", "channels": [4, 4, 4, 4]}
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt", network={"network": deep}, sampling={"batch_size": 1})
    with pytest.raises(SeglossError, match=r"step 1: a patch is too small, or the batch, .*\(Expected more than 1"):
        trainer.train()


def test_paper_settings_train_the_published_network(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    run = next(run for run in load({"scale": "paper", "losses": "iwasl"}).runs)
    larger = {"patch_size": [32, 32, 32]}  # than the cases on every axis
    brief = {"epochs": 1, "steps_per_epoch": 2}
    chosen = changed(run.training_settings, sampling=larger, training=brief)
    torch.manual_seed(0)
    network = build_network(chosen.network.network, 1)
    patches = PatchSampler(tiny_cases, chosen.sampling, run.maps, 0, 2)
    trainer = Trainer(
        network, build_resolved(chosen.loss), patches, chosen, torch.device("cpu"), tmp_path / "c.pt", "k"
    )
    (row,) = trainer.train().rows
    assert row["learning_rate"] == 0.01
    assert 0 < row["loss"] < 1
    group = trainer.optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 0)
    probability, logit = predict_volume(
        network, tiny_cases[0].array("image"), (32,) * 3, (24,) * 3, torch.device("cpu")
    )
    assert np.isfinite(probability).all() and np.isfinite(logit).all()
