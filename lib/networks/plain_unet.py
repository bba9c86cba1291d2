"""A plain U-Net as nnU-Net v1 builds it; in 2D that of T-Loss (Gonzalez-Jimenez et al., MICCAI 2023)."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from lib.networks.layers import LAYERS, softmax_channels, without_softmax

SLOPE = 0.01


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.ConvTranspose3d):
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
        dimensions: 2 or 3.
        normalisation: ``batch``, as T-Loss took it, or ``instance``, as nnU-Net.

    The release does not use its output layers of the coarser levels; they are kept in any case: parameters and their
    initialisation are the released ones. Input lengths must divide by 2 ** (len(channels) - 1).
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        out_channels: int = 1,
        deep_supervision: bool = False,
        dimensions: int = 2,
        normalisation: str = "batch",
    ) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        self.out_channels = out_channels
        layers = LAYERS[dimensions]
        kinds = {"batch": layers.normalisation, "instance": partial(layers.instance_normalisation, affine=True)}

        def block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
            convolution = layers.convolution(n_in, n_out, 3, stride, padding=1)
            return nn.Sequential(convolution, kinds[normalisation](n_out), nn.LeakyReLU(SLOPE, inplace=True))

        def stage(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(block(n_in, n_out, stride), block(n_out, n_out))

        widths, levels = [*pairwise(channels)], channels[:-1]
        self.down = nn.ModuleList([stage(in_channels, channels[0]), *(stage(a, b, stride=2) for a, b in widths)])
        self.enlarge = nn.ModuleList(layers.transposed(b, a, 2, stride=2, bias=False) for a, b in widths)
        self.up = nn.ModuleList(stage(2 * width, width) for width in levels)
        n_logits = softmax_channels(out_channels)
        self.heads = nn.ModuleList(layers.convolution(width, n_logits, 1, bias=False) for width in levels)
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
