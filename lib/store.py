"""Prepared cases on disk: compressed, chunked arrays that are read patch by patch.

A case is a folder ``image.b2nd`` (channels, *spatial) float32, ``label.b2nd`` (*spatial) uint8 and ``case.json``
(patient, shape, spacing, voxel counts, checksums of the array contents). Maps of the case lie beside them.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np

from lib.errors import SeglossError
from lib.files import atomic_path, read_json, write_json

CHUNK = 64
IN_MEMORY_BYTES = 2**24  # smaller arrays are faster read once than patch by patch


@dataclass(frozen=True)
class Case:
    """One prepared case: ``image`` (channels, *spatial), ``label`` (*spatial), ``spacing`` in mm per axis."""

    image: np.ndarray
    label: np.ndarray
    spacing: tuple[float, ...]
    patient: str
    n_lesions: int


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as a Blosc2 file with chunks of at most 64 along each spatial axis; the bytes repeat."""
    spatial_from = 1 if array.ndim > 3 else 0
    chunks = [
        length if axis < spatial_from else min(length, CHUNK) for axis, length in enumerate(array.shape)
    ]
    with atomic_path(path) as beside:
        try:
            blosc2.asarray(
                np.ascontiguousarray(array),
                urlpath=str(beside),
                mode="w",
                chunks=tuple(chunks),
                cparams={"codec": blosc2.Codec.ZSTD, "clevel": 3, "nthreads": 1},
            )
        except RuntimeError as error:  # what Blosc2 makes of a full disk
            raise SeglossError(f"{path}: cannot be written ({error}); is the disk full?") from error


def open_array(path: Path) -> Any:
    """Open an array for reading: in memory if it is small, otherwise sliced from disk.

    Raises:
        SeglossError: the file is missing or damaged.
    """
    if not path.is_file():
        raise SeglossError(f"{path}: no such array; run the rule that makes it")
    try:
        array = blosc2.open(str(path), mode="r", dparams={"nthreads": 1})
        return array[...] if math.prod(array.shape) * array.dtype.itemsize <= IN_MEMORY_BYTES else array
    except (RuntimeError, ValueError, OSError) as error:
        raise SeglossError(f"{path}: damaged ({error}); delete it and run again") from error


def write_case(folder: Path, name: str, case: Case) -> None:
    """Write a case's arrays and, last, its description."""
    label = case.label.astype(np.uint8)
    image = case.image.astype(np.float32)
    if image.shape[1:] != label.shape:
        raise SeglossError(f"case {name}: image {image.shape[1:]} and label {label.shape} differ in shape")
    if not np.isfinite(image).all():
        raise SeglossError(f"case {name}: the image holds NaN or infinite values")
    write_array(folder / "image.b2nd", image)
    write_array(folder / "label.b2nd", label)
    classes, counts = np.unique(label, return_counts=True)
    description = {
        "case": name,
        "patient": case.patient,
        "channels": image.shape[0],
        "shape": list(label.shape),
        "spacing": [float(length) for length in case.spacing],
        "n_lesions": case.n_lesions,
        "class_voxels": {str(k): int(n) for k, n in zip(classes, counts, strict=True)},
        "sha256": {"image": _content_hash(image), "label": _content_hash(label)},
    }
    write_json(folder / "case.json", description)


def _content_hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


class StoredCase:
    """A prepared case opened for reading; arrays are opened when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.description = read_json(self.folder / "case.json")

    @property
    def name(self) -> str:
        return self.description["case"]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.description["shape"])

    @property
    def n_lesions(self) -> int:
        return self.description["n_lesions"]

    @cache  # noqa: B019 as long-lived as the process, like the cases themselves
    def array(self, name: str) -> Any:
        """``image``, ``label`` or a map such as ``components``."""
        return open_array(self.folder / f"{name}.b2nd")


def cut(array: Any, start: Sequence[int], size: Sequence[int], fill: float | None = 0) -> np.ndarray:
    """Cut the box [start, start + size) from the trailing axes of ``array``, padded where it leaves it.

    ``fill=None`` pads with the minimum of the part that lies inside, as inverse weighting's code does.
    """
    spatial = array.shape[-len(size) :]
    inside = tuple(
        slice(max(s, 0), min(s + n, length)) for s, n, length in zip(start, size, spatial, strict=True)
    )
    leading = (slice(None),) * (array.ndim - len(size))
    part = np.asarray(array[leading + inside])
    if part.shape[-len(size) :] == tuple(size):
        return part
    if part.size == 0:
        raise SeglossError(
            f"box at {tuple(start)} of size {tuple(size)} lies outside the volume {tuple(spatial)}"
        )
    margins = [(0, 0)] * len(leading) + [
        (max(-s, 0), max(s + n - length, 0)) for s, n, length in zip(start, size, spatial, strict=True)
    ]
    return np.pad(part, margins, constant_values=part.min() if fill is None else fill)
