"""What the boundary loss's publication reports: means over slices, and a distance that is none."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import directed_hausdorff

from lib.measures.arrays import MASKS, check_arrays
from lib.measures.overlap import dice
from lib.measures.segmentation import Segmentation


def slices(segmentation: Segmentation) -> dict[str, float]:
    """Dice of the slices (last axis), mean; what marking nothing would get; and a distance that is none.

    A slice where neither mask has a voxel counts 1. ``row_hausdorff`` takes each row of a slice for a point, with a 0
    or 1 in each column as its coordinates, as the publication's code of 2018 did.
    """
    prediction, target = segmentation.prediction, segmentation.target
    return {
        "dice_slices": dice_of_slices(prediction, target),
        "dice_slices_if_empty": dice_of_slices(np.zeros_like(target), target),
        "row_hausdorff": row_hausdorff(prediction, target),
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


def _slices(*masks: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The masks' slices along the last axis, together; of 2D masks, the masks."""
    if masks[0].ndim == 2:
        return iter([masks])
    return zip(*(np.moveaxis(mask, -1, 0) for mask in masks), strict=True)


def _farthest_row(prediction: np.ndarray, target: np.ndarray) -> float:
    used = (prediction | target).any(axis=0)  # the other columns are 0 everywhere: no part of any distance
    return directed_hausdorff(prediction[:, used], target[:, used])[0] if used.any() else 0.0
