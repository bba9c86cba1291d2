"""Losses that are a mean over voxels, of p = softmax or sigmoid of the logits and the true class y of a voxel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.errors import SeglossError
from lib.losses.base import TINY, SegmentationLoss, mean_over, weighted
from lib.losses.batch import Batch


class PixelwiseLoss(SegmentationLoss):
    """Mean over the voxels that count of ``values``.

    Class weights (one a class; background and foreground for one channel) are normalised: sum(w_y l) / sum(w_y).
    ``classes`` counts the voxels of these true classes only. Component weights are not normalised.
    """

    def __init__(self, class_weights: Sequence[float] | None, **options: Any) -> None:
        super().__init__(**options)
        self.class_weights = class_weights

    def compute(self, batch: Batch, weight: Tensor | None = None) -> Tensor:
        values = weighted(self.values(batch), weight)
        counted = self.counted(batch)
        if counted is None:
            return self.reduced(values)
        values = values * counted
        return mean_over(values, counted) if self.reduction == "mean" else self.reduced(values)

    def values(self, batch: Batch) -> Tensor:
        """The loss of every voxel, (batch, 1 or channels, *spatial)."""
        raise NotImplementedError

    def counted(self, batch: Batch) -> Tensor | None:
        """How much every voxel counts; None where all count 1."""
        weights = self.class_weights
        if self.chosen is not None or not self.include_background:
            chosen = self.classes(batch)
            weights = weights or [1.0] * max(batch.n_channels, 2)
            if batch.n_channels > 1:
                weights = [value * (channel in chosen) for channel, value in enumerate(weights)]
        if weights is None:
            return None if batch.valid is None else batch.valid.to(batch.dtype)
        return batch.masked(batch.per_class(weights))


class CrossEntropy(PixelwiseLoss):
    """-log p_y; ``epsilon`` is added to p_y inside the logarithm (boundary-loss has 1e-10)."""

    def __init__(self, epsilon: float, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = epsilon

    def values(self, batch: Batch) -> Tensor:
        return cross_entropy_with(batch, self.epsilon)


class Focal(PixelwiseLoss):
    """-alpha_y (1 - p_y)^gamma log p_y; Lin et al., ICCV 2017, eq. 5.

    ``alpha`` weighs the foreground, 1 - alpha the background, not normalised. ``smooth`` is nnU-Net's form: p_y is
    taken of a target smoothed by s, plus s. ``sum_classes`` multiplies multi-label means by the number of channels,
    as segmentation_models_pytorch sums its classes.
    """

    def __init__(
        self,
        alpha: float | None,
        gamma: float,
        smooth: float,
        epsilon: float,
        sum_classes: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.alpha, self.gamma, self.smooth, self.epsilon = alpha, gamma, smooth, epsilon
        self.sum_classes = sum_classes

    def values(self, batch: Batch) -> Tensor:
        if self.smooth:
            p = true_probability(batch)
            others = max(batch.n_channels, 2) - 1
            p = (1 - self.smooth) * p + self.smooth / others * (1 - p) + self.smooth
            values = -((1 - p).clamp_min(TINY) ** self.gamma) * p.log()
        else:
            missed = missed_probability(batch).clamp_min(TINY)  # the power of 0 has no finite gradient
            values = missed**self.gamma * cross_entropy_with(batch, self.epsilon)
        if self.alpha is not None:
            values = values * self._alpha_of_true_class(batch)
        return values * batch.n_channels if self.sum_classes and batch.multilabel else values

    def _alpha_of_true_class(self, batch: Batch) -> Tensor:
        if batch.binary:
            return (1 - self.alpha) + (2 * self.alpha - 1) * batch.positive
        return batch.per_class([1 - self.alpha] + [self.alpha] * (batch.n_channels - 1))


class TopKCrossEntropy(PixelwiseLoss):
    """Mean of the ``k`` percent of the batch's voxels with the largest cross-entropy; as nnU-Net's TopK.

    Voxels as large as the last one chosen are all counted, so the order of voxels plays no part. Ignored voxels
    are part of the percentage and are never chosen.
    """

    def __init__(self, k: float, **options: Any) -> None:
        super().__init__(**options)
        self.k = k

    def compute(self, batch: Batch, weight: Tensor | None = None) -> Tensor:
        values = weighted(self.values(batch), weight)
        counted = self.counted(batch)
        ranked = values.detach() if counted is None else (values.detach() * counted).masked_fill(counted == 0, -1)
        chosen = (ranked >= self._threshold(ranked.flatten())) & (ranked >= 0)
        if counted is not None:
            values = values * counted
        values = values * chosen
        if self.reduction != "mean":
            return self.reduced(values)
        return values.sum() / chosen.sum().clamp_min(1)

    def values(self, batch: Batch) -> Tensor:
        return batch.cross_entropy()

    def _threshold(self, ranked: Tensor) -> Tensor:
        n_chosen = max(1, int(ranked.numel() * self.k / 100))
        smallest_chosen = ranked.numel() - n_chosen
        if ranked.device.type == "cpu" and not torch.compiler.is_compiling():
            # NumPy's selection takes half the time of torch.kthvalue, which moves indices too
            return torch.from_numpy(np.partition(ranked.numpy(), smallest_chosen)[smallest_chosen, None])
        return ranked.kthvalue(smallest_chosen + 1).values


class AdaptiveCrossEntropy(PixelwiseLoss):
    """-a y log p - (1 - y) log(1 - p) with a = (M - sum p) / sum p over the M voxels of the batch.

    The weight comes from the current predictions and is part of the graph, as in the code of Shirokikh et al.
    (MICCAI 2020). A sum of p below the machine epsilon counts as epsilon, so that all stays finite. Binary
    problems only; each channel of a multi-label problem has its own weight.
    """

    def values(self, batch: Batch) -> Tensor:
        require_binary(batch, "adaptive_cross_entropy")
        others = tuple(axis for axis in range(batch.logit.ndim) if axis != 1)
        total = batch.masked(torch.sigmoid(batch.logit)).sum(others, keepdim=True)
        n_voxels = batch.logit.numel() // batch.logit.shape[1]
        if batch.valid is not None:
            n_voxels = batch.valid.sum(others, keepdim=True)
        adaptive = (n_voxels - total) / total.clamp_min(torch.finfo(total.dtype).eps)
        return batch.cross_entropy() * (1 + (adaptive - 1) * batch.positive)


class BalancedCrossEntropy(SegmentationLoss):
    """Per image, the mean of -log p over the foreground plus the mean of -log(1 - p) over the background.

    As the unregistered WeightedBCE of SegLossBias: 1e-10 inside the logarithms and in the denominators. Binary
    problems only.
    """

    def compute(self, batch: Batch) -> Tensor:
        require_binary(batch, "balanced_cross_entropy")
        chosen = slice(None) if not batch.multilabel else self.classes(batch)
        total = 0
        for foreground in (True, False):
            region = batch.side(foreground)
            logs = region.target * (region.probability + 1e-10).log()
            total = total - logs.sum(batch.spatial) / (region.target.sum(batch.spatial) + 1e-10)
        return self.reduced(total[:, chosen])


class MeanAbsoluteError(PixelwiseLoss):
    """1 - p_y: half of sum_k |p_k - q_k|. Ghosh et al., AAAI 2017."""

    def values(self, batch: Batch) -> Tensor:
        return missed_probability(batch)


class ReverseCrossEntropy(PixelwiseLoss):
    """-sum_k p_k ln q_k with ln 0 := ln ``floor``, so -ln(floor) (1 - p_y). Wang et al., ICCV 2019."""

    def __init__(self, floor: float, **options: Any) -> None:
        super().__init__(**options)
        self.scale = -math.log(floor)

    def values(self, batch: Batch) -> Tensor:
        return self.scale * missed_probability(batch)


class GeneralizedCrossEntropy(PixelwiseLoss):
    """(1 - p_y^q) / q. Zhang and Sabuncu, NeurIPS 2018."""

    def __init__(self, q: float, **options: Any) -> None:
        super().__init__(**options)
        self.q = q

    def values(self, batch: Batch) -> Tensor:
        return one_minus_power(batch, self.q) / self.q


class NormalizedCrossEntropy(PixelwiseLoss):
    """ln p_y / sum_k ln p_k. Ma et al., ICML 2020."""

    def values(self, batch: Batch) -> Tensor:
        return batch.cross_entropy() / -batch.log_probability_sum()


class NormalizedGeneralizedCrossEntropy(PixelwiseLoss):
    """(1 - p_y^q) / (K - sum_k p_k^q) for K classes. Ma et al., ICML 2020."""

    def __init__(self, q: float, **options: Any) -> None:
        super().__init__(**options)
        self.q = q

    def values(self, batch: Batch) -> Tensor:
        n_classes = 2 if batch.binary else batch.n_channels
        return one_minus_power(batch, self.q) / (n_classes - batch.power_sum(self.q))


def true_probability(batch: Batch) -> Tensor:
    """p_y of every voxel."""
    return (-batch.cross_entropy()).exp()


def missed_probability(batch: Batch) -> Tensor:
    """1 - p_y of every voxel."""
    if batch.binary:
        p, y = torch.sigmoid(batch.logit), batch.positive
        return p + y - 2 * p * y
    return -torch.expm1(-batch.cross_entropy())


def one_minus_power(batch: Batch, q: float) -> Tensor:
    """1 - p_y^q, without cancellation."""
    return -torch.expm1(-q * batch.cross_entropy())


def cross_entropy_with(batch: Batch, epsilon: float) -> Tensor:
    return -(true_probability(batch) + epsilon).log() if epsilon else batch.cross_entropy()


def require_binary(batch: Batch, name: str) -> None:
    if not batch.binary:
        raise SeglossError(
            f"loss {name!r} is for binary problems: the logits have {batch.n_channels} softmax channels; use one"
            " channel, two, or sigmoid: true"
        )
