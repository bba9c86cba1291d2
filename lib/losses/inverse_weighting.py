"""Inverse weighting: every connected component gets the same total weight; Shirokikh et al., MICCAI 2020."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lib.losses.base import SegmentationLoss, check_inputs, required_map


class InverseWeighted(nn.Module):
    """A weightable loss whose voxel weights come from the batch's component labels, ``maps["components"]``."""

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


def inverse_weights(components: Tensor, formula: str = "published", clip: Sequence[float] = (1.0, 2e5)) -> Tensor:
    """Weight every voxel by the inverse size of its component.

    Args:
        components: (batch, 1, *spatial) integer labels, 0 for background; labels may be missing (lesions cut
            away by the patch).
        formula: ``published`` (README and last state of the code): with N voxels and K components visible in
            a sample, N / ((K + 1) |C_j|) for every component C_j, the background included, then clipped;
            ``lesions_only`` (the code when the published records were made): n_pos / (n_cc |C_j|) for lesions,
            with n_pos lesion voxels and n_cc the largest label, 1 for background, never clipped.
        clip: lowest and highest weight of the published formula.

    Returns:
        float32 weights of the same shape.
    """
    samples = components.flatten(1)
    foreground = samples > 0
    labels = samples[foreground].long()
    table_size = int(labels.max()) + 1 if labels.numel() else 1
    slots = torch.arange(len(samples), device=samples.device)[:, None].expand_as(samples)[foreground] * table_size + labels
    sizes = torch.bincount(slots, minlength=len(samples) * table_size).view(len(samples), table_size)
    lesion, background = _weight_tables(sizes.double(), samples.shape[1], formula, clip)
    weights = background.float()[:, None].repeat(1, samples.shape[1])
    weights[foreground] = lesion.float().flatten()[slots]
    return weights.view(components.shape)


def _weight_tables(
    sizes: Tensor, n_voxels: int, formula: str, clip: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Weights of the components (batch, labels) and of the background (batch), from the component sizes."""
    n_foreground = sizes.sum(1)
    if formula == "lesions_only":
        largest_label = ((sizes > 0) * torch.arange(sizes.shape[1], device=sizes.device)).amax(1)
        return (n_foreground / largest_label)[:, None] / sizes, torch.ones_like(n_foreground)
    share = n_voxels / ((sizes > 0).sum(1) + 1.0)
    return (share[:, None] / sizes).clamp(*clip), (share / (n_voxels - n_foreground)).clamp(*clip)
