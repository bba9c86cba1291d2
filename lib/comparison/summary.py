"""The outcome of a study as tables: rows of each run, and of each loss over its seeds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.comparison.results import ALL, KEYS, EvaluatedRun
from lib.config.study_schema import OVER_EPOCHS
from lib.errors import SeglossError
from lib.labels import MASK_KINDS
from lib.measures.catalogue import MEASURES, MeasureEntry, columns_of, monitored
from lib.measures.segmentation import mean
from lib.training.selection import best_epoch

# A bar for reading, no result: below it no one would look at the masks any further, whatever a network has learnt.
POOR_DICE = 0.3  # mean over the cases that have the structure
POOR_COMPONENTS = 10  # wrong ones for each true one
WORST_FIRST = (
    *("collapsed", "below baseline", "poor", "learnt", "not known"),
    "not measured: no test case has any structure",
)
"""What a training may have come to."""
SAME_FOR_ALL_SEEDS = (
    "test_cases",
    "structures",
    "masks_dice",
    "baseline_dice",
    "dice_if_empty",
    "dice_if_full",
)
Row = dict[str, Any]


def run_rows(run: EvaluatedRun, primary_cut: str) -> list[Row]:
    """All numbers of one run: rows for each cut, of all structures together and, if there are several, of each.

    Structures that no test case has are left out. A column of cases is its mean over cases and structures; the others
    are those of :class:`lib.measures.catalogue.MeasureEntry`. Rows of all structures also have, the same for each cut,
    what is known of the training (:func:`recorded`). ``status``: see :func:`status`, the same for all rows; that of the
    worst training where a run joins several.
    """
    cases = run.cases_of_structures
    structures = list(dict.fromkeys(cases["structure"]))
    of_run = recorded(run)
    rows = []
    for cut in run.cuts:
        of_cut = cases[cases["cut"] == cut]
        parts = {ALL: of_cut}
        if len(structures) > 1:
            parts |= {name: of_cut[of_cut["structure"] == name] for name in structures}
        for structure, part in parts.items():
            counts = {"test_cases": part["case"].nunique(), "structures": part["structure"].nunique()}
            keys = {"cut": cut, "structure": structure, **counts}
            rows.append(keys | _numbers(run, part, cut, structure) | (of_run if structure == ALL else {}))
    judged = next((row for row in rows if row["cut"] == primary_cut), {})
    of_trainings = [run_rows(fold, primary_cut)[0]["status"] for fold in run.folds] or [status(judged)]
    return [{**run.keys, "status": min(of_trainings, key=WORST_FIRST.index), **row} for row in rows]


def _numbers(run: EvaluatedRun, cases: pd.DataFrame, cut: str, structure: str) -> Row:
    """What the measures come to for some rows of the run's cases, and for the same rows of its other tables."""
    rows = cases.to_dict("records")
    numbers: Row = {"threshold": mean(cases["threshold"])}
    for measure in run.measures:
        entry, of_table = MEASURES.entry_of(measure), rows
        numbers |= {column.name: mean(cases[column.name]) for column in entry.columns if column.name in cases}
        if entry.aggregation and entry.table == "cases" and not _counted(entry, cases):
            continue
        if entry.absent and structure == ALL:
            of_table = run.cases[run.cases["cut"] == cut].to_dict("records")
        elif entry.table != "cases":
            details = run.details(entry.table)
            # what the cut does not change stands in the table once
            same = (details["cut"] == cut) if entry.by_cut else True
            same &= details["structure"].isin(cases["structure"]) & details["case"].isin(run.case_names)
            of_table = details[same].to_dict("records")
        try:
            numbers |= entry.of_rows(of_table, run.case_names, **measure.for_dataset(run.keys["dataset"]))
        except (KeyError, ValueError) as error:
            raise SeglossError(
                f"{entry.table}.csv: no {measure.name} of such rows: {error}; correct the table"
            ) from error
    return numbers


def _counted(entry: MeasureEntry, cases: pd.DataFrame) -> bool:
    """Whether numbers of whole runs follow: tables of other tools may lack columns, or counts in some rows."""
    columns = MEASURES["overlap"].columns
    there = {column.name for column in (*columns, *entry.columns)} <= {*cases}
    return there and not cases[[column.name for column in columns if not column.better]].isna().to_numpy().any()


def recorded(run: EvaluatedRun) -> Row:
    """A training's row of `trainings.csv` without its keys; of several that a run joins the means, of what all have.

    ``masks_dice``: mean Dice of the training masks with the clean ones; ``baseline_dice``: mean over cases, without
    learning; and what :func:`from_history` has.
    """
    if run.folds:
        return pd.DataFrame(map(recorded, run.folds)).astype(float).mean(skipna=False).to_dict()
    if run.recorded is not None:
        return {**run.recorded}
    return {"masks_dice": run.masks_dice(), "baseline_dice": run.baseline_dice(), **from_history(run)}


