"""The outcome of a study of lesions as tables: one row per run, one row per loss, recall by lesion size."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lib.comparison.runs import KEYS, EvaluatedRun, run_status
from lib.evaluation.froc import (
    CORRECTED,
    count_by_case,
    froc_numbers,
    full_curve,
    recall_by_size,
    small_objects,
)
from lib.evaluation.records import Records, read_records

COLLAPSED_BELOW = 0.5  # of the Dice that bright blobs alone give
SAME_FOR_ALL_SEEDS = ("test_cases", "lesions", "reference_dice", "masks_dice")


@dataclass(frozen=True)
class LesionRun(EvaluatedRun):
    """A run whose lesions are grouped by size."""

    small_diameter: float | None
    size_bins: Sequence[float]

    def records(self, objects: str = "all") -> Records:
        """Records of ``all`` or ``small`` objects cut at probability 0.5, or of all cut at the ``tuned`` logit."""
        if objects == "tuned":
            return read_records(self.folder / "records_tuned.json")
        records = read_records(self.folder / "records.json")
        return records if objects == "all" else small_objects(records, self.small_limit)

    @cached_property
    def small_limit(self) -> float:
        """Diameter in voxels below which a lesion is small: the study's, or else the median of the test lesions."""
        if self.small_diameter is not None:
            return self.small_diameter
        table = self.records().table
        return float(table.loc[table["is_tum"], "diameter"].median())


def run_row(run: LesionRun, reference: float) -> dict[str, Any]:
    """All numbers of one run.

    ``avg_recall`` and ``luna_metric`` are counted on all test cases (corrected denominators);
    ``avg_recall_published`` is the mean over subsamples with the publication's denominators.
    ``avg_recall_case_sd`` is the spread over subsamples of cases. These, ``recall`` and ``fp_per_case`` are
    those of the components cut at probability 0.5, ``..._tuned`` of those cut at the logit tuned on validation
    cases. Dice is the mean over the test cases with lesions.

    Args:
        reference: Dice of the band-pass threshold. A run with less tuned Dice than half of it has ``collapsed``,
            one that is not above it is ``below reference``; by tuned Dice and components it is ``poor`` or ``learnt``
            (:func:`lib.comparison.runs.run_status`).
    """
    records, tuned = run.records(), run.records("tuned")
    dice = pd.read_csv(run.folder / "dice.csv").query("has_lesions")
    dice_tuned = float(dice["dice_tuned"].mean())
    numbers = froc_numbers(records)
    recall, wrong = _operating_point(records)
    recall_tuned, wrong_tuned = _operating_point(tuned)
    row = {
        **run.keys,
        "status": run_status(
            dice_tuned,
            collapsed=dice_tuned < COLLAPSED_BELOW * reference,
            below_reference=not dice_tuned > reference,
            wrong_components=wrong_tuned,
            true_components=numbers["lesions"],
        ),
        "test_cases": len(records.cases),
        "lesions": numbers["lesions"],
        "avg_recall_tuned": full_curve(count_by_case(tuned, CORRECTED)).average_recall().item(),
        "recall_tuned": recall_tuned,
        "fp_per_case_tuned": wrong_tuned / len(tuned.cases),
        "dice_tuned": dice_tuned,
        "tuned_logit": dice["tuned_logit"].iloc[0],
        "reference_dice": reference,
        "masks_dice": run.masks_dice(),
        "avg_recall": numbers["avg_recall_full_data_all_cases"],
        "avg_recall_case_sd": numbers["corrected_avg_recall_std"],
        "avg_recall_published": numbers["avg_recall_mean"],
        "luna_metric": numbers["luna_metric_full_data_all_cases"],
        "recall": recall,
        "fp_per_case": wrong / len(records.cases),
        "object_dice": numbers["object_dice_mean"],
        "dice_05": dice["dice_05"].mean(),
    }
    curve = full_curve(count_by_case(run.records("small"), CORRECTED))
    row["avg_recall_small"] = curve.average_recall().item()
    row["recall_small"] = curve.recall.max()
    return row


def _operating_point(records: Records) -> tuple[float, int]:
    """Recall of lesions and number of false positives of the components as they were cut."""
    table = records.table
    hit = table["hit_dice"] > 0
    lesions = table["is_tum"].sum()
    found = (table["is_tum"] & hit).sum() / lesions if lesions else np.nan
    return float(found), int((~table["is_tum"] & ~hit).sum())


def size_table(runs: Sequence[LesionRun]) -> pd.DataFrame:
    """Recall by lesion diameter (voxels) of every run, components cut at probability 0.5."""
    tables = []
    for run in runs:
        edges = [*run.size_bins, np.inf]
        tables.append(recall_by_size(run.records().table, edges).assign(**run.keys))
    return pd.concat(tables)[[*KEYS, "seed", "diameter_from", "diameter_to", "lesions", "found", "recall"]]
