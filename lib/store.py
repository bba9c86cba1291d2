"""Prepared cases on disk: compressed, chunked arrays that are read patch by patch.

A case is a folder ``image.b2nd`` (channels, *spatial) float32, ``label.b2nd`` (*spatial) uint8 and ``case.json``
(patient, shape, spacing, affine, voxel counts, checksums of the array contents). Maps of the case lie beside
them. A case that cannot be used keeps its place with empty files: its ``case.json`` tells only the reason.
"""

import hashlib
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from xxhash import xxh3_64_digest

from lib.datasets import IGNORED
from lib.errors import CaseExcluded, SeglossError
from lib.files import atomic_path, read_json, sha256, write_json

log = logging.getLogger(__name__)
MASK_KINDS = ("clean", "dilate", "erode", "affine")
"""What may have been done to a training mask."""
PREPARED = ("image", "label")
"""The arrays that are a prepared case; others are maps."""
CHUNK = 64
MADE_AGAIN = "run again: the next call makes it anew"
IN_MEMORY_BYTES = 2**24  # smaller arrays are faster read once than patch by patch


@dataclass(frozen=True)
class Case:
    """One prepared case: ``image`` (channels, *spatial), ``label`` (*spatial), ``spacing`` in mm per axis.

    Voxels of label 255 are not annotated. ``affine`` (4, 4) leads from voxels to RAS+ mm, None for pictures.
    ``n_lesions`` is the data set's own count, None for the connected components of the label.
    """

    image: np.ndarray
    label: np.ndarray
    spacing: tuple[float, ...]
    patient: str
    affine: np.ndarray | None = None
    n_lesions: int | None = None


def write_array(path: Path, array: np.ndarray) -> str:
    """Write an array as a Blosc2 file with chunks of at most 64 along each spatial axis; the bytes repeat.

    Returns:
        SHA-256 of its values. The file holds it too, and a digest of each compressed chunk if it is read by patches.
    """
    spatial_from = 1 if array.ndim > 3 else 0
    chunks = [
        length if axis < spatial_from else min(length, CHUNK) for axis, length in enumerate(array.shape)
    ]
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
        values = array[...]
        if _content_hash(values) != array.schunk.vlmeta["sha256"]:
            raise ValueError("its values are not those that were written")
        return values
    except Exception as error:  # Blosc2 raises whatever it met in a damaged file
        raise _damaged(path, error) from error


