"""The ENet of the boundary loss's ACDC experiments (Kervadec et al., MedIA 2021), after Paszke et al., 2016."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.errors import SeglossError
from lib.networks.boundary_unet import enlargement, initialise
from lib.networks.layers import LAYERS, softmax_channels, without_softmax

PROJECTION = 4


def _activated(*convolutions: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(*convolutions, nn.BatchNorm2d(convolutions[-1].out_channels), nn.PReLU())


def _square(width: int, dilation: int = 1) -> list[nn.Conv2d]:
    return [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)]


def _asymmetric(width: int) -> list[nn.Conv2d]:
    return [
        nn.Conv2d(width, width, (5, 1), padding=(2, 0)),
        nn.Conv2d(width, width, (1, 5), padding=(0, 2)),
    ]


def _path(
    n_in: int,
    n_out: int,
    dropout: float,
    inner: Callable[[int], list[nn.Conv2d]] = _square,
    kernel: int = 1,
    stride: int = 1,
) -> nn.Sequential:
    """Narrow to a quarter of the channels, convolve there, widen."""
    narrow = n_in // PROJECTION
    return nn.Sequential(
        _activated(nn.Conv2d(n_in, narrow, kernel, stride, padding=(kernel - stride) // 2)),
        _activated(*inner(narrow)),
        _activated(nn.Conv2d(narrow, n_out, 1)),
        nn.Dropout(dropout),
    )


class _Sum(nn.Module):
    """PReLU of path plus shortcut."""

    def __init__(self, path: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.path = path
        self.shortcut = shortcut or nn.Identity()
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.path(x) + self.shortcut(x))


class _Halving(nn.Module):
    """A strided path plus the max-pooled input, padded with empty channels; where the maxima lay goes along."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.path = _path(n_in, n_out, dropout=0.01, kernel=2, stride=2)
        self.n_new = n_out - n_in
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        return self.activation(self.path(x) + F.pad(pooled, (0, 0, 0, 0, 0, self.n_new))), places


class _Doubling(nn.Module):
    """The input put back to where the maxima lay, plus a path over that and the skip."""

    def __init__(self, width: int, refinement: nn.Module | None = None) -> None:
        super().__init__()
        self.path = nn.Sequential(_path(2 * width, width, dropout=0.01, kernel=3), refinement or nn.Identity())
        self.activation = nn.PReLU()
        self.unused_activation = nn.PReLU()

    def forward(self, x: Tensor, places: Tensor, skip: Tensor) -> Tensor:
        x = F.max_unpool2d(x, places, 2)
        return self.activation(x + self.path(torch.cat([x, skip], dim=1)))


def _bottleneck(width: int, dropout: float = 0.1) -> _Sum:
    return _Sum(_path(width, width, dropout))


def _asymmetric_bottleneck(width: int) -> _Sum:
    return _Sum(_path(width, width, dropout=0.1, inner=_asymmetric))


def _dilated_bottleneck(n_in: int, n_out: int, dilation: int) -> _Sum:
    shortcut = None if n_in == n_out else nn.Conv2d(n_in, n_out, 3, padding=1)
    return _Sum(_path(n_in, n_out, dropout=0.01, inner=partial(_square, dilation=dilation)), shortcut)


def _context(n_in: int, n_out: int) -> nn.Sequential:
    """Bottlenecks of ever wider view; the last one has ``n_out`` channels."""
    return nn.Sequential(
        _bottleneck(n_in),
        _dilated_bottleneck(n_in, n_in, dilation=2),
        _asymmetric_bottleneck(n_in),
        _dilated_bottleneck(n_in, n_in, dilation=4),
        _bottleneck(n_in),
        _dilated_bottleneck(n_in, n_in, dilation=8),
        _asymmetric_bottleneck(n_in),
        _dilated_bottleneck(n_in, n_out, dilation=16),
    )


class ENet(nn.Module):
    """Bottlenecks at low resolution, un-pooling to where the maxima lay, concatenated skips.

    Args:
        in_channels: channels of the input, fewer than ``channels[0]``.
        channels: widths at a half, a quarter and an eighth of the resolution, which divide by 4. (16, 64, 128)
            gives the released 463,475 parameters from one channel to four.
        out_channels: channels of the output; for one, the difference of two logits is returned.

    The release, not the first ENet, has the skips, the dropout of single values, nearest-neighbour up-sampling
    in the last step and a 3x3 convolution as shortcut of the last bottleneck at an eighth. Its layers without
    use, two output layers and two activations, are kept: parameters are the released ones. It takes one input
    channel; here each further one takes the place of one that the first convolution makes. Input lengths must
    divide by 8.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], out_channels: int = 1) -> None:
        super().__init__()
        self.out_channels = out_channels
        n_logits = softmax_channels(out_channels)
        half, quarter, eighth = channels
        if in_channels >= half or any(width % 4 for width in channels) or sorted(channels) != list(channels):
            raise SeglossError(
                f"enet_2d with {in_channels} input channels and channels {tuple(channels)}: ascending widths that"
                " divide by 4, the first above the input's, were expected"
            )
        self.initial = nn.Conv2d(in_channels, half - in_channels, 3, stride=2, padding=1)
        self.to_quarter = _Halving(half, quarter)
        self.at_quarter = nn.Sequential(*(_bottleneck(quarter, dropout=0.01) for _ in range(4)))
        self.to_eighth = _Halving(quarter, eighth)
        self.at_eighth = nn.Sequential(_context(eighth, eighth), _context(eighth, quarter))
        self.back_to_quarter = _Doubling(quarter)
        self.decode = nn.Sequential(
            _bottleneck(quarter),
            _Sum(_path(quarter, half, dropout=0.1), shortcut=_activated(nn.Conv2d(quarter, half, 1))),
        )
        self.back_to_half = _Doubling(half, refinement=_bottleneck(half))
        self.enlarge = enlargement(half, LAYERS[2])
        self.head = nn.Conv2d(half, n_logits, 1)
        self.unused_heads = nn.ModuleList(nn.Conv2d(width, n_logits, 3, padding=1) for width in (eighth, half))
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        at_half = torch.cat([self.initial(x), F.max_pool2d(x, 2)], dim=1)
        x, places_at_half = self.to_quarter(at_half)
        at_quarter = self.at_quarter(x)
        x, places_at_quarter = self.to_eighth(at_quarter)
        x = self.back_to_quarter(self.at_eighth(x), places_at_quarter, at_quarter)
        x = self.back_to_half(self.decode(x), places_at_half, at_half)
        return without_softmax(self.head(self.enlarge(x)), self.out_channels)
