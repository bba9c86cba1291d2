"""Sliding-window inference against a plain reading of its definition."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.inference import padded_length, predict_volume


@pytest.mark.parametrize(
    ("length", "expected"), [(100, 160), (160, 160), (161, 304), (304, 304), (305, 448), (512, 592)]
)
def test_published_padding(length: int, expected: int) -> None:
    assert padded_length(length, 160, 144) == expected


class Position(nn.Module):
    """Adds to each voxel its place in the window, so that windows disagree where they overlap."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(x[0, 0].numel()).view(x.shape[2:]) / 50 - 3
        return x[:, :1] + places


@pytest.mark.parametrize("shape", [(5, 9, 12), (8, 8, 8), (13, 6, 20)])
def test_two_plain_averages(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    probability, logit = predict_volume(Position(), image, (8, 8, 8), (6, 6, 6), torch.device("cpu"))

    total = [padded_length(n, 8, 6) for n in shape]
    before = [(t - n) // 2 for t, n in zip(total, shape, strict=True)]
    padded = np.zeros((2, *total), np.float32)
    inside = tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))
    padded[(slice(None), *inside)] = image
    sums, counts = np.zeros((2, *total)), np.zeros(total)
    for i in range(0, total[0] - 7, 6):
        for j in range(0, total[1] - 7, 6):
            for k in range(0, total[2] - 7, 6):
                window = (slice(i, i + 8), slice(j, j + 8), slice(k, k + 8))
                output = padded[0][window] + np.arange(512).reshape(8, 8, 8) / 50 - 3
                sums[0][window] += 1 / (1 + np.exp(-output))
                sums[1][window] += output
                counts[window] += 1
    np.testing.assert_allclose(probability, (sums[0] / counts)[inside], atol=1e-5)
    np.testing.assert_allclose(logit, (sums[1] / counts)[inside], atol=1e-5)


def test_average_probability_is_not_the_probability_of_the_average() -> None:
    image = np.zeros((1, 14, 8, 8), np.float32)
    probability, logit = predict_volume(Position(), image, (8, 8, 8), (6, 6, 6), torch.device("cpu"))
    assert np.abs(probability - 1 / (1 + np.exp(-logit))).max() > 0.01
