"""Losses that are a mean over voxels, of logits z with p = sigmoid(z) and targets y."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lib.losses.base import SegmentationLoss, weighted


class BinaryCrossEntropy(SegmentationLoss):
    """mean(w (-y log p - (1 - y) log(1 - p))), divided by the number of voxels whatever w is."""

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return weighted(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), weight).mean()


class AdaptiveWeightedCrossEntropy(SegmentationLoss):
    """mean(-a y log p - (1 - y) log(1 - p)) with a = (M - sum p) / sum p over the M voxels of the batch.

    The weight comes from the current predictions and is part of the graph, as in the code of Shirokikh et
    al. (MICCAI 2020). A sum of p below the machine epsilon counts as epsilon, so that all stays finite.
    """

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        foreground = torch.sigmoid(logits).sum()
        adaptive = (logits.numel() - foreground) / foreground.clamp_min(torch.finfo(logits.dtype).eps)
        positive = -adaptive * target * F.logsigmoid(logits)
        negative = -(1 - target) * F.logsigmoid(-logits)
        return (positive + negative).mean()


class SigmoidFocal(SegmentationLoss):
    """mean(-w alpha_t (1 - p_t)^gamma log p_t), alpha_t = alpha where y = 1 and 1 - alpha where y = 0.

    Lin et al., ICCV 2017, eq. 5.
    """

    def __init__(self, alpha: float, gamma: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        probability = torch.sigmoid(logits)
        miss = probability + target - 2 * probability * target  # 1 - p_t
        alpha_t = self.alpha * target + (1 - self.alpha) * (1 - target)
        return weighted(alpha_t * miss**self.gamma * cross_entropy, weight).mean()
