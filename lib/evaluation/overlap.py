"""Voxel-wise overlap: Dice at fixed and at tuned thresholds."""

from collections.abc import Sequence

import numpy as np

LOGIT_THRESHOLDS = np.arange(-40, 81) / 4
"""Candidates for a tuned threshold: -10 to 20 by quarters; weighted losses shift logits upwards."""


def dice(prediction: np.ndarray, target: np.ndarray) -> float:
    """Dice of two masks; 1 if both are empty."""
    size = np.count_nonzero(prediction) + np.count_nonzero(target)
    return 2 * np.count_nonzero(prediction & target) / size if size else 1.0


def dice_by_threshold(
    score: np.ndarray, target: np.ndarray, thresholds: np.ndarray = LOGIT_THRESHOLDS
) -> np.ndarray:
    """Dice of ``score > t`` against the mask ``target`` for each of the ascending ``thresholds``."""
    bins = np.searchsorted(thresholds, score.ravel(), side="left")  # number of thresholds below the score
    inside = target.ravel() > 0

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
