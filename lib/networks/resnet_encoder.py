"""U-Net, FPN and DeepLabV3+ behind a ResNet encoder, as segmentation-models-pytorch 0.2.1 builds them.

Names and shapes of the parameters are those of that package, with which the label-marginal publication (Liu et al.,
arXiv 2104.08717) trained, so that its checkpoints load. Encoders are MONAI's `ResNetFeatures`, which in 2D is
torchvision's ResNet. The lengths of an input must divide by 32.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from monai.networks.nets.resnet import ResNetFeatures
from torch import Tensor, nn
from torch.nn import functional as F

from lib.errors import SeglossError

_NARROW, _WIDE = (64, 64, 128, 256, 512), (64, 256, 512, 1024, 2048)
WIDTHS = {"resnet18": _NARROW, "resnet34": _NARROW, "resnet50": _WIDE, "resnet101": _WIDE}
"""Channels of an encoder's features at strides of 2, 4, 8, 16 and 32."""


class _EncoderDecoder(nn.Module):
    """Logits of the input's size: an encoder, a decoder of its features, and an output layer."""

    def __init__(self, in_channels: int, encoder: str, decoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = ResNetFeatures(encoder, pretrained=False, spatial_dims=2, in_channels=in_channels)
        self.decoder = decoder.apply(_initialise_decoder)
        self.segmentation_head = head.apply(_initialise_head)

    def forward(self, x: Tensor) -> Tensor:
        return self.segmentation_head(self.decoder(self.encoder(x)))

    def load_pretrained(self, path: Path) -> None:
        """Load the encoder from a file with torchvision's weights.

        Raises:
            SeglossError: the file cannot be read, holds other things than tensors, or is of another encoder.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.encoder.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
        except Exception as error:  # torch raises whatever it met in a damaged file
            reason = str(error).splitlines()[0][:200]
            raise SeglossError(f"{path}: not the ImageNet weights of this encoder ({reason}); get it again") from error


def _initialise_decoder(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _initialise_head(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class ResNetUNet(_EncoderDecoder):
    """U-Net (Ronneberger et al., MICCAI 2015) with decoder levels of 256, 128, 64, 32 and 16 channels.

    Args:
        in_channels: channels of the input.
        encoder: one of ``WIDTHS``.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, encoder: str, out_channels: int = 1) -> None:
        head = nn.Sequential(nn.Conv2d(16, out_channels, 3, padding=1))
        super().__init__(in_channels, encoder, _UNetDecoder(WIDTHS[encoder]), head)


