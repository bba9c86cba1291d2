"""Lesions as connected components: how many are found, and a record of each with what it meets.

The schema of the records is that of the ``prc_records.json`` files in the code release of Shirokikh et al. (MICCAI
2020, arXiv 2007.10033): components are cut once, at 0.5; a FROC threshold later acts on one score per component.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.errors import SeglossError
from lib.maps import connected_components, label_components
from lib.measures.segmentation import Segmentation


def lesions(segmentation: Segmentation) -> dict[str, float]:
    """Counts of connected components, over corners too (26 neighbours, 8 in 2D), and their F1.

    ``lesions`` of the target; ``lesions_found``: touched by one predicted voxel or more; ``components`` of the
    prediction; ``components_wrong``: touch no lesion. An empty mask has none. ``lesion_f1``: see :func:`f1`.
    """
    there, components = map(connected_components, (segmentation.target, segmentation.prediction))
    overlap = segmentation.prediction & segmentation.target
    count, found = int(components.max()), len(np.unique(there[overlap]))
    wrong = count - len(np.unique(components[overlap]))
    return {
        "lesions": int(there.max()),
        "lesions_found": found,
        "components": count,
        "components_wrong": wrong,
        "lesion_f1": f1(int(there.max()), found, wrong),
    }


def f1(there: int, found: int, wrong: int) -> float:
    """F1 of detection, as in ISLES 2022 (Hernandez Petzsche et al., Scientific Data 2022).

    Lesions found are true positives, the others false negatives, wrong components false positives. It is 1 where
    nothing is there or predicted.
    """
    return 2 * found / (there + found + wrong) if there + wrong else 1.0


def of_run(rows: Sequence[Mapping[str, Any]], cases: Sequence[str]) -> dict[str, float]:
    """Share of all lesions that a predicted voxel touches (NaN if there are none), and wrong components per case."""
    there, found, wrong = (sum(row[name] for row in rows) for name in ("lesions", "lesions_found", "components_wrong"))
    return {
        "lesion_recall": found / there if there else np.nan,
        "wrong_components": wrong / max(len(cases), 1),
    }


def lesion_records(target: np.ndarray, probability: np.ndarray, logit: np.ndarray) -> list[dict]:
    """One row per lesion (``tum_1``, ``tum_2``, ...), then one per predicted component (``pred_1``, ...).

    A component is 26-connected (8-connected in 2D) and exceeds 0.5 in ``target`` or ``probability``. A shared voxel is
    a hit; of several partners the one with the largest Dice counts, the first on a tie. A lesion takes the maximum,
    median and 95th percentile of the probability, and the maximum of the logit, from the whole component that hits it.

    Args:
        target: bool or integer mask, 2D or 3D.
        probability: same shape; rounded to float16 by the publication before the cut, which is the caller's.
        logit: same shape; averaged over windows by itself, hence not always the log odds of ``probability``.

    Returns:
        Rows with the keys ``lib.measures.records.COLUMNS``; diameters (voxels) of a ball of the same volume.

    Raises:
        SeglossError: the shapes differ or are neither 2D nor 3D.
    """
    if not target.shape == probability.shape == logit.shape or target.ndim not in (2, 3):
        found = f"target {target.shape}, probability {probability.shape}, logit {logit.shape}"
        raise SeglossError(f"{found}: expected three arrays of one 2D or 3D shape")
    lesion_map, n_lesions = _components(target)
    predicted_map, n_predicted = _components(probability)
    foreground = (lesion_map > 0) | (predicted_map > 0)
    lesion, predicted = lesion_map[foreground].astype(np.int64), predicted_map[foreground].astype(np.int64)
    lesion_volume = np.bincount(lesion, minlength=n_lesions + 1)
    predicted_volume = np.bincount(predicted, minlength=n_predicted + 1)
    (hit_by, hit_by_dice), (hits, hits_dice) = _partners(lesion, predicted, lesion_volume, predicted_volume)
    top, median, q95, top_logit = _scores(predicted, probability[foreground], logit[foreground], n_predicted)
    of_lesions = {
        "hit_dice": hit_by_dice,
        "hit_max": top[hit_by],
        "hit_median": median[hit_by],
        "hit_q95": q95[hit_by],
        "hit_logit": top_logit[hit_by],
        "hit_stat": top[hit_by],
        "hit_obj": _names("pred", hit_by),
        "self_stat": np.ones(n_lesions),
        "self_logit": np.full(n_lesions, np.inf),
    }
    of_predicted = {
        "hit_dice": hits_dice,
        **dict.fromkeys(("hit_max", "hit_median", "hit_q95"), (hits > 0).astype(float)),
        "hit_logit": np.where(hits > 0, np.inf, -np.inf),
        "hit_stat": (hits > 0).astype(float),
        "hit_obj": _names("tum", hits),
        "self_stat": top[1:],
        "self_logit": top_logit[1:],
    }
    return _rows("tum", lesion_volume[1:], of_lesions) + _rows("pred", predicted_volume[1:], of_predicted)


def _scores(
    predicted: np.ndarray, probability: np.ndarray, logit: np.ndarray, n_predicted: int
) -> tuple[np.ndarray, ...]:
    """Of each predicted component maximum, median and 95th percentile of the probability, and maximum of the logit.

    Entry 0 stands for no component.
    """
    inside = predicted > 0
    top, median, q95 = _quantiles(predicted[inside], probability[inside], (1, 0.5, 0.95))
    median = median.astype(probability.dtype).astype(float)  # as a median of float16 values is: float16 again
    top_logit = np.full(n_predicted + 1, -np.inf)
    np.maximum.at(top_logit, predicted[inside], logit[inside].astype(float))
    return top, median, q95, top_logit


def _partners(
    lesion: np.ndarray, predicted: np.ndarray, lesion_volume: np.ndarray, predicted_volume: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Best partner and its Dice of each lesion and of each predicted component, from their labels in each voxel."""
    n_lesions, n_predicted = len(lesion_volume) - 1, len(predicted_volume) - 1
    pair, shared = np.unique(lesion * (n_predicted + 1) + predicted, return_counts=True)
    of_lesion, of_predicted = np.divmod(pair, n_predicted + 1)
    meet = (of_lesion > 0) & (of_predicted > 0)
    of_lesion, of_predicted, shared = of_lesion[meet], of_predicted[meet], shared[meet]
    dice = 2 * shared / (lesion_volume[of_lesion] + predicted_volume[of_predicted])
    return (
        _best_partner(of_lesion, of_predicted, dice, n_lesions),
        _best_partner(of_predicted, of_lesion, dice, n_predicted),
    )


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    above = np.greater(mask, 0.5, order="C")  # labels are numbered in memory order
    return label_components(above, 8 if mask.ndim == 2 else 26)


