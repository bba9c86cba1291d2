"""What all losses share: the contract, the choice of classes, the reduction."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from lib.losses.inputs import LossInputs, Maps

TINY = 1e-12


class Call:
    """The arguments of one call; terms that read the target alike share a LossInputs."""

    def __init__(self, logits: Tensor, target: Tensor, maps: Maps | None) -> None:
        self.logits, self.target, self.maps = logits, target, maps
        self._batches: dict[tuple, LossInputs] = {}

    def batch(self, sigmoid: bool, to_onehot_y: bool | None, ignore_index: int | None) -> LossInputs:
        key = (sigmoid, to_onehot_y, ignore_index)
        if key not in self._batches:
            self._batches[key] = LossInputs(self.logits, self.target, self.maps, *key)
        return self._batches[key]


class SegmentationLoss(nn.Module):
    """A loss called as ``loss(logits, target, maps)``; subclasses say in ``compute`` what it is.

    Args:
        include_background: False leaves channel 0 out; one channel has no background.
        classes: the channels (for pixel-wise losses: the true classes) that count; None for all.
        sigmoid, to_onehot_y, ignore_index: see ``LossInputs``.
        reduction: "mean", "sum" or "none" of what the catalogue names under ``per``.
    """

    def __init__(
        self,
        sigmoid: bool,
        to_onehot_y: bool | None,
        ignore_index: int | None,
        reduction: str,
        include_background: bool = True,
        classes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.include_background = include_background
        self.chosen = classes
        self.reading = (sigmoid, to_onehot_y, ignore_index)
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Tensor, maps: Maps | None = None) -> Tensor:
        return self.on(Call(logits, target, maps))

    def on(self, call: Call, weight: Tensor | None = None) -> Tensor:
        """The loss of a call; ``weight`` (batch, 1, *spatial) for losses that the catalogue calls weightable."""
        batch = call.batch(*self.reading)
        with full_precision(batch.device.type):
            return self.compute(batch) if weight is None else self.compute(batch, weight)

    def compute(self, batch: LossInputs) -> Tensor:
        raise NotImplementedError

    def classes(self, batch: LossInputs) -> list[int]:
        return batch.classes(self.include_background, self.chosen)

    def reduced(self, values: Tensor) -> Tensor:
        if self.reduction == "none":
            return values
        return values.mean() if self.reduction == "mean" else values.sum()

    def mean_of_valid(self, values: Tensor, valid: Tensor | None) -> Tensor:
        """Reduce voxel values that are 0 where ignored; the mean is over the voxels that are not."""
        if valid is None or self.reduction != "mean":
            return self.reduced(values)
        return mean_over(values, valid)


def full_precision(device_type: str) -> AbstractContextManager:
    """No autocast: sums over a patch need all digits of float32."""
    available = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if available else nullcontext()


def weighted(values: Tensor, weight: Tensor | None) -> Tensor:
    return values if weight is None else values * weight


def mean_over(values: Tensor, counted: Tensor) -> Tensor:
    """Sum of ``values`` by the sum of ``counted`` (broadcast to them); 0 where nothing is counted."""
    return values.sum() / counted.expand_as(values).sum().clamp_min(TINY)


def set_progress(loss: nn.Module, epoch: int, epochs: int) -> None:
    """Tell a loss with schedules that ``epoch``, counted from 0, of ``epochs`` begins."""
    if hasattr(loss, "set_progress"):
        loss.set_progress(epoch, epochs)
