"""Losses on distances to the border: on precomputed signed maps, or on transforms made in every step."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from lib.errors import SeglossError
from lib.losses.base import TINY, SegmentationLoss
from lib.losses.inputs import LossInputs
from lib.losses.region import ratio
from lib.losses.tensors import channels_of, on_device, one_hot_of

ANTISYMMETRIC = ("signed_distance", "signed_distance_2d")
"""Maps of which a class and its complement have each other's negative."""


class DistanceLoss(SegmentationLoss):
    """Reads the signed map ``distance``, negative inside: (batch, classes, *spatial), or the foreground's alone."""

    def __init__(self, distance: str, **options: Any) -> None:
        super().__init__(**options)
        self.distance = distance

    def map(self, batch: LossInputs) -> Tensor:
        """The map of the chosen classes, (batch, classes, *spatial), 0 where the voxel is ignored."""
        classes = self.classes(batch)
        antisymmetric = self.distance in ANTISYMMETRIC
        values, valid = batch.distance_map(self.distance, classes, antisymmetric), batch.valid_of(classes)
        return values if valid is None else values * valid


class Boundary(DistanceLoss):
    """mean over samples, classes and voxels of phi p, phi the signed distance; Kervadec et al., MIDL 2019, eq. 5.

    Args:
        zero_minimum: add the mean of max(-phi, 0), the constant that makes the least possible value 0.
        normalize: divide phi by its largest absolute value in each sample and class of the patch.
    """

    def __init__(self, zero_minimum: bool, normalize: bool, **options: Any) -> None:
        super().__init__(**options)
        self.zero_minimum, self.normalize = zero_minimum, normalize

    def compute(self, batch: LossInputs) -> Tensor:
        phi = self.map(batch)
        if self.normalize:
            phi = phi / phi.abs().amax(batch.spatial, keepdim=True).clamp_min(TINY)
        if self.reduction == "none":
            return self._values(*batch.region(self.classes(batch)), phi)
        (total,) = batch.sums(lambda *values: [self._values(*values)], self.classes(batch), phi)
        if self.reduction == "sum":
            return total.sum()
        counted = batch.n_voxels_of(self.classes(batch))
        if batch.valid is None:
            return total.sum() / (counted * total.numel())
        return (total.sum() / counted.expand_as(total).sum().clamp_min(1)).to(batch.dtype)

    def _values(self, p: Tensor, y: Tensor, phi: Tensor) -> Tensor:
        return phi * p - phi.clamp_max(0) if self.zero_minimum else phi * p


class GeneralizedSurface(DistanceLoss):
    """1 - sum_c w_c sum (phi (1 - (p + y)))^2 / sum_c w_c sum phi^2, per sample; Celaya et al., 2023.

    Between 0 (p = y) and 1 (p = 1 - y). ``class_weights``: one for each class that counts; None takes
    w_c = 1 / (1 + G_c^2) with G_c the voxels of the class in the sample, as the authors' code does.
    """

    def __init__(self, class_weights: Sequence[float] | None, **options: Any) -> None:
        super().__init__(**options)
        self.class_weights = class_weights

    def compute(self, batch: LossInputs) -> Tensor:
        above, below, size = batch.sums(self._terms, self.classes(batch), self.map(batch))
        weight = 1 / (1 + size**2) if self.class_weights is None else self._given_weights(batch)
        above, below = (weight * above).sum(1), (weight * below).sum(1)
        return self.reduced((below > 0).to(above.dtype) - ratio(above, below))

    @staticmethod
    def _terms(p: Tensor, y: Tensor, phi: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return (phi * (1 - (p + y))) ** 2, phi**2, y

    def _given_weights(self, batch: LossInputs) -> Tensor:
        classes = self.classes(batch)
        if len(self.class_weights) != len(classes):
            raise SeglossError(
                f"{len(self.class_weights)} class weights {tuple(self.class_weights)}: one for each of the"
                f" channels {classes} was expected"
            )
        return on_device(tuple(self.class_weights), batch.dtype, batch.device)


class HausdorffDistanceTransform(SegmentationLoss):
    """mean of (p - y)^2 (d_y^alpha + d_p^alpha), d the distance to the border of target and of prediction.

    Karimi and Salcudean, TMI 2020, eq. 8. The transforms are made on the CPU in every step, in voxels. A mask that is
    empty or full has no border, so that an all-foreground prediction of an empty target costs 0. Forms:

    * both_sides: d on both sides of the border, prediction cut at 0.5; the transforms are MONAI's.
    * kervadec: d inside only, 0 outside; prediction by the largest class; d_p cut to whole numbers; a class that
      fills the image has SciPy's distances to a voxel that is not there. As boundary-loss.
    """

    def __init__(self, form: str, alpha: float, **options: Any) -> None:
        super().__init__(**options)
        self.form, self.alpha = form, alpha
        if form == "both_sides":
            monai = importlib.import_module("monai.losses")  # takes seconds to import
            self.border_distance = monai.HausdorffDTLoss().distance_field

    def compute(self, batch: LossInputs) -> Tensor:
        classes = self.classes(batch)
        probability, target = batch.region(classes)
        if self.form == "both_sides":
            distances = [
                torch.cat([self.border_distance(masks[:, [c]]) for c in range(masks.shape[1])], 1)
                for masks in (target, probability.detach())
            ]
        else:
            distances = [inside_distance(target), inside_distance(self._predicted(batch, classes)).trunc()]
        distance = sum(values.to(batch.dtype) ** self.alpha for values in distances)
        return self.mean_of_valid((probability - target) ** 2 * distance, batch.valid_of(classes))

    def _predicted(self, batch: LossInputs, classes: Sequence[int]) -> Tensor:
        if not batch.binary:
            largest = one_hot_of(batch.logits.argmax(1, keepdim=True), batch.n_channels)
        elif batch.multilabel or batch.n_channels == 1:
            largest = batch.scores > 0
        else:
            largest = torch.cat([batch.scores <= 0, batch.scores > 0], 1)
        return channels_of(batch.masked(largest), classes)


def inside_distance(masks: Tensor) -> Tensor:
    """Distance in voxels of each inside voxel to the nearest outside one, 0 outside, (batch, classes, *spatial)."""
    arrays = masks.detach().cpu().numpy() > 0
    distances = [[ndimage.distance_transform_edt(mask) for mask in sample] for sample in arrays]
    return torch.from_numpy(np.array(distances)).to(masks.device)
