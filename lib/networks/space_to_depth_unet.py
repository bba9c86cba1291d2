"""A small U-Net, 2D or 3D, that learns in seconds on one CPU thread."""

from collections.abc import Sequence
from itertools import chain, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.networks.layers import LAYERS, Layers

PRIOR_LOGIT = -3.0  # foreground is rare: Lin et al., ICCV 2017, section 3.3; without it cross-entropy starts slowly


def _block(n_in: int, n_out: int, layers: Layers) -> nn.Sequential:
    modules = []
    for width in (n_in, n_out):
        modules += [
            layers.convolution(width, n_out, 3, padding=1, bias=False),
            layers.normalisation(n_out),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    return nn.Sequential(*modules)


def _prior(out_channels: int) -> Tensor:
    """Where the output's channels start: foreground at PRIOR_LOGIT against background."""
    if out_channels == 1:
        return torch.tensor([PRIOR_LOGIT])
    return torch.tensor([-PRIOR_LOGIT] + (out_channels - 1) * [0.0])


class SpaceToDepthUNet(nn.Module):
    """A U-Net on blocks of 2 voxels a side: the input's blocks become channels, the output's channels blocks.

    Args:
        in_channels: channels of the input.
        channels: widths of the levels; the output layer stands behind the first, which must not be narrow
            (networks with an output layer behind one or two channels collapse on some seeds).
        out_channels: channels of the output; one is a logit of foreground against background.
        dimensions: 2 or 3.

    Input lengths must divide by 2 ** len(channels).
    """

    def __init__(self, in_channels: int, channels: Sequence[int], out_channels: int = 1, dimensions: int = 3) -> None:
        super().__init__()
        self.layers = LAYERS[dimensions]
        n_in_block = 2**dimensions
        widths = pairwise([n_in_block * in_channels, *channels])
        self.down = nn.ModuleList(_block(a, b, self.layers) for a, b in widths)
        self.up = nn.ModuleList(_block(a + b, a, self.layers) for a, b in pairwise(channels))
        self.head = self.layers.convolution(channels[0], n_in_block * out_channels, 1)
        # The voxels of a block begin alike: begun by chance, some saturate and a region loss leaves them a chessboard.
        with torch.no_grad():
            first_of_block = self.head.weight[::n_in_block].clone()
            self.head.weight.copy_(first_of_block.repeat_interleave(n_in_block, 0))
            self.head.bias.copy_(_prior(out_channels).repeat_interleave(n_in_block))
        self.to(memory_format=self.layers.memory_format)

    def forward(self, x: Tensor) -> Tensor:
        x = space_to_depth(x).contiguous(memory_format=self.layers.memory_format)
        skips = []
        for level, down in enumerate(self.down):
            x = down(self.layers.max_pool(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for up in reversed(self.up):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = up(torch.cat([skips.pop(), x], dim=1))
        return depth_to_space(self.head(x))


def space_to_depth(x: Tensor) -> Tensor:
    """(B, C, *spatial) -> (B, 2**n C, *spatial / 2) for n spatial axes."""
    b, c, *spatial = x.shape
    n = len(spatial)
    halves = [length // 2 for length in spatial]
    x = x.view(b, c, *chain.from_iterable((half, 2) for half in halves))
    return x.permute(0, 1, *range(3, 3 + 2 * n, 2), *range(2, 2 + 2 * n, 2)).reshape(b, 2**n * c, *halves)


def depth_to_space(x: Tensor) -> Tensor:
    """(B, 2**n C, *spatial) -> (B, C, *2 spatial) for n spatial axes, the inverse of :func:`space_to_depth`."""
    b, c, *spatial = x.shape
    n = len(spatial)
    x = x.view(b, c // 2**n, *n * [2], *spatial)
    offset_behind_place = chain.from_iterable((2 + n + axis, 2 + axis) for axis in range(n))
    return x.permute(0, 1, *offset_behind_place).reshape(b, c // 2**n, *(2 * length for length in spatial))
