"""Voxel-wise overlap: Dice at fixed and at tuned thresholds, of cases and pooled over them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.errors import SeglossError
from lib.labels import IGNORED

MASKS, CLASSES, VALUES = "b", "biu", "biuf"
"""Kinds of dtypes."""
_KINDS = {
    MASKS: "bool masks (`label == class`, or `label > 0`)",
    CLASSES: "a class per voxel as integers",
    VALUES: "numbers",
}

MEASURED = {
    **dict.fromkeys(("lesions", "overlap"), ("dice_pooled", "dice")),
    "surface": ("dice", "dice_slices", "hd95"),
}
"""By the metrics of the study, what a training may measure of cases: Dice of all voxels together, its mean over cases,
its mean over cases and slices; the distance between surfaces in mm. Of several structures the mean."""
LOGIT_THRESHOLDS = np.arange(-40, 81) / 4
"""Candidates for a tuned threshold: -10 to 20 by quarters; weighted losses shift logits upwards."""


def check_arrays(where: str, kind: str, *arrays: np.ndarray) -> None:
    """Check that all are arrays of a kind and of one shape.

    Labels in the place of masks, or shapes that broadcast, would give wrong numbers without a word.

    Raises:
        SeglossError: they are not; ``where`` begins the message.
    """
    fits = all(isinstance(array, np.ndarray) and array.dtype.kind in kind for array in arrays)
    if not fits or len({array.shape for array in arrays}) > 1:
        found = " and ".join(map(_dtype_and_shape, arrays))
        raise SeglossError(f"{where}: expected {_KINDS[kind]}, NumPy arrays of one shape, found {found}")


def _dtype_and_shape(array: Any) -> str:
    return f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else repr(type(array))


def dice(prediction: np.ndarray, target: np.ndarray) -> float:
    """Dice of two bool masks of one shape; 1 if both are empty.

    Raises:
        SeglossError: they are something else.
    """
    check_arrays("dice", MASKS, prediction, target)
    size = np.count_nonzero(prediction) + np.count_nonzero(target)
    return 2 * np.count_nonzero(prediction & target) / size if size else 1.0


def overlap_row(case: str, logit: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """Annotated voxels of a case, those of its mask, of the prediction (logit above 0) and of both; their Dice.

    Raises:
        SeglossError: the shapes differ.
    """
    check_arrays(case, VALUES, logit, label)
    annotated = label != IGNORED
    predicted, present = (logit > 0) & annotated, (label > 0) & annotated
    return {
        "case": case,
        "voxels": int(np.count_nonzero(annotated)),
        "present": int(np.count_nonzero(present)),
        "predicted": int(np.count_nonzero(predicted)),
        "both": int(np.count_nonzero(predicted & present)),
        "dice": float(dice(predicted, present)),
    }


def pooled_dice(rows: Sequence[Mapping[str, Any]]) -> float:
    """Dice of all voxels of all cases taken together, as T-Loss's code counts; 1 if nothing is there or predicted."""
    both, present, predicted = (sum(row[key] for row in rows) for key in ("both", "present", "predicted"))
    return 2 * both / (present + predicted) if present + predicted else 1.0


def dice_by_threshold(
    score: np.ndarray, target: np.ndarray, thresholds: np.ndarray = LOGIT_THRESHOLDS
) -> np.ndarray:
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
    mean = np.mean(
        [dice_by_threshold(s, t, thresholds) for s, t in zip(scores, targets, strict=True)], axis=0
    )
    return float(thresholds[mean.argmax()])