class _UNetDecoder(nn.Module):
    def __init__(self, encoder: Sequence[int], widths: Sequence[int] = (256, 128, 64, 32, 16)) -> None:
        super().__init__()
        deepest, *skips = reversed(encoder)
        levels = zip(pairwise([deepest, *widths]), [*skips, 0], strict=True)
        self.blocks = nn.ModuleList(_UNetLevel(below + skip, width) for (below, width), skip in levels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        x, *skips = reversed(features)
        for block, skip in zip(self.blocks, [*skips, None], strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x if skip is None else torch.cat([x, skip], dim=1))
        return x


class _UNetLevel(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = _normalised(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False))
        self.conv2 = _normalised(nn.Conv2d(n_out, n_out, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


def _normalised(*convolutions: nn.Module) -> nn.Sequential:
    """Convolutions, of which the last is normalised and rectified."""
    last = [module for module in convolutions[-1].modules() if isinstance(module, nn.Conv2d)][-1]
    return nn.Sequential(*convolutions, nn.BatchNorm2d(last.out_channels), nn.ReLU(inplace=True))


class ResNetFPN(_EncoderDecoder):
    """Feature pyramid (Kirillov et al., CVPR 2019): 256 channels, merged by sums in 128.

    Args:
        in_channels: channels of the input.
        encoder: one of ``WIDTHS``.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, encoder: str, out_channels: int = 1) -> None:
        head = nn.Sequential(nn.Conv2d(128, out_channels, 1), nn.UpsamplingBilinear2d(scale_factor=4))
        super().__init__(in_channels, encoder, _PyramidDecoder(WIDTHS[encoder]), head)


class _PyramidDecoder(nn.Module):
    def __init__(self, encoder: Sequence[int], pyramid: int = 256, merged: int = 128) -> None:
        super().__init__()
        *shallower, deepest = encoder[1:]
        self.p5 = nn.Conv2d(deepest, pyramid, 1)
        self.p4, self.p3, self.p2 = (_Lateral(width, pyramid) for width in reversed(shallower))
        self.seg_blocks = nn.ModuleList(_PyramidBranch(pyramid, merged, doublings) for doublings in (3, 2, 1, 0))
        self.dropout = nn.Dropout2d(0.2, inplace=True)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        deepest, *skips = reversed(features[1:])
        levels = [self.p5(deepest)]
        for lateral, skip in zip((self.p4, self.p3, self.p2), skips, strict=True):
            levels.append(lateral(levels[-1], skip))
        return self.dropout(sum(branch(level) for branch, level in zip(self.seg_blocks, levels, strict=True)))


class _Lateral(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="nearest") + self.skip_conv(skip)


class _PyramidBranch(nn.Module):
    """Convolutions at a level of the pyramid, each but that of the finest followed by a doubling of the size."""

    def __init__(self, n_in: int, n_out: int, doublings: int) -> None:
        super().__init__()
        widths = [n_in, *max(1, doublings) * [n_out]]
        self.block = nn.Sequential(*(_PyramidBlock(a, b, doubled=doublings > 0) for a, b in pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class _PyramidBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, doubled: bool) -> None:
        super().__init__()
        self.doubled = doubled
        convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.block = nn.Sequential(convolution, nn.GroupNorm(32, n_out), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(x)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True) if self.doubled else x


class DeepLabV3Plus(_EncoderDecoder):
    """DeepLabV3+ (Chen et al., ECCV 2018) with an output stride of 16 and 256 channels.

    Args:
        in_channels: channels of the input.
        encoder: one of ``WIDTHS``.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, encoder: str, out_channels: int = 1) -> None:
        head = nn.Sequential(nn.Conv2d(256, out_channels, 1), nn.UpsamplingBilinear2d(scale_factor=4))
        super().__init__(in_channels, encoder, _DeepLabDecoder(WIDTHS[encoder]), head)
        for module in self.encoder.layer4.modules():
            if isinstance(module, nn.Conv2d):  # dilated instead of strided
                module.stride, module.dilation = (1, 1), (2, 2)
                module.padding = tuple(2 * (length // 2) for length in module.kernel_size)


class _DeepLabDecoder(nn.Module):
    def __init__(self, encoder: Sequence[int], width: int = 256, fine: int = 48) -> None:
        super().__init__()
        self.aspp = nn.Sequential(_AtrousPyramid(encoder[-1], width), *_normalised(_separable(width, width)))
        self.up = nn.UpsamplingBilinear2d(scale_factor=4)
        self.block1 = _normalised(nn.Conv2d(encoder[1], fine, 1, bias=False))
        self.block2 = _normalised(_separable(fine + width, width))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        coarse = self.up(self.aspp(features[-1]))
        return self.block2(torch.cat([coarse, self.block1(features[1])], dim=1))


def _separable(n_in: int, n_out: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_in, 3, padding=dilation, dilation=dilation, groups=n_in, bias=False),
        nn.Conv2d(n_in, n_out, 1, bias=False),
    )


class _AtrousPyramid(nn.Module):
    def __init__(self, n_in: int, n_out: int, rates: Sequence[int] = (12, 24, 36)) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                _normalised(nn.Conv2d(n_in, n_out, 1, bias=False)),
                *(_normalised(_separable(n_in, n_out, rate)) for rate in rates),
                _normalised(nn.AdaptiveAvgPool2d(1), nn.Conv2d(n_in, n_out, 1, bias=False)),
            ]
        )
        projected = _normalised(nn.Conv2d(len(self.convs) * n_out, n_out, 1, bias=False))
        self.project = nn.Sequential(*projected, nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        *scales, pooled = (convolution(x) for convolution in self.convs)
        return self.project(torch.cat([*scales, pooled.expand(-1, -1, *x.shape[2:])], dim=1))
