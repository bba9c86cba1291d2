"""Prepared cases on disk: compressed, chunked arrays that are read patch by patch.

A case is a folder ``image.b2nd`` (channels, *spatial) float32, ``label.b2nd`` (*spatial) uint8 and ``case.json``
(patient, shape, spacing, affine, voxel counts, checksums of the array contents). Maps of the case lie beside
them. A case that cannot be used keeps its place with empty files: its ``case.json`` tells only the reason.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np

from lib.datasets import IGNORED
from lib.datasets.index import read_index
from lib.errors import CaseExcluded, SeglossError
from lib.files import atomic_path, read_json, sha256, write_json
from lib.suggest import suggestion

log = logging.getLogger(__name__)
MASK_KINDS = ("clean", "dilate", "erode", "affine")
"""What may have been done to a training mask."""
PREPARED = ("image", "label")
"""The arrays that are a prepared case; others are maps."""
CHUNK = 64
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
                cparams={"codec": blosc2.Codec.LZ4, "clevel": 5, "nthreads": 1},
            )
        except RuntimeError as error:  # what Blosc2 makes of a full disk
            raise SeglossError(f"{path}: cannot be written ({error}); is the disk full?") from error


def open_array(
    path: Path,
    remedy: str = "delete it and run again",
    shape: Sequence[int] | None = None,
    content: str | None = None,
) -> Any:
    """Open an array for reading: in memory if it is small, otherwise sliced from disk.

    Args:
        shape: of its last axes, where it is known.
        content: SHA-256 of its values, where it is known; checked of arrays that are read into memory.

    Raises:
        SeglossError: the file is missing or damaged; ``remedy`` says what to do about it.
    """
    if not path.is_file():
        raise SeglossError(f"{path}: no such array; {remedy}")
    try:
        array = blosc2.open(str(path), mode="r", dparams={"nthreads": 1})
        if shape is not None and tuple(array.shape[-len(shape) :]) != tuple(shape):
            raise ValueError(f"shape {array.shape} where {tuple(shape)} was expected")
        if math.prod(array.shape) * array.dtype.itemsize > IN_MEMORY_BYTES:
            return array
        values = array[...]
        if content not in (None, _content_hash(values)):
            raise ValueError("its values are not those that were written")
        return values
    except Exception as error:  # Blosc2 raises whatever it met in a damaged file
        raise SeglossError(f"{path}: damaged ({error}); {remedy}") from error


def open_prediction(folder: Path, case: str, kind: str = "logit") -> Any:
    """Open the ``logit`` or ``probability`` that a run predicted for a case, from its folder of predictions.

    Raises:
        SeglossError: it is missing, or is not what the checksums beside the folder say.
    """
    path, remedy = folder / f"{case}.{kind}.b2nd", f"delete the folder {folder} and run again"
    checksums = folder.with_name(f"{folder.name}.json")
    if checksums.is_file() and path.is_file() and read_json(checksums, remedy).get(path.name) != sha256(path):
        raise SeglossError(f"{path}: damaged (its checksum is not that of {checksums.name}); {remedy}")
    return open_array(path, remedy)


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
    write_array(folder / "image.b2nd", image)
    write_array(folder / "label.b2nd", label)
    description = {
        "case": name,
        "patient": case.patient,
        "channels": image.shape[0],
        "shape": list(label.shape),
        "spacing": [float(length) for length in case.spacing],
        "affine": None if case.affine is None else np.asarray(case.affine, dtype=float).tolist(),
        **_described(label, case.n_lesions),
        "notes": list(notes),
        "sha256": {"image": _content_hash(image), "label": _content_hash(label)},
    }
    write_json(folder / "case.json", description)


def write_relabelled(folder: Path, case: "StoredCase", label: np.ndarray, noise: str) -> dict[str, Any]:
    """Write a label of a prepared case that may have changed, and the case's description with it, which is returned.

    ``noise``: the kind of the change, ``clean`` for none.
    """
    write_array(folder / "label.b2nd", label)
    told = case.description | {"noise": noise}
    if noise != "clean":
        told |= _described(label)
        told["sha256"] = case.description["sha256"] | {"label": _content_hash(label)}
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
) -> None:
    """Write what ``make``, one of ``lib.maps.MAPS``, makes of a case's label; an empty file for an excluded case."""
    if case.excluded:
        write_empty(path)
    else:
        write_array(path, make(case.array("label")[...], case.description["spacing"], classes))


