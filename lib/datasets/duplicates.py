"""Scans that two data sets share under other names, found by their images.

LiTS, MSD Task03, KiTS and AbdomenCT-1K hold many of the same scans. Their files may differ in names, in the order of
the axes, in spacing and window, and by some slices that one of them left out, so that no checksum finds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from scipy import ndimage

from lib.errors import SeglossError
from lib.store import StoredCase

SAME = 0.8
"""Images that correlate at least so much are the same.

Measured over all pairs: different images reach 0.68 at most (46 phantoms of livers), 0.61 (50 MR crops of MSD Task04),
0.60 (120 chest X-rays of Shenzhen). The same phantom reaches at least 0.83 where it is resampled by 1.5, 0.91 in a
narrower window, 0.89 without some slices at its ends, up to 15 %, 1.00 mirrored, 0.82 after all of that together; an
X-ray 0.95 resampled, 0.83 without a margin of 1 %; an MR crop 0.99 resampled, 0.83 without one of its 35 slices, 0.74
without 15 % of them, which is missed. Cut in the plane to another part of the body, as the crops to the
liver of `lits` are, an image is not found. Two real scans of one abdomen were not at hand.
"""
BLOCKS = {2: 48, 3: 16}
"""Along each of the first two axes of pictures and of volumes; across slices blocks are as thick as they are wide."""
SHARED_SLICES = 0.75
"""Share of the shorter of two volumes, at least, that the other may show too."""
_BODY = 0.1  # of the way from the 1st to the 99th percentile
_LINE_OF_BODY = 0.05  # share of a row that must be body


@dataclass(frozen=True)
class Match:
    """A test case with the training case that is most like it."""

    case: str
    trained_case: str
    correlation: float

    @property
    def duplicate(self) -> bool:
        """Whether both are the same image."""
        return self.correlation >= SAME

    def row(self) -> dict[str, Any]:
        return asdict(self) | {"correlation": round(self.correlation, 4), "duplicate": int(self.duplicate)}


def matches(tested: Sequence[StoredCase], trained: Sequence[StoredCase]) -> list[Match]:
    """The training case that is most like each test case.

    Raises:
        SeglossError: pictures are compared with volumes.
    """
    dimensions = {len(case.shape) for case in (*tested, *trained)}
    if len(dimensions) > 1:
        raise SeglossError("duplicates: pictures and volumes cannot be compared; name two data sets of one kind")
    known = {case.name: signature_of(case) for case in trained}
    return [_best_match(case.name, signature_of(case), known) for case in tested]


def without_duplicates(cases: Mapping[str, Any], found: Sequence[Match], where: str) -> dict[str, Any]:
    """The listed cases of a part (name -> description) but the duplicates.

    Raises:
        SeglossError: none is left; ``where`` begins the message.
    """
    twice = {match.case: match.trained_case for match in found if match.duplicate}
    left = {name: description for name, description in cases.items() if name not in twice}
    if not left:
        first = next(iter(twice), "")
        raise SeglossError(
            f"{where}: all {len(cases)} test cases are among the training cases, as {first} is {twice.get(first)};"
            " name another data set to test on"
        )
    return left


def signature_of(case: StoredCase) -> np.ndarray:
    """The :func:`signature` of a prepared case, its axes in the order that its affine says."""
    image, spacing = case.array("image")[...].mean(axis=0), np.array(case.description["spacing"])
    if image.ndim == 2:
        return signature(image[..., None], (*spacing, 1.0), BLOCKS[2])
    if affine := case.description["affine"]:
        orientation = io_orientation(np.array(affine))
        image = apply_orientation(image, orientation)
        spacing = spacing[np.argsort(orientation[:, 0])]
    return signature(image, spacing, BLOCKS[3])


def signature(image: np.ndarray, spacing: Sequence[float], blocks: int) -> np.ndarray:
    """Means of blocks of what the body takes up, from which their surroundings are subtracted.

    Args:
        image: (x, y, z); a picture has one slice.
        spacing: mm along each axis.
        blocks: along x and along y, of different lengths; along z blocks have the mean of these.

    Returns:
        (z, ``blocks``, ``blocks``) float32, mean 0 in each slice.
    """
    image = image[_body(image)]
    extent = np.multiply(image.shape, spacing)
    thick = max(round(extent[2] / (extent[:2].mean() / blocks)), 1) if image.shape[2] > 1 else 1
    for axis, count in enumerate((blocks, blocks, thick)):
        weights = _overlaps(image.shape[axis], count)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    image -= ndimage.gaussian_filter(image, 1, mode="nearest")
    slices = np.moveaxis(image, -1, 0)
    return slices - slices.mean(axis=(1, 2), keepdims=True)


def _body(image: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns that hold more than air; all, where none stands out."""
    low, high = np.percentile(image, [1, 99])
    body = image > low + _BODY * (high - low)
    box = []
    for others in ((1, 2), (0, 2)):
        lines = np.flatnonzero(body.mean(axis=others) > _LINE_OF_BODY)
        box.append(slice(lines[0], lines[-1] + 1) if len(lines) else slice(None))
    return tuple(box)


def _overlaps(length: int, blocks: int) -> np.ndarray:
    """The share that each of ``length`` voxels has in the mean of each block: (blocks, length)."""
    edges = np.linspace(0, length, blocks + 1)[:, None]
    start = np.arange(length)
    shared = np.minimum(start + 1, edges[1:]) - np.maximum(start, edges[:-1])
    return (shared.clip(0) * blocks / length).astype(np.float32)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of the blocks of two signatures, the best of all mirror images and of all shifts along the last axis.

    ``SHARED_SLICES`` of the shorter one, at least, lie within the other.
    """
    return max(_shifted(one, other[::z, ::x, ::y]) for z, x, y in product((1, -1), repeat=3))


def _shifted(one: np.ndarray, other: np.ndarray) -> float:
    first, second = one.reshape(len(one), -1), other.reshape(len(other), -1)
    products = first @ second.T
    energies = [np.concatenate([[0.0], (part**2).sum(axis=1).cumsum()]) for part in (first, second)]
    fewest = int(np.ceil(SHARED_SLICES * min(len(first), len(second))))
    best = 0.0
    for shift in range(fewest - len(first), len(second) - fewest + 1):
        starts = max(0, -shift), max(0, shift)
        shared = min(len(first) - starts[0], len(second) - starts[1])
        of_each = [energy[start + shared] - energy[start] for energy, start in zip(energies, starts, strict=True)]
        if all(value > 0 for value in of_each):
            best = max(best, float(np.trace(products, shift) / np.sqrt(np.prod(of_each))))
    return best


def _best_match(name: str, tested: np.ndarray, trained: Mapping[str, np.ndarray]) -> Match:
    correlations = {other: correlation(tested, signature) for other, signature in trained.items()}
    best = max(correlations, key=correlations.get)
    return Match(name, best, correlations[best])
