"""What a person or a machine does to a running workflow: Ctrl-C, a kill of Snakemake itself."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from projects import RUN, STUDY, copy_with_tiny_study, snakemake

WEIGHTS = f"{RUN}/bce/seed-0/weights.pt"
CHECKPOINT = f"{RUN}/bce/seed-0/checkpoint.pt"
LOG = "logs/train/inverse_weighting/phantom_lesions/base/bce/seed-0.log"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose trainings take some seconds and keep their state each second, with the cases prepared."""
    folder = copy_with_tiny_study(tmp_path_factory.mktemp("project"))
    study = yaml.safe_load((folder / STUDY).read_text())
    study["demo"]["training"] |= {"epochs": 10, "steps_per_epoch": 40}
    (folder / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    config = folder / "workflow_config.yaml"
    config.write_text(config.read_text().replace("checkpoint_every: 300", "checkpoint_every: 1"))
    done = snakemake(folder, WEIGHTS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def weights(project: Path) -> bytes:
    """The weights of the uninterrupted training, which is to be done again."""
    path = project / WEIGHTS
    content = path.read_bytes()
    path.unlink()
    (project / CHECKPOINT).unlink()  # from which they would be had again
    return content


def interrupted(project: Path, act: Callable[[subprocess.Popen], None]) -> tuple[int, str]:
    """Exit status and output of a call to which something happens when its training has kept its state."""
    command = ["snakemake", "--cores", "1", WEIGHTS]
    job = subprocess.Popen(
        command,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as in a terminal, whose Ctrl-C reaches all processes of the command
    )
    try:
        while not (project / CHECKPOINT).exists():
            assert job.poll() is None, job.stdout.read()
            time.sleep(0.02)
        act(job)
        output = job.communicate(timeout=60)[0]
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    return job.returncode, output


def finish(project: Path) -> str:
    done = snakemake(project, WEIGHTS)
    assert done.returncode == 0, done.stdout + done.stderr
    return (project / LOG).read_text()


def test_ctrl_c_keeps_the_state_and_the_next_call_goes_on(project: Path, weights: bytes) -> None:
    status, output = interrupted(project, lambda job: os.killpg(job.pid, signal.SIGINT))
    assert status != 0 and "Traceback" not in output
    assert (project / CHECKPOINT).exists() and not (project / WEIGHTS).exists()
    assert "resumed after step" in finish(project)
    assert (project / WEIGHTS).read_bytes() == weights


def test_a_training_outlives_a_killed_snakemake_and_is_not_trained_twice(project: Path, weights: bytes) -> None:
    status, _ = interrupted(project, lambda job: job.kill())
    assert status == -signal.SIGKILL
    locked = snakemake(project, WEIGHTS)
    assert locked.returncode != 0 and "--unlock" in locked.stdout + locked.stderr
    snakemake(project, "--unlock").check_returncode()
    second = snakemake(project, WEIGHTS)
    message = "another process is at work there; wait until it is done, or end it"
    finished_meanwhile = (project / WEIGHTS).exists() and second.returncode == 0
    assert finished_meanwhile or message in second.stdout + second.stderr
    subprocess.run(["pkill", "-KILL", "-f", f"{project}/scripts/train.py"], check=False)
    time.sleep(0.5)
    finish(project)
    assert (project / WEIGHTS).read_bytes() == weights
