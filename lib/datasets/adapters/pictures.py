"""What the data sets of pictures share: reading an image and its mask, and resizing both.

Axes are (row, column). Spacing counts pixels of the file: (1, 1), and after resizing its height and width over the new
ones. Grey levels are divided by the largest that their type holds, 255 for 8 bits.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets import reading
from lib.datasets.preparation import Preparation, Step
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


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Resized to ``size`` (height, width) or ``square`` if the parameters have one of them, and scaled to [0, 1].

    ``standardised``: then each channel to mean 0 and standard deviation 1.
    With ``square`` the longer side gets this length, and what lacks of a square, on both sides, is black. Images are
    interpolated linearly between pixel centres without smoothing and, unlike OpenCV's, not rounded.
    """
    size, square = parameters.get("size"), parameters.get("square")
    steps: list[Step] = [("resize", *size)] if size else [("square", square)] if square else []
    scaled: list[Step] = [("by_type",), *([("standardise",)] if parameters.get("standardised") else [])]
    return Preparation((*steps, *scaled))


def make_case(image: np.ndarray, label: np.ndarray, patient: str, prepared: Preparation, centred: bool = True) -> Case:
    """A case of an image of whole numbers and its label.

    The label is (height, width), or of structures that overlap (structures, height, width); masks are resized by
    nearest neighbours, with OpenCV's offset unless ``centred``. Margins around the image are not annotated.

    Raises:
        CaseExcluded: image and mask differ in shape, or the image is not of unsigned whole numbers.
    """
    shape = image.shape[1:]
    if shape != label.shape[-2:]:
        raise CaseExcluded(f"image {shape} and mask {label.shape[-2:]} differ in shape")
    size, margins = prepared.place(shape)
    label = label.astype(np.uint8)
    if size != shape:
        label = reading.resize_labels(label, size, centred)
    if np.any(margins):
        label = np.pad(label, [*(label.ndim - 2) * [(0, 0)], *margins], constant_values=IGNORED)
    spacing = tuple(old / new for old, new in zip(shape, size, strict=True))
    return Case(prepared.apply(image), label, spacing, patient)


def check_shown(mask: np.ndarray, what: str) -> np.ndarray:
    """The mask, where every picture shows ``what``.

    Raises:
        CaseExcluded: it is empty.
    """
    if not mask.any():
        raise CaseExcluded(f"the mask is empty; every picture of this data set shows a {what}")
    return mask
