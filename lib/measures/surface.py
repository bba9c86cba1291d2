"""Distances between the surfaces of two masks, in mm. `lib.measures.crosscheck` has them from another library."""

import numpy as np
from edt import edt
from scipy import ndimage

from lib.errors import SeglossError
from lib.measures.arrays import MASKS, check_arrays
from lib.measures.segmentation import Segmentation

DISTANCES = ("hd", "hd95", "hd95_directed", "assd")
ROUNDING = 1e-5  # relative; the distance transform adds up the spacing in float32, voxel by voxel


def surface(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask with a face neighbour outside of it: bool (*spatial), as MedPy 0.5.2 has it.

    Beyond the border of the array is background. The surface of an empty mask is empty.
    """
    check_arrays("surface", MASKS, mask)
    return mask & ~ndimage.binary_erosion(mask)


def surface_distances(segmentation: Segmentation) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm of each surface voxel to the nearest one of the other mask's surface, between centres.

    Returns:
        float32, exact to ``ROUNDING``: those of the prediction's surface voxels (P,), in the order of
        ``np.nonzero``, then those of the target's (T,).

    Raises:
        SeglossError: a mask is empty.
    """
    prediction, target = segmentation.prediction, segmentation.target
    if not (prediction.any() and target.any()):
        raise SeglossError("surface distances: expected two masks of one voxel or more, found an empty one")
    box = ndimage.find_objects((prediction | target).astype(np.uint8))[0]  # holds both surfaces: still exact
    of_prediction, of_target = surface(prediction[box]), surface(target[box])
    to_prediction, to_target = (
        edt(~other, anisotropy=tuple(segmentation.spacing)) for other in (of_prediction, of_target)
    )
    return to_target[of_prediction], to_prediction[of_target]


def surface_measures(segmentation: Segmentation, tolerance: float) -> dict[str, float]:
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
    prediction, target = segmentation.prediction, segmentation.target
    if not (prediction.any() and target.any()):
        both_empty = not (prediction.any() or target.any())
        penalty = 0.0 if both_empty else float(np.linalg.norm(np.multiply(segmentation.spacing, target.shape)))
        return {**dict.fromkeys(DISTANCES, penalty), "nsd": float(both_empty)}
    directed = [d.astype(float) for d in surface_distances(segmentation)]
    pooled = np.concatenate(directed)
    return {
        "hd": float(pooled.max()),
        "hd95": float(np.percentile(pooled, 95)),
        "hd95_directed": float(max(np.percentile(distances, 95) for distances in directed)),
        "assd": float(pooled.mean()),
        "nsd": float(np.mean(pooled <= tolerance * (1 + ROUNDING))),
    }
