"""The measures of surfaces and overlap by MONAI, an independent implementation, and where they differ."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.measures.segmentation import Segmentation

log = logging.getLogger(__name__)
ALLOWED = 1e-3  # relative to the value, or absolute below 1
COUNTERPART = {
    "dice": "dice",
    "hd": "hd",
    "hd95": "hd95_directed",  # MONAI has no percentile of both directions together
    "hd95_directed": "hd95_directed",
    "assd": "assd",
    "nsd": "nsd",
}
"""Measure -> the one of :func:`library_measures` that is held against it."""


def library_measures(segmentation: Segmentation, tolerance: float) -> dict[str, float]:
    """``dice``, ``hd``, ``hd95_directed``, ``assd`` (mm) and ``nsd`` of two masks, neither empty.

    MONAI finds distances by a search tree of the surface voxels, not by a distance transform.
    """
    import torch  # slow, as is the next
    from monai import metrics

    masks = [
        torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (segmentation.prediction, segmentation.target)
    ]
    in_mm = {"include_background": True, "spacing": [float(step) for step in segmentation.spacing]}
    values = {
        "dice": metrics.compute_dice(*masks, include_background=True),
        "hd": metrics.compute_hausdorff_distance(*masks, percentile=None, **in_mm),
        "hd95_directed": metrics.compute_hausdorff_distance(*masks, percentile=95, **in_mm),
        "assd": metrics.compute_average_surface_distance(*masks, symmetric=True, **in_mm),
        "nsd": metrics.compute_surface_dice(*masks, class_thresholds=[tolerance], **in_mm),
    }
    return {measure: value.item() for measure, value in values.items()}


def disagreement(ours: Mapping[str, Any], segmentation: Segmentation, tolerance: float) -> list[dict[str, Any]]:
    """One row for each measure of ``ours``, a row of `cases.csv`, against MONAI's.

    ``hd95`` is held against MONAI's, which is of another definition (the larger of both directions, thus ours
    ``hd95_directed``): it may well be above the tolerance, and how far is worth knowing.

    Returns:
        Rows ``measure``, ``segloss``, ``monai``, ``difference`` (the former minus the latter), ``above_tolerance`` (it
        exceeds ``ALLOWED``). None if a mask is empty: MONAI has no penalty.
    """
    if not (segmentation.prediction.any() and segmentation.target.any()):
        return []
    library = library_measures(segmentation, tolerance)
    rows = []
    for measure, counterpart in COUNTERPART.items():
        value, other = ours[measure], library[counterpart]
        rows.append(
            {
                "measure": measure,
                "segloss": value,
                "monai": other,
                "difference": value - other,
                "above_tolerance": not abs(value - other) <= ALLOWED * max(1, abs(value)),
            }
        )
    return rows


def report(agreement: pd.DataFrame) -> None:
    """Log for each measure how often and by how much the two implementations differ."""
    if agreement.empty:
        log.warning("no structure is both there and predicted: no measure could be held against MONAI's")
        return
    for measure, rows in agreement.groupby("measure", sort=False):
        above = int(rows["above_tolerance"].sum())
        why = "; MONAI's is of another definition" if COUNTERPART[measure] != measure else ""
        level = logging.WARNING if above and not why else logging.INFO
        largest = rows["difference"].abs().max()
        log.log(level, "%s: %d of %d differ, by at most %.3g%s", measure, above, len(rows), largest, why)
