"""What records, their comparison in plans and checksums of arrays cost in a finished project, in addition to its jobs.

    envs/run python benchmarks/verification.py <folder in which the workflow has run>

Each is done again here on the files that are there, from warm files: jobs record their products, the three jobs of
a run that read its data set check each array of it, and its predictions are checked when they are evaluated. Two
plans (of the call that made them and of one that repeats it) compare the records: a dry run with and without that,
in turns.
"""

import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import blosc2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import arrays
from lib.files import read_json, sha256
from lib.workflow import products

PLANS, READERS, PAIRS = 2, 3, 7


def seconds(work: Callable[[Any], object], things: Iterable[Any]) -> float:
    things = list(things)
    start = time.perf_counter()
    for thing in things:
        work(thing)
    return time.perf_counter() - start


def seconds_of_jobs(project: Path) -> float:
    """Of all jobs together, as Snakemake has measured them."""
    tables = list((project / "logs/benchmarks").rglob("*.tsv"))
    if not tables:
        sys.exit(f"{project}/logs/benchmarks: no measured job; run the workflow there first")
    return sum(float(row["s"]) for path in tables for row in csv.DictReader(path.open(), delimiter="\t"))


def seconds_of_comparison(project: Path) -> float:
    """Median difference of dry runs that compare the records and dry runs that do not, of all that is done."""
    differences = []
    for turn in range(PAIRS):
        order = (True, False) if turn % 2 else (False, True)
        taken = {compares: seconds(partial(dry_run, project), [compares]) for compares in order}
        differences.append(taken[True] - taken[False])
    return statistics.median(differences)


DRY_RUN = "import sys; sys.argv[0] = 'snakemake'; from snakemake.cli import main; main(['--dry-run', '--quiet', 'all'])"
WITHOUT = "import lib.workflow.stale as stale; stale.verify_plans = lambda *_: None; "


def dry_run(project: Path, compares: bool) -> None:
    program = ("" if compares else WITHOUT) + DRY_RUN
    subprocess.run([sys.executable, "-c", program], cwd=project, check=True, capture_output=True)


def seconds_of_arrays(dataset: Path) -> float:
    """For which the arrays of a data set are checked once, its cases and their maps."""
    total = 0.0
    for path in (path for path in dataset.rglob("*.b2nd") if path.stat().st_size):
        array = arrays.open_array(path)
        if isinstance(array, arrays.ArrayOnDisk):
            total += seconds(array._verify, [range(array._array.schunk.nchunks)])
        else:
            total += seconds(arrays._content_hash, [array])
    return total


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    blosc2.set_nthreads(1)
    project = Path(sys.argv[1])
    jobs = seconds_of_jobs(project)
    records = [path for top in ("data", "results", "plots") for path in (project / top).rglob(".*.made")]
    files = [file for record in records for file in products._paths(record, read_json(record)["files"])]
    runs = [path.relative_to(project / "results").parts[1] for path in project.glob("results/*/*/*/*/*/weights.pt")]
    of_data = {name: seconds_of_arrays(project / "data/prepared" / name) for name in set(runs)}
    costs = {
        f"{len(records)} records of {len(files)} files": seconds(products._state, files),
        f"{PLANS} plans": PLANS * seconds_of_comparison(project),
        f"arrays, by {READERS} jobs of each of {len(runs)} runs": READERS * sum(of_data[name] for name in runs),
        "predictions": seconds(sha256, project.glob("results/*/*/*/*/*/predictions/*")),
    }
    print("| what | s | % of the jobs' seconds |\n|---|--:|--:|")
    for what, cost in (*costs.items(), ("all", sum(costs.values()))):
        print(f"| {what} | {cost:.2f} | {100 * cost / jobs:.2f} |")
    print(f"\nThe jobs took {jobs:.0f} s together.")


if __name__ == "__main__":
    main()
