"""Losses on region proportions, the label marginals of Liu et al. (2021; MedIA 2024).

The proportion of a class in an image is its share of the voxels that count: g of the target, p of the predicted
probabilities, each with 1e-10 added above and below, so that a fully ignored image has g = p = 1.
``temperature`` multiplies the logits. The published losses are cross-entropy plus ``alpha`` times one of these;
they are sums by name.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lib.losses.base import SegmentationLoss
from lib.losses.inputs import LossInputs
from lib.losses.tensors import channels_of

EPSILON = 1e-10


class ProportionLoss(SegmentationLoss):
    def __init__(self, temperature: float, **options: Any) -> None:
        super().__init__(**options)
        self.temperature = temperature

    def compute(self, batch: LossInputs) -> Tensor:
        return self.reduced(self.compare(*self.proportions(batch, self.classes(batch))))

    def proportions(self, batch: LossInputs, classes: Sequence[int], inverted: bool = False) -> list[Tensor]:
        """Proportions of target and prediction, (batch, classes) each."""
        sums = batch.sums(lambda p, y: (y, p), classes, temperature=self.temperature, inverted=inverted)
        n_voxels = batch.n_voxels_of(classes)
        return [((total + EPSILON) / (n_voxels + EPSILON)).to(batch.dtype) for total in sums]

    def compare(self, actual: Tensor, predicted: Tensor) -> Tensor:
        """Compare proportions, (batch, classes) each."""
        raise NotImplementedError


class ProportionL1(ProportionLoss):
    """mean over images and classes of |p - g|."""

    def compare(self, actual: Tensor, predicted: Tensor) -> Tensor:
        return (predicted - actual).abs()


class ProportionKL(ProportionLoss):
    """mean over images of sum_c g log(g / p): KL of the predicted from the true proportions.

    What is not among the chosen classes counts as one class more, the rest; so does the other side of one channel and
    of every channel of a multi-label problem, which the released code leaves out for multi-label (``one_sided``): that
    is no divergence and can be negative. The proportion of the rest is summed itself, not 1 - g, so that an image of
    one class only has no log 0.
    """

    def __init__(self, one_sided: bool, **options: Any) -> None:
        super().__init__(**options)
        self.one_sided = one_sided

    def compute(self, batch: LossInputs) -> Tensor:
        chosen = self.classes(batch)
        everything = range(batch.n_channels)
        actual, predicted = self.proportions(batch, everything)
        terms = actual * (actual / predicted).log()
        if batch.multilabel or batch.n_channels == 1:
            if not self.one_sided:
                actual, predicted = self.proportions(batch, everything, inverted=True)
                terms = terms + actual * (actual / predicted).log()
            return self.reduced(channels_of(terms, chosen).sum(1))
        divergence = channels_of(terms, chosen).sum(1)
        others = [channel for channel in range(batch.n_channels) if channel not in chosen]
        if others:
            actual, predicted = (channels_of(values, others).sum(1) for values in (actual, predicted))
            divergence = divergence + actual * (actual / predicted).log()
        return self.reduced(divergence)


class DiceBias(ProportionLoss):
    """mean over images and classes of log(p + g): the size penalty hidden in -log Dice."""

    def compare(self, actual: Tensor, predicted: Tensor) -> Tensor:
        return (predicted + actual + EPSILON).log()
