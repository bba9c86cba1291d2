"""Losses on calibration: average calibration error, neighbour-aware calibration."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lib.errors import SeglossError
from lib.losses.base import SegmentationLoss
from lib.losses.inputs import LossInputs
from lib.losses.instance import sums_by_label
from lib.losses.region import ratio
from lib.losses.tensors import one_hot_of

EMPTY_BIN = 0.01


class AverageCalibrationError(SegmentationLoss):
    """mL1-ACE: mean over non-empty bins of |mean y - mean p|, then over images and classes; Barfoot et al., 2025.

    Args:
        bins: number of equal bins of the probability.
        binning: "hard" puts a voxel into one bin; "soft" shares it linearly between the bins with the nearest
            centres, so that the bin weights carry a gradient too. A bin of weight below 0.01 is empty.
    """

    def __init__(self, bins: int, binning: str, **options: Any) -> None:
        super().__init__(**options)
        self.bins, self.binning = bins, binning

    def compute(self, batch: LossInputs) -> Tensor:
        classes = self.classes(batch)
        region = batch.region(classes)
        p, y = (values.flatten(2).flatten(0, 1) for values in region)  # (batch * classes, voxels)
        counted = torch.ones_like(p)
        if batch.valid is not None:
            counted = batch.valid_of(classes).expand(region.probability.shape).flatten(2).flatten(0, 1).to(p.dtype)
        weight = confidence = accuracy = 0
        for bin_number, share in self._shares(p):
            share = share * counted
            sums = [sums_by_label(values, bin_number, self.bins) for values in (share, share * p, share * y)]
            weight, confidence, accuracy = weight + sums[0], confidence + sums[1], accuracy + sums[2]
        filled = weight >= EMPTY_BIN
        weight = weight.masked_fill(~filled, 1)
        gaps = (accuracy / weight - confidence / weight).abs() * filled
        return self.reduced(ratio(gaps.sum(1), filled.sum(1)).to(p.dtype).view(region.probability.shape[:2]))

    def _shares(self, p: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Numbers of the bins that each voxel belongs to, with the voxel's share in each."""
        last = self.bins - 1
        if self.binning == "hard":
            return [((p.detach() * self.bins).long().clamp(0, last), torch.ones_like(p))]
        place = p * self.bins - 0.5
        left = place.detach().floor()
        right_share = place - left
        return [
            (left.long().clamp(0, last), 1 - right_share),
            ((left.long() + 1).clamp(0, last), right_share),
        ]


class NeighborAwareCalibration(SegmentationLoss):
    """NACL: cross-entropy plus ``alpha`` times the mean distance of the logits from the class proportions around.

    The proportions are means over a cube of ``kernel_size`` voxels, zeros outside. Equal to MONAI's NACLLoss with
    its mean kernel; Murugesan et al., MICCAI 2023. Softmax classes only.
    """

    def __init__(self, alpha: float, kernel_size: int, distance: str, **options: Any) -> None:
        super().__init__(**options)
        self.alpha, self.kernel_size, self.distance = alpha, kernel_size, distance

    def compute(self, batch: LossInputs) -> Tensor:
        if batch.multilabel or batch.n_channels == 1:
            raise SeglossError("loss 'nacl' needs softmax logits: two or more channels, and sigmoid: false")
        labels = batch.truth.long()
        one_hot = batch.masked(one_hot_of(labels, batch.n_channels).to(batch.dtype))
        mean_filter = F.avg_pool2d if one_hot.ndim == 4 else F.avg_pool3d
        around = mean_filter(one_hot, self.kernel_size, stride=1, padding=self.kernel_size // 2)
        gaps = (around - batch.logits).abs() if self.distance == "l1" else (around - batch.logits) ** 2
        values = batch.cross_entropy() + self.alpha * gaps.mean(1, keepdim=True)
        return self.mean_of_valid(batch.masked(values), batch.valid)
