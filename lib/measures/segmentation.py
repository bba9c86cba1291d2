"""A structure of a case with its prediction: what every measure gets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.errors import SeglossError
from lib.measures.arrays import MASKS, check_arrays


@dataclass(frozen=True)
class Segmentation:
    """True and predicted mask of one structure.

    Attributes:
        target, prediction: bool (*spatial), 2D or 3D; neither has voxels that are not annotated.
        spacing: length of a voxel along each axis, mm.
        annotated: bool (*spatial); None where all are.
        probability: of the structure, (*spatial); None where no measure reads it.
        logit: of the structure, relative to the threshold, (*spatial); None where no measure reads it.
        score: what the prediction was cut from at 0.5, (*spatial); None where that was another value.

    Raises:
        SeglossError: the masks are no masks or differ in shape, or the spacing is not one positive length per axis.
    """

    target: np.ndarray
    prediction: np.ndarray
    spacing: Sequence[float]
    annotated: np.ndarray | None = None
    probability: np.ndarray | None = None
    logit: np.ndarray | None = None
    score: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_arrays("prediction and target", MASKS, self.prediction, self.target)
        lengths = np.asarray(self.spacing, dtype=float)
        axes = self.target.ndim
        if lengths.shape != (axes,) or not (np.isfinite(lengths) & (lengths > 0)).all():
            expected = f"a spacing of {axes} positive lengths, mm along each axis"
            raise SeglossError(f"segmentation: expected {expected}, found {lengths.tolist()}")

    @property
    def voxels(self) -> int:
        """How many are annotated."""
        return self.target.size if self.annotated is None else int(np.count_nonzero(self.annotated))


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; NaN if none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan
