"""Noise in the masks of training cases: dilated, eroded, or rotated and moved (Gonzalez-Jimenez et al., MICCAI 2023).

Two forms of the same three kinds. ``released`` repeats the generator that was published with the T-Loss, voxel by
voxel and with its faults: strengths met only roughly, rotation about the image's centre that throws masks far, shifts
to the right and down alone. ``corrected`` changes as many voxels as asked for, with no preferred direction.

A noise is a mapping, as ``lib.config.schema.Noise`` checks it: ``alpha``, the share of cases whose masks become noisy;
``beta``, the voxels that change as a share of the foreground; ``form``; ``kinds``, all three if left out; ``seed``.
"""

import itertools
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import edt
import numpy as np
from scipy import ndimage
from skimage import transform

from lib.errors import SeglossError
from lib.labels import IGNORED, NOISE_KINDS
from lib.maps import foreground
from lib.measures.overlap import dice

LARGEST_ANGLE = 30.0  # degrees, to either side
RELEASED_DIRECTIONS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, 1), (0, -1), (1, -1))
"""As in the released code: (-1, 1) twice, (-1, -1) missing."""
RELEASED_STEPS = 100
ROUNDING = 1e-9
"""So that 0.29 of 100 cases are 29."""


@dataclass(frozen=True)
class Draw:
    """What is drawn for one noisy case before its mask is looked at."""

    kind: str
    angle: float = 0.0  # degrees, affine only
    direction: tuple[int, ...] = ()  # voxels per step and axis, affine only


def assign(cases: Sequence[str], noise: Mapping[str, Any], dimensions: int) -> dict[str, Draw]:
    """The noisy cases of a training part and their draws, in sorted order.

    The noisy cases are the first of a shuffled list: those of a smaller ``alpha`` are among those of a larger one, and
    they are the same in both forms. ``released`` draws one case after the other from the stream that shuffled them, so
    that a case's draw changes with ``alpha``; ``corrected`` draws each by itself, from its id and the seed.
    """
    ordered = sorted(cases)
    stream = random.Random(noise["seed"])
    shuffled = ordered.copy()
    stream.shuffle(shuffled)
    released = noise["form"] == "released"
    count = len(ordered) * noise["alpha"] + (0 if released else ROUNDING)
    noisy = sorted(shuffled[: int(count)])
    kinds = noise.get("kinds", NOISE_KINDS)
    if released:
        return {case: _released_draw(stream, kinds, dimensions) for case in noisy}
    return {case: _corrected_draw(case, noise["seed"], kinds, dimensions) for case in noisy}


def _released_draw(stream: random.Random, kinds: Sequence[str], dimensions: int) -> Draw:
    kind = stream.choice(kinds)
    if kind != "affine":
        return Draw(kind)
    angle = stream.uniform(-LARGEST_ANGLE, LARGEST_ANGLE)
    return Draw(kind, angle, stream.choice(RELEASED_DIRECTIONS) + (0,) * (dimensions - 2))


def _corrected_draw(case: str, seed: int, kinds: Sequence[str], dimensions: int) -> Draw:
    rng = np.random.default_rng([seed, zlib.crc32(case.encode())])
    kind = kinds[rng.integers(len(kinds))]
    if kind != "affine":
        return Draw(kind)
    directions = [step for step in itertools.product((-1, 0, 1), repeat=dimensions) if any(step)]
    angle = float(rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))
    return Draw(kind, angle, directions[rng.integers(len(directions))])


def noisy_label(label: np.ndarray, draw: Draw, noise: Mapping[str, Any], spacing: Sequence[float]) -> np.ndarray:
    """The label with noise in its foreground, all classes together.

    ``corrected`` changes exactly round(beta * foreground voxels) voxels wherever that can be reached and leaves at
    least one voxel of foreground. ``released`` gives what its code gives (an affine mask may come out empty), and the
    clean mask where that code fails: dilation and erosion of a mask that is empty or so small that beta times its size
    is less than one voxel, dilation of a full one. Both leave an empty mask as it is. Affine noise turns in the plane
    of the first two axes.

    Args:
        label: (*spatial), 2D or 3D: 0 background, 1 and more classes, 255 not annotated. Of structures that may
            overlap (classes, *spatial), 0 and 1: each has the same noise by itself.
        draw: the case's, from :func:`assign`.
        spacing: mm per axis.

    Returns:
        uint8, of the shape of the label. Foreground has the class of the nearest clean foreground voxel; 255 stays.

    Raises:
        SeglossError: the label is neither 2D nor 3D.
    """
    if label.ndim == len(spacing) + 1:
        return np.stack([noisy_label(channel, draw, noise, spacing) for channel in label])
    if label.ndim not in (2, 3):
        raise SeglossError(f"noise needs a 2D or 3D label, found shape {label.shape}")
    clean, annotated = foreground(label), label != IGNORED
    if not clean.any():
        return label.astype(np.uint8)
    if noise["form"] == "released":
        noisy = _released(clean, draw, noise["beta"])
    else:
        noisy = _corrected(clean, annotated, draw, noise, np.asarray(spacing, dtype=float))
    return _with_classes(noisy & annotated, label, clean, spacing)


