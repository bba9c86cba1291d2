"""The cases of another data set on the grid that a network is trained on.

Parameters: ``resampling``, as `lib.config.schema.Resampling` has it, ``by_slice``, and ``labels``.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lib.config.schema import Resampling
from lib.datasets.decided import decided_grid
from lib.datasets.index import Index, IndexedCase, read_index
from lib.datasets.raw import RawFiles
from lib.datasets.reading import scaled_affine
from lib.errors import CaseExcluded
from lib.labels import Labels
from lib.resampling import resample_image, resample_label, slice_axis
from lib.store import Case, StoredCase


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """The cases and splits of the other data set; its folder holds the index."""
    other = Path(raw.one(r"index\.json"))
    files = [Path(path) for path in raw.paths if path != str(other)]
    grid = decided_grid(Resampling(**parameters["resampling"]), files).model_dump(mode="json")
    return cases_of(other, {"grid": grid})


def cases_of(other: Path, details: dict[str, Any] | None = None) -> Index:
    """The prepared cases that an index lies beside, and its splits."""
    found = read_index(other)
    cases = {
        case: IndexedCase(entry.patient, {"case": [str(other.parent / case / "case.json")]}, details or {})
        for case, entry in found.cases.items()
    }
    return Index(cases, found.splits)


def stored_case(entry: IndexedCase) -> StoredCase:
    """The prepared case that an entry of :func:`cases_of` stands for.

    Raises:
        CaseExcluded: it cannot be used.
    """
    stored = StoredCase(Path(entry.files["case"][0]).parent)
    if stored.excluded:
        raise CaseExcluded(stored.excluded)
    return stored


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Resample one prepared case."""
    stored = stored_case(entry)
    old, grid = stored.description["spacing"], Resampling(**entry.details["grid"])
    shape = grid.shape_of(stored.shape, old, parameters["by_slice"])
    scale = [length / new for length, new in zip(stored.shape, shape, strict=True)]
    spacing = tuple(length * times for length, times in zip(old, scale, strict=True))
    across, affine = slice_axis(old, spacing), stored.description["affine"]
    return Case(
        resample_image(stored.array("image")[...], shape, across),
        resample_label(stored.array("label")[...], shape, Labels(**parameters["labels"]), across),
        spacing,
        entry.patient,
        scaled_affine(affine and np.array(affine), scale),
    )
