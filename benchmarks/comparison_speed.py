"""Time of all comparisons and ranks of a study: 40 losses, 5 seeds, 500 cases, 10,000 resamples."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.comparison.ranks import RESAMPLES, rank_table
from lib.comparison.results import ALL, EvaluatedRun
from lib.comparison.statistics import comparisons
from lib.measures.catalogue import DECIDED, MEASURES, columns_of

LOSSES, SEEDS, CASES = 40, 5, 500
MEASURED = ("overlap", "iou", "surface", "volume", "proportion")


def study(folder: Path) -> tuple[list[EvaluatedRun], pd.DataFrame]:
    """Runs with random tables of cases, read before anything is timed, and the rows of their means."""
    rng, measures = np.random.default_rng(0), [*map(MEASURES.parse, MEASURED)]
    names = [*columns_of(measures)]
    of_cases = rng.normal(size=(CASES, len(names)))
    factors = dict.fromkeys(("noise", "resampling", "network", "optimizer", "scheduler"), "same")
    runs, rows = [], []
    for loss in range(LOSSES):
        for seed in range(SEEDS):
            keys = {"scale": "paper", "dataset": "mine", "variant": "base", **factors, "loss": f"loss_{loss}"}
            cases = pd.DataFrame(of_cases + rng.normal(size=of_cases.shape), columns=names)
            cases = cases.assign(case=[f"case_{n}" for n in range(CASES)], structure="lesion", cut=DECIDED, present=1)
            path = folder / f"{loss}_{seed}" / "cases.csv"
            path.parent.mkdir()
            cases.to_csv(path, index=False)
            runs.append(EvaluatedRun(keys | {"seed": seed}, "", path.parent, measures=measures, cuts=[DECIDED]))
            rows.append(keys | {"seed": seed, "structure": ALL, "cut": DECIDED} | cases[names].mean().to_dict())
            runs[-1].cases_of_structures  # noqa: B018
    return runs, pd.DataFrame(rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs, rows = study(Path(folder))
        print(f"{LOSSES} losses, {SEEDS} seeds, {CASES} cases, {RESAMPLES} resamples")
        for name, table in (
            ("comparisons", lambda: comparisons(runs, rows, "loss_0")),
            ("ranks", lambda: rank_table(runs, DECIDED)),
        ):
            start, start_cpu = time.perf_counter(), time.process_time()
            made = table()
            passed, cpu = time.perf_counter() - start, time.process_time() - start_cpu
            print(f"{name}: {len(made)} rows of {made['column'].nunique()} columns, {passed:.1f} s, CPU {cpu:.1f} s")


if __name__ == "__main__":
    main()
