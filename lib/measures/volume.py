"""Size of a structure against that of its prediction."""

import math

import numpy as np

from lib.measures.segmentation import Segmentation


def volume(segmentation: Segmentation) -> dict[str, float]:
    """Predicted minus true size, in mm³ (mm² in 2D) and relative to the true one; the latter NaN without structure."""
    true = np.count_nonzero(segmentation.target)
    difference = np.count_nonzero(segmentation.prediction) - true
    relative = difference / true if true else math.nan
    return {
        "volume_difference": float(difference * math.prod(segmentation.spacing)),
        "volume_error": relative,
        "volume_error_abs": abs(relative),
    }
