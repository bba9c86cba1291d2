"""Arrays on disk: compressed, chunked, with checksums, read patch by patch."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from xxhash import xxh3_64_digest

from lib.errors import SeglossError
from lib.files import atomic_path

CHUNK = 64
MADE_AGAIN = "run again: the next call makes it anew"
IN_MEMORY_BYTES = 2**24  # smaller arrays are faster read once than patch by patch


def write_array(path: Path, array: np.ndarray) -> str:
    """Write an array as a Blosc2 file with chunks of at most 64 along each spatial axis; the bytes repeat.

    Returns:
        SHA-256 of its values. The file holds it too, and if it is read by patches its geometry and a digest of each
        compressed chunk.
    """
    spatial_from = 1 if array.ndim > 3 else 0
    chunks = [length if axis < spatial_from else min(length, CHUNK) for axis, length in enumerate(array.shape)]
    array = np.ascontiguousarray(array)
    content = _content_hash(array)
    with atomic_path(path) as beside:
        try:
            stored = blosc2.asarray(  # kept, as its schunk does not outlive it
                array,
                urlpath=str(beside),
                mode="w",
                chunks=tuple(chunks),
                cparams={"codec": blosc2.Codec.LZ4, "clevel": 5, "nthreads": 1},
            )
            stored.schunk.vlmeta["sha256"] = content
            if array.nbytes > IN_MEMORY_BYTES:
                numbers = range(stored.schunk.nchunks)
                digests = [xxh3_64_digest(stored.schunk.get_chunk(number)) for number in numbers]
                stored.schunk.vlmeta["chunks"] = b"".join(digests)
                stored.schunk.vlmeta["geometry"] = _geometry(stored)
        except RuntimeError as error:  # what Blosc2 makes of a full disk
            raise SeglossError(f"{path}: cannot be written ({error}); is the disk full?") from error
    return content


def open_array(path: Path, shape: Sequence[int] | None = None, content: str | None = None) -> Any:
    """Open an array for reading: in memory if it is small, otherwise sliced from disk.

    Args:
        shape: of its last axes, where it is known.
        content: SHA-256 of its values, where it is known.

    Raises:
        SeglossError: the file is missing or damaged; a damaged one is removed, so that the next call makes it again.
    """
    if not path.is_file():
        raise SeglossError(f"{path}: no such array; {MADE_AGAIN}")
    try:
        array = blosc2.open(str(path), mode="r", dparams={"nthreads": 1})
        if shape is not None and tuple(array.shape[-len(shape) :]) != tuple(shape):
            raise ValueError(f"shape {array.shape} where {tuple(shape)} was expected")
        if content not in (None, array.schunk.vlmeta["sha256"]):
            raise ValueError("it is another array than the one that was prepared")
        if math.prod(array.shape) * array.dtype.itemsize > IN_MEMORY_BYTES:
            return ArrayOnDisk(path, array)
        values = np.array(array[...])  # ours: of a damaged file Blosc2 may return memory that changes later
        if _content_hash(values) != array.schunk.vlmeta["sha256"]:
            raise ValueError("its values are not those that were written")
        return values
    except Exception as error:  # Blosc2 raises whatever it met in a damaged file
        raise damaged(path, error) from error


class ArrayOnDisk:
    """An array that is read in boxes; each chunk of it is verified when this process reads it for the first time."""

    def __init__(self, path: Path, array: blosc2.NDArray) -> None:
        self.path, self.shape, self.dtype, self.ndim = path, array.shape, array.dtype, array.ndim
        self._array = array
        grid = [math.ceil(n / chunk) for n, chunk in zip(array.shape, array.chunks, strict=True)]
        digests = array.schunk.vlmeta["chunks"]
        self._digests = [digests[place : place + 8] for place in range(0, len(digests), 8)]
        if array.schunk.vlmeta["geometry"] != _geometry(array):
            raise ValueError("shape, chunks or blocks are not those that were written")
        if not len(self._digests) == math.prod(grid) == array.schunk.nchunks:
            raise ValueError(f"{len(self._digests)} digests of {array.schunk.nchunks} chunks")
        self._unverified = np.arange(math.prod(grid)).reshape(grid)  # numbers of chunks; -1 once verified

    def __getitem__(self, box: Any) -> np.ndarray:
        """Values as NumPy would take them; a tuple of slices reads no more than the chunks in them."""
        try:
            self._verify(self._chunks_of(box))
            return self._array[box]
        except (RuntimeError, ValueError, MemoryError) as error:
            raise damaged(self.path, error) from error

    def _chunks_of(self, box: Any) -> Any:
        """The part of the grid of chunks in which a box lies."""
        slices = isinstance(box, tuple) and all(isinstance(part, slice) and not part.step for part in box)
        if not slices or len(box) != self.ndim:
            return ...
        ends = [part.indices(n)[:2] for part, n in zip(box, self.shape, strict=True)]
        return tuple(
            slice(start // chunk, math.ceil(stop / chunk))
            for (start, stop), chunk in zip(ends, self._array.chunks, strict=True)
        )

    def _verify(self, part: Any) -> None:
        numbers = self._unverified[part]
        for number in numbers[numbers >= 0]:
            if xxh3_64_digest(self._array.schunk.get_chunk(int(number))) != self._digests[number]:
                raise ValueError(f"chunk {number} is not as it was written")
        numbers[...] = -1


def damaged(path: Path, error: Exception) -> SeglossError:
    """The error to raise for a damaged file, which is removed."""
    what = str(error) or type(error).__name__
    try:
        path.unlink(missing_ok=True)
    except OSError as reason:
        return SeglossError(
            f"{path}: damaged ({what}), and cannot be removed: {reason.strerror}; delete it and run again"
        )
    return SeglossError(f"{path}: damaged ({what}) and removed; {MADE_AGAIN}")


def _geometry(array: blosc2.NDArray) -> str:
    """How the values lie in the file."""
    return repr((array.shape, array.chunks, array.blocks, str(array.dtype)))


def _content_hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def cut(array: Any, start: Sequence[int], size: Sequence[int], fill: float | None = 0) -> np.ndarray:
    """Cut the box [start, start + size) from the trailing axes of ``array``, padded where it leaves it.

    ``fill=None`` pads with the minimum of the part that lies inside, as inverse weighting's code does.
    """
    spatial = array.shape[-len(size) :]
    inside = tuple(slice(max(s, 0), min(s + n, length)) for s, n, length in zip(start, size, spatial, strict=True))
    leading = (slice(None),) * (array.ndim - len(size))
    part = np.asarray(array[leading + inside])
    if part.shape[-len(size) :] == tuple(size):
        return part
    if part.size == 0:
        raise SeglossError(f"box at {tuple(start)} of size {tuple(size)} lies outside the volume {tuple(spatial)}")
    margins = [(0, 0)] * len(leading) + [
        (max(-s, 0), max(s + n - length, 0)) for s, n, length in zip(start, size, spatial, strict=True)
    ]
    return np.pad(part, margins, constant_values=part.min() if fill is None else fill)


def cut_distance(array: Any, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Cut a box from a map of signed distances, (*spatial) or (K, *spatial); outside the label counts as 0.

    There a voxel takes the distance of the nearest voxel of the volume, limited by ``limited_to_background``. If the
    volume lay in a larger one of label 0, the true value of ``lib.maps.signed_distance`` would be that or further
    from the border, by at most the distance to the volume. A class without a map (0 everywhere) stays 0.
    """
    part = cut(array, start, size)
    spatial = array.shape[-len(size) :]
    inside = (..., *(slice(max(-s, 0), length - s) for s, length in zip(start, spatial, strict=True)))
    known = part[inside]
    if known.shape == part.shape:
        return part
    margins = [(0, 0)] * (array.ndim - len(size)) + [
        (max(-s, 0), max(s + n - length, 0)) for s, n, length in zip(start, size, spatial, strict=True)
    ]
    continued = np.pad(known, margins, mode="edge").reshape(-1, *size)
    continued = limited_to_background(continued).reshape(part.shape)
    continued[inside] = known
    return continued


def limited_to_background(distances: np.ndarray) -> np.ndarray:
    """Signed distances (1 or K, *spatial) that do not contradict the label 0.

    Of several channels the first, the background's, is at most 0; the others, and the foreground's alone, at least 0.
    """
    limited = distances.clip(min=0)
    if len(distances) > 1:
        limited[0] = distances[0].clip(max=0)
    return limited