def write_empty(path: Path) -> None:
    """Write the empty file that holds an excluded case's place."""
    with atomic_path(path) as beside:
        beside.touch()


def open_noisy_cases(prepared: Path, split: str, noisy: Path) -> "list[NoisyCase]":
    """Open the training cases of a split with the masks of a noisy set."""
    return [NoisyCase(case, noisy) for case in open_cases(prepared, split, "train")]


def open_cases(prepared: Path, split: str, *parts: str) -> "list[StoredCase]":
    """Open the prepared cases of some parts of a data set's split, without those that were excluded.

    Raises:
        SeglossError: the parts hold no case, or every one was excluded.
    """
    splits = read_index(prepared / "index.json").splits
    if split not in splits:
        raise SeglossError(f"{prepared}: no split {split!r}{suggestion(split, splits)}")
    named = splits[split]
    cases = [StoredCase(prepared / case) for part in parts for case in named[part]]
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
        raise SeglossError(
            f"{prepared}, split {split!r}, {' and '.join(parts)}: {why}; see the data set's report"
        )
    return used


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


def _checked_description(path: Path) -> dict[str, Any]:
    description = read_json(path)
    fits = isinstance(description, dict) and isinstance(description.get("case"), str)
    if fits and "excluded" not in description:
        fits = all(isinstance(description.get(key), kind) for key, kind in _DESCRIPTION.items())
        fits = fits and all(isinstance(length, int) for length in description["shape"])
    if not fits:
        raise SeglossError(
            f"{path}: not the description of a case; delete its data set's folder and run again"
        )
    return description


class StoredCase:
    """A prepared case opened for reading; arrays are opened when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.description = _checked_description(self.folder / "case.json")

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
        dataset, data = self.folder.parent.name, self.folder.parents[2]
        # Snakemake knows the lists of cases and maps, and makes these again with their lists
        lists = f"{data / 'bundles' / dataset} and {data / 'splits' / dataset}"
        return self._opened(name, self.folder / f"{name}.b2nd", lists)

    def _opened(self, name: str, path: Path, to_delete: Path | str) -> Any:
        content = self.description["sha256"].get(name)  # of maps the lists of maps have it
        return open_array(path, f"delete {to_delete} and run again", self.shape, content)


class NoisyCase(StoredCase):
    """A prepared case whose label, and the maps made of it, are those of a noisy set; ``clean`` is the case itself."""

    def __init__(self, clean: StoredCase, noisy: Path) -> None:
        super().__init__(noisy / "masks" / clean.name)
        self.clean = clean
        self.maps = noisy / "maps"

    @property
    def noise(self) -> str:
        """The kind of the noise, or ``clean``."""
        return self.description["noise"]

    @cache  # noqa: B019 as in StoredCase
    def array(self, name: str) -> Any:
        if name == "image":
            return self.clean.array("image")
        if name == "label":
            return self._opened(name, self.folder / "label.b2nd", self.folder.parent)
        return self._opened(name, self.maps / name / f"{self.clean.name}.b2nd", self.maps)


def cut(array: Any, start: Sequence[int], size: Sequence[int], fill: float | None = 0) -> np.ndarray:
    """Cut the box [start, start + size) from the trailing axes of ``array``, padded where it leaves it.

    ``fill=None`` pads with the minimum of the part that lies inside, as inverse weighting's code does.
    """
    spatial = array.shape[-len(size) :]
    inside = tuple(
        slice(max(s, 0), min(s + n, length)) for s, n, length in zip(start, size, spatial, strict=True)
    )
    leading = (slice(None),) * (array.ndim - len(size))
    try:
        part = np.asarray(array[leading + inside])
    except (RuntimeError, ValueError, MemoryError) as error:  # of a damaged array on disk
        name = getattr(getattr(array, "schunk", None), "urlpath", "an array")
        raise SeglossError(
            f"{name}: damaged ({error}); delete its data set's folder and run again"
        ) from error
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
