"""Small functions of tensors that losses share."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def can_hold(dtype: torch.dtype, value: int) -> bool:
    """Whether a tensor of this type may hold ``value``; a comparison would wrap it around."""
    if dtype == torch.bool:
        return value in (0, 1)
    return dtype.is_floating_point or torch.iinfo(dtype).min <= value <= torch.iinfo(dtype).max


def joined(channels: list[Tensor]) -> Tensor:
    return channels[0] if len(channels) == 1 else torch.cat(channels, 1)


def times_each(values: Tensor, factor: Tensor | None) -> Tensor:
    """Multiply every group of channels of ``values`` by the channels of ``factor``."""
    if factor is None:
        return values
    return (values.unflatten(1, (-1, factor.shape[1])) * factor.unsqueeze(1)).flatten(1, 2)


def times(factor: float, values: Tensor) -> Tensor:
    """The product, without a pass through memory where the factor is 1."""
    return values if factor == 1 else factor * values


def on_device(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor, kept for the next call: a copy to a GPU makes the host wait."""
    made = torch.tensor if torch.compiler.is_compiling() else _kept_tensor
    return made(values, dtype=dtype, device=device)


@lru_cache
def _kept_tensor(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # so that a later call may save it for its backward pass
        return torch.tensor(values, dtype=dtype, device=device)


def channels_of(values: Tensor, channels: Sequence[int]) -> Tensor:
    """The chosen channels of (batch, channels, ...)."""
    if len(channels) == values.shape[1]:
        return values
    return values.index_select(1, on_device(tuple(channels), torch.long, values.device))


def one_hot_of(labels: Tensor, n_channels: int) -> Tensor:
    """Truth values (batch, channels, *spatial) of labels (batch, 1, *spatial)."""
    channels = torch.arange(n_channels, dtype=labels.dtype, device=labels.device)
    return labels == channels.view(1, -1, *[1] * (labels.ndim - 2))