def _best_partner(own: np.ndarray, other: np.ndarray, dice: np.ndarray, n_own: int) -> tuple[np.ndarray, np.ndarray]:
    """For components 1..n_own: the label of the partner with the largest Dice (0: none), and that Dice."""
    partner, best = np.zeros(n_own + 1, int), np.zeros(n_own + 1)
    order = np.lexsort((-other, dice))  # of several values assigned to one place the last one stays
    partner[own[order]], best[own[order]] = other[order], dice[order]
    return partner[1:], best[1:]


def _quantiles(label: np.ndarray, value: np.ndarray, levels: tuple[float, ...]) -> list[np.ndarray]:
    """Linearly interpolated quantiles of each component's values; entry 0, which no component has, is 0."""
    value = value.astype(float)
    ordered = value[np.lexsort((value, label))]
    volume = np.bincount(label)[1:]
    last = np.cumsum(volume) - 1
    quantiles = []
    for level in levels:
        position = last - (1 - level) * (volume - 1)
        below = np.floor(position).astype(int)
        step = ordered[np.minimum(below + 1, last)] - ordered[below]
        quantiles.append(np.append(0.0, ordered[below] + step * (position - below)))
    return quantiles


def _diameter(volume: np.ndarray) -> np.ndarray:
    return np.cbrt(6 * volume / np.pi)


def _names(kind: str, labels: np.ndarray | range) -> list[str]:
    return [f"{kind}_{label or None}" for label in labels]


def _rows(kind: str, volumes: np.ndarray, columns: Mapping[str, list | np.ndarray]) -> list[dict]:
    n = len(volumes)
    same = {"obj": _names(kind, range(1, n + 1)), "is_tum": [kind == "tum"] * n, "diameter": _diameter(volumes)}
    table = {**same, **columns}
    values = (column.tolist() if isinstance(column, np.ndarray) else column for column in table.values())
    return [dict(zip(table, row, strict=True)) for row in zip(*values, strict=True)]
