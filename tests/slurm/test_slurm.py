"""The demo of inverse weighting on a real SLURM: what its jobs are given, what ends them early, and what becomes of it.

Its runs are held against those of this machine: of the demo finished in the folder ``SEGLOSS_LOCAL_RUN``, or made here.
"""

import filecmp
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import cluster
import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "profiles/slurm/profile.yaml"
PREEMPTED, CANCELLED, LOST, OUT_OF_TIME = LOSSES = ("bce", "dl", "iwbce", "iwdl")
OUT_OF_MEMORY = CANCELLED  # first, and it has begun by the time it is cancelled
RUNS = "results/inverse_weighting/phantom_lesions/base"
RESULTS = ("weights.pt", "history.csv", "predictions.json", "cases.csv", "lesions.csv")
ONE_SEED = ["--config", "studies=[inverse_weighting]", "seeds=[0]", f"losses=[{','.join(LOSSES)}]"]

pytestmark = pytest.mark.skipif(
    bool(missing := cluster.what_is_missing()), reason=f"no SLURM can be started here: {missing}"
)


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the same runs, made on this machine without a fault."""
    if finished := os.environ.get("SEGLOSS_LOCAL_RUN"):
        return Path(finished)
    folder = tmp_path_factory.mktemp("local")
    snakemake(folder, "--cores", "2", *ONE_SEED).check_returncode()
    return folder


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, local_run: Path) -> Iterator[cluster.Cluster]:
    with cluster.slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def command(*arguments: str) -> list[str]:
    return ["snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True)


def rows_of_slurm(*command: str) -> list[list[str]]:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("|") for line in output.splitlines()]


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
    rows = rows_of_slurm("sacct", "-X", "-D", "-n", "-P", "--starttime", "now-1day", "-o", columns)
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


def faulty_profile(folder: Path) -> Path:
    """The cluster's profile, changed so that one training lacks memory and one can be preempted."""
    profile = yaml.safe_load(PROFILE.read_text())

    def of(loss: str, then: object, otherwise: object) -> str:
        return f"({then!r} if '/{loss}/' in wildcards.run else {otherwise!r})"

    profile["set-resources"]["train"] |= {
        "slurm_partition": of(PREEMPTED, "spot", "gpu"),
        "mem_mb": f"{of(OUT_OF_MEMORY, 400, 3000)} * attempt",
        "runtime": 30,
        "slurm_extra": "'--signal=TERM@25'",
    }
    profile |= {"cores": 4, "slurm-init-seconds-before-status-checks": 5}  # the nodes are small
    folder.mkdir()
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
    return folder


def number_under_way(loss: str, work: Path) -> str | None:
    """Number of the job that trains with a loss and has something to lose."""
    for number, comment in rows_of_slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i|%k"):
        if comment.startswith("rule_train") and f"_{loss}_" in comment:
            return number if (work / RUNS / loss / "seed-0/checkpoint.pt").exists() else None
    return None


def queue_again_now() -> None:
    """SLURM lets what it has queued again wait for two minutes otherwise."""
    for number, reason in rows_of_slurm("squeue", "-h", "-t", "PENDING", "-o", "%i|%r"):
        if reason == "BeginTime":
            subprocess.run(["scontrol", "update", f"jobid={number}", "starttime=now"], capture_output=True)


def wait_for_state(node: str, state: str) -> None:
    cluster.wait_for(["sh", "-c", f"sinfo --noheader --nodes {node} --format %T | grep --quiet {state}"])


