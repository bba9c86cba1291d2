"""Intersection over union and accuracy by class, of cases and pooled over them."""

from collections.abc import Mapping, Sequence
from typing import Any

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
    """
    sums = [
        [sum(row[key] for row in of_one) for key in ("both", "present", "predicted")]
        for of_one in by_structure(rows).values()
    ]
    unions = [(both, present + predicted - both) for both, present, predicted in sums]
    ious = [both / union for both, union in unions if union]
    found = [both / present for both, present, _ in sums if present]
    total = sum(union for _, union in unions)
    return {
        "miou": mean(ious),
        "macc": mean(found),
        "miou_published": sum(ious) / len(sums),
        "macc_published": sum(found) / len(sums),
        "iou_pooled": sum(both for both, _ in unions) / total if total else 1.0,
    }
