"""Inverse weighting: every connected component gets the same total weight; Shirokikh et al., MICCAI 2020."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lib.losses.base import SegmentationLoss, check_inputs, required_map


class InverseWeighted(nn.Module):
    """A weightable loss whose voxel weights come from the component labels ``maps["components"]``."""

    def __init__(self, loss: SegmentationLoss, formula: str, clip: Sequence[float]) -> None:
        super().__init__()
        self.loss = loss
        self.formula = formula
        self.clip = tuple(clip)

    def forward(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        check_inputs(logits, target)
        components = required_map(maps, "components", target)
        weight = inverse_weights(components, self.formula, self.clip)
        return self.loss.compute(logits, target.to(logits.dtype), weight)


def inverse_weights(
    components: Tensor, formula: str = "published", clip: Sequence[float] = (1.0, 2e5)
) -> Tensor:
    """Weight every voxel by the inverse size of its component.

    Args:
        components: (batch, 1, *spatial) integer labels, 0 for background; labels may be missing (lesions cut
            away by the patch).
        formula: ``published`` (README and last state of the code): with N voxels and K components visible in
            a sample, N / ((K + 1) |C_j|) for every component C_j, the background included, then clipped;
            ``lesions_only`` (the code when the published records were made): n_pos / (n_cc |C_j|) for
            lesions, with n_pos lesion voxels and n_cc the largest label, 1 for background, never clipped.
        clip: lowest and highest weight of the published formula.

    Returns:
        float32 weights of the same shape.
    """
    weights = torch.empty(components.shape, dtype=torch.float32, device=components.device)
    for labels, weight in zip(components.flatten(1).int(), weights.flatten(1), strict=True):
        table = _weight_of_label(torch.bincount(labels).double(), formula, clip)
        torch.index_select(table.float(), 0, labels, out=weight)
    return weights


def _weight_of_label(sizes: Tensor, formula: str, clip: Sequence[float]) -> Tensor:
    """Weights of one sample's labels, the background's first, from their numbers of voxels."""
    if formula == "lesions_only":
        weights = sizes[1:].sum() / (len(sizes) - 1) / sizes
        weights[0] = 1.0
        return weights
    n_visible = (sizes[1:] > 0).sum()
    return (sizes.sum() / (n_visible + 1.0) / sizes).clamp(*clip)
