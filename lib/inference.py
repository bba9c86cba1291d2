"""Sliding-window inference with the two averages of Shirokikh et al. (MICCAI 2020).

Unlike MONAI's sliding window the volume is padded so that whole strides cover it, and no window is moved.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn


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
) -> tuple[np.ndarray, np.ndarray]:
    """Predict a whole volume from overlapping windows.

    Args:
        image: (channels, *spatial); padded with 0, half of it (rounded down) before the volume.

    Returns:
        Probabilities and logits, float32 (*spatial), each the plain average over the windows that see a
        voxel. The average probability is not the sigmoid of the average logit where windows overlap.
    """
    network.eval()
    shape = image.shape[1:]
    padded = [padded_length(*lengths) for lengths in zip(shape, patch_size, stride, strict=True)]
    before = [(total - length) // 2 for total, length in zip(padded, shape, strict=True)]
    margins = [(0, 0)] + [(b, t - n - b) for b, t, n in zip(before, padded, shape, strict=True)]
    volume = torch.from_numpy(np.pad(image, margins))
    probability, logit, count = (torch.zeros(padded) for _ in range(3))
    starts = (range(0, t - p + 1, s) for t, p, s in zip(padded, patch_size, stride, strict=True))
    for start in itertools.product(*starts):
        window = tuple(slice(s, s + p) for s, p in zip(start, patch_size, strict=True))
        output = network(volume[(slice(None), *window)][None].to(device))[0, 0].float()
        logit[window] += output.cpu()
        probability[window] += torch.sigmoid(output).cpu()
        count[window] += 1
    inside = tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))
    return (probability / count)[inside].numpy(), (logit / count)[inside].numpy()
