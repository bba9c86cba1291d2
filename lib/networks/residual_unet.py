"""The residual 3D U-Net of inverse weighting's code release (Shirokikh et al., MICCAI 2020)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def pre_activation(n_in: int, n_out: int, kernel: int, bias: bool) -> nn.Sequential:
    """BatchNorm, ReLU, convolution that keeps the size."""
    convolution = nn.Conv3d(n_in, n_out, kernel, padding=kernel // 2, bias=bias)
    return nn.Sequential(nn.BatchNorm3d(n_in), nn.ReLU(inplace=True), convolution)


class ResidualBlock(nn.Module):
    """Two pre-activated convolutions plus the input, which passes a 1x1x1 convolution where widths differ."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.path = nn.Sequential(
            pre_activation(n_in, n_out, kernel, bias=False), pre_activation(n_out, n_out, kernel, bias=False)
        )
        self.skip = nn.Identity() if n_in == n_out else nn.Conv3d(n_in, n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.path(x) + self.skip(x)


class ResidualUNet(nn.Module):
    """Residual U-Net with summed skips, max pooling and trilinear up-sampling.

    Args:
        in_channels: channels of the input.
        channels: widths of the levels, the last one the bridge's. (16, 64, 128, 256) gives the published
            11,074,306 parameters for one input channel.
        out_channels: channels of the output; one, as released, is a logit of foreground against background.

    The last layer is a batch normalisation of the logits, as released. Input lengths must divide by
    2 ** (len(channels) - 1).
    """

    def __init__(self, in_channels: int, channels: Sequence[int], out_channels: int = 1) -> None:
        super().__init__()
        first, *_ = channels
        self.stem = nn.Sequential(
            nn.Conv3d(in_channels, first, 3, padding=1, bias=False),
            pre_activation(first, first, 3, bias=True),
        )
        previous = [first, *channels[:-2]]
        levels = channels[:-1]
        self.down = nn.ModuleList(
            nn.Sequential(ResidualBlock(a, b), ResidualBlock(b, b)) for a, b in zip(previous, levels, strict=True)
        )
        self.skip = nn.ModuleList(pre_activation(width, width, 1, bias=True) for width in levels)
        self.up = nn.ModuleList(
            nn.Sequential(ResidualBlock(b, b), ResidualBlock(b, a)) for a, b in zip(previous, levels, strict=True)
        )
        last, bridge = channels[-2:]
        self.bridge = nn.Sequential(
            ResidualBlock(last, bridge), ResidualBlock(bridge, bridge), ResidualBlock(bridge, last)
        )
        self.head = nn.Sequential(
            ResidualBlock(first, first, kernel=1),
            pre_activation(first, out_channels, 1, bias=False),
            nn.BatchNorm3d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        for down, skip in zip(self.down, self.skip, strict=True):
            x = down(x)
            skips.append(skip(x))
            x = F.max_pool3d(x, 2)
        x = self.bridge(x)
        for up in reversed(self.up):
            x = F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
            x = up(x + skips.pop())
        return self.head(x)
