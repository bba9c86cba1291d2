"""Intersection over union and accuracy by class, of cases and pooled over them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.measures.overlap import by_structure
from lib.measures.segmentation import Segmentation, mean


def iou(segmentation: Segmentation) -> dict[str, float]:
    """Intersection over union of one structure, 1 if it is neither there nor predicted."""
    union = int((segmentation.prediction | segmentation.target).sum())
    return {"iou": int((segmentation.prediction & segmentation.target).sum()) / union if union else 1.0}


def of_run(rows: Sequence[Mapping[str, Any]], cases: Sequence[str]) -> dict[str, float]:
    """Numbers of a run, of all voxels of its cases together, from rows of overlap and of :func:`iou`.

    ``miou``, ``macc``: means over the structures that are there or predicted, and that are there, of intersection over
    union and of the share of the voxels found. ``miou_published``, ``macc_published``: over all structures, of which an
    absent one counts as 0, as the evaluators of SegLossBias (Liu et al.) have it. ``iou_pooled``: of all structures.
    NaN where there is nothing to take a mean of.
    """
    sums = [
        [sum(row[key] for row in of_one) for key in ("both", "present", "predicted")]
        for of_one in by_structure(rows).values()
    ]
    unions = [(both, present + predicted - both) for both, present, predicted in sums]
    ious = [both / union if union else np.nan for both, union in unions]
    found = [both / present if present else np.nan for both, present, _ in sums]
    both, union = (sum(counts) for counts in zip(*unions, strict=True)) if unions else (np.nan, np.nan)
    return {
        "miou": mean(ious),
        "macc": mean(found),
        "miou_published": mean(np.nan_to_num(ious)),
        "macc_published": mean(np.nan_to_num(found)),
        "iou_pooled": both / union if union else 1.0,
    }
