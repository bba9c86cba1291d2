"""Losses that are a mean over voxels, of p = softmax or sigmoid of the logits and the true class y of a voxel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.errors import SeglossError
from lib.losses.base import TINY, SegmentationLoss, weighted
from lib.losses.inputs import LossInputs
from lib.losses.pointwise import Voxels, Voxelwise


class PixelwiseLoss(SegmentationLoss):
    """Mean over the voxels that count of ``values``.

    Class weights (one a class; background and foreground for one channel) are normalised: sum(w_y l) / sum(w_y).
    ``classes`` counts the voxels of these true classes only. Component weights are not normalised.
    """

    def __init__(self, class_weights: Sequence[float] | None, **options: Any) -> None:
        super().__init__(**options)
        self.class_weights = class_weights

    def compute(self, batch: LossInputs, weight: Tensor | None = None) -> Tensor:
        values = self.reduced_voxels(self.values, batch, weight)
        return values if self.reduction == "none" else values.sum()

    def reduced_voxels(self, function: Voxelwise, batch: LossInputs, weight: Tensor | None) -> Tensor:
        """Reduce a function of all voxels to those that count: one number a channel, unless the reduction is none."""
        counted = self.counted(batch)
        multiplier = combined(counted, weight)
        if self.reduction == "none":
            return weighted(batch.voxelwise(function), multiplier)
        total = batch.voxel_sum(function, multiplier)
        if self.reduction == "sum":
            return total
        if counted is None:
            return total / batch.truth.numel()
        return total / counted.expand_as(batch.truth).sum().clamp_min(TINY)

    def values(self, voxels: Voxels) -> Tensor:
        """The loss of every voxel."""
        raise NotImplementedError

    def counted(self, batch: LossInputs) -> Tensor | None:
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

    def values(self, voxels: Voxels) -> Tensor:
        return -log_with(voxels, self.epsilon)


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

    def compute(self, batch: LossInputs, weight: Tensor | None = None) -> Tensor:
        loss = super().compute(batch, weight)
        return loss * batch.n_channels if self.sum_classes and batch.multilabel else loss

    def values(self, voxels: Voxels) -> Tensor:
        if self.smooth:
            p = voxels.log_p.exp()
            p = (1 - self.smooth) * p + self.smooth / (voxels.n_classes - 1) * (1 - p) + self.smooth
            missed, log_p = 1 - p, p.log()
        else:
            missed, log_p = voxels.missed(), log_with(voxels, self.epsilon)
        values = -(missed.clamp_min(TINY) ** self.gamma) * log_p  # the power of 0 has no finite gradient
        if self.alpha is None:
            return values
        return values * ((1 - self.alpha) + (2 * self.alpha - 1) * voxels.foreground())


class TopKCrossEntropy(PixelwiseLoss):
    """Mean of the ``k`` percent of the voxels that count with the largest cross-entropy; as nnU-Net's TopK.

    The voxels of the whole batch are ranked together, by their values times class and component weights. Voxels that
    are as large as the last one chosen share its place, so the order of voxels plays no part.
    """

    def __init__(self, k: float, **options: Any) -> None:
        super().__init__(**options)
        self.k = k

    def compute(self, batch: LossInputs, weight: Tensor | None = None) -> Tensor:
        counted = self.counted(batch)
        values = weighted(batch.cross_entropy(), combined(counted, weight))
        chosen = self._shares(values.detach(), None if counted is None else counted.expand_as(values) > 0)
        values = values * chosen
        if self.reduction != "mean":
            return self.reduced(values)
        return values.sum() / combined(counted, chosen).sum().clamp_min(TINY)

    def _shares(self, ranked: Tensor, allowed: Tensor | None) -> Tensor:
        """1 for voxels above the last place, the share in what is left for those on it, 0 below."""
        if allowed is None:
            n_chosen = max(1, int(ranked.numel() * self.k / 100))
        else:
            n_chosen = (allowed.sum() * self.k / 100).floor().clamp_min(1)
            ranked = ranked.masked_fill(~allowed, -1)
        last = nth_largest(ranked.flatten(), n_chosen)
        above, equal = ranked > last, ranked == last
        share = ((n_chosen - above.sum()) / equal.sum()).to(ranked.dtype)
        shares = above.to(ranked.dtype).masked_fill_(equal, share)
        return shares if allowed is None else shares * allowed


def nth_largest(values: Tensor, n: int | Tensor) -> Tensor:
    """The n-th largest value."""
    if values.device.type == "cpu" and not torch.compiler.is_compiling():
        return torch.tensor(kth_largest(values.numpy(), int(n)))
    if isinstance(n, int):
        return values.kthvalue(values.numel() - n + 1).values
    return values.sort(descending=True).values.gather(0, n.long().view(1) - 1)


def kth_largest(values: np.ndarray, k: int) -> np.floating:
    """The k-th largest value: a sample excludes most values, the rest is partitioned."""
    sample = values[:: max(1, values.size // 65536)]
    generous = min(sample.size, int(1.1 * k * sample.size / values.size) + 100)
    candidates = values[values >= np.partition(sample, -generous)[-generous]]
    return np.partition(candidates if candidates.size >= k else values, -k)[-k]


class AdaptiveCrossEntropy(PixelwiseLoss):
    """-a y log p - (1 - y) log(1 - p) with a = (M - sum p) / sum p over the M voxels of the batch.

    The weight comes from the current predictions and is part of the graph, as in the code of Shirokikh et al.
    (MICCAI 2020). A sum of p below the machine epsilon counts as epsilon, so that all stays finite. Binary
    problems only; the channels of a multi-label problem share the weight.
    """

    def compute(self, batch: LossInputs, weight: Tensor | None = None) -> Tensor:
        require_binary(batch, "adaptive_cross_entropy")
        predicted = batch.sums(lambda p, y: [p], batch.problems)[0].sum()
        n_voxels = batch.truth.numel() if batch.valid is None else batch.valid.expand_as(batch.truth).sum()
        adaptive = (n_voxels - predicted) / predicted.clamp_min(torch.finfo(predicted.dtype).eps)
        if self.reduction == "none":
            return super().compute(batch, weight) * (1 + (adaptive - 1) * batch.truth)
        everywhere, foreground = self.reduced_voxels(self._values_and_foreground, batch, weight).chunk(2)
        return everywhere.sum() + (adaptive - 1) * foreground.sum()

    def values(self, voxels: Voxels) -> Tensor:
        return -voxels.log_p

    def _values_and_foreground(self, voxels: Voxels) -> Tensor:
        return torch.cat([-voxels.log_p, -voxels.log_p * voxels.foreground()], 1)


class BalancedCrossEntropy(SegmentationLoss):
    """Per image, the mean of -log p over the foreground plus the mean of -log(1 - p) over the background.

    As the unregistered WeightedBCE of SegLossBias: 1e-10 inside the logarithms and in the denominators. Binary
    problems only.
    """

    def compute(self, batch: LossInputs) -> Tensor:
        require_binary(batch, "balanced_cross_entropy")
        total = 0
        for inverted in (False, True):
            logs, size = batch.sums(lambda p, y: (y * (p + 1e-10).log(), y), batch.problems, inverted=inverted)
            total = total - logs / (size + 1e-10)
        return self.reduced(total)


class MeanAbsoluteError(PixelwiseLoss):
    """1 - p_y: half of sum_k |p_k - q_k|. Ghosh et al., AAAI 2017."""

    def values(self, voxels: Voxels) -> Tensor:
        return voxels.missed()


class ReverseCrossEntropy(PixelwiseLoss):
    """-sum_k p_k ln q_k with ln 0 := ln ``floor``, so -ln(floor) (1 - p_y). Wang et al., ICCV 2019."""

    def __init__(self, floor: float, **options: Any) -> None:
        super().__init__(**options)
        self.scale = -math.log(floor)

    def values(self, voxels: Voxels) -> Tensor:
        return self.scale * voxels.missed()


class GeneralizedCrossEntropy(PixelwiseLoss):
    """(1 - p_y^q) / q. Zhang and Sabuncu, NeurIPS 2018."""

    def __init__(self, q: float, **options: Any) -> None:
        super().__init__(**options)
        self.q = q

    def values(self, voxels: Voxels) -> Tensor:
        return torch.expm1(self.q * voxels.log_p) / -self.q


class NormalizedCrossEntropy(PixelwiseLoss):
    """ln p_y / sum_k ln p_k. Ma et al., ICML 2020."""

    def values(self, voxels: Voxels) -> Tensor:
        return voxels.log_p / voxels.log_p_sum()


class NormalizedGeneralizedCrossEntropy(PixelwiseLoss):
    """(1 - p_y^q) / (K - sum_k p_k^q) for K classes. Ma et al., ICML 2020."""

    def __init__(self, q: float, **options: Any) -> None:
        super().__init__(**options)
        self.q = q

    def values(self, voxels: Voxels) -> Tensor:
        return -torch.expm1(self.q * voxels.log_p) / voxels.missing_powers(self.q)


def combined(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The product of two weights that may be absent."""
    return second if first is None else weighted(first, second)


def log_with(voxels: Voxels, epsilon: float) -> Tensor:
    """log(p_y + epsilon)."""
    return (voxels.log_p.exp() + epsilon).log() if epsilon else voxels.log_p


def require_binary(batch: LossInputs, name: str) -> None:
    if not batch.binary:
        raise SeglossError(
            f"loss {name!r} is for binary problems: the logits have {batch.n_channels} softmax channels; use one"
            " channel, two, or sigmoid: true"
        )
