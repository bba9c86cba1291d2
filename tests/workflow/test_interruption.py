"""Trainings that are ended from outside: whatever ends them, they go on to the same bits."""

import errno
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from killed_trainings import die_while_saving, start, train_longer
from training_runs import LEFT, command, make_trainer, train

from lib.errors import SeglossError
from lib.labels import BINARY
from lib.losses.specification import resolved
from lib.store import StoredCase
from lib.training import checkpoints
from lib.training.interruption import Interrupted, Interruption
from lib.training.sampling import PatchSampler

LONGER = {"loss": resolved("t_loss"), "training": {"epochs": 8, "steps_per_epoch": 5}}


def same(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


def test_twenty_kills_anywhere_leave_the_same_bits(
    tiny_cases: list[StoredCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = time.monotonic()
    history, weights = train(tiny_cases, tmp_path / "whole.pt", **LONGER)
    seconds = time.monotonic() - begin
    checkpoint = tmp_path / "killed.pt"
    draws = random.Random(0)
    steps = [0]
    for number in range(20):
        process = start(monkeypatch, train_longer, tiny_cases, checkpoint, LONGER)
        while number % 2 and steps_kept(checkpoint) == steps[-1] and process.is_alive():
            time.sleep(0.001)  # every second kill comes when another step is done
        time.sleep(draws.uniform(0, seconds / 20))
        process.kill()
        process.join()
        steps.append(steps_kept(checkpoint))
    assert steps == sorted(steps) and steps[-1] >= 10  # nothing done is lost
    again_history, again = train(tiny_cases, checkpoint, **LONGER)
    assert again_history == history and same(weights, again)


def steps_kept(checkpoint: Path) -> int:
    state = checkpoints.load(checkpoint, bool)
    return len(state["history"]) * 5 + len(state["losses"]) if state else 0


@pytest.mark.parametrize("where", ["half of it written", "all of it written", "in its place"])
def test_a_kill_while_a_checkpoint_is_written_leaves_the_same_bits(
    tiny_cases: list[StoredCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    history, weights = train(tiny_cases, tmp_path / "whole.pt", **LONGER)
    checkpoint = tmp_path / "killed.pt"
    for number in (1, 7, 8, 39):
        process = start(monkeypatch, die_while_saving, tiny_cases, checkpoint, LONGER, number, where)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert steps_kept(checkpoint) == (number if where == "in its place" else number - 1)
    again_history, again = train(tiny_cases, checkpoint, **LONGER)
    assert again_history == history and same(weights, again)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_asked_to_end_says_where_it_stands_and_goes_on_from_there(
    tiny_cases: list[StoredCase], tmp_path: Path, number: signal.Signals
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(tiny_cases, whole), check=True, capture_output=True, cwd=tmp_path)
    patient = command(tiny_cases, cut)
    patient[patient.index("--save-every") + 1] = "3600"  # nothing is kept but by the signal
    job = subprocess.Popen(patient, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    while "epoch 3/30" not in job.stderr.readline():
        assert job.poll() is None
    job.send_signal(number)
    message = job.communicate()[1].splitlines()[-1]
    assert job.returncode == 1
    assert message.startswith(f"error: run study/data/base/bce/seed-3: ended by {number.name} after step ")
    assert "it goes on from there when it is started again" in message
    assert [path.name for path in cut.iterdir() if path.suffix == ".pt"] == ["checkpoint.pt"]
    done = subprocess.run(patient, check=True, capture_output=True, text=True, cwd=tmp_path)
    step = int(message.split("after step ")[1].split(" of 120")[0])
    assert step >= 12 and f"resumed after step {step}" in done.stderr
    for name in ("weights.pt", "history.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(path.name for path in cut.iterdir()) == LEFT
    parts = json.loads((cut / "provenance.json").read_text())["parts"]
    assert [(part["first_step"], part["last_step"]) for part in parts] == [(1, step), (step + 1, 120)]
    assert all(part["host"] and part["code"] and part["peak_memory_mb"] > 0 for part in parts)


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_processes_leave_the_end_to_the_training(
    tiny_cases: list[StoredCase], tmp_path: Path, workers: int
) -> None:
    _, weights = train(tiny_cases, tmp_path / "whole.pt", **LONGER)
    trainer = make_trainer(tiny_cases, tmp_path / "cut.pt", **LONGER)
    trainer.workers, trainer.save_every = workers, 3600
    step = trainer._step

    def step_and_signal(batch: dict) -> torch.Tensor:
        if trainer.step == 17:
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)  # as a cluster does: every process of the job
            os.kill(os.getpid(), signal.SIGTERM)
        return step(batch)

    trainer._step = step_and_signal
    with pytest.raises(SeglossError, match=r"ended by SIGTERM after step 18 of 40"):
        trainer.train()
    assert same(weights, train(tiny_cases, tmp_path / "cut.pt", **LONGER)[1])


def test_measuring_whole_cases_is_left_at_once_and_done_again(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    inference = {"patch_size": [8, 8, 8], "stride": [8, 8, 8]}
    chosen = LONGER | {"measured": {"measures": ["overlap"], "labels": BINARY, "inference": inference}}
    chosen["training"] = LONGER["training"] | {"test_epochs": 8}
    measured = []

    def trainer(interrupted: bool) -> object:
        made = make_trainer(tiny_cases, tmp_path / f"{interrupted}.pt", **chosen)

        def measure(network: torch.nn.Module) -> dict[str, float]:
            measured.append(made.step)
            if interrupted and made.step == 10:
                os.kill(os.getpid(), signal.SIGTERM)
                measured.append("not reached")
            return {"dice": next(network.parameters()).sum().item()}

        made.monitor.measures, made.save_every = {"test": measure}, 3600
        return made

    whole = trainer(False).train().as_csv()
    measured.clear()
    with pytest.raises(SeglossError, match="ended by SIGTERM after step 10"):
        trainer(True).train()
    assert measured == [5, 10]
    resumed = trainer(False)
    resumed.checkpoint = tmp_path / "True.pt"
    assert resumed.train().as_csv() == whole
    assert measured == [5, 10, *range(10, 41, 5)]


def test_signals_are_the_programs_own_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM"):
            interruption.check()
        with pytest.raises(Interrupted), interruption.at_once():
            pytest.fail("was begun")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_lost_file_system_is_reported_and_costs_no_step(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    class Lost(PatchSampler):
        def __getitem__(self, step: int) -> dict:
            if step == 6:
                raise OSError(errno.ESTALE, "Stale file handle", "case0/image.b2nd")
            return super().__getitem__(step)

    _, weights = train(tiny_cases, tmp_path / "whole.pt", **LONGER)
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt", **LONGER)
    trainer.sampler.__class__ = Lost
    with pytest.raises(SeglossError, match=r"step 7: .*Stale file handle: 'case0/image.b2nd'; is the file"):
        trainer.train()
    assert same(weights, train(tiny_cases, tmp_path / "c.pt", **LONGER)[1])


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("can't allocate memory")],
)
def test_refused_memory_is_reported_with_what_to_lower(
    tiny_cases: list[StoredCase], tmp_path: Path, error: Exception
) -> None:
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt", **LONGER)
    step = trainer._step

    def refuse(batch: dict) -> torch.Tensor:
        if trainer.step == 6:
            raise error
        return step(batch)

    trainer._step = refuse
    with pytest.raises(SeglossError, match=r"seed-3: step 7: out of memory on cpu; lower sampling.batch_size"):
        trainer.train()
    assert len(checkpoints.load(tmp_path / "c.pt", bool)["losses"]) == 1
