"""Time inverse weights, labelling included, beside the publication's formula written out as a loop.

Every approach is timed on one thread, in turns, on the same volumes; the medians are printed. The weights must
be equal in float32.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy import ndimage
from skimage import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.losses.inverse_weighting import inverse_weights
from lib.maps import connected_components

CLIP = (1.0, 2e5)
VOLUMES = {"volume": ((512, 512, 200), 57, 5), "patch": ((64, 64, 64), 4, 101)}
"""Name -> shape, number of lesions, repeats."""
MEDIAN_DIAMETER, LOG_DIAMETER_SD = 12.0, 0.75  # voxels


def lesion_label(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """Balls of log-normal diameter that do not touch each other."""
    label = np.zeros(shape, np.uint8)
    placed = 0
    while placed < count:
        radius = min(rng.lognormal(np.log(MEDIAN_DIAMETER), LOG_DIAMETER_SD) / 2, min(shape) / 4)
        centre = rng.uniform(radius + 2, np.array(shape) - radius - 2)
        corner = np.floor(centre - radius - 2).astype(int)
        box = tuple(slice(first, first + int(2 * radius) + 6) for first in corner)
        if label[box].any():
            continue
        offsets = np.ogrid[box]
        distance = sum((offset - place) ** 2 for offset, place in zip(offsets, np.round(centre), strict=True))
        label[box] = distance <= radius**2
        placed += 1
    return label


def weights_by_table(components: np.ndarray) -> np.ndarray:
    return inverse_weights(torch.from_numpy(components)[None, None], clip=CLIP)[0, 0].numpy()


def weights_by_loop(components: np.ndarray) -> np.ndarray:
    n_components = components.max()
    weights = np.zeros(components.shape, np.float32)
    for component in range(n_components + 1):
        mask = components == component
        weights[mask] = mask.size / ((n_components + 1) * mask.sum())
    return np.clip(weights, *CLIP)


APPROACHES: dict[str, tuple[Callable, Callable]] = {
    "segloss": (connected_components, weights_by_table),
    "scipy.ndimage.label + loop": (
        lambda label: ndimage.label(label, np.ones((3, 3, 3)))[0],
        weights_by_loop,
    ),
    "skimage.measure.label + loop": (lambda label: measure.label(label > 0, connectivity=3), weights_by_loop),
}


def measure_approaches(label: np.ndarray, repeats: int) -> dict[str, np.ndarray]:
    """Median seconds of labelling and of weighting, by approach."""
    seconds = {name: [] for name in APPROACHES}
    for _ in range(repeats):
        expected = None
        for name, (labelling, weighting) in APPROACHES.items():
            start = time.perf_counter()
            components = labelling(label)
            middle = time.perf_counter()
            weights = weighting(components)
            seconds[name].append((middle - start, time.perf_counter() - middle))
            expected = weights if expected is None else expected
            assert weights.dtype == np.float32
            assert np.array_equal(weights, expected), f"{name}: other weights"
    return {name: np.median(pairs, axis=0) for name, pairs in seconds.items()}