def test_the_demo_gives_the_same_bits_on_a_cluster_whatever_ends_its_jobs(
    slurm: cluster.Cluster, local_run: Path, tmp_path: Path
) -> None:
    work, printed = tmp_path / "work", tmp_path / "printed.txt"
    work.mkdir()

    def cancel(number: str) -> None:
        subprocess.run(["scancel", number], check=True)

    def take_time(number: str) -> None:
        subprocess.run(["scontrol", "update", f"jobid={number}", "timelimit=1"], check=True)  # minutes since its start

    def preempt(_: str) -> None:
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

    def lose_node(_: str) -> None:
        cluster.lose_node(slurm, "gpu01")
        wait_for_state("gpu01", "down")
        cluster.start_node(slurm, "gpu01")
        # SLURM 22.05 has crashed when jobs started while the node still registered; by itself it waits two minutes
        time.sleep(10)

    faults: dict[str, Callable[[str], None]] = {
        CANCELLED: cancel,
        OUT_OF_TIME: take_time,
        PREEMPTED: preempt,
        LOST: lose_node,
    }
    profile = faulty_profile(tmp_path / "profile")
    begun = time.time()
    with printed.open("w") as output:
        controller = subprocess.Popen(
            command("--profile", str(profile), *ONE_SEED, "checkpoint_every=3"),
            cwd=work,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while controller.poll() is None:
            queue_again_now()
            for loss in tuple(faults):
                if number := number_under_way(loss, work):
                    faults.pop(loss)(number)
            time.sleep(0.5)
    finally:
        controller.kill()
    assert controller.returncode == 0, printed.read_text()[-5000:]
    assert not faults

    jobs = [job for job in records() if job.start >= int(begun)]
    check_gpus(jobs)
    states: dict[str, list[str]] = {}
    for job in jobs:
        states.setdefault(job.comment, []).append(job.state.split()[0])
    done_once = [ends for comment, ends in states.items() if comment.startswith("rule_")]
    assert all(ends.count("COMPLETED") == 1 for ends in done_once), states
    assert sum(comment.startswith("rule_train") for comment in states) == len(LOSSES)
    for loss, expected in {PREEMPTED: "PREEMPTED", CANCELLED: "CANCELLED", LOST: "NODE_FAIL"}.items():
        assert expected in ends_of(loss, states), states
    assert all(len(ends_of(loss, states)) > 1 for loss in LOSSES), states
    assert len(ends_of(OUT_OF_MEMORY, states)) > 2, states

    for weights in (work / RUNS).glob("*/seed-*/weights.pt"):
        for path in map(weights.with_name, RESULTS):
            assert filecmp.cmp(path, local_run / path.relative_to(work), shallow=False), path
        parts = json.loads(weights.with_name("provenance.json").read_text())["parts"]
        steps = [(part["first_step"], part["last_step"]) for part in parts]
        assert steps[0][0] == 1 and all(last + 1 == first for (_, last), (first, _) in pairwise(steps)), steps
        assert all(part["slurm_job"] for part in parts)
        assert len(parts) > 1, f"{weights} began anew"
    assert "Nothing to be done" in snakemake(work, "--cores", "2", *ONE_SEED).stderr


def ends_of(loss: str, states: dict[str, list[str]]) -> list[str]:
    """How the jobs that trained with a loss have ended."""
    (ends,) = (ends for comment, ends in states.items() if comment.startswith("rule_train") and f"_{loss}_" in comment)
    return ends


def test_a_lost_node_takes_nothing_else_with_it(slurm: cluster.Cluster, tmp_path: Path) -> None:
    jobs = {}
    for node in cluster.NODES:
        process_file = tmp_path / node
        job = ["sbatch", f"--partition={node[:3]}", "--mem=100", "--output=/dev/null"]
        subprocess.run([*job, f"--wrap=echo $$ > {process_file}; sleep 100"], check=True)
        cluster.wait_for(["test", "-s", str(process_file)])
        jobs[node] = psutil.Process(int(process_file.read_text()))
    shutil.copy("/bin/sleep", tmp_path / "slurmstepd")
    with subprocess.Popen([tmp_path / "slurmstepd", "100"]) as of_another_cluster:
        cluster.lose_node(slurm, "gpu01")
        jobs["gpu01"].wait(10)
        assert jobs["cpu01"].is_running() and of_another_cluster.poll() is None
        of_another_cluster.kill()
