"""The tables of a small study, made as the workflow makes them, for tests of the page."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from evaluated_runs import case_row, evaluated, rows_of

from lib.comparison import ledger
from lib.comparison.costs import COLUMNS as COST_COLUMNS
from lib.comparison.ranks import bootstrap_ranks, rank_table
from lib.comparison.results import EvaluatedRun
from lib.comparison.statistics import comparisons
from lib.comparison.summary import by_loss
from lib.measures.catalogue import DECIDED

MEASURES = ("overlap", "surface", "lesions", "proportion", "calibration")
CLAIM = [
    *("claim", "source", "dataset", "noise", "loss", "relation", "than", "column"),
    *("seeds", "difference", "low", "high", "verdict", "attempt"),
]
DICE = {"dice_ce": 0.7, "<b>&\"ce'": 0.6, "focal": 0.699}
"""Mean Dice by loss: two that are equivalent, and a worse one with a name that HTML must not take for its own."""


def runs_of(folder: Path, dice: Mapping[str, float] = DICE, cases: int = 12, **keys: Any) -> list[EvaluatedRun]:
    """Three runs of each loss; all its numbers follow from its Dice, with little noise."""
    rng = np.random.default_rng(0)
    shared = 0.05 * rng.normal(size=cases)
    return [
        evaluated(
            folder,
            [_row(f"case{n}", mean + shared[n] + 0.003 * rng.normal(), n) for n in range(cases)],
            measures=MEASURES,
            loss=loss,
            seed=seed,
            **{"dataset": "mr", "variant": "base", **keys},
        )
        for loss, mean in dice.items()
        for seed in range(3)
    ]


def _row(case: str, dice: float, n: int) -> dict[str, Any]:
    surface = {"hd": 9.0, "hd95": 10 * (1 - dice), "hd95_directed": 5.0, "assd": 1.0, "nsd": dice}
    found = 2 + (dice > 0.65)
    lesions = {"lesions": 4, "lesions_found": found, "components": 4, "components_wrong": 1}
    lesions |= {"lesion_f1": 2 * found / (5 + found)}
    shares = {"proportion": 0.01, "proportion_predicted": 0.012, "proportion_bias": 0.002}
    shares |= {"proportion_bias_abs": 0.002 + 0.01 * (1 - dice), "proportion_kl": 0.1}
    calibration = {"ece": 0.1 * (1 - dice), "ace": 0.1, "brier": 0.1}
    return case_row(case, voxels=10_000, dice=dice) | surface | lesions | shares | calibration


def write_study(
    folder: Path,
    runs: list[EvaluatedRun],
    reference: str = "dice_ce",
    costs: list[dict[str, Any]] | None = None,
    published: list[dict[str, Any]] | None = None,
    claims: list[dict[str, Any]] | None = None,
) -> list[Path]:
    """The study's tables in a folder."""
    per_run = rows_of(runs)
    contents = {
        "runs": per_run,
        "summary": by_loss(per_run),
        "comparisons": comparisons(runs, per_run, reference),
        "ranks": _ranks(runs, per_run),
        "ledger": pd.DataFrame(published or []).reindex(columns=ledger.COLUMNS),
        "claims": pd.DataFrame(claims or []).reindex(columns=CLAIM),
    }
    if costs:
        contents["cost"] = pd.DataFrame(costs).reindex(columns=COST_COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in contents.items():
        table.round(6).to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in contents]


def _ranks(runs: list[EvaluatedRun], per_run: pd.DataFrame) -> pd.DataFrame:
    """With few resamples, so that tests are quick."""
    with patch("lib.comparison.ranks.bootstrap_ranks", partial(bootstrap_ranks, resamples=200)):
        return rank_table(runs, DECIDED, per_run)


def noisy(folder: Path, runs: list[EvaluatedRun], masks_dice: float) -> list[EvaluatedRun]:
    """The same runs as if their training masks had faults."""
    table = folder / "noise.csv"
    pd.DataFrame({"dice": [masks_dice]}).to_csv(table, index=False)
    return [replace(run, noise_table=table) for run in runs]


def cost_row(loss: str, seconds: float) -> dict[str, Any]:
    """A measured cost of a loss in the setting of :func:`runs_of`."""
    setting = {"scale": "paper", "dataset": "mr", "variant": "base", "noise": "clean", "resampling": "native"}
    setting |= {"network": "plain_unet_2d", "optimizer": "adam", "scheduler": "constant"}
    return {
        "kind": "measured",
        **setting,
        "loss": loss,
        "seconds_per_step": seconds,
        "host_memory_mb": 80,
        "threads": 1,
    }
