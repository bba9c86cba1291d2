"""The workflow on a real SLURM: what the jobs are given, what ends them before their time, and what becomes of it.

With ``SEGLOSS_LOCAL_RUN``, the folder of a demo finished on this machine, the demo of inverse weighting runs on the
cluster too, with the first of its seeds.
"""

import filecmp
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import cluster
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "profiles/slurm/profile.yaml"
PREEMPTED, CANCELLED, OUT_OF_TIME, OUT_OF_MEMORY = FAULTS = ("bce", "dl", "fl", "asl")
RUNS = "results/inverse_weighting/phantom_lesions/base"
QUICK = ["--cores", "4", "--slurm-init-seconds-before-status-checks", "5"]  # small jobs, looked at often

pytestmark = pytest.mark.skipif(
    bool(missing := cluster.what_is_missing()), reason=f"no SLURM can be started here: {missing}"
)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with cluster.slurm(tmp_path_factory.mktemp("slurm")) as logs:
        yield logs


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the same runs, trained on this machine without a fault."""
    if finished := os.environ.get("SEGLOSS_LOCAL_RUN"):
        return Path(finished)
    folder = tmp_path_factory.mktemp("local")
    wanted = [f"{RUNS}/{loss}/seed-0/weights.pt" for loss in FAULTS]
    snakemake(folder, *wanted, "--cores", "2", *narrowed(FAULTS)).check_returncode()
    return folder


def narrowed(losses: tuple[str, ...]) -> list[str]:
    chosen = [f"losses=[{','.join(losses)}]", "seeds=[0]"]
    return ["--config", "studies=[inverse_weighting]", *chosen, "checkpoint_every=3"]


def command(*arguments: str) -> list[str]:
    return ["snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True)


@dataclass
class Job:
    """A job in SLURM's own records."""

    number: str
    comment: str
    state: str
    resources: str
    start: float
    end: float


def records() -> list[Job]:
    """All jobs that have started; one that was queued again stands there once for every start."""
    columns = "JobID,Comment,State,AllocTRES,Start,End"
    told = subprocess.run(
        ["sacct", "-X", "-D", "-n", "-P", "--starttime", "now-1day", "-o", columns],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("|") for line in told.stdout.splitlines()]
    return [Job(*row[:4], *map(seconds, row[4:])) for row in rows if row[4][0].isdigit()]


def seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp() if when[0].isdigit() else time.time()


def on_gpu(jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if job.comment.startswith(("rule_train", "rule_predict"))]


def check_gpus(jobs: list[Job]) -> None:
    """Every training and prediction held one GPU, nothing else did, and never were there more than GPUs."""
    users = on_gpu(jobs)
    assert users and all("gres/gpu=1" in job.resources.split(",") for job in users)
    others = [job for job in jobs if job.comment.startswith("rule_") and job not in users]
    assert not any("gpu" in job.resources for job in others)
    for job in users:
        assert sum(other.start <= job.start < other.end for other in users) <= cluster.GPUS


@pytest.mark.skipif("SEGLOSS_LOCAL_RUN" not in os.environ, reason="SEGLOSS_LOCAL_RUN names no finished demo")
def test_the_demo_gives_the_same_bits_on_the_cluster(slurm: Path, local_run: Path, tmp_path: Path) -> None:
    begun = time.time()
    one_seed = ["--config", "studies=[inverse_weighting]", "seeds=[0]"]
    done = snakemake(tmp_path, "--profile", str(PROFILE.parent), *QUICK, *one_seed)
    assert not done.returncode, done.stderr[-3000:]
    jobs = [job for job in records() if job.start >= int(begun)]
    assert all(job.state == "COMPLETED" for job in jobs)
    check_gpus(jobs)
    trained = list((tmp_path / RUNS).glob("*/seed-*/weights.pt"))
    assert len([job for job in jobs if job.comment.startswith("rule_train")]) == len(trained) == 10
    told = ("weights.pt", "history.csv", "predictions.json", "records.json", "records_tuned.json", "dice.csv")
    for path in trained:
        for name in told:
            file = path.with_name(name)
            assert filecmp.cmp(file, local_run / file.relative_to(tmp_path), shallow=False), file
    assert "Nothing to be done" in snakemake(tmp_path, "--cores", "2", *one_seed).stderr


