"""What a segmentation is worth besides its voxel-wise overlap: distances of surfaces, slices, lesions found.

Masks are bool arrays (*spatial) of one shape, in 2D or 3D, spacings and distances in mm; anything else raises
``SeglossError``. ``lib.evaluation.agreement`` computes the same numbers by another library.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from edt import edt
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

from lib.errors import SeglossError
from lib.evaluation.overlap import CLASSES, MASKS, check_arrays, dice
from lib.labels import Labels
from lib.maps import connected_components

DISTANCES = ("hd", "hd95", "hd95_directed", "assd")
ROUNDING = 1e-5  # relative; the distance transform adds up the spacing in float32, voxel by voxel


def surface(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask with a face neighbour outside of it: bool (*spatial), as MedPy 0.5.2 has it.

    Beyond the border of the array is background. The surface of an empty mask is empty.
    """
    check_arrays("surface", MASKS, mask)
    return mask & ~ndimage.binary_erosion(mask)


def surface_distances(
    prediction: np.ndarray, target: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm of each surface voxel to the nearest one of the other mask's surface, between centres.

    Returns:
        float32, exact to ``ROUNDING``: those of the prediction's surface voxels (P,), in the order of
        ``np.nonzero``, then those of the target's (T,).

    Raises:
        SeglossError: a mask is empty.
    """
    _check("surface distances", prediction, target, spacing)
    if not (prediction.any() and target.any()):
        raise SeglossError("surface distances: expected two masks of one voxel or more, found an empty one")
    box = ndimage.find_objects((prediction | target).astype(np.uint8))[0]  # holds both surfaces: still exact
    of_prediction, of_target = surface(prediction[box]), surface(target[box])
    to_prediction, to_target = (
        edt(~other, anisotropy=tuple(spacing)) for other in (of_prediction, of_target)
    )
    return to_target[of_prediction], to_prediction[of_target]


def surface_measures(
    prediction: np.ndarray, target: np.ndarray, spacing: Sequence[float], tolerance: float
) -> dict[str, float]:
    """Distances in mm between two surfaces, and the share of them that agrees.

    ``hd`` (Hausdorff): the largest distance of both directions. ``hd95``: the 95th percentile of the distances
    of both directions taken together, as MedPy 0.5.2 and with it the boundary loss's code. ``hd95_directed``:
    the larger of the two directions' 95th percentiles, as MONAI and Metrics Reloaded. ``assd`` (average
    symmetric surface distance): the mean of the distances of both directions taken together. ``nsd``
    (normalised surface Dice): the share of the voxels of both surfaces that lie within ``tolerance`` mm of the
    other, as MONAI counts.

    If both masks are empty the distances are 0 and ``nsd`` is 1. If exactly one is, the distances are the
    diagonal of the image, sqrt(sum((spacing * shape)^2)), and ``nsd`` is 0. That is the penalty that the
    boundary loss's publication states for an empty prediction; for an empty target its code left 0.
    """
    _check("surface measures", prediction, target, spacing)
    if not (prediction.any() and target.any()):
        both_empty = not (prediction.any() or target.any())
        penalty = 0.0 if both_empty else float(np.linalg.norm(np.multiply(spacing, target.shape)))
        return {**dict.fromkeys(DISTANCES, penalty), "nsd": float(both_empty)}
    directed = [d.astype(float) for d in surface_distances(prediction, target, spacing)]
    pooled = np.concatenate(directed)
    return {
        "hd": float(pooled.max()),
        "hd95": float(np.percentile(pooled, 95)),
        "hd95_directed": float(max(np.percentile(distances, 95) for distances in directed)),
        "assd": float(pooled.mean()),
        "nsd": float(np.mean(pooled <= tolerance * (1 + ROUNDING))),
    }


def dice_of_slices(prediction: np.ndarray, target: np.ndarray) -> float:
    """Mean Dice of the slices (last axis; a 2D image is one slice); 1 for each slice where both are empty.

    The validation Dice of the boundary loss's code, which counts every slice without lesions as 1 or 0.
    """
    check_arrays("Dice of slices", MASKS, prediction, target)
    return float(np.mean([dice(*pair) for pair in _slices(prediction, target)]))


def row_hausdorff(prediction: np.ndarray, target: np.ndarray) -> float:
    """What the code of the boundary loss's MIDL paper (2018) calls Hausdorff distance; mean of the slices.

    It is none: each row of a slice (first axis) is taken as one point, with a 0 or 1 in each column as its
    coordinates. The number is the largest Euclidean distance of a row of the prediction to the nearest row of
    the target, at whatever height that lies: the root of a number of columns, without a unit. The release takes
    the background; the differences of the rows are the same. Slices are those of the last axis; one where
    both masks are empty has 0. No other rule for empty masks is needed.
    """
    check_arrays("Hausdorff distance of rows", MASKS, prediction, target)
    return float(np.mean([_farthest_row(*pair) for pair in _slices(prediction, target)]))


def lesion_detection(prediction: np.ndarray, target: np.ndarray) -> dict[str, int]:
    """Counts of connected components, over corners too (26 neighbours, 8 in 2D).

    ``lesions`` of the target; ``lesions_found``: touched by one predicted voxel or more; ``components`` of the
    prediction; ``components_wrong``: touch no lesion. An empty mask has none.
    """
    check_arrays("lesion detection", MASKS, prediction, target)
    lesions, components = connected_components(target), connected_components(prediction)
    overlap = prediction & target
    count = int(components.max())
    return {
        "lesions": int(lesions.max()),
        "lesions_found": len(np.unique(lesions[overlap])),
        "components": count,
        "components_wrong": count - len(np.unique(components[overlap])),
    }


def structure_masks(
    prediction: np.ndarray, label: np.ndarray, labels: Labels, structure: str
) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and target of a structure as masks; voxels that are not annotated belong to neither.

    Both are labels, integer (*spatial) or, multi-label, (classes, *spatial).
    """
    check_arrays("prediction and label", CLASSES, prediction, label)
    return (
        labels.mask(prediction, structure) & labels.annotated(label, structure),
        labels.mask(label, structure),
    )


