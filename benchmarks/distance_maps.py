"""Time the distance map next to the publication's function, and measure what memory it takes.

Both run in this process on one thread, in turns, on a one-hot label of 2 x 192 x 192 x 64 voxels; medians are
printed. The values must agree to 1e-4 mm. The peak of memory is measured on 512 x 512 x 100 voxels.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.maps import published_distance, signed_distance

SPACING = (1.0, 1.0, 3.0)
REPEATS = 9


def lesions(shape: tuple[int, ...], count: int = 40, seed: int = 0) -> np.ndarray:
    """Ellipsoids of many sizes, all over the volume."""
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    for centre, radius in zip(rng.uniform(0.1, 0.9, (count, 3)), rng.lognormal(1.6, 0.6, count), strict=True):
        grid = np.ogrid[tuple(slice(n) for n in shape)]
        squares = (
            ((axis - place * n) / (radius / step)) ** 2
            for axis, place, n, step in zip(grid, centre, shape, (1, 1, 3), strict=True)
        )
        label[sum(squares) <= 1] = 1
    return label


def published(label: np.ndarray) -> np.ndarray:
    """The publication's steps: a map for each class of the one-hot mask, after a check that it is one."""
    one_hot = np.stack([label == 0, label == 1]).astype(np.int32)
    checked = torch.tensor(one_hot)
    total = checked.sum(0).type(torch.float32)
    assert torch.allclose(total, torch.ones_like(total)) and set(torch.unique(checked).numpy()) <= {0, 1}
    maps = np.zeros(one_hot.shape, np.float32)
    for number, channel in enumerate(one_hot):
        mask = channel.astype(bool)
        if mask.any():
            outside = distance_transform_edt(~mask, sampling=SPACING) * ~mask
            maps[number] = outside - (distance_transform_edt(mask, sampling=SPACING) - 1) * mask
    return maps


def foreground(label: np.ndarray) -> np.ndarray:
    return published_distance(label, SPACING)


def both_classes(label: np.ndarray) -> np.ndarray:
    """As for three classes and more: a map for each, the background included."""
    return published_distance(label, SPACING, n_classes=3)[:2]


def corrected(label: np.ndarray) -> np.ndarray:
    return signed_distance(label, SPACING)


def timed(function: Callable[[np.ndarray], np.ndarray], label: np.ndarray) -> float:
    start = time.perf_counter()
    function(label)
    return time.perf_counter() - start


def peak_memory(function: Callable[[np.ndarray], np.ndarray], label: np.ndarray) -> float:
    """By how much the process grows at most, result included, in float32 maps of the volume (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _resident("VmRSS")
    function(label)
    return 1024 * (_resident("VmHWM") - before) / (4 * label.size)


def _resident(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(key)).split()[1])


def main() -> None:
    torch.set_num_threads(1)
    label = lesions((192, 192, 64))
    ours = {"foreground": foreground, "both_classes": both_classes, "corrected": corrected}
    reference = published(label)
    np.testing.assert_allclose(foreground(label), reference[1], atol=1e-4)
    np.testing.assert_allclose(both_classes(label), reference, atol=1e-4)
    times = {name: [] for name in ("published", *ours)}
    for _ in range(REPEATS):
        times["published"].append(timed(published, label))
        for name, function in ours.items():
            times[name].append(timed(function, label))
    memory = {name: peak_memory(function, lesions((512, 512, 100))) for name, function in ours.items()}
    print(f"foreground voxels: {int(label.sum())} of {label.size}")
    print("| map | s | times as fast as published | peak memory, float32 maps |")
    print("|---|--:|--:|--:|")
    for name in times:
        ratio = statistics.median(p / t for p, t in zip(times["published"], times[name], strict=True))
        peak = f"{memory[name]:.1f}" if name in memory else ""
        print(f"| {name} | {statistics.median(times[name]):.3f} | {ratio:.1f} | {peak} |")
    large = lesions((512, 512, 300), count=60)
    start = time.perf_counter()
    foreground(large)
    seconds = time.perf_counter() - start
    print(f"foreground of 512x512x300: {seconds:.1f} s, {peak_memory(foreground, large):.1f} float32 maps")


if __name__ == "__main__":
    main()
