"""Losses on the overlap of regions, of p = softmax or sigmoid of the logits and the regions y of the classes.

The sums run over the voxels of each sample and class, or of the whole batch. Where a denominator is 0 (an absent
class without smoothing, and predictions that underflow) the ratio counts as 0: loss 1, with zero gradient.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lib.losses.base import TINY, SegmentationLoss, weighted
from lib.losses.inputs import LossInputs

LOWEST_DICE = 1e-7


class Sums(NamedTuple):
    """Sums over space, each (batch or 1, classes)."""

    overlap: Tensor
    predicted: Tensor
    actual: Tensor


class RegionLoss(SegmentationLoss):
    """Mean over samples and classes of a score of overlap, predicted and actual size.

    Args:
        batch: pool the voxels of the whole batch, as MONAI's argument of this name.
        squared: sum p^2 instead of p for the predicted size.
    """

    def __init__(self, batch: bool = False, squared: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.pooled, self.squared = batch, squared

    def compute(self, batch: LossInputs, weight: Tensor | None = None) -> Tensor:
        sums = self.sums(batch, weight)
        if self.pooled:
            sums = Sums(*(values.sum(0, keepdim=True) for values in sums))
        scores = self.score(sums)
        if batch.valid is not None:
            scores = scores * self._seen(batch, scores)
        return self.reduced(scores)

    def sums(self, batch: LossInputs, weight: Tensor | None) -> Sums:
        return Sums(*batch.sums(self._terms, self.classes(batch), weight))

    def _terms(self, p: Tensor, y: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        heavy = weighted(p, weight)
        return heavy * y, heavy * p if self.squared else heavy, weighted(y, weight)

    def _seen(self, batch: LossInputs, scores: Tensor) -> Tensor:
        """Whether anything counts there: a fully ignored sample adds 0 to the mean."""
        seen = batch.valid.flatten(1).any(1)
        seen = seen.any(0, keepdim=True) if self.pooled else seen
        return seen if scores.ndim == 1 else seen.unsqueeze(1)

    def score(self, sums: Sums) -> Tensor:
        """The loss, (batch or 1, classes), or (batch or 1,) where it joins the classes."""
        raise NotImplementedError


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    return numerator / denominator.masked_fill(denominator == 0, 1)


class Dice(RegionLoss):
    """1 - (2 sum(p y) + smooth_nr) / (sum p + sum y + smooth_dr), or with p^2 below (``squared_pred``).

    ``absent_classes``: "counted" takes a class without a voxel like every other; "zero" lets it contribute 0 to the
    mean, so that a false positive of it costs nothing (SegLossBias, segmentation_models_pytorch).
    Milletari et al., 3DV 2016.
    """

    def __init__(
        self,
        squared_pred: bool,
        smooth_nr: float,
        smooth_dr: float,
        absent_classes: str,
        **options: Any,
    ) -> None:
        super().__init__(squared=squared_pred, **options)
        self.smooth_nr, self.smooth_dr = smooth_nr, smooth_dr
        self.absent_classes = absent_classes

    def score(self, sums: Sums) -> Tensor:
        dice = ratio(2 * sums.overlap + self.smooth_nr, sums.predicted + sums.actual + self.smooth_dr)
        loss = self.of_dice(dice)
        return loss * (sums.actual > 0) if self.absent_classes == "zero" else loss

    def of_dice(self, dice: Tensor) -> Tensor:
        return 1 - dice


class LogDice(Dice):
    """-log of the Dice of ``Dice``, not below 1e-7 (where the gradient ends)."""

    def of_dice(self, dice: Tensor) -> Tensor:
        return -dice.clamp_min(LOWEST_DICE).log()


class GeneralizedDice(RegionLoss):
    """1 - 2 sum_c w_c sum(p_c y_c) / sum_c w_c (sum p_c + sum y_c); Sudre et al., DLMIA 2017. Forms:

    * bounded: w = (g / G)^2 of the region's size G and the smallest present class's g, so at most 1; an absent class
      gets 1; 1e-5 above and below.
    * monai: w = 1 / G^2, an absent class gets the largest weight of the sample's present ones, 1e-5 above and below,
      which in large patches outweighs the sums themselves. As MONAI's.
    * kervadec: w = 1 / (G + 1e-10)^2, 1e-10 above and below: an absent class outweighs all and leaves no gradient.
    * shirokikh: w = 1 / (1 + G^2), p^2 below, no smoothing (inverse weighting's code).
    * seglossbias: w = 1 / max(G^2, 1e-7), pooled over the batch, every w_c (sum p_c + sum y_c) at least 1e-7.

    One channel means two regions here, foreground and background.
    """

    def __init__(self, form: str, **options: Any) -> None:
        super().__init__(batch=form == "seglossbias", squared=form == "shirokikh", **options)
        self.form = form

    def sums(self, batch: LossInputs, weight: Tensor | None) -> Sums:
        sums = super().sums(batch, weight)
        if batch.n_channels > 1:
            return sums
        background = batch.sums(self._terms, self.classes(batch), weight, inverted=True)
        return Sums(*(torch.cat(pair, 1) for pair in zip(background, sums, strict=True)))

    def score(self, sums: Sums) -> Tensor:
        size, both = sums.actual, sums.predicted + sums.actual
        if self.form == "shirokikh":
            weight = 1 / (1 + size**2)
            return 1 - ratio(2 * (weight * sums.overlap).sum(1), (weight * both).sum(1))
        if self.form == "seglossbias":
            weight = 1 / (size**2).clamp_min(1e-7)
            return 1 - 2 * (weight * sums.overlap).sum(1) / (weight * both).clamp_min(1e-7).sum(1)
        if self.form == "kervadec":
            weight, smooth = 1 / (size + 1e-10) ** 2, 1e-10
            return 1 - 2 * ((weight * sums.overlap).sum(1) + smooth) / ((weight * both).sum(1) + smooth)
        present = size > 0
        weight = present / (size**2).masked_fill(~present, 1)
        weight = torch.where(present, weight, weight.amax(1, keepdim=True))
        if self.form == "bounded":
            weight = ratio(weight, weight.amax(1, keepdim=True))
        return 1 - (2 * (weight * sums.overlap).sum(1) + 1e-5) / ((weight * both).sum(1) + 1e-5)


class Tversky(RegionLoss):
    """1 - (TP + smooth_nr) / (TP + alpha FP + beta FN + smooth_dr); Salehi et al., MLMI 2017.

    ``alpha`` weighs false positives and ``beta`` false negatives, as in the paper and in MONAI.
    """

    def __init__(self, alpha: float, beta: float, smooth_nr: float, smooth_dr: float, **options: Any) -> None:
        super().__init__(**options)
        self.alpha, self.beta = alpha, beta
        self.smooth_nr, self.smooth_dr = smooth_nr, smooth_dr

    def score(self, sums: Sums) -> Tensor:
        false_positives = sums.predicted - sums.overlap
        false_negatives = sums.actual - sums.overlap
        below = sums.overlap + self.alpha * false_positives + self.beta * false_negatives
        return 1 - ratio(sums.overlap + self.smooth_nr, below + self.smooth_dr)


class FocalTversky(Tversky):
    """Tversky's loss to the power ``gamma``; Abraham and Khan, ISBI 2019.

    The paper writes the power as 1 / gamma with gamma 4/3, and its alpha weighs the false negatives.
    """

    def __init__(self, gamma: float, **options: Any) -> None:
        super().__init__(**options)
        self.gamma = gamma

    def score(self, sums: Sums) -> Tensor:
        return super().score(sums).clamp_min(TINY) ** self.gamma  # the power of 0 has no finite gradient


class AsymmetricSimilarity(RegionLoss):
    """1 - (1 + b^2) sum(p y) / sum(b^2 y + p^2) with b = ``beta``, no smoothing.

    The squared form of the code of Shirokikh et al. (MICCAI 2020), not the F-measure of Hashemi et al. (2018).
    """

    def __init__(self, beta: float, **options: Any) -> None:
        super().__init__(squared=True, **options)
        self.beta_squared = beta**2

    def score(self, sums: Sums) -> Tensor:
        below = self.beta_squared * sums.actual + sums.predicted
        return 1 - ratio((1 + self.beta_squared) * sums.overlap, below)
