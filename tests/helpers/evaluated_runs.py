"""Runs with the tables that training and evaluation leave, for tests of what is made of them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.comparison.results import EvaluatedRun
from lib.comparison.summary import run_rows
from lib.measures.catalogue import DECIDED, MEASURES

Rows = Sequence[Mapping[str, Any]]


def keys(**changes: object) -> dict[str, Any]:
    of_data = {"scale": "paper", "dataset": "wmh2017", "variant": "base", "noise": "clean"}
    factors = {"resampling": "native", "network": "plain_unet_2d", "optimizer": "adam", "scheduler": "constant"}
    return {**of_data, **factors, "loss": "gdl", "seed": 0, **changes}


def case_row(case: str, structure: str = "lesion", cut: str = DECIDED, **numbers: float) -> dict[str, Any]:
    """A row of `cases.csv` with the measure overlap: a Dice of 0.75."""
    place = {"case": case, "structure": structure, "cut": cut, "threshold": np.nan}
    return place | {"voxels": 100, "present": 40, "predicted": 40, "both": 30, "dice": 0.75} | numbers


def write_tables(folder: Path, rows: Rows, history: Mapping[str, Sequence[Any]] | None = None, **tables: Rows) -> None:
    """What a run's folder holds."""
    rows = [{"dice_present": row["dice"] if row["present"] else np.nan, **row} for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"cases": rows, "history": history or {"epoch": [1, 2]}, **tables}.items():
        pd.DataFrame(content).to_csv(folder / f"{name}.csv", index=False)


def evaluated(
    folder: Path,
    rows: Rows,
    history: Mapping[str, Sequence[Any]] | None = None,
    measures: Iterable[Any] = ("overlap",),
    tables: Mapping[str, Rows] | None = None,
    **changes: object,
) -> EvaluatedRun:
    """A run with these ``rows`` in `cases.csv`, in a folder of its own."""
    of_run = keys(**changes)
    folder = folder / "_".join(map(str, of_run.values()))
    write_tables(folder, rows, history, **(tables or {}))
    cuts = tuple(dict.fromkeys(row["cut"] for row in rows))
    chosen = tuple(map(MEASURES.parse, measures))
    return EvaluatedRun(of_run, "WMH", folder, id=folder.name, measures=chosen, cuts=cuts)


def rows_of(runs: Iterable[EvaluatedRun], primary_cut: str = DECIDED) -> pd.DataFrame:
    """The table of runs."""
    return pd.DataFrame([row for run in runs for row in run_rows(run, primary_cut)])
