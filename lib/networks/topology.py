"""Kernels and strides of a U-Net for a size of patches and a spacing, as nnU-Net plans them. Never imports torch."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

SMALLEST = 4
"""Voxels that pooling leaves along an axis at least."""


class Topology(NamedTuple):
    """Of each stage, the full resolution first: a number for every axis."""

    kernels: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def divisor(self) -> tuple[int, ...]:
        """What the lengths of an input must divide by."""
        return tuple(map(prod, zip(*self.strides, strict=True)))


def topology(patch_size: Sequence[int], spacing: Sequence[float]) -> Topology:
    """Plan the stages for patches of a size (voxels) and a spacing (in any unit), axes in the same order.

    Each stage halves the axes of 8 voxels or more whose spacing is less than twice the finest of these axes; a single
    axis only if it has 12. A kernel is 1 wide along axes that are twice as coarse as the finest or coarser, 3 along
    the others and from then on; in the last stage it is 3 wide along all. There is no limit to the number of stages.

    Source: Isensee et al., Nature Methods 2021, as `get_pool_and_conv_props` of nnU-Net v2 has it. Once an axis is too
    short to be halved while a kernel is still 1 wide, that function takes the spacing of another axis for the kernel,
    or fails; here each axis has its own.
    """
    lengths, distances = list(patch_size), list(spacing)
    kernel: tuple[int, ...] = len(lengths) * (1,)
    kernels, strides = [], [kernel]
    while axes := _pooled(lengths, distances):
        near = [distance / min(distances) < 2 for distance in distances]
        kernel = tuple(3 if close else width for close, width in zip(near, kernel, strict=True))
        stride = tuple(2 if axis in axes else 1 for axis in range(len(lengths)))
        lengths = [-(-length // step) for length, step in zip(lengths, stride, strict=True)]
        distances = [distance * step for distance, step in zip(distances, stride, strict=True)]
        kernels.append(kernel)
        strides.append(stride)
    return Topology((*kernels, len(lengths) * (3,)), tuple(strides))


def _pooled(lengths: Sequence[int], distances: Sequence[float]) -> list[int]:
    """The axes that the next stage halves."""
    long = [axis for axis, length in enumerate(lengths) if length >= 2 * SMALLEST]
    finest = min((distances[axis] for axis in long), default=1)
    axes = [axis for axis in long if distances[axis] / finest < 2]
    return [] if len(axes) == 1 and lengths[axes[0]] < 3 * SMALLEST else axes
