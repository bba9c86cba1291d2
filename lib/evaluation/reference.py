"""What bright blobs alone give: the Dice that a network must beat to have learnt anything."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lib.evaluation.overlap import dice, tuned_threshold

FINE, COARSE = 0.8, 5.0  # mm, standard deviations of the band-pass filter
STEPS = 100


def band_pass(image: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Difference of two Gaussians of the first channel of ``image`` (channels, *spatial), spacing in mm."""
    fine, coarse = (ndimage.gaussian_filter(image[0], sigma / np.array(spacing)) for sigma in (FINE, COARSE))
    return fine - coarse


def reference_dice(
    validation: Sequence[tuple[np.ndarray, np.ndarray]], test: Sequence[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Mean Dice on the test cases of a band-pass threshold tuned on the validation cases.

    Args:
        validation, test: (band-passed image, mask) of each case.
    """
    scores, targets = zip(*validation, strict=True)
    thresholds = np.linspace(0, max(score.max() for score in scores), STEPS)
    threshold = tuned_threshold(scores, targets, thresholds)
    return float(np.mean([dice(score > threshold, target > 0) for score, target in test]))