class ArrayOnDisk:
    """An array that is read in boxes; each chunk of it is verified when this process reads it for the first time."""

    def __init__(self, path: Path, array: blosc2.NDArray) -> None:
        self.path, self.shape, self.dtype, self.ndim = path, array.shape, array.dtype, array.ndim
        self._array = array
        self._grid = [math.ceil(n / chunk) for n, chunk in zip(array.shape, array.chunks, strict=True)]
        digests = array.schunk.vlmeta["chunks"]
        self._digests = [digests[place : place + 8] for place in range(0, len(digests), 8)]
        if len(self._digests) != array.schunk.nchunks or math.prod(self._grid) != array.schunk.nchunks:
            raise ValueError(f"{len(self._digests)} digests of {array.schunk.nchunks} chunks")
        self._unverified = set(range(array.schunk.nchunks))

    def __getitem__(self, box: Any) -> np.ndarray:
        """Values as NumPy would take them; a tuple of slices reads no more than the chunks in them."""
        try:
            if self._unverified:
                self._verify(self._chunks_of(box))
            return self._array[box]
        except (RuntimeError, ValueError, MemoryError) as error:
            raise _damaged(self.path, error) from error

    def _chunks_of(self, box: Any) -> Iterable[int]:
        if not (
            isinstance(box, tuple) and len(box) == self.ndim and all(isinstance(part, slice) for part in box)
        ):
            return set(self._unverified)
        touched = [
            range(part.indices(n)[0] // chunk, math.ceil(part.indices(n)[1] / chunk))
            for part, n, chunk in zip(box, self.shape, self._array.chunks, strict=True)
        ]
        return (int(np.ravel_multi_index(place, self._grid)) for place in itertools.product(*touched))

    def _verify(self, chunks: Iterable[int]) -> None:
        for number in self._unverified.intersection(chunks):
            if xxh3_64_digest(self._array.schunk.get_chunk(number)) != self._digests[number]:
                raise ValueError(f"chunk {number} is not as it was written")
            self._unverified.discard(number)


def _damaged(path: Path, error: Exception) -> SeglossError:
    """The error to raise for a damaged file, which is removed."""
    what = str(error) or type(error).__name__
    try:
        path.unlink(missing_ok=True)
    except OSError as reason:
        return SeglossError(
            f"{path}: damaged ({what}), and cannot be removed: {reason.strerror}; delete it and run again"
        )
    return SeglossError(f"{path}: damaged ({what}) and removed; {MADE_AGAIN}")


def open_prediction(folder: Path, case: str, kind: str = "logit") -> Any:
    """Open the ``logit`` or ``probability`` that a run predicted for a case, from its folder of predictions.

    Raises:
        SeglossError: it is missing, or is not what the checksums beside the folder say.
    """
    path = folder / f"{case}.{kind}.b2nd"
    checksums = folder.with_name(f"{folder.name}.json")
    if (
        checksums.is_file()
        and path.is_file()
        and read_json(checksums, MADE_AGAIN).get(path.name) != sha256(path)
    ):
        raise _damaged(path, ValueError(f"its checksum is not that of {checksums.name}"))
    return open_array(path)


def write_case(folder: Path, name: str, case: Case, notes: Sequence[str] = ()) -> None:
    """Write a case's arrays and, last, its description with ``notes`` on the files that it was read from.

    Raises:
        CaseExcluded: image and label differ in shape, or the image is constant or not finite.
    """
    label = case.label.astype(np.uint8, copy=False)
    image = case.image.astype(np.float32, copy=False)
    if image.shape[1:] != label.shape:
        raise CaseExcluded(f"image {image.shape[1:]} and mask {label.shape} differ in shape")
    if not np.isfinite(image).all():
        raise CaseExcluded("the image holds NaN or infinite values")
    if image.min() == image.max():
        raise CaseExcluded(f"the image is constant ({image.min():g})")
    checksums = {
        "image": write_array(folder / "image.b2nd", image),
        "label": write_array(folder / "label.b2nd", label),
    }
    description = {
        "case": name,
        "patient": case.patient,
        "channels": image.shape[0],
        "shape": list(label.shape),
        "spacing": [float(length) for length in case.spacing],
        "affine": None if case.affine is None else np.asarray(case.affine, dtype=float).tolist(),
        **_described(label, case.n_lesions),
        "notes": list(notes),
        "sha256": checksums,
    }
    write_json(folder / "case.json", description)


def write_relabelled(folder: Path, case: "StoredCase", label: np.ndarray, noise: str) -> dict[str, Any]:
    """Write a label of a prepared case that may have changed, and the case's description with it, which is returned.

    ``noise``: the kind of the change, ``clean`` for none.
    """
    content = write_array(folder / "label.b2nd", label)
    told = case.description | {"noise": noise}
    if noise != "clean":
        told |= _described(label)
        told["sha256"] = case.description["sha256"] | {"label": content}
    write_json(folder / "case.json", told)
    return told


def _described(label: np.ndarray, n_lesions: int | None = None) -> dict[str, Any]:
    classes, counts = np.unique(label, return_counts=True)
    return {
        "n_lesions": _count_components(label) if n_lesions is None else n_lesions,
        "class_voxels": {str(k): int(n) for k, n in zip(classes, counts, strict=True)},
    }


def _count_components(label: np.ndarray) -> int:
    from lib.maps import connected_components  # only preparation needs it

    return int(connected_components(label).max())


def write_excluded(folder: Path, name: str, reason: str) -> None:
    """Write what stands for a case that cannot be used."""
    for array in PREPARED:
        write_empty(folder / f"{array}.b2nd")
    write_json(folder / "case.json", {"case": name, "excluded": reason})


def write_map(
    path: Path, case: "StoredCase", make: Callable[[np.ndarray, Any, int], np.ndarray], classes: int
) -> str:
    """Write what ``make``, one of ``lib.maps.MAPS``, makes of a case's label; an empty file for an excluded case.

    Returns:
        SHA-256 of the map's values; empty for an excluded case.
    """
    if case.excluded:
        write_empty(path)
        return ""
    return write_array(path, make(case.array("label")[...], case.description["spacing"], classes))


def write_empty(path: Path) -> None:
    """Write the empty file that holds an excluded case's place."""
    with atomic_path(path) as beside:
        beside.touch()


def open_cases(prepared: Path, *parts: Path, maps: Mapping[str, Path] | None = None) -> "list[StoredCase]":
    """Open the prepared cases of some parts of a split, without those that were excluded.

    Args:
        prepared: folder of the data set's cases.
        parts: the files that list the cases of a part with their descriptions.
        maps: the files that list the checksums of maps, by the map's name.

    Raises:
        SeglossError: the parts hold no case, or every one was excluded.
    """
    of_maps = {name: read_json(path, MADE_AGAIN) for name, path in (maps or {}).items()}
    cases = [
        StoredCase(prepared / name, description, {of_map: listed[name] for of_map, listed in of_maps.items()})
        for part in parts
        for name, description in read_json(part, MADE_AGAIN).items()
    ]
    used = [case for case in cases if not case.excluded]
    if len(used) < len(cases):
        log.warning(
            "%d of %d cases are excluded; the data set's report lists them",
            len(cases) - len(used),
            len(cases),
        )
    if not used:
        why = (
            f"all {len(cases)} cases are excluded, as {cases[0].name}: {cases[0].excluded}"
            if cases
            else "no case"
        )
        raise SeglossError(f"{' and '.join(map(str, parts))}: {why}; see the data set's report")
    return used


def open_noisy_cases(
    prepared: Path, part: Path, noisy: Path, maps: Mapping[str, Path] | None = None
) -> "list[NoisyCase]":
    """Open the training cases of a split with the masks of a noisy set, and with the maps made of these."""
    of_maps = {name: read_json(path, MADE_AGAIN)["cases"] for name, path in (maps or {}).items()}
    return [
        NoisyCase(case, noisy, {name: listed[case.name] for name, listed in of_maps.items()})
        for case in open_cases(prepared, part)
    ]


def check_part(cases: Mapping[str, Mapping[str, Any]], where: str) -> None:
    """Check that a part of a split can be trained or measured on, from the descriptions of its cases.

    Raises:
        SeglossError: no case of it can be used, or the masks of all that can are empty.
    """
    used = {name: description for name, description in cases.items() if "excluded" not in description}
    if not cases:
        raise SeglossError(f"{where}: it has no case; give it some (own_data: splits, or larger shares)")
    if not used:
        first = next(iter(cases))
        why = f"; {first}: {cases[first]['excluded']}"
        raise SeglossError(
            f"{where}: none of its cases ({len(cases)}) can be used{why}; correct files or split"
        )
    if not any(map(shows_something, used.values())):
        raise SeglossError(
            f"{where}: the masks of all its usable cases ({len(used)}) are empty: nothing can be learnt or measured;"
            " put a case with a lesion into it (own_data: splits, seed or larger shares)"
        )


def shows_something(description: Mapping[str, Any]) -> bool:
    """Whether a case that is not excluded has a foreground voxel, by its description."""
    return bool(description["class_voxels"].keys() - {"0", str(IGNORED)})


def _content_hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


_DESCRIPTION = {
    **{"patient": str, "channels": int, "shape": list, "spacing": list, "class_voxels": dict, "sha256": dict},
    "n_lesions": int,
}
"""What the description of a case that can be used holds."""


def _checked_description(description: Any, where: Path) -> dict[str, Any]:
    fits = isinstance(description, dict) and isinstance(description.get("case"), str)
    if fits and "excluded" not in description:
        fits = all(isinstance(description.get(key), kind) for key, kind in _DESCRIPTION.items())
        fits = fits and all(isinstance(length, int) for length in description["shape"])
    if not fits:
        raise SeglossError(f"{where}: not the description of a case; delete it and run again")
    return description


class StoredCase:
    """A prepared case opened for reading; arrays are opened when first asked for.

    Args:
        folder: of the case.
        description: as a list of cases has it; by default that of the folder.
        maps: SHA-256 of the values of maps, by name.
    """

    def __init__(
        self,
        folder: Path,
        description: dict[str, Any] | None = None,
        maps: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        where = self.folder / "case.json"
        self.description = _checked_description(
            read_json(where) if description is None else description, where
        )
        self.maps = dict(maps or {})

    @property
    def name(self) -> str:
        return self.description["case"]

    @property
    def excluded(self) -> str | None:
        """Why the case cannot be used; None if it can."""
        return self.description.get("excluded")

    @property
    def shows_something(self) -> bool:
        """Whether any voxel is foreground."""
        return shows_something(self.description)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.description["shape"])

    @property
    def n_lesions(self) -> int:
        return self.description["n_lesions"]

    @cache  # noqa: B019 as long-lived as the process, like the cases themselves
    def array(self, name: str) -> Any:
        """``image``, ``label`` or a map such as ``components``."""
        content = self.description["sha256"].get(name, self.maps.get(name))
        return open_array(self._path(name), self.shape, content)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.b2nd"


class NoisyCase(StoredCase):
    """A prepared case whose label, and the maps made of it, are those of a noisy set; ``clean`` is the case itself."""

    def __init__(self, clean: StoredCase, noisy: Path, maps: Mapping[str, str] | None = None) -> None:
        super().__init__(noisy / "masks" / clean.name, maps=maps)
        self.clean = clean
        self.noisy = noisy

    @property
    def noise(self) -> str:
        """The kind of the noise, or ``clean``."""
        return self.description["noise"]

    @cache  # noqa: B019 as in StoredCase
    def array(self, name: str) -> Any:
        return self.clean.array("image") if name == "image" else super().array(name)

    def _path(self, name: str) -> Path:
        return (
            super()._path(name) if name == "label" else self.noisy / "maps" / name / f"{self.clean.name}.b2nd"
        )


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
