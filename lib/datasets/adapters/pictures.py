"""What the data sets of pictures share: reading an image and its mask, and resizing both.

Axes are (row, column). Spacing counts pixels of the file: (1, 1), and after resizing its height and width over the new
ones. Grey levels are divided by the largest that their type holds, 255 for 8 bits.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.datasets import reading
from lib.datasets.readers import read_picture
from lib.errors import CaseExcluded
from lib.labels import IGNORED
from lib.store import Case


def read_colours(path: str) -> np.ndarray:
    """Red, green and blue as whole numbers: (3, height, width)."""
    return reading.colours(read_picture(path), Path(path).name)


def read_grey(path: str) -> np.ndarray:
    """Grey levels as whole numbers: (1, height, width)."""
    return reading.grey_levels(read_picture(path), Path(path).name)[None]


def read_foreground(path: str, above: int = 0) -> np.ndarray:
    """Where a mask is brighter than ``above`` in any of its channels: (height, width), bool."""
    bright = read_picture(path) > above
    return bright.any(axis=-1) if bright.ndim == 3 else bright


def make_case(
    image: np.ndarray,
    label: np.ndarray,
    patient: str,
    size: Sequence[int] | None = None,
    centred: bool = True,
    square: int | None = None,
) -> Case:
    """A case of an image of whole numbers and its label, resized to ``size`` (height, width) if there is one.

    The label is (height, width), or of structures that overlap (structures, height, width). With ``square`` the longer
    side gets this length, and what lacks of a square, on both sides, is black and not annotated.

    Images are interpolated linearly between pixel centres without smoothing and, unlike OpenCV's, not rounded to whole
    grey levels; masks by nearest neighbours, with OpenCV's offset unless ``centred``.

    Raises:
        CaseExcluded: image and mask differ in shape, or the image is not of unsigned whole numbers.
    """
    shape = image.shape[1:]
    if shape != label.shape[-2:]:
        raise CaseExcluded(f"image {shape} and mask {label.shape[-2:]} differ in shape")
    if image.dtype.kind != "u":
        raise CaseExcluded(f"the image holds {image.dtype} values; grey levels of 8 or 16 bits were expected")
    brightest, spacing, label = np.float32(np.iinfo(image.dtype).max), (1.0, 1.0), label.astype(np.uint8)
    if square:
        size = [max(1, round(length * square / max(shape))) for length in shape]
    if size:
        spacing = tuple(old / new for old, new in zip(shape, size, strict=True))
        image = np.stack([reading.resize(channel, size) for channel in image])
        label = reading.resize_labels(label, size, centred)
    if square:
        margins = [((square - length) // 2, (square - length + 1) // 2) for length in size]
        image = np.pad(image, [(0, 0), *margins])
        label = np.pad(label, [*(label.ndim - 2) * [(0, 0)], *margins], constant_values=IGNORED)
    return Case(image.astype(np.float32) / brightest, label, spacing, patient)


def check_shown(mask: np.ndarray, what: str) -> np.ndarray:
    """The mask, where every picture shows ``what``.

    Raises:
        CaseExcluded: it is empty.
    """
    if not mask.any():
        raise CaseExcluded(f"the mask is empty; every picture of this data set shows a {what}")
    return mask
