"""How often each sampler finds the best of a made-up Dice, by Optuna alone and with results known later.

    envs/run python benchmarks/search_quality.py --samplers tpe random

A search has found it when its best trial lies within 0.01 of the known optimum. "Optuna" is ``study.optimize``, one
trial at a time; ``at_once`` k proposes each trial from the results of those up to k before it, as the workflow does.
"""

import argparse
import statistics
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

from toy_searches import BRANCHES, LISTED, NUMBERS, Toy, optunas_own  # noqa: E402

from lib.search.settings import SAMPLERS  # noqa: E402

SEEDS, MARGIN = 30, 0.01
COLUMNS = ("Optuna", "1", "4", "8", "16")
TOYS = {"numbers": (NUMBERS, 48), "branches": (BRANCHES, 48), "listed": (LISTED, 24)}
"""With the number of trials."""
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    *[("numbers", {"name": name}) for name in ("random", "qmc", "tpe", "cmaes", "gp")],
    *[("branches", {"name": name}) for name in ("random", "qmc", "tpe")],
    ("branches", {"name": "tpe", "group": True}),
    ("branches", {"name": "tpe", "multivariate": False}),
    ("listed", {"name": "grid"}),
)


def regrets(toy: Toy, trials: int, sampler: dict[str, Any], column: str) -> Iterator[float]:
    """How far the best trial of each seed is below the optimum."""
    name, options = sampler["name"], {key: value for key, value in sampler.items() if key != "name"}
    for seed in range(SEEDS):
        if column == "Optuna":
            yield toy.best - toy.optimized(optunas_own(name, seed, **options), trials).best_value
        else:
            chosen = sampler | ({"at_once": int(column)} if SAMPLERS.parse(sampler).learns else {})
            found = toy.results(toy.search(sampler=chosen, trials=trials, seed=seed))
            yield toy.best - max(result.objectives["dice"] for result in found.values())


def cell(values: list[float]) -> str:
    return f"{sum(value < MARGIN for value in values)} ({statistics.median(values):.4f})"


def main() -> None:
    warnings.simplefilter("ignore")  # that samplers are experimental
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", nargs="+", default=[*SAMPLERS], choices=[*SAMPLERS])
    parser.add_argument("--columns", nargs="+", default=COLUMNS, choices=COLUMNS)
    chosen = parser.parse_args()
    print(f"| space | sampler | {' | '.join(chosen.columns)} |\n|---|---|{'--:|' * len(chosen.columns)}", flush=True)
    for title, sampler in ROWS:
        if sampler["name"] in chosen.samplers:
            columns = chosen.columns if SAMPLERS.parse(sampler).learns else chosen.columns[:2]
            cells = [cell([*regrets(*TOYS[title], sampler, column)]) for column in columns]
            text = ", ".join(f"{key} {value}" for key, value in sampler.items()).removeprefix("name ")
            print(f"| {title} | {text} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
