"""How often a loss is found to differ from itself on other seeds: tables of cases in `results_archive/`, or others.

    envs/run python benchmarks/aa_own_runs.py results_archive/*/cases.csv

Seeds: those of each loss in two halves, in every way. Half of three seeds is one, of which no verdict is given, as it
says nothing about the next training: the share is that of the test over cases alone. Residuals: what a training has
besides the mean of its loss in each case, stretched by sqrt(n / (n - 1)) for n seeds, stands for a training of one loss
that all share; both sides get some, each of another loss, drawn at random. Whole trainings are drawn, so that the cases
of one are as good or bad together as they are.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.comparison.statistics import LEVEL, crossed_difference
from lib.measures.catalogue import MEASURES, columns_of

DRAWS = 500


def halves(seeds: list[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Two disjoint halves of some seeds, in every way."""
    half = len(seeds) // 2
    for one in combinations(seeds, half):
        for other in combinations([seed for seed in seeds if seed not in one], half):
            if one < other:
                yield one, other


def of_seeds(values: pd.DataFrame) -> Iterator[tuple[int, float]]:
    """Seeds on each side and p of each loss against itself, of values by (loss, seed) and case."""
    for loss in values.index.unique("loss"):
        of_loss = values.loc[loss]
        for one, other in halves([*of_loss.index]):
            yield len(one), crossed_difference(of_loss.loc[[*one]].to_numpy() - of_loss.loc[[*other]].to_numpy()).p


def of_residuals(values: pd.DataFrame) -> Iterator[tuple[int, float]]:
    """Seeds on each side and p of residuals drawn ``DRAWS`` times, for as many seeds as there are losses for."""
    rng, seeds = np.random.default_rng(0), values.groupby("loss").transform("count")
    residuals = (values - values.groupby("loss").transform("mean")) * np.sqrt(seeds / (seeds - 1))
    by_loss = [of_loss.to_numpy() for _, of_loss in residuals.groupby("loss")]
    for side in range(2, len(by_loss) // 2 + 1):
        for _ in range(DRAWS):
            losses = rng.choice(len(by_loss), 2 * side, replace=False)
            drawn = np.stack([rng.choice(by_loss[loss]) for loss in losses])
            yield side, crossed_difference(drawn[:side] - drawn[side:]).p


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path, help="with the columns loss, seed, case and those of measures")
    known = columns_of(map(MEASURES.parse, MEASURES))
    for path in parser.parse_args().tables:
        cases = pd.read_csv(path)
        columns = [name for name in cases if name in known and known[name].better]
        for kind, tests in (("seeds", of_seeds), ("residuals", of_residuals)):
            rows = []
            for name in columns:
                values = cases.pivot_table(name, ["loss", "seed"], "case").dropna(axis=1)
                rows += [(name, side, p < 1 - LEVEL) for side, p in tests(values) if not np.isnan(p)]
            found = pd.DataFrame(rows, columns=["column", "seeds", "rejected"])
            for side, of_side in found.groupby("seeds"):
                share, of_column = of_side["rejected"].mean(), of_side.groupby("column")["rejected"].mean()
                print(
                    f"{path.stem}, {kind}, {side} against {side}: {share:.1%} of {len(of_side)} tests rejected;"
                    f" dice {of_column['dice']:.1%}, most {of_column.idxmax()} {of_column.max():.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
