"""Inverse weighting: every connected component gets the same total weight; Shirokikh et al., MICCAI 2020."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lib.losses.base import Call, SegmentationLoss
from lib.losses.inputs import Maps
from lib.losses.instance import n_labels, sums_by_label


class InverseWeighted(nn.Module):
    """A weightable loss whose voxel weights come from the component labels ``maps["components"]``."""

    def __init__(self, loss: SegmentationLoss, formula: str, clip: Sequence[float]) -> None:
        super().__init__()
        self.loss = loss
        self.formula = formula
        self.clip = tuple(clip)

    def forward(self, logits: Tensor, target: Tensor, maps: Maps | None = None) -> Tensor:
        return self.on(Call(logits, target, maps))

    def on(self, call: Call) -> Tensor:
        batch = call.batch(*self.loss.reading)
        valid = None if batch.valid is None else batch.valid.any(1, keepdim=True)
        return self.loss.on(call, inverse_weights(batch.label_map("components"), self.formula, self.clip, valid))


def inverse_weights(
    components: Tensor,
    formula: str = "published",
    clip: Sequence[float] = (1.0, 2e5),
    valid: Tensor | None = None,
) -> Tensor:
    """Weight every voxel by the inverse size of its component.

    Args:
        components: (batch, 1, *spatial) int32 or int64 labels, 0 for background; labels may be missing (lesions cut
            away by the patch).
        formula: ``published`` (last state of the code): with N voxels and K components visible in a sample,
            N / ((K + 1) |C_j|) for every component C_j, the background included, then clipped; ``unclipped``: the
            same formula as the README prints it; ``lesions_only`` (the code when the published records were made):
            n_pos / (n_cc |C_j|) for lesions, with n_pos lesion voxels and n_cc the largest label, 1 for background.
        clip: lowest and highest weight of ``published``.
        valid: truth values of the same shape; other voxels belong to no component and are not among the N.

    Returns:
        float32 weights of the same shape.
    """
    labels = components.flatten(1)
    table = _weight_of_label(sizes_by_label(labels, valid), formula, clip).float()
    table = table.nan_to_num(posinf=0.0)  # of labels that only ignored voxels have
    weights = torch.empty(labels.shape, dtype=torch.float32, device=labels.device)
    for row, own, weight in zip(table, labels, weights, strict=True):
        torch.index_select(row, 0, own, out=weight)
    return weights.view(components.shape)


def sizes_by_label(labels: Tensor, valid: Tensor | None) -> Tensor:
    """Voxels of every label, those that are not valid left out: (batch, labels), float64."""
    count = n_labels(labels)
    if labels.device.type == "cpu" and not torch.compiler.is_compiling():
        # counting whole numbers takes a tenth of the time of a sum, and waits for the device elsewhere
        chosen = labels if valid is None else [own[v] for own, v in zip(labels, valid.flatten(1), strict=True)]
        return torch.stack([torch.bincount(own, minlength=count) for own in chosen]).double()
    counted = torch.ones_like(labels) if valid is None else valid.flatten(1)
    return sums_by_label(counted, labels, count)


def _weight_of_label(sizes: Tensor, formula: str, clip: Sequence[float]) -> Tensor:
    """Weights of each sample's labels, the background's first, from their numbers of voxels, (batch, labels)."""
    visible = sizes[:, 1:] > 0
    if formula == "lesions_only":
        labels = torch.arange(1, sizes.shape[1], device=sizes.device)
        largest = (labels * visible).amax(1, keepdim=True) if visible.shape[1] else 0
        weights = sizes[:, 1:].sum(1, keepdim=True) / largest / sizes
        weights[:, 0] = 1.0
        return weights
    weights = sizes.sum(1, keepdim=True) / (visible.sum(1, keepdim=True) + 1.0) / sizes
    return weights.clamp(*clip) if formula == "published" else weights