def faulty_profile(folder: Path) -> Path:
    """The cluster's profile, changed so that one training lacks memory, one lacks time and one can be preempted."""
    profile = yaml.safe_load(PROFILE.read_text())

    def of(loss: str, then: object, otherwise: object) -> str:
        return f"({then!r} if '/{loss}/' in wildcards.run else {otherwise!r})"

    profile["set-resources"]["train"] |= {
        "slurm_partition": of(PREEMPTED, "spot", "gpu"),
        "mem_mb": f"{of(OUT_OF_MEMORY, 500, 3000)} * attempt",
        "runtime": of(OUT_OF_TIME, 1, 30),
        "slurm_extra": "'--signal=TERM@25'",
    }
    profile["retries"] = 6
    folder.mkdir()
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
    return folder


def queued() -> dict[str, tuple[str, str]]:
    """Loss -> number and state of the training's job."""
    told = subprocess.run(
        ["squeue", "-h", "-o", "%i|%T|%k"], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split("|") for line in told.splitlines())
    return {
        loss: (number, state)
        for number, state, comment in rows
        for loss in FAULTS
        if comment.startswith("rule_train") and f"_{loss}_" in comment
    }


def wait_until(true: Callable[[], object], controller: subprocess.Popen, limit: float = 400) -> None:
    end = time.monotonic() + limit
    while not true():
        assert controller.poll() is None and time.monotonic() < end, controller.stdout.read()[-5000:]
        time.sleep(0.3)


def test_what_ends_a_training_before_its_time_costs_no_step_and_no_bit(
    slurm: Path, local_run: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    subprocess.run(["cp", "--archive", local_run / "data", work], check=True)
    begun = time.time()
    wanted = [f"{RUNS}/{loss}/seed-0/weights.pt" for loss in FAULTS]
    profile = faulty_profile(tmp_path / "profile")
    controller = subprocess.Popen(
        command(*wanted, "--profile", str(profile), *QUICK, *narrowed(FAULTS)),
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def is_under_way(loss: str) -> bool:
        saved = work / RUNS / loss / "seed-0/checkpoint.pt"
        return saved.exists() and queued().get(loss, ("", ""))[1] == "RUNNING"

    def cancel(loss: str) -> None:
        subprocess.run(["scancel", queued()[loss][0]], check=True)

    def preempt(loss: str) -> None:
        urgent = [
            "sbatch",
            "--partition=urgent",
            "--gpus=1",
            "--mem=100",
            "--output=/dev/null",
            "--wrap=sleep 2",
        ]
        for _ in range(cluster.GPUS):  # one GPU may be free, or be held by what cannot be preempted
            subprocess.run(urgent, check=True, capture_output=True, cwd=work)
        number = queued()[loss][0]
        wait_until(lambda: queued().get(loss, ("", ""))[1] == "PENDING", controller)
        wait_until(  # SLURM lets it wait two minutes otherwise
            lambda: (
                subprocess.run(
                    ["scontrol", "update", f"jobid={number}", "starttime=now"], capture_output=True
                ).returncode
                == 0
            ),
            controller,
        )

    faults = {CANCELLED: cancel, PREEMPTED: preempt}
    while faults:
        wait_until(lambda: any(map(is_under_way, faults)), controller)
        loss = next(filter(is_under_way, faults))
        faults.pop(loss)(loss)
    output = controller.communicate(timeout=400)[0]
    assert controller.returncode == 0, output[-5000:]
    jobs = [job for job in records() if job.start >= int(begun)]
    check_gpus(jobs)
    ends = {
        loss: [job.state.split()[0] for job in on_gpu(jobs) if f"_{loss}_" in job.comment] for loss in FAULTS
    }
    assert "PREEMPTED" in ends[PREEMPTED] and "CANCELLED" in ends[CANCELLED], ends
    assert all(len(states) > 1 and states.count("COMPLETED") == 1 for states in ends.values()), ends
    for loss in FAULTS:
        weights = work / RUNS / loss / "seed-0/weights.pt"
        assert filecmp.cmp(weights, local_run / weights.relative_to(work), shallow=False), loss
        parts = json.loads(weights.with_name("provenance.json").read_text())["parts"]
        steps = [(part["first_step"], part["last_step"]) for part in parts]
        assert steps[0][0] == 1 and all(last + 1 == first for (_, last), (first, _) in pairwise(steps)), steps
        if loss in (PREEMPTED, CANCELLED, OUT_OF_TIME):
            assert len(parts) > 1, f"{loss} began anew"
        assert all(part["slurm_job"] for part in parts)
