"""Bias of the share of voxels that a structure gets, which losses are said to have (Liu et al., arXiv 2104.08717)."""

import math

import numpy as np

from lib.measures.segmentation import Segmentation

EPSILON = 1e-10  # as in the publication's code


def proportion(segmentation: Segmentation) -> dict[str, float]:
    """True and predicted share g and p of the annotated voxels, p - g, its size, and KL(g, p).

    The divergence is that of two outcomes, g log(g / p) + (1 - g) log((1 - g) / (1 - p)) in nats, with both shares
    kept within ``EPSILON`` of 0 and 1.
    """
    voxels = max(segmentation.voxels, 1)
    true, predicted = (np.count_nonzero(mask) / voxels for mask in (segmentation.target, segmentation.prediction))
    return {
        "proportion": true,
        "proportion_predicted": predicted,
        "proportion_bias": predicted - true,
        "proportion_bias_abs": abs(predicted - true),
        "proportion_kl": _divergence(_inside(true), _inside(predicted)),
    }


def _inside(share: float) -> float:
    return min(max(share, EPSILON), 1 - EPSILON)


def _divergence(true: float, predicted: float) -> float:
    return true * math.log(true / predicted) + (1 - true) * math.log((1 - true) / (1 - predicted))
