"""Losses made of losses: weighted sums with schedules, deep supervision, a user's own module."""

import inspect
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.errors import SeglossError
from lib.losses.base import Call, set_progress
from lib.losses.inputs import Maps
from lib.losses.schedule import weight_at


class WeightedSum(nn.Module):
    """Sum of terms times their weights; a weight is a number or a schedule (``lib.losses.schedule``).

    ``values``: of the terms without their weights, at the last call.
    """

    def __init__(self, terms: Sequence[nn.Module], weights: Sequence[float | Mapping[str, Any]]) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)
        self.schedules = tuple(weights)
        weights = torch.zeros(len(self.schedules), dtype=torch.float64)
        self.register_buffer("weights", weights, persistent=False)  # a tensor: a change recompiles nothing
        self.values: list[Tensor] = []
        self.set_progress(0, 1)

    def set_progress(self, epoch: int, epochs: int) -> None:
        """Take the weights of ``epoch``, counted from 0, of a training of ``epochs``."""
        weights = [weight_at(schedule, epoch, epochs) for schedule in self.schedules]
        self.weights.copy_(torch.tensor(weights, dtype=torch.float64))
        for term in self.terms:
            set_progress(term, epoch, epochs)

    def forward(self, logits: Tensor, target: Tensor, maps: Maps | None = None) -> Tensor:
        return self.on(Call(logits, target, maps))

    def on(self, call: Call) -> Tensor:
        values = [term.on(call) for term in self.terms]
        self.values = [value.detach() for value in values]
        return sum(weight.to(value.dtype) * value for weight, value in zip(self.weights, values, strict=True))


def weighted_sum(loss: nn.Module) -> WeightedSum | None:
    """The sum that a loss is, or that is taken at each resolution; None for a single loss."""
    inner = loss.loss if isinstance(loss, DeepSupervision) else loss
    return inner if isinstance(inner, WeightedSum) else None


class DeepSupervision(nn.Module):
    """One loss at several resolutions of the network's output, the full one first, times ``weights``.

    Labels and maps of labels are taken at the voxel nearest to each coarse voxel's centre, so that label and map
    still belong together; real-valued maps (distances, in units of space) are interpolated linearly there.
    ``weights`` None: halved from level to level, in sum 1.
    """

    def __init__(self, loss: nn.Module, weights: Sequence[float] | None) -> None:
        super().__init__()
        self.loss = loss
        self.weights = weights

    def set_progress(self, epoch: int, epochs: int) -> None:
        set_progress(self.loss, epoch, epochs)

    def forward(self, logits: Sequence[Tensor], target: Tensor, maps: Maps | None = None) -> Tensor:
        self._check(logits)
        weights = self.weights or [2.0**-level for level in range(len(logits))]
        if len(weights) != len(logits):
            raise SeglossError(f"deep supervision has {len(weights)} weights, the network gave {len(logits)} outputs")
        total = sum(weights) if self.weights is None else 1.0
        values = [
            weight / total * self.loss(level, *resampled(level.shape[2:], target, maps))
            for weight, level in reversed([*zip(weights, logits, strict=True)])  # a sum's ``values`` are of the finest
            if weight
        ]
        return sum(reversed(values))

    @staticmethod
    def _check(logits: Sequence[Tensor]) -> None:
        if isinstance(logits, Tensor) or not logits or not all(isinstance(level, Tensor) for level in logits):
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise SeglossError(f"logits: {found}: deep supervision expects a list of tensors, full resolution first")
        if len({level.ndim for level in logits}) > 1:
            raise SeglossError(
                f"logits of {[tuple(level.shape) for level in logits]}: deep supervision expects the same number of"
                " dimensions at every resolution"
            )


def resampled(size: Sequence[int], target: Tensor, maps: Maps | None) -> tuple[Tensor, dict[str, Tensor]]:
    """Target and maps at another resolution."""
    if tuple(size) == tuple(target.shape[2:]):
        return target, dict(maps or {})
    return (
        _nearest(target, size),
        {
            name: _linear(values, size) if values.is_floating_point() else _nearest(values, size)
            for name, values in (maps or {}).items()
        },
    )


def _nearest(values: Tensor, size: Sequence[int]) -> Tensor:
    """Values at the coarse voxels' centres, by indexing: interpolation would round large labels."""
    for axis, (length, coarse) in enumerate(zip(values.shape[2:], size, strict=True), start=2):
        centres = (torch.arange(coarse, device=values.device) + 0.5) * (length / coarse)
        values = values.index_select(axis, centres.long())
    return values


def _linear(values: Tensor, size: Sequence[int]) -> Tensor:
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return F.interpolate(values, tuple(size), mode=mode, align_corners=False)


class UserLoss(nn.Module):
    """A module from elsewhere: called with float targets, and with ``maps`` if its ``forward`` has such a parameter.

    Raises:
        SeglossError: it failed, or returned something else than a scalar.
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module = module
        self.name = name
        self.takes_maps = "maps" in inspect.signature(module.forward).parameters

    def set_progress(self, epoch: int, epochs: int) -> None:
        set_progress(self.module, epoch, epochs)

    def forward(self, logits: Tensor, target: Tensor, maps: Maps | None = None) -> Tensor:
        given_maps = {"maps": maps or {}} if self.takes_maps else {}
        try:
            value = self.module(logits, target.to(logits.dtype), **given_maps)
        except Exception as error:  # whatever a user's code may raise
            raise SeglossError(
                f"loss {self.name!r} failed on logits {tuple(logits.shape)}, target {tuple(target.shape)} and maps"
                f" {', '.join(maps or {}) or 'none'}: {_in_one_line(error)}"
            ) from error
        if not isinstance(value, Tensor) or value.numel() != 1:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise SeglossError(f"loss {self.name!r} returned {found}: a scalar tensor was expected")
        return value.reshape(())

    def on(self, call: Call) -> Tensor:
        return self(call.logits, call.target, call.maps)


def _in_one_line(error: Exception) -> str:
    """Kind, place and first line of an error."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}: {first_line}"
