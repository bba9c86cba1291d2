"""Voxel-wise overlap: Dice at fixed and at tuned thresholds, of cases and pooled over them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.measures.arrays import MASKS, VALUES, check_arrays
from lib.measures.segmentation import Segmentation, mean

Rows = Sequence[Mapping[str, Any]]
LOGIT_THRESHOLDS = np.arange(-40, 81) / 4
"""Candidates for a tuned threshold: -10 to 20 by quarters; weighted losses shift logits upwards."""


def dice(prediction: np.ndarray, target: np.ndarray) -> float:
    """Dice of two bool masks of one shape; 1 if both are empty.

    Raises:
        SeglossError: they are something else.
    """
    check_arrays("dice", MASKS, prediction, target)
    size = np.count_nonzero(prediction) + np.count_nonzero(target)
    return 2 * np.count_nonzero(prediction & target) / size if size else 1.0


def overlap(segmentation: Segmentation) -> dict[str, float]:
    """Annotated voxels, those of the structure, of the prediction and of both; their Dice, 1 if neither has any.

    ``dice_present`` is NaN where the structure is not there.
    """
    prediction, target = segmentation.prediction, segmentation.target
    present, value = int(np.count_nonzero(target)), float(dice(prediction, target))
    return {
        "voxels": segmentation.voxels,
        "present": present,
        "predicted": int(np.count_nonzero(prediction)),
        "both": int(np.count_nonzero(prediction & target)),
        "dice": value,
        "dice_present": value if present else np.nan,
    }


def of_run(rows: Rows, cases: Sequence[str]) -> dict[str, float]:
    """Numbers of a run from rows of :func:`overlap`.

    ``dice_pooled``: of all voxels together, mean over the structures. ``dice_if_empty``, ``dice_if_full``: mean Dice of
    marking nothing and of marking everything. ``empty_predictions``: how often a structure that is there was not
    predicted at all.
    """
    there = [row for row in rows if row["present"]]
    return {
        "dice_pooled": mean([pooled_dice(group) for group in by_structure(rows).values()]),
        "dice_if_empty": mean([float(row["present"] == 0) for row in rows]),
        "dice_if_full": mean([2 * row["present"] / max(row["voxels"] + row["present"], 1) for row in rows]),
        "empty_predictions": sum(row["predicted"] == 0 for row in there),
    }


def by_structure(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each structure."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row.get("structure", ""), []).append(row)
    return groups


def pooled_dice(rows: Rows) -> float:
    """Dice of all voxels of all rows taken together, as T-Loss's code counts; 1 if nothing is there or predicted."""
    both, present, predicted = (sum(row[key] for row in rows) for key in ("both", "present", "predicted"))
    return 2 * both / (present + predicted) if present + predicted else 1.0


def dice_by_threshold(score: np.ndarray, target: np.ndarray, thresholds: np.ndarray = LOGIT_THRESHOLDS) -> np.ndarray:
    """Dice of ``score > t`` against the bool mask ``target`` for each of the ascending ``thresholds``.

    Raises:
        SeglossError: the target is no mask, or of another shape than the score.
    """
    check_arrays("target", MASKS, target)
    check_arrays("score and target", VALUES, score, target)
    bins = np.searchsorted(thresholds, score.ravel(), side="left")  # number of thresholds below the score
    inside = target.ravel()

    def above(rank: np.ndarray) -> np.ndarray:
        return np.bincount(rank, minlength=len(thresholds) + 1)[:0:-1].cumsum()[::-1]

    size = above(bins) + np.count_nonzero(inside)
    return np.where(size > 0, 2 * above(bins[inside]) / np.maximum(size, 1), 1.0)


def tuned_threshold(
    scores: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    thresholds: np.ndarray = LOGIT_THRESHOLDS,
) -> float:
    """The threshold with the largest mean Dice over the cases; the lowest of equals."""
    means = np.mean([dice_by_threshold(s, t, thresholds) for s, t in zip(scores, targets, strict=True)], axis=0)
    return float(thresholds[means.argmax()])
