"""Sliding-window inference with the two averages of Shirokikh et al. (MICCAI 2020).

Unlike MONAI's sliding window the volume is padded so that whole strides cover it, and no window is moved.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.labels import Labels

SLICES_AT_ONCE = 8


def padded_length(length: int, patch: int, stride: int) -> int:
    """Smallest length >= ``length`` that windows of ``patch`` every ``stride`` voxels cover without remainder."""
    return patch + -(-max(length - patch, 0) // stride) * stride


@torch.inference_mode()
def predict_volume(
    network: nn.Module,
    image: np.ndarray,
    patch_size: Sequence[int],
    stride: Sequence[int],
    device: torch.device,
    exclusive: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Predict a whole volume from overlapping windows; by slices (last axis) where the windows have an axis less.

    Args:
        image: (channels, *spatial); padded with 0, half of it (rounded down) before the volume.
        exclusive: the network's channels are classes of which every voxel has one; otherwise each has a sigmoid.

    Returns:
        Probabilities and logits, float32, each the plain average over the windows that see a voxel: of two exclusive
        classes (*spatial) of the second, otherwise (classes, *spatial). The average probability is not the sigmoid of
        the average logit where windows overlap.
    """
    network.eval()
    by_slice = len(patch_size) == image.ndim - 2
    images = np.moveaxis(image, -1, 0) if by_slice else image[None]
    shape = images.shape[2:]
    padded = [padded_length(*lengths) for lengths in zip(shape, patch_size, stride, strict=True)]
    before = [(total - length) // 2 for total, length in zip(padded, shape, strict=True)]
    margins = [(b, t - n - b) for b, t, n in zip(before, padded, shape, strict=True)]
    batch = torch.from_numpy(np.pad(images, [(0, 0), (0, 0), *margins]))
    sums: tuple[torch.Tensor, ...] = ()
    count = torch.zeros(padded)
    starts = (range(0, t - p + 1, s) for t, p, s in zip(padded, patch_size, stride, strict=True))
    for start in itertools.product(*starts):
        window = tuple(slice(s, s + p) for s, p in zip(start, patch_size, strict=True))
        count[window] += 1
        for first in range(0, len(batch), SLICES_AT_ONCE):
            some = (slice(first, first + SLICES_AT_ONCE), slice(None), *window)
            outputs = _of_classes(network(batch[some].to(device)).float(), exclusive)
            sums = sums or tuple(torch.zeros(len(batch), outputs[0].shape[1], *padded) for _ in outputs)
            for total, values in zip(sums, outputs, strict=True):
                total[some] += values.cpu()
    inside = (..., *(slice(b, b + n) for b, n in zip(before, shape, strict=True)))
    probability, logit = ((total / count)[inside].numpy() for total in sums)
    return _volume_of(probability, by_slice, exclusive), _volume_of(logit, by_slice, exclusive)


def predict_case(
    network: nn.Module, image: np.ndarray, spacing: Sequence[float], chosen: Any, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Predict an image on the grid that the network was trained on; probabilities and logits on its own.

    Args:
        image: (channels, *spatial).
        spacing: in mm by axis.
        chosen: ``inference``, ``labels`` and ``resampling`` (no longer ``median`` or ``planned``).
    """
    grid, window = chosen.resampling, (chosen.inference.patch_size, chosen.inference.stride)
    if grid.is_native:
        return predict_volume(network, image, *window, device, chosen.labels.exclusive)
    from lib.resampling import resample_image, resample_values, slice_axis  # imports half of SciPy

    own = image.shape[1:]
    shape = grid.shape_of(own, spacing, by_slice=len(window[0]) < len(own))
    new = [length * old / n for length, old, n in zip(spacing, own, shape, strict=True)]
    across = slice_axis(spacing, new)
    seen = resample_image(image, shape, across)
    probability, logit = predict_volume(network, seen, *window, device, chosen.labels.exclusive)
    return resample_values(probability, own, across), resample_values(logit, own, across)


def _of_classes(output: torch.Tensor, exclusive: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and logits: of the second alone, (batch, 1, *spatial), where there are two exclusive classes."""
    if not exclusive:
        return torch.sigmoid(output), output
    if output.shape[1] > 2:
        return torch.softmax(output, 1), output
    logit = output if output.shape[1] == 1 else output[:, 1:] - output[:, :1]
    return torch.sigmoid(logit), logit


def _volume_of(values: np.ndarray, by_slice: bool, exclusive: bool) -> np.ndarray:
    volume = np.moveaxis(values, 0, -1) if by_slice else values[0]
    return np.ascontiguousarray(volume[0] if len(volume) == 1 and exclusive else volume)


def stored_kinds(
    probability: np.ndarray, logit: np.ndarray, labels: Labels, kinds: Iterable[str]
) -> dict[str, np.ndarray]:
    """What is stored of the outputs of :func:`predict_volume`.

    Probabilities and logits are float16 as published: logits keep the ranking where probabilities saturate. ``labels``
    are those that the stored logits stand for, so that it does not matter which of them a reader gets.
    """
    largest = np.finfo(np.float16).max
    rounded = logit.clip(-largest, largest).astype(np.float16)
    made = {
        "labels": lambda: labels.decide(rounded),
        "probability": lambda: probability.astype(np.float16),
        "logit": lambda: rounded,
    }
    return {kind: made[kind]() for kind in kinds}
