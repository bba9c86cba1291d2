"""Lesion-wise records of one case: every true lesion and every predicted component, and what each one meets.

The schema is that of the ``prc_records.json`` files in the code release of Shirokikh et al. (MICCAI 2020,
arXiv 2007.10033): components are cut once, at 0.5; a FROC threshold later acts on one score per component.
"""

import numpy as np

from lib.errors import SeglossError
from lib.maps import label_components


def lesion_records(target: np.ndarray, probability: np.ndarray, logit: np.ndarray) -> list[dict]:
    """One row per lesion (``tum_1``, ``tum_2``, ...), then one per predicted component (``pred_1``, ...).

    A component is 26-connected (8-connected in 2D) and exceeds 0.5 in ``target`` or ``probability``. One
    shared voxel is a hit; of several partners the one with the largest Dice counts, the first on a tie. A
    lesion takes the maximum, median and 95th percentile of the probability, and the maximum of the logit,
    from the whole component that hits it.

    Args:
        target: bool or integer mask, 2D or 3D.
        probability: same shape; rounded to float16 by the publication before the cut, which is the caller's.
        logit: same shape; averaged over windows by itself, hence not always the log odds of ``probability``.

    Returns:
        Rows with the keys ``lib.evaluation.records.COLUMNS``. Diameters are those of a ball of the same
        volume, in voxels. Without lesions and without predictions the list is empty.

    Raises:
        SeglossError: the shapes differ or are neither 2D nor 3D.
    """
    if not target.shape == probability.shape == logit.shape or target.ndim not in (2, 3):
        raise SeglossError(
            f"target {target.shape}, probability {probability.shape}, logit {logit.shape}: "
            "expected three arrays of one 2D or 3D shape"
        )
    lesion_map, n_lesions = _components(target)
    predicted_map, n_predicted = _components(probability)

    foreground = (lesion_map > 0) | (predicted_map > 0)
    lesion, predicted = lesion_map[foreground].astype(np.int64), predicted_map[foreground].astype(np.int64)
    lesion_volume = np.bincount(lesion, minlength=n_lesions + 1)
    predicted_volume = np.bincount(predicted, minlength=n_predicted + 1)

    pair, shared = np.unique(lesion * (n_predicted + 1) + predicted, return_counts=True)
    of_lesion, of_predicted = np.divmod(pair, n_predicted + 1)
    meet = (of_lesion > 0) & (of_predicted > 0)
    of_lesion, of_predicted, shared = of_lesion[meet], of_predicted[meet], shared[meet]
    dice = 2 * shared / (lesion_volume[of_lesion] + predicted_volume[of_predicted])
    hit_by, hit_by_dice = _best_partner(of_lesion, of_predicted, dice, n_lesions)
    hits, hits_dice = _best_partner(of_predicted, of_lesion, dice, n_predicted)

    inside = predicted > 0
    top, median, q95 = _quantiles(predicted[inside], probability[foreground][inside], (1, 0.5, 0.95))
    median = median.astype(probability.dtype).astype(float)  # as a median of float16 values is: float16 again
    # entry 0 stands for no partner, as in the quantiles
    top_logit = np.full(n_predicted + 1, -np.inf)
    np.maximum.at(top_logit, predicted[inside], logit[foreground][inside].astype(float))

    return _rows(
        obj=_names("tum", range(1, n_lesions + 1)),
        is_tum=[True] * n_lesions,
        diameter=_diameter(lesion_volume[1:]),
        hit_dice=hit_by_dice,
        hit_max=top[hit_by],
        hit_median=median[hit_by],
        hit_q95=q95[hit_by],
        hit_logit=top_logit[hit_by],
        hit_stat=top[hit_by],
        hit_obj=_names("pred", hit_by),
        self_stat=np.ones(n_lesions),
        self_logit=np.full(n_lesions, np.inf),
    ) + _rows(
        obj=_names("pred", range(1, n_predicted + 1)),
        is_tum=[False] * n_predicted,
        diameter=_diameter(predicted_volume[1:]),
        hit_dice=hits_dice,
        hit_max=(hits > 0).astype(float),
        hit_median=(hits > 0).astype(float),
        hit_q95=(hits > 0).astype(float),
        hit_logit=np.where(hits > 0, np.inf, -np.inf),
        hit_stat=(hits > 0).astype(float),
        hit_obj=_names("tum", hits),
        self_stat=top[1:],
        self_logit=top_logit[1:],
    )


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    above = np.greater(mask, 0.5, order="C")  # labels are numbered in memory order
    return label_components(above, 8 if mask.ndim == 2 else 26)


def _best_partner(
    own: np.ndarray, other: np.ndarray, dice: np.ndarray, n_own: int
) -> tuple[np.ndarray, np.ndarray]:
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


def _rows(**columns: list | np.ndarray) -> list[dict]:
    values = (column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
