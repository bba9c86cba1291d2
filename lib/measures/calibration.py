"""Whether probabilities are shares: of the voxels with a probability of 0.8, 80 % should belong to the structure.

Each structure is a question of its own, yes or no for each annotated voxel, as Metrics Reloaded counts by class.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.measures.segmentation import Segmentation


def calibration(segmentation: Segmentation, bins: int) -> dict[str, float]:
    """Calibration errors and Brier score of the voxels of a case.

    ``ece`` (expected calibration error, Guo et al. 2017): mean distance of probability and share over bins of equal
    width, weighted by their voxels. ``ace`` (adaptive, Nixon et al. 2019): the same over bins of equal size, so that
    the many voxels that are surely background fill no more than theirs. ``brier``: mean squared distance of
    probability and truth. NaN where no voxel is annotated.
    """
    probability, truth = _voxels(segmentation)
    if not probability.size:
        return dict.fromkeys(("ece", "ace", "brier"), np.nan)
    values, place, n = np.unique(probability, return_inverse=True, return_counts=True)
    share = np.bincount(place, truth) / n  # of equal probabilities the mean, as they have no order
    equal_size = np.array_split(np.repeat(values - share, n), bins)
    return {
        "ece": _error(_bins(probability, truth, bins)),
        "ace": float(np.mean([abs(part.mean()) for part in equal_size if part.size])),
        "brier": float(np.mean((probability - truth) ** 2)),
    }


def reliability(segmentation: Segmentation, bins: int) -> list[dict[str, Any]]:
    """A row for each bin of equal width that has a voxel: its edges, voxels, and sums of probability and truth."""
    return _bins(*_voxels(segmentation), bins)


def of_run(rows: Sequence[Mapping[str, Any]], cases: Sequence[str], bins: int) -> dict[str, float]:
    """``ece_pooled``: calibration error of all voxels of all rows taken together."""
    pooled: dict[float, dict[str, float]] = {}
    for row in rows:
        into = pooled.setdefault(row["probability_from"], dict.fromkeys(_SUMS, 0))
        for name in _SUMS:
            into[name] += row[name]
    return {"ece_pooled": _error([*pooled.values()]) if pooled else np.nan}


_SUMS = ("voxels", "sum_of_probability", "sum_of_truth")


def _voxels(segmentation: Segmentation) -> tuple[np.ndarray, np.ndarray]:
    """Probability and truth of the annotated voxels."""
    inside = ... if segmentation.annotated is None else segmentation.annotated
    return segmentation.probability[inside].ravel().astype(float), segmentation.target[inside].ravel()


def _bins(probability: np.ndarray, truth: np.ndarray, bins: int) -> list[dict[str, float]]:
    place = np.minimum((probability * bins).astype(int), bins - 1)
    sums = [np.bincount(place, weights, bins) for weights in (None, probability, truth)]
    return [
        {"probability_from": number / bins, "probability_to": (number + 1) / bins}
        | {name: part[number].item() for name, part in zip(_SUMS, sums, strict=True)}
        for number in np.flatnonzero(sums[0]).tolist()
    ]


def _error(bins: Sequence[Mapping[str, float]]) -> float:
    apart = sum(abs(part["sum_of_probability"] - part["sum_of_truth"]) for part in bins)
    return float(apart / sum(part["voxels"] for part in bins))