def realised_change(clean: np.ndarray, noisy: np.ndarray) -> dict[str, float]:
    """What noise has done to the foreground of a label, or to a mask; both arrays (*spatial).

    Returns:
        ``clean_voxels`` and ``noisy_voxels``; ``strength``, the voxels that differ, and ``area_ratio``, the noisy
        voxels, both as a share of the clean ones, NaN if there are none; ``dice``, 1 if both are empty.
    """
    before, after = foreground(clean), foreground(noisy)
    size = _size(before)
    return {
        "clean_voxels": size,
        "noisy_voxels": _size(after),
        "strength": _difference(before, after) / size if size else np.nan,
        "area_ratio": _size(after) / size if size else np.nan,
        "dice": dice(before, after),
    }


def _size(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def _difference(mask: np.ndarray, other: np.ndarray) -> int:
    return _size(mask ^ other)


def _with_classes(noisy: np.ndarray, label: np.ndarray, clean: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    result = np.where(label == IGNORED, IGNORED, 0).astype(np.uint8)
    classes = np.unique(label[clean])
    if classes.size == 1:
        result[noisy] = classes[0]
        return result
    box = _box(noisy | clean)
    nearest = ndimage.distance_transform_edt(
        ~clean[box], sampling=tuple(spacing), return_distances=False, return_indices=True
    )
    result[box][noisy[box]] = label[box][tuple(nearest)][noisy[box]]
    return result


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    return ndimage.find_objects(mask.astype(np.uint8))[0]


def _shifted(mask: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The mask moved by so many voxels per axis; what leaves the frame is lost."""
    shifts = [int(np.clip(o, -n, n)) for o, n in zip(offset, mask.shape, strict=True)]
    result = np.zeros_like(mask)
    target = tuple(slice(max(o, 0), n + min(o, 0)) for o, n in zip(shifts, mask.shape, strict=True))
    source = tuple(slice(max(-o, 0), n - max(o, 0)) for o, n in zip(shifts, mask.shape, strict=True))
    result[target] = mask[source]
    return result


def _released(mask: np.ndarray, draw: Draw, beta: float) -> np.ndarray:
    change = int(_size(mask) * beta)
    if draw.kind == "dilate":
        return _by_layers(mask, ndimage.binary_dilation, _size(mask) + change, mask.size)
    if draw.kind == "erode":
        return _by_layers(mask, ndimage.binary_erosion, _size(mask) - change, 0)
    return _released_affine(mask, draw, beta)


def _by_layers(mask: np.ndarray, step: Callable[[np.ndarray], np.ndarray], target: int, exhausted: int) -> np.ndarray:
    """Repeat ``step`` up to the target size or beyond, and take the better of the last two; never an exhausted one."""
    before = after = mask
    towards = np.sign(target - _size(mask))
    while towards * (target - _size(after)) > 0 and _size(after) != exhausted:
        before, after = after, step(after)
    if _size(after) == exhausted:
        return before
    return min(after, before, key=lambda candidate: abs(_size(candidate) - target))


def _released_affine(mask: np.ndarray, draw: Draw, beta: float) -> np.ndarray:
    # only 1 survives the released code's cast to whole numbers; a third axis passes for channels
    rotated = transform.rotate(mask.astype(float), draw.angle) >= 1
    low, high = 0, RELEASED_STEPS
    while low < high:
        step = (low + high) // 2
        moved = _shifted(rotated, step * np.abs(draw.direction))  # negative shifts act as positive ones
        change = _difference(moved, mask) / _size(mask)
        if change == beta:
            break
        low, high = (low, step - 1) if change > beta else (step + 1, high)
    return moved  # of the last step tried, not of the best


def _corrected(
    mask: np.ndarray, annotated: np.ndarray, draw: Draw, noise: Mapping[str, Any], spacing: np.ndarray
) -> np.ndarray:
    wanted = round(noise["beta"] * _size(mask))
    if draw.kind == "affine":
        box = _surroundings(mask, spacing)
        result = np.zeros_like(mask)
        result[box] = _displaced(mask[box], annotated[box], draw, wanted, spacing)
        return result
    rng = np.random.default_rng(noise["seed"])
    if draw.kind == "dilate":
        return mask | _nearest(annotated & ~mask, ~mask, wanted, spacing, rng)
    # what is not annotated is no background, and neither is what lies beyond the frame
    return mask & ~_nearest(mask, mask | ~annotated, min(wanted, _size(mask) - 1), spacing, rng)


def _nearest(
    candidates: np.ndarray, region: np.ndarray, count: int, spacing: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The ``count`` candidates, or all, that lie nearest to the outside of ``region``; ties are decided by lot.

    The frame counts as outside only if the region fills it.
    """
    places = np.flatnonzero(candidates)
    chosen = np.zeros_like(candidates)
    count = min(count, places.size)
    if not count:
        return chosen
    distance = edt.edt(region, anisotropy=tuple(spacing), black_border=bool(region.all()))
    distance = np.round(distance.ravel()[places] / spacing.min(), 3)  # ties despite rounding errors
    farthest = np.partition(distance, count - 1)[count - 1]
    nearer, tied = places[distance < farthest], places[distance == farthest]
    chosen.flat[nearer] = True
    chosen.flat[rng.permutation(tied)[: count - nearer.size]] = True
    return chosen


def _surroundings(mask: np.ndarray, spacing: np.ndarray) -> tuple[slice, ...]:
    """A box in which the mask can turn, and then move until it is clear of where it was."""
    box = _box(mask)
    diagonal = np.linalg.norm([(side.stop - side.start) * mm for side, mm in zip(box, spacing, strict=True)])
    margins = np.ceil(3 * diagonal / spacing).astype(int)
    return tuple(
        slice(max(side.start - margin, 0), side.stop + margin) for side, margin in zip(box, margins, strict=True)
    )


def _displaced(mask: np.ndarray, annotated: np.ndarray, draw: Draw, wanted: int, spacing: np.ndarray) -> np.ndarray:
    """Turned and moved until ``wanted`` voxels differ, or as near to that as a step comes."""
    angle = draw.angle
    while _difference(turned := _rotated(mask, angle, spacing), mask) > wanted:
        angle /= 2
    nearest = before = mask
    for step in itertools.count():
        after = _shifted(turned, step * np.asarray(draw.direction)) & annotated
        if not after.any():
            return nearest
        if _difference(after, mask) >= wanted:
            return _between(before, after, mask, wanted, draw.direction)
        nearest = max(nearest, after, key=partial(_difference, mask))
        before = after


def _rotated(mask: np.ndarray, angle: float, spacing: np.ndarray) -> np.ndarray:
    """The mask turned about its centroid in the plane of the first two axes."""
    centre, scale = np.array(ndimage.center_of_mass(mask)[1::-1]), spacing[1::-1]  # (column, row)
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    backwards = np.eye(3)
    backwards[:2, :2] = np.array([[cosine, -sine], [sine, cosine]]) * scale / scale[:, None]
    backwards[:2, 2] = centre - backwards[:2, :2] @ centre
    return transform.warp(mask.astype(np.float32), backwards) >= 0.5


def _between(
    before: np.ndarray, after: np.ndarray, mask: np.ndarray, wanted: int, direction: Sequence[int]
) -> np.ndarray:
    """So much of the step from ``before`` to ``after`` that ``wanted`` voxels differ from ``mask``.

    ``wanted`` lies between what they differ by, and each voxel changes that by one. The step is made line by line
    along its direction, so that the shape stays whole and keeps its size.
    """
    changes = np.argwhere(before ^ after)
    axis = np.flatnonzero(direction)[0]
    lines = changes - np.outer(changes[:, axis] * direction[axis], direction)
    gained = after[tuple(changes.T)]
    changes = changes[np.lexsort((~gained, *lines.T))]
    places = tuple(changes.T)
    differs = np.where(after[places] ^ mask[places], 1, -1).cumsum()
    count = np.flatnonzero(_difference(before, mask) + np.r_[0, differs] == wanted)[0]
    result = before.copy()
    result[tuple(changes[:count].T)] ^= True
    return result if result.any() else before  # all gone: the rest comes from where nothing is annotated