def surface_rows(
    case: str,
    prediction: np.ndarray,
    label: np.ndarray,
    spacing: Sequence[float],
    labels: Labels,
    tolerance: float,
) -> list[dict[str, Any]]:
    """One row of all measures for each structure of a case.

    Args:
        prediction: the predicted label, integer (*spatial) or, multi-label, (classes, *spatial).
        label: the true one, same shape. Where it is ``IGNORED`` neither mask has a voxel, so that its edge
            may become surface and may part a component.
        tolerance: of ``nsd``, in mm.

    Returns:
        Rows ``case``, ``structure``, ``present`` and ``predicted`` (voxels of target and prediction), ``dice``
        (of the volume, 1 if both are empty), ``dice_slices``, ``slices_without`` (share of slices without the
        structure, which is the ``dice_slices`` of an empty prediction), the keys of :func:`surface_measures`,
        ``row_hausdorff``, the keys of :func:`lesion_detection`.

    Raises:
        SeglossError: these are no classes, the shapes differ, or the spacing is not one positive length per axis.
    """
    check_arrays(f"{case}: prediction and label", CLASSES, prediction, label)
    _check_spacing(case, spacing, label.ndim - (not labels.exclusive))
    rows = []
    for structure in labels.structures:
        predicted, present = structure_masks(prediction, label, labels, structure)
        rows.append(
            {
                "case": case,
                "structure": structure,
                "present": int(np.count_nonzero(present)),
                "predicted": int(np.count_nonzero(predicted)),
                "dice": float(dice(predicted, present)),
                "dice_slices": dice_of_slices(predicted, present),
                "slices_without": dice_of_slices(np.zeros_like(present), present),
                **surface_measures(predicted, present, spacing, tolerance),
                "row_hausdorff": row_hausdorff(predicted, present),
                **lesion_detection(predicted, present),
            }
        )
    return rows


def _check(where: str, prediction: np.ndarray, target: np.ndarray, spacing: Sequence[float]) -> None:
    check_arrays(where, MASKS, prediction, target)
    _check_spacing(where, spacing, target.ndim)


def _check_spacing(where: str, spacing: Sequence[float], axes: int) -> None:
    lengths = np.asarray(spacing, dtype=float)
    if lengths.shape != (axes,) or not (np.isfinite(lengths) & (lengths > 0)).all():
        expected = f"a spacing of {axes} positive lengths, mm along each axis"
        raise SeglossError(f"{where}: expected {expected}, found {lengths.tolist()}")


def _slices(*masks: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The masks' slices along the last axis, together; of 2D masks, the masks."""
    if masks[0].ndim == 2:
        return iter([masks])
    return zip(*(np.moveaxis(mask, -1, 0) for mask in masks), strict=True)


def _farthest_row(prediction: np.ndarray, target: np.ndarray) -> float:
    used = (prediction | target).any(axis=0)  # the other columns are 0 everywhere: no part of any distance
    return directed_hausdorff(prediction[:, used], target[:, used])[0] if used.any() else 0.0
