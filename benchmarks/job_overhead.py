"""What a job costs in addition to its script: phantoms in bundles and nearly one by one, with and without SLURM.

Needs the packages of tests/slurm, whose throw-away cluster on this machine it starts.
"""

import csv
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/slurm"))

import cluster

ROOT = Path(__file__).resolve().parents[1]
TARGET = "plots/data/phantom_lesions.pdf"
ON_SLURM = ["--profile", str(ROOT / "profiles/slurm"), "--cores", "4"]
ON_SLURM += [
    "--slurm-init-seconds-before-status-checks",
    "5",
    "--default-resources",
    "mem_mb=2000",
    "runtime=20",
]


def main() -> None:
    if missing := cluster.what_is_missing():
        sys.exit(f"no SLURM can be started here: {missing}")
    print("| where | cases a job | jobs | wall, s | a job, s | of which its script, s |")
    print("|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name, cluster.slurm(Path(name) / "cluster"):
        for where, options in (("this machine", ["--cores", "2"]), ("SLURM", ON_SLURM)):
            for cases in (16, 1):
                folder = Path(name) / f"{where}-{cases}"
                folder.mkdir()
                wall = prepare(folder, [*options, "--config", f"cases_per_job={cases}"])
                scripts = seconds_of_scripts(folder)
                jobs = f"{statistics.median(seconds_of_jobs()):.1f}" if where == "SLURM" else ""
                row = (where, cases, len(scripts), f"{wall:.0f}", jobs, f"{statistics.median(scripts):.1f}")
                print(f"| {' | '.join(map(str, row))} |", flush=True)


def prepare(folder: Path, options: list[str]) -> float:
    """Seconds until the cases are prepared and their report is drawn."""
    begun = time.perf_counter()
    command = ["snakemake", TARGET, "--snakefile", str(ROOT / "Snakefile"), *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return time.perf_counter() - begun


def seconds_of_scripts(folder: Path) -> list[float]:
    return [
        float(next(csv.DictReader(path.open(), delimiter="\t"))["s"])
        for path in folder.glob("logs/benchmarks/prepare/*/*.tsv")
    ]


def seconds_of_jobs() -> list[float]:
    """From start to end in SLURM's records of the last call's jobs."""
    command = ["sacct", "-X", "-n", "-P", "-o", "ElapsedRaw,Comment,JobName"]
    rows = [row.split("|") for row in subprocess.check_output(command, text=True).splitlines()]
    last = rows[-1][2]  # each call of Snakemake has a name
    return [float(elapsed) for elapsed, comment, name in rows if name == last and comment.startswith("rule_prepare")]


if __name__ == "__main__":
    main()
