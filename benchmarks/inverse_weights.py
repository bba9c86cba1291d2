"""Time inverse weights, labelling included, next to the publication's formula written out as a loop.

Every approach is timed on one thread, in turns, on the same volumes; medians are printed. The weights must be
equal in float32.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from skimage import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.losses.inverse_weighting import inverse_weights
from lib.maps import connected_components

CLIP = (1.0, 2e5)
VOLUMES = (((512, 512, 200), 57, 7), ((64, 64, 64), 4, 201))
"""Shape, number of lesions, repeats."""
MEDIAN_DIAMETER, LOG_DIAMETER_SD = 12.0, 0.75  # voxels


def lesion_label(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """Balls of log-normal diameter that do not touch each other."""
    label = np.zeros(shape, np.uint8)
    placed = 0
    while placed < count:
        radius = min(rng.lognormal(np.log(MEDIAN_DIAMETER), LOG_DIAMETER_SD) / 2, min(shape) / 4)
        centre = rng.uniform(radius + 4, np.array(shape) - radius - 4)
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
    batch = torch.from_numpy(components.astype(np.int32))[None, None]  # as the patch sampler hands it over
    return inverse_weights(batch, clip=CLIP)[0, 0].numpy()


def weights_by_loop(components: np.ndarray) -> np.ndarray:
    n_components = components.max()
    weights = np.zeros(components.shape, np.float32)
    for component in range(n_components + 1):
        mask = components == component
        weights[mask] = mask.size / ((n_components + 1) * mask.sum())
    return np.clip(weights, *CLIP)


def label_by_scipy(label: np.ndarray) -> np.ndarray:
    return ndimage.label(label, np.ones((3, 3, 3)))[0]


def label_by_skimage(label: np.ndarray) -> np.ndarray:
    return measure.label(label > 0, connectivity=3)


APPROACHES: dict[str, tuple[Callable, Callable]] = {
    "segloss": (connected_components, weights_by_table),
    "scipy.ndimage.label, loop": (label_by_scipy, weights_by_loop),
    "skimage.measure.label, loop": (label_by_skimage, weights_by_loop),
}


def median_seconds(label: np.ndarray, repeats: int) -> dict[str, np.ndarray]:
    """Seconds of labelling, of weighting and of both, by approach: medians over the repeats."""
    seconds = {name: [] for name in APPROACHES}
    for _ in range(repeats):
        first = None
        for name, (labelling, weighting) in APPROACHES.items():
            start = time.perf_counter()
            components = labelling(label)
            middle = time.perf_counter()
            weights = weighting(components)
            end = time.perf_counter()
            seconds[name].append((middle - start, end - middle, end - start))
            first = weights if first is None else first
            assert weights.dtype == np.float32 and np.array_equal(weights, first), f"{name}: other weights"
    return {name: np.median(measured, axis=0) for name, measured in seconds.items()}


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print("| voxels | components | approach | labelling, ms | weighting, ms | both, ms | times segloss |")
    print("|---|--:|---|--:|--:|--:|--:|")
    for shape, count, repeats in VOLUMES:
        label = lesion_label(shape, count, rng)
        medians = median_seconds(label, repeats)
        for name, seconds in medians.items():
            times = " | ".join(f"{1000 * value:.2f}" for value in seconds)
            ratio = seconds[-1] / medians["segloss"][-1]
            volume = f"{'×'.join(map(str, shape))} | {connected_components(label).max()}"
            print(f"| {volume} | {name} | {times} | {ratio:.1f} |")
    print("\nThe weights of all approaches were equal in float32, in every repeat.")


main()
