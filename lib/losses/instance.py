"""Losses that give every lesion a term of its own, from maps of component labels or of Voronoi cells.

A lesion's sums are taken by a table of labels, not by a loop over lesions. Several softmax classes count as one
foreground.
"""

from typing import Any

import torch
from torch import Tensor

from lib.losses.base import SegmentationLoss
from lib.losses.inputs import MOST_LABELS_OF_A_GPU, LossInputs
from lib.losses.region import ratio


def n_labels(labels: Tensor) -> int:
    """Number of table rows that ``labels`` (0 included) need."""
    if labels.device.type == "cpu" and not torch.compiler.is_compiling():
        return int(labels.aminmax().max) + 1
    return MOST_LABELS_OF_A_GPU


def sums_by_label(values: Tensor, labels: Tensor, count: int) -> Tensor:
    """Sum ``values`` (batch, voxels) by ``labels`` (batch, voxels) below ``count``: (batch, count), float64.

    Voxels are added one after the other: in float32 the digits of a large sum would be lost.
    """
    rows = torch.arange(len(labels), device=labels.device).unsqueeze(1) * count
    table = torch.zeros(len(labels) * count, dtype=torch.float64, device=values.device)
    # in one dimension, as CUDA can then repeat the sum exactly
    return table.index_add(0, (labels + rows).flatten(), values.flatten().double()).view(len(labels), count)


class InstanceLoss(SegmentationLoss):
    """``dice_weight`` times the Dice loss plus ``ce_weight`` times the mean cross-entropy of every lesion's voxels.

    Mean over the lesions of a sample, then over the samples that have one; 0 where none has.
    """

    map_name: str

    def __init__(self, dice_weight: float, ce_weight: float, smooth: float, **options: Any) -> None:
        super().__init__(**options)
        self.dice_weight, self.ce_weight, self.smooth = dice_weight, ce_weight, smooth

    def compute(self, batch: LossInputs) -> Tensor:
        batch = batch.foreground()
        labels = batch.label_map(self.map_name).flatten(1)
        count = n_labels(labels)
        probability, target = batch.region([batch.n_channels - 1])
        counted = torch.ones_like(target) if batch.valid is None else batch.valid.to(target.dtype)
        columns = (probability, target, probability * target, batch.masked(batch.cross_entropy()), counted)
        sums = [sums_by_label(values.flatten(1), labels, count) for values in columns]
        predicted, actual, overlap, cross_entropy, voxels = self.of_lesions(sums)
        dice = ratio(2 * overlap + self.smooth, predicted + actual + self.smooth)
        values = self.dice_weight * (1 - dice) + self.ce_weight * ratio(cross_entropy, voxels)
        present = sums[-1][:, 1:] > 0
        per_sample = ((values * present).sum(1) / present.sum(1).clamp_min(1)).to(batch.dtype)
        has_lesion = present.any(1)
        if self.reduction == "mean":
            return per_sample.sum() / has_lesion.sum().clamp_min(1)
        return self.reduced(per_sample)

    def of_lesions(self, sums: list[Tensor]) -> list[Tensor]:
        """Sums over what belongs to each lesion, from the sums by label, whose first column is label 0."""
        raise NotImplementedError


class Blob(InstanceLoss):
    """blob loss: each lesion against the background, the other lesions masked out; Kofler et al., IPMI 2023, eq. 2.

    The authors' code sets masked logits to 0, which a sigmoid makes 0.5; here the masked voxels take no part.
    """

    map_name = "components"

    def of_lesions(self, sums: list[Tensor]) -> list[Tensor]:
        return [values[:, 1:] + values[:, :1] for values in sums]


class ComponentDiceCrossEntropy(InstanceLoss):
    """CC-DiceCE: each lesion in its Voronoi cell, the voxels nearer to it than to others; Bouteille et al., 2025.

    A cell whose lesion lies outside the patch has Dice 0; its cross-entropy is that of background.
    """

    map_name = "voronoi"

    def of_lesions(self, sums: list[Tensor]) -> list[Tensor]:
        return [values[:, 1:] for values in sums]
