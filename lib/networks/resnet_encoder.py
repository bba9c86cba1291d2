"""U-Net, FPN and DeepLabV3+ behind a ResNet encoder, as segmentation-models-pytorch 0.2.1 builds them.

Names, shapes and initial values of the parameters are those of that package, with which the label-marginal publication
(Liu et al., arXiv 2104.08717) trained, so that its checkpoints load and its draws can be repeated. The lengths of an
input must divide by 32.
"""

import pickle
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.errors import SeglossError
from lib.networks.monai_nets import ResNet

_ENCODERS = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
}
_WIDTHS = {"basic": (64, 64, 128, 256, 512), "bottleneck": (64, 256, 512, 1024, 2048)}


IMAGENET_COLOURS = {"colour_mean": [0.485, 0.456, 0.406], "colour_sd": [0.229, 0.224, 0.225]}


class _Encoder(ResNet):
    """torchvision's ResNet, whose features have strides of 2, 4, 8, 16 and 32.

    MONAI's `ResNetFeatures` is not that for the names with basic blocks: their shortcuts have no parameters and pass no
    gradient. As in torchvision, a layer of 1000 classes is drawn, and not kept; as in segmentation-models-pytorch, the
    first convolution is drawn once more if there are not three channels.
    """

    def __init__(self, name: str, in_channels: int) -> None:
        block, depths = _ENCODERS[name]
        super().__init__(
            block,
            list(depths),
            [64, 128, 256, 512],
            spatial_dims=2,
            conv1_t_stride=2,
            bias_downsample=False,
            num_classes=1000,
        )
        self.widths = _WIDTHS[block]
        self.fc = None
        if in_channels != 3:
            self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.act(self.bn1(self.conv1(x)))]
        deeper = self.maxpool(features[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            deeper = layer(deeper)
            features.append(deeper)
        return features


class _EncoderDecoder(nn.Module):
    """Logits of the input's size: an encoder, a decoder of its features, and an output layer.

    Args:
        in_channels: channels of the input.
        encoder: ``resnet18``, ``resnet34``, ``resnet50`` or ``resnet101``.
        out_channels: channels of the output.
        encoder_weights: ``imagenet``: colours of 0 to 1 are brought to the mean and standard deviation of ImageNet.
    """

    def __init__(
        self, in_channels: int, encoder: str, out_channels: int = 1, encoder_weights: str | None = None
    ) -> None:
        super().__init__()
        self.encoder = _Encoder(encoder, in_channels)
        self.decoder, self.segmentation_head = self.made(self.encoder.widths, out_channels)
        self.initialise()
        self.for_imagenet = encoder_weights == "imagenet"
        for name, values in IMAGENET_COLOURS.items():
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def made(self, widths: Sequence[int], out_channels: int) -> tuple[nn.Module, nn.Sequential]:
        """Decoder and output layer behind features of these ``widths``."""
        raise NotImplementedError

    def initialise(self) -> None:
        """Draw decoder and output layer again."""
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        output = self.segmentation_head[0]
        nn.init.xavier_uniform_(output.weight)
        nn.init.zeros_(output.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.for_imagenet:
            x = (x - self.colour_mean) / self.colour_sd
        return self.segmentation_head(self.decoder(self.encoder(x)))

    def load_pretrained(self, path: Path) -> None:
        """Load the encoder from a file with torchvision's weights.

        Raises:
            SeglossError: the file is damaged, holds other things than tensors or is of another encoder, or images do
                not have three channels.
        """
        if (channels := self.encoder.conv1.in_channels) != 3:
            raise SeglossError(
                f"{path}: weights for images of 3 channels, these have {channels}; set encoder_weights: null"
            )
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.encoder.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
        except pickle.UnpicklingError as error:
            raise SeglossError(f"{path}: damaged, or holds other things than tensors; get it again") from error
        except Exception as error:  # torch raises whatever it met in a damaged file
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise SeglossError(f"{path}: not the ImageNet weights of this encoder ({reason}); get it again") from error


def _coarse_head(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 1), nn.UpsamplingBilinear2d(scale_factor=4))


class ResNetUNet(_EncoderDecoder):
    """U-Net (Ronneberger et al., MICCAI 2015) with decoder levels of 256, 128, 64, 32 and 16 channels."""

    def made(self, widths: Sequence[int], out_channels: int) -> tuple[nn.Module, nn.Sequential]:
        return _UNetDecoder(widths), nn.Sequential(nn.Conv2d(16, out_channels, 3, padding=1))


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
    """Feature pyramid (Kirillov et al., CVPR 2019): 256 channels, merged by sums in 128."""

    def made(self, widths: Sequence[int], out_channels: int) -> tuple[nn.Module, nn.Sequential]:
        return _PyramidDecoder(widths), _coarse_head(128, out_channels)


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
    """DeepLabV3+ (Chen et al., ECCV 2018) with an output stride of 16 and 256 channels."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for module in self.encoder.layer4.modules():
            if isinstance(module, nn.Conv2d):  # dilated instead of strided
                module.stride, module.dilation = (1, 1), (2, 2)
                module.padding = tuple(2 * (length // 2) for length in module.kernel_size)

    def made(self, widths: Sequence[int], out_channels: int) -> tuple[nn.Module, nn.Sequential]:
        return _DeepLabDecoder(widths), _coarse_head(256, out_channels)

    def initialise(self) -> None:
        """Leave them as they were drawn, as the package does."""


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
        spread = F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat([*scales, spread], dim=1))
