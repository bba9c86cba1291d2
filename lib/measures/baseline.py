"""What bright blobs alone give: the Dice that a network must beat to have learnt anything."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lib.errors import SeglossError
from lib.measures.overlap import dice, tuned_threshold

FINE, COARSE = 0.5, 4.0  # mm, standard deviations of the band-pass filter
BODY = 0.25  # of the range of intensities; darker voxels are outside
STEPS = 100


def band_pass(image: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """How much brighter than its surroundings each voxel of the body is; 0 outside.

    The difference of two Gaussians of the first channel of ``image`` (channels, *spatial), the coarse one
    normalised to the body, so that its edge is no bright blob. ``spacing`` in mm.
    """

    def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
        return ndimage.gaussian_filter(values, sigma / np.array(spacing))

    first = image[0] - image[0].min()
    body = (first > BODY * first.max()).astype(np.float32)
    surroundings = smooth(first * body, COARSE) / np.maximum(smooth(body, COARSE), 1e-3)
    return (smooth(first, FINE) - surroundings) * body


def baseline_dice(
    validation: Sequence[tuple[np.ndarray, np.ndarray]], test: Sequence[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Mean Dice on the test cases of a band-pass threshold tuned on the validation cases.

    Args:
        validation, test: (band-passed image, mask) of each case; those without lesions are left out.

    Raises:
        SeglossError: no validation case, or no test case, has a lesion.
    """
    for part, cases in (("validation", validation), ("test", test)):
        if not _with_lesions(cases):
            raise SeglossError(f"band-pass baseline: expected a {part} case with a lesion, found none")
    scores, targets = zip(*_with_lesions(validation), strict=True)
    thresholds = np.linspace(0, max(score.max() for score in scores), STEPS)
    threshold = tuned_threshold(scores, targets, thresholds)
    return float(np.mean([dice(score > threshold, target > 0) for score, target in _with_lesions(test)]))


def _with_lesions(cases: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(score, target) for score, target in cases if target.any()]
