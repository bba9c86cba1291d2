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
from lib.losses.batch import Batch, Region, channels_of, on_device, one_hot_of
from lib.losses.region import ratio


class DistanceLoss(SegmentationLoss):
    """Reads the signed map ``distance``, negative inside: (batch, classes, *spatial), or the foreground's alone."""

    def __init__(self, distance: str, **options: Any) -> None:
        super().__init__(**options)
        self.distance = distance

    def maps(self, batch: Batch, region: Region) -> Tensor:
        return batch.masked(batch.distance_map(self.distance, region.channels))


class Boundary(DistanceLoss):
    """mean over samples, classes and voxels of phi p, phi the signed distance; Kervadec et al., MIDL 2019, eq. 5.

    Args:
        zero_minimum: add the mean of max(-phi, 0), the constant that makes the least possible value 0.
        normalize: divide phi by its largest absolute value in each sample and class of the patch.
    """

    def __init__(self, zero_minimum: bool, normalize: bool, **options: Any) -> None:
        super().__init__(**options)
        self.zero_minimum, self.normalize = zero_minimum, normalize

    def compute(self, batch: Batch) -> Tensor:
        values = torch.cat([self._values(batch, region) for region in self.regions(batch)], 1)
        return self.mean_of_valid(values, batch)

    def _values(self, batch: Batch, region: Region) -> Tensor:
        phi = self.maps(batch, region)
        if self.normalize:
            phi = phi / phi.abs().amax(batch.spatial, keepdim=True).clamp_min(TINY)
        values = phi * region.probability
        return values - phi.clamp_max(0) if self.zero_minimum else values


class GeneralizedSurface(DistanceLoss):
    """1 - sum_c w_c sum (phi (1 - (p + y)))^2 / sum_c w_c sum phi^2, per sample; Celaya et al., 2023.

    Between 0 (p = y) and 1 (p = 1 - y). ``class_weights``: one for each class that counts; None takes
    w_c = 1 / (1 + G_c^2) with G_c the voxels of the class in the sample, as the authors' code does.
    """

    def __init__(self, class_weights: Sequence[float] | None, **options: Any) -> None:
        super().__init__(**options)
        self.class_weights = class_weights

    def compute(self, batch: Batch) -> Tensor:
        above, below = [], []
        for region in self.regions(batch):
            phi = self.maps(batch, region)
            probability, target, _ = region
            weight = 1 / (1 + target.sum(batch.spatial) ** 2)
            if self.class_weights is not None:
                weight = self._weights_of(region, batch)
            above.append(weight * ((phi * (1 - (probability + target))) ** 2).sum(batch.spatial))
            below.append(weight * (phi**2).sum(batch.spatial))
        above, below = (torch.cat(parts, 1).sum(1) for parts in (above, below))
        return self.reduced((below > 0).to(above.dtype) - ratio(above, below))

    def _weights_of(self, region: Region, batch: Batch) -> Tensor:
        classes = self.classes(batch)
        if len(self.class_weights) != len(classes):
            raise SeglossError(
                f"{len(self.class_weights)} class weights {tuple(self.class_weights)}: one for each of the"
                f" channels {classes} was expected"
            )
        values = [self.class_weights[classes.index(channel)] for channel in region.channels]
        return on_device(tuple(values), batch.dtype, batch.device)


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

    def compute(self, batch: Batch) -> Tensor:
        regions = self.regions(batch)
        probability, target = (
            torch.cat([region[part] for region in regions], 1).to(batch.dtype) for part in (0, 1)
        )
        if self.form == "both_sides":
            distances = [
                torch.cat([self.border_distance(masks[:, [c]]) for c in range(masks.shape[1])], 1)
                for masks in (target, probability.detach())
            ]
        else:
            predicted = torch.cat([self._predicted(batch, region) for region in regions], 1)
            distances = [inside_distance(target), inside_distance(predicted).trunc()]
        distance = sum(values.to(batch.dtype) ** self.alpha for values in distances)
        return self.mean_of_valid((probability - target) ** 2 * distance, batch)

    def _predicted(self, batch: Batch, region: Region) -> Tensor:
        if batch.binary and not batch.multilabel:
            foreground = region.channels[0] == batch.n_channels - 1
            return batch.masked((batch.logit > 0) == foreground)
        if batch.multilabel:
            return channels_of(batch.masked(batch.logit > 0), region.channels)
        largest = one_hot_of(batch.logits.argmax(1, keepdim=True), batch.n_channels)
        return channels_of(batch.masked(largest), region.channels)


def inside_distance(masks: Tensor) -> Tensor:
    """Distance in voxels of each inside voxel to the nearest outside one, 0 outside, (batch, classes, *spatial)."""
    arrays = masks.detach().cpu().numpy() > 0
    distances = [[ndimage.distance_transform_edt(mask) for mask in sample] for sample in arrays]
    return torch.from_numpy(np.array(distances)).to(masks.device)
