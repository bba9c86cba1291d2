"""Losses on the overlap of regions, of p = sigmoid(logits) and targets y, per sample and then averaged.

None has a smoothing term. A sample whose denominator is 0 (no lesion, and predictions that underflow) counts
as loss 1, its limit from above, with zero gradient.
"""

import torch
from torch import Tensor

from lib.losses.base import SegmentationLoss, per_sample, weighted


def _one_minus_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    empty = denominator == 0
    return (1 - numerator / denominator.masked_fill(empty, 1)).mean()


class SquaredDice(SegmentationLoss):
    """mean_s(1 - 2 sum(w p y) / sum(w (p^2 + y^2))); Milletari et al., 3DV 2016."""

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        probability = torch.sigmoid(logits)
        overlap = per_sample(weighted(probability * target, weight))
        size = per_sample(weighted(probability**2 + target**2, weight))
        return _one_minus_ratio(2 * overlap, size)


class AsymmetricSimilarity(SegmentationLoss):
    """mean_s(1 - (1 + b^2) sum(w p y) / sum(w (b^2 y^2 + p^2))) with b = ``beta``.

    The squared form of the code of Shirokikh et al. (MICCAI 2020), not the F-measure of Hashemi et al. (2018).
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta_squared = beta**2

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        probability = torch.sigmoid(logits)
        overlap = per_sample(weighted(probability * target, weight))
        size = per_sample(weighted(self.beta_squared * target**2 + probability**2, weight))
        return _one_minus_ratio((1 + self.beta_squared) * overlap, size)


class GeneralizedDice(SegmentationLoss):
    """mean_s(1 - 2 sum_c u_c sum(p_c y_c) / sum_c u_c sum(p_c^2 + y_c^2)), u_c = 1 / (1 + (sum y_c)^2).

    The classes are foreground and background; squares and the 1 in u_c as in the code of Shirokikh et al.
    (MICCAI 2020), unlike Sudre et al. (DLMIA 2017).
    """

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        overlap = size = torch.zeros(len(logits), dtype=logits.dtype, device=logits.device)
        for p, y in ((torch.sigmoid(logits), target), (torch.sigmoid(-logits), 1 - target)):
            class_weight = 1 / (1 + per_sample(y) ** 2)
            overlap = overlap + class_weight * per_sample(p * y)
            size = size + class_weight * per_sample(p**2 + y**2)
        return _one_minus_ratio(2 * overlap, size)
