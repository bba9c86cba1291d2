"""Prepared cases on disk: arrays (``lib/arrays.py``) and what is known of them.

A case is a folder ``image.b2nd`` (channels, *spatial) float32, ``label.b2nd`` (*spatial) uint8, multi-label
(classes, *spatial), and ``case.json``
(patient, shape, spacing, affine, voxel counts, checksums of the array contents). Maps of the case lie beside
them. A case that cannot be used keeps its place with empty files: its ``case.json`` holds only the reason.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lib.arrays import MADE_AGAIN, damaged, open_array, write_array
from lib.errors import CaseExcluded, SeglossError
from lib.files import atomic_path, read_json, sha256, write_json
from lib.labels import BINARY, IGNORED, Labels

log = logging.getLogger(__name__)
PREPARED = ("image", "label")
"""The arrays that are a prepared case; others are maps."""


@dataclass(frozen=True)
class Case:
    """One prepared case: ``image`` (channels, *spatial), ``label`` (*spatial), multi-label (classes, *spatial).

    Voxels of label 255 are not annotated. ``spacing`` is in mm per axis. ``affine`` (4, 4) leads from voxels to RAS+
    mm, None for pictures. ``n_lesions`` is the data set's own count, None for the connected components of the label.
    """

    image: np.ndarray
    label: np.ndarray
    spacing: tuple[float, ...]
    patient: str
    affine: np.ndarray | None = None
    n_lesions: int | None = None


def open_prediction(folder: Path, case: str, kind: str = "labels") -> Any:
    """Open ``labels``, ``logit`` or ``probability`` that a run predicted for a case, from its folder of predictions.

    Raises:
        SeglossError: it is missing, or is not what the checksums beside the folder say.
    """
    path = folder / f"{case}.{kind}.b2nd"
    checksums = folder.with_name(f"{folder.name}.json")
    if checksums.is_file() and path.is_file() and read_json(checksums, MADE_AGAIN).get(path.name) != sha256(path):
        raise damaged(path, ValueError(f"its checksum is not that of {checksums.name}"))
    return open_array(path)


def write_case(folder: Path, name: str, case: Case, notes: Sequence[str] = (), background: bool = True) -> None:
    """Write a case's arrays and, last, its description with ``notes`` on the files that it was read from.

    ``background``: 0 in the label stands for no structure.

    Raises:
        CaseExcluded: image and label differ in shape, or the image is constant or not finite.
    """
    label = case.label.astype(np.uint8, copy=False)
    image = case.image.astype(np.float32, copy=False)
    shape = image.shape[1:]
    if label.shape[-len(shape) :] != shape or label.ndim > image.ndim:
        raise CaseExcluded(f"image {shape} and mask {label.shape} differ in shape")
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
        "shape": list(shape),
        "spacing": [float(length) for length in case.spacing],
        "affine": None if case.affine is None else np.asarray(case.affine, dtype=float).tolist(),
        **_described(label, len(shape), case.n_lesions),
        **({} if background else {"background": False}),
        "notes": list(notes),
        "sha256": checksums,
    }
    write_json(folder / "case.json", description)


def write_relabelled(folder: Path, case: "StoredCase", label: np.ndarray, noise: str) -> dict[str, Any]:
    """Write a label of a prepared case that may have changed, and the case's description with it, which is returned.

    ``noise``: the kind of the change, ``clean`` for none.
    """
    content = write_array(folder / "label.b2nd", label)
    description = case.description | {"noise": noise}
    if noise != "clean":
        description |= _described(label, len(case.shape))
        description["sha256"] = case.description["sha256"] | {"label": content}
    write_json(folder / "case.json", description)
    return description


def _described(label: np.ndarray, dimensions: int, n_lesions: int | None = None) -> dict[str, Any]:
    """Lesions, and voxels by class; multi-label by channel, from 1, with 0 for those that are in none."""
    from lib.maps import connected_components  # only preparation needs it

    labels = BINARY if label.ndim == dimensions else Labels(tuple(map(str, range(len(label)))), exclusive=False)
    return {
        "n_lesions": int(connected_components(label, None, labels).max()) if n_lesions is None else n_lesions,
        "class_voxels": _class_voxels(label) if labels.exclusive else _channel_voxels(label),
    }


def _class_voxels(label: np.ndarray) -> dict[str, int]:
    classes, counts = np.unique(label, return_counts=True)
    return {str(k): int(n) for k, n in zip(classes, counts, strict=True)}


def _channel_voxels(label: np.ndarray) -> dict[str, int]:
    counts = {str(number): int((channel == 1).sum()) for number, channel in enumerate(label, start=1)}
    counts |= {"0": int((label == 0).all(0).sum()), str(IGNORED): int((label == IGNORED).any(0).sum())}
    return {key: count for key, count in counts.items() if count}


def write_excluded(folder: Path, name: str, reason: str) -> None:
    """Write what stands for a case that cannot be used."""
    for array in PREPARED:
        write_empty(folder / f"{array}.b2nd")
    write_json(folder / "case.json", {"case": name, "excluded": reason})


def write_map(
    path: Path, case: "StoredCase", make: Callable[[np.ndarray, Any, Labels], np.ndarray], labels: Labels
) -> str:
    """Write what ``make``, one of ``lib.maps.MAPS``, makes of a case's label; an empty file for an excluded case.

    Returns:
        SHA-256 of the map's values; empty for an excluded case.
    """
    if case.excluded:
        write_empty(path)
        return ""
    return write_array(path, make(case.array("label")[...], case.description["spacing"], labels))


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
        why = f"all {len(cases)} cases are excluded, as {cases[0].name}: {cases[0].excluded}" if cases else "no case"
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
        raise SeglossError(f"{where}: none of its cases ({len(cases)}) can be used{why}; correct files or split")
    if not any(map(shows_something, used.values())):
        raise SeglossError(
            f"{where}: the masks of all its usable cases ({len(used)}) are empty: nothing can be learnt or measured;"
            " put a case with a lesion into it (own_data: splits, seed or larger shares)"
        )


def shows_something(description: Mapping[str, Any]) -> bool:
    """Whether a case that is not excluded has a foreground voxel, by its description."""
    none = {str(IGNORED)} | ({"0"} if description.get("background", True) else set())
    return bool(description["class_voxels"].keys() - none)


_DESCRIPTION = {
    **{"patient": str, "channels": int, "shape": list, "spacing": list, "class_voxels": dict, "sha256": dict},
    "n_lesions": int,
    "affine": list | None,
}
"""What the description of a case that can be used holds."""


def _checked_description(description: Any, where: Path) -> dict[str, Any]:
    fits = isinstance(description, dict) and isinstance(description.get("case"), str)
    if fits and "excluded" not in description:
        fits = all(key in description and isinstance(description[key], kind) for key, kind in _DESCRIPTION.items())
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
        self.description = _checked_description(read_json(where) if description is None else description, where)
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
        return super()._path(name) if name == "label" else self.noisy / "maps" / name / f"{self.clean.name}.b2nd"
