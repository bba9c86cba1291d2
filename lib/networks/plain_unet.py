"""The plain 2D U-Net of the T-Loss experiments (Gonzalez-Jimenez et al., MICCAI 2023), a fixed nnU-Net."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from lib.networks.layers import softmax_channels, without_softmax

SLOPE = 0.01


def _block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, padding=1),
        nn.BatchNorm2d(n_out, eps=1e-5),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


def _stage(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_block(n_in, n_out, stride), _block(n_out, n_out))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class PlainUNet(nn.Module):
    """U-Net with strided and transposed convolutions and concatenated skips.

    Args:
        in_channels: channels of the input.
        channels: widths of the levels. (32, 64, 128, 256, 480, 480) gives the released 18,670,368 parameters
            for three input channels, 18,669,792 for one.
        out_channels: channels of the output; for one, the difference of the release's two logits is returned.

        deep_supervision: in training, return the outputs of all levels but the coarsest, full resolution first.

    The release does not use its output layers of the coarser levels; they are kept in any case: parameters and their
    initialisation are the released ones. Input lengths must divide by 2 ** (len(channels) - 1).
    """

    def __init__(
        self, in_channels: int, channels: Sequence[int], out_channels: int = 1, deep_supervision: bool = False
    ) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        self.out_channels = out_channels
        n_logits = softmax_channels(out_channels)
        first, *_ = channels
        self.down = nn.ModuleList(
            [_stage(in_channels, first), *(_stage(a, b, stride=2) for a, b in pairwise(channels))]
        )
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in pairwise(channels))
        self.up = nn.ModuleList(_stage(2 * width, width) for width in channels[:-1])
        self.heads = nn.ModuleList(nn.Conv2d(width, n_logits, 1, bias=False) for width in channels[:-1])
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()
        levels = []
        for enlarge, up in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            x = up(torch.cat([enlarge(x), skips.pop()], dim=1))
            levels.append(x)
        if not (self.deep_supervision and self.training):
            return without_softmax(self.heads[0](x), self.out_channels)
        return [
            without_softmax(head(level), self.out_channels)
            for head, level in zip(self.heads, reversed(levels), strict=True)
        ]
