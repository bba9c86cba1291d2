"""The U-Net of the boundary loss's WMH and ISLES experiments (Kervadec et al., MIDL 2019 and MedIA 2021)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.networks.layers import LAYERS, Layers, softmax_channels, without_softmax


def _block(n_in: int, n_out: int, layers: Layers, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        layers.convolution(n_in, n_out, 3, stride, padding=1, bias=False),
        layers.normalisation(n_out),
        nn.PReLU(),
    )


def _stage(n_in: int, n_out: int, layers: Layers, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_block(n_in, n_out, layers, stride), _block(n_out, n_out, layers))


def enlargement(width: int, layers: Layers) -> nn.Sequential:
    """(B, width, *spatial) -> (B, width, *2 spatial): nearest neighbours, then two blocks of convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), _stage(width, width, layers))


class _ResidualBlock(nn.Module):
    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__()
        self.path = nn.Sequential(
            _block(width, width, layers),
            layers.convolution(width, width, 3, padding=1),
            layers.normalisation(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.path(x), 0.2)


def initialise(module: nn.Module) -> None:
    """Start a layer as the release does, which draws for 2D layers only and leaves 3D ones as they are."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1, std=0.02)


class BoundaryUNet(nn.Module):
    """U-Net with strided convolutions, nearest-neighbour up-sampling, concatenated skips and a residual bridge.

    Args:
        in_channels: channels of the input.
        channels: widths of the levels, the last one the bridge's. (64, 128, 256, 512) gives the released
            parameters: in 2D 18,703,127 from two channels to two, 18,704,855 from five to two; in 3D 56,083,799
            from one to two.
        out_channels: channels of the output; for one, the difference of two logits is returned.
        dimensions: 2 or 3.

    Input lengths must divide by 2 ** (len(channels) - 1).
    """

    def __init__(self, in_channels: int, channels: Sequence[int], out_channels: int = 1, dimensions: int = 2) -> None:
        super().__init__()
        self.out_channels = out_channels
        layers = LAYERS[dimensions]
        first, *_ = channels
        last, bridge = channels[-2:]
        self.down = nn.ModuleList(
            [
                _stage(in_channels, first, layers),
                *(_stage(a, b, layers, stride=2) for a, b in pairwise(channels[:-1])),
            ]
        )
        self.bridge = nn.Sequential(
            _block(last, bridge, layers, stride=2),
            _ResidualBlock(bridge, layers),
            _block(bridge, bridge, layers),
        )
        self.enlarge = nn.ModuleList(enlargement(width, layers) for width in channels[1:])
        self.up = nn.ModuleList(_stage(a + b, a, layers) for a, b in pairwise(channels))
        self.head = layers.convolution(first, softmax_channels(out_channels), 1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = self.bridge(x)
        for enlarge, up in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            x = up(torch.cat([enlarge(x), skips.pop()], dim=1))
        return without_softmax(self.head(x), self.out_channels)
