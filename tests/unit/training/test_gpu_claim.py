"""Jobs on one machine that settle among themselves who computes on which GPU."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.errors import SeglossError
from lib.training import gpu_claim
from lib.training.gpu_claim import claim_gpu


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[int, Path]]]:
    """Starts a process that claims, and holds until it is killed; its number and the file that names its GPU."""
    monkeypatch.setattr(gpu_claim, "_folder", lambda: tmp_path / "claims")
    processes = []

    def start(gpus: int, percent: int) -> tuple[int, Path]:
        output = tmp_path / f"process{len(processes)}"
        process = os.fork()
        if not process:
            output.write_text(str(claim_gpu(gpus, percent)))
            signal.pause()
        processes.append(process)
        return process, output

    yield start
    for process in processes:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def gpu_of(output: Path) -> int | None:
    """What the process has claimed; None if it still waits after two looks."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if output.exists() and (text := output.read_text()):
            return int(text)
        time.sleep(0.02)
    return None


def test_whole_gpus_go_to_one_job_each_and_a_killed_job_frees_its_own(claim: Callable) -> None:
    first, second = claim(2, 100), claim(2, 100)
    assert {gpu_of(first[1]), gpu_of(second[1])} == {0, 1}
    third = claim(2, 100)
    assert gpu_of(third[1]) is None
    os.kill(second[0], signal.SIGKILL)
    assert gpu_of(third[1]) == gpu_of(second[1])


def test_shares_are_spread_and_add_up_to_a_whole_gpu(claim: Callable) -> None:
    gpus = [gpu_of(claim(2, 40)[1]) for _ in range(4)]
    assert sorted(gpus[:2]) == sorted(gpus[2:]) == [0, 1]
    assert gpu_of(claim(2, 40)[1]) is None
    assert gpu_of(claim(2, 20)[1]) in (0, 1)


def test_a_job_of_a_cluster_claims_nothing_of_its_own_gpu(claim: Callable) -> None:
    assert [gpu_of(claim(1, 0)[1]) for _ in range(2)] == [0, 0]


def test_jobs_of_other_allocations_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    first = gpu_claim._folder()
    monkeypatch.setenv("SLURM_JOB_ID", "2")
    assert gpu_claim._folder() != first


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_is_at_most_a_whole(percent: int) -> None:
    with pytest.raises(SeglossError, match="between 0 and 100"):
        claim_gpu(1, percent)
