"""What several networks are built from."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Layers(NamedTuple):
    """What differs between 2D and 3D."""

    convolution: type[nn.Module]
    transposed: type[nn.Module]
    normalisation: type[nn.Module]
    instance_normalisation: type[nn.Module]
    max_pool: Callable[[Tensor, int], Tensor]
    memory_format: torch.memory_format  # a step on a CPU takes a quarter of its time in 3D, 0.8 in 2D


LAYERS = {
    2: Layers(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, F.max_pool2d, torch.channels_last),
    3: Layers(nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.InstanceNorm3d, F.max_pool3d, torch.channels_last_3d),
}


def softmax_channels(out_channels: int) -> int:
    """How many logits a network made for a softmax computes to return ``out_channels``."""
    return max(2, out_channels)


def without_softmax(logits: Tensor, out_channels: int) -> Tensor:
    """(B, softmax_channels(out_channels), *spatial) -> (B, out_channels, *spatial).

    The one logit asked of two is foreground minus background, whose sigmoid is the softmax's foreground channel.
    """
    if out_channels > 1:
        return logits
    background, foreground = logits.split(1, dim=1)
    return foreground - background
