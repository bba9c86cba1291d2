"""Patches read per second from a prepared CT-like volume, next to a memory map and the usual NIfTI, and file sizes;
what the verification of its chunks costs.

All on one thread, in turns, from warm files; medians are printed.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import arrays

SHAPE = (400, 400, 200)
SIZES = {64: 30, 128: 8}
"""Side of a patch, patches in a row."""
REPEATS = 5
PATCHES, PAIRS = (30, 300, 1500), 15


def ct_like() -> np.ndarray:
    """Whole Hounsfield units between -1000 and 300 scaled to [0, 1], a fifth of it air."""
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), 1)
    values = np.round((values - values.min()) / np.ptp(values) * 1300).astype(np.float32) / np.float32(1300)
    values[:, : SHAPE[1] // 5] = 0
    return values


def patches_per_second(open_array: Callable[[], np.ndarray], side: int, count: int, seed: int) -> float:
    starts = np.random.default_rng(seed).integers(0, np.array(SHAPE) - side, (count, 3))
    start = time.perf_counter()
    array = open_array()
    for corner in starts:
        np.array(array[tuple(slice(first, first + side) for first in corner)])
    return count / (time.perf_counter() - start)


def main() -> None:
    volume = ct_like()
    arrays.IN_MEMORY_BYTES = 0  # as for volumes that are larger
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays.write_array(folder / "v.b2nd", volume)
        np.save(folder / "v.npy", volume)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / "v.nii.gz")
        readers = {
            "segloss (b2nd)": ("v.b2nd", lambda: arrays.open_array(folder / "v.b2nd")),
            ".npy, memory-mapped": ("v.npy", lambda: np.load(folder / "v.npy", mmap_mode="r")),
            ".nii.gz, read whole once for these patches": (
                "v.nii.gz",
                lambda: np.asarray(nibabel.load(folder / "v.nii.gz").dataobj),
            ),
        }
        print(f"| file | MB | {' | '.join(f'{side}³ patches/s' for side in SIZES)} |")
        print("|---|--:|" + "--:|" * len(SIZES))
        for label, (file, reader) in readers.items():
            speeds = [
                statistics.median(patches_per_second(reader, side, count, seed) for seed in range(REPEATS))
                for side, count in SIZES.items()
            ]
            size = (folder / file).stat().st_size / 1e6
            print(f"| {label} | {size:.0f} | {' | '.join(f'{speed:.0f}' for speed in speeds)} |")
        print_cost_of_verification(folder / "v.b2nd")


def print_cost_of_verification(path: Path) -> None:
    """Reading with every chunk verified when it is first read, next to the same reading without; medians of ratios."""
    print("\n| patches of 64³ | verified / not verified |\n|--:|--:|")
    for count in PATCHES:
        ratios = []
        for seed in range(PAIRS):
            turns = [(verified, lambda verified=verified: opened(path, verified)) for verified in (True, False)]
            seconds = {
                verified: 1 / patches_per_second(reader, 64, count, seed)
                for verified, reader in (turns if seed % 2 else turns[::-1])
            }
            ratios.append(seconds[True] / seconds[False])
        print(f"| {count} | {statistics.median(ratios):.3f} |")


def opened(path: Path, verified: bool) -> arrays.ArrayOnDisk:
    array = arrays.open_array(path)
    if not verified:
        array._unverified[...] = -1
    return array


if __name__ == "__main__":
    main()