def from_history(run: EvaluatedRun) -> Row:
    """What the training recorded.

    ``..._epochs``: mean over the last epochs in which it measured the test cases, ``epochs_averaged`` of them.
    ``best_epoch`` and ``..._best_epoch``: the epoch with the largest Dice per slice of the test cases and its values,
    which is what the boundary loss's publication reports; only of runs that measured every epoch and kept their last
    network. ``noisy_fit`` and ``clean_fit``: Dice of the last epoch's predictions for training cases with noise, with
    their noisy and with their clean masks, mean over the kinds of noise that came up. ``steps``: of the optimizer.
    ``late_gain``: by how much the Dice of the validation cases rose from the third quarter of the epochs to the last,
    where each measured it, four or more. Parameters of the loss: the last.
    """
    history = run.history()
    names = [name for name in monitored(run.measures) if f"test_{name}" in history]
    measured = history[[f"test_{name}" for name in names]].dropna()
    row: Row = {}
    if names and len(measured):
        row = {"epochs_averaged": len(measured)}
        row |= {f"{name}{OVER_EPOCHS[0]}": float(measured[f"test_{name}"].mean()) for name in names}
    if "dice_slices" in names and len(measured) == len(history) and "selected" not in history:
        best = best_epoch(measured["test_dice_slices"].tolist())
        row |= {"best_epoch": float(history["epoch"].iloc[best])}
        row |= {f"{name}{OVER_EPOCHS[1]}": float(measured[f"test_{name}"].iloc[best]) for name in names}
    row |= {f"{name}_fit": _fit(history, masks) for name, masks in (("noisy", "masks"), ("clean", "clean"))}
    if "step" in history and history["step"].iloc[-1]:  # 0 where weights are given
        row |= {"steps": int(history["step"].iloc[-1]), "late_gain": late_gain(history.get("validation_dice"))}
    return row | {name: history[name].iloc[-1] for name in history if name.split(".")[-1] == "nu"}


def late_gain(measured: pd.Series | None) -> float:
    """Mean of the last quarter of the epochs without that of the quarter before; NaN where not all measured."""
    if measured is None or len(measured) < 4:
        return np.nan
    quarter = len(measured) // 4
    return float(
        measured.iloc[-quarter:].mean(skipna=False) - measured.iloc[-2 * quarter : -quarter].mean(skipna=False)
    )


def _fit(history: pd.DataFrame, masks: str) -> float:
    kinds = [f"dice_{kind}_{masks}" for kind in MASK_KINDS[1:]]
    return float(history.reindex(columns=kinds).astype(float).iloc[-1].mean())


def status(row: Mapping[str, Any]) -> str:
    """What a training has come to, from its row of all structures at the study's primary cut; the first that applies.

    ``collapsed``: its mean Dice is not above that of marking nothing or of marking everything, whichever is larger;
    ``below baseline``: the Dice of the cases that have the structure is not above that of a threshold without learning;
    ``poor``: it is below ``POOR_DICE``, or there are more than ``POOR_COMPONENTS`` wrong components for each lesion;
    ``learnt``: none of these; ``not known``: where nothing says what marking nothing would reach.
    """
    collapsed, below_baseline, poor, learnt, not_known, not_measured = WORST_FIRST
    if not row.get("structures"):
        return not_measured
    if "dice_if_empty" not in row:
        return not_known
    dice, baseline = row["dice_present"], row.get("baseline_dice")
    if not row["dice"] > max(row["dice_if_empty"], row["dice_if_full"]):
        return collapsed
    if pd.notna(baseline) and not dice > baseline:
        return below_baseline
    wrong, lesions = (row.get(name, 0) for name in ("components_wrong", "lesions"))
    return poor if dice < POOR_DICE or wrong > POOR_COMPONENTS * lesions else learnt


def unusable(statuses: pd.Series) -> str:
    """How many runs have collapsed or are poor, such as ``1 of 6 collapsed, 2 of 6 poor``; empty for none."""
    counts = {name: (statuses == name).sum() for name in ("collapsed", "poor")}
    return ", ".join(f"{count} of {len(statuses)} {name}" for name, count in counts.items() if count)


def by_loss(runs: pd.DataFrame, same_for_all: Collection[str] = SAME_FOR_ALL_SEEDS) -> pd.DataFrame:
    """One row per loss, cut and structure in each setting: means over seeds, and ``<column>_sd`` (empty for one seed).

    Args:
        same_for_all: columns that seeds do not change; the first row's value is kept.
    """
    rows = []
    keys = [*KEYS, "cut", "structure"]
    for values, group in runs.groupby(keys, sort=False):
        row = dict(zip(keys, values, strict=True)) | {"seeds": len(group)}
        row |= {name: group[name].iloc[0] for name in same_for_all if name in group}
        row["status"] = ", ".join(f"{status} {n}" for status, n in group["status"].value_counts().items())
        for name in group.columns.drop([*row.keys() & group.columns, "seed"]):
            row[name] = group[name].mean()
            if not name.endswith("_sd"):
                row[f"{name}_sd"] = group[name].std(ddof=1)
        rows.append(row)
    return pd.DataFrame(rows)


def directed_columns(runs: Sequence[EvaluatedRun]) -> dict[str, Any]:
    """The columns of runs of which high or low values are better, those over epochs included."""
    columns = {name: column for name, column in columns_of(runs[0].measures).items() if column.better}
    followed = [name for name in monitored(runs[0].measures) if name in columns]
    return columns | {f"{name}{suffix}": columns[name] for name in followed for suffix in OVER_EPOCHS}


def signed_columns(runs: Sequence[EvaluatedRun]) -> dict[str, Any]:
    """The columns of runs whose mean is the better the closer it is to 0."""
    return {name: column for name, column in columns_of(runs[0].measures).items() if column.signed}
