"""ACDC: heart chambers on cine MR at end-diastole and end-systole (Bernard et al., IEEE TMI 2018).

Layout: `patient<nnn>/patient<nnn>_frame<mm>.nii.gz` and `..._gt.nii.gz`, below `training/` or another folder; the 4D
series and what lies below `testing/` (of the release of 2022) are left alone. Labels: 0 background, 1 right ventricle,
2 myocardium, 3 left ventricle.

Form `published`, the boundary loss's code (Kervadec et al.): min-max per volume to 0..255 cut to whole numbers, slices
resized to 256x256 and cut again, divided by 255. Form `corrected`: the native grid, min-max per volume.

Split `published`: the sorted patients shuffled with seed 0, the first 25 of 100 (its fold 0) are `test`, although the
publication selected its epoch on them as well; `validation` is empty. `holdout`: 10 of the other 75 patients become
`validation`.
"""

import random
from typing import Any

from lib.datasets import reading
from lib.datasets.adapters import splits, volumes
from lib.datasets.index import Index, IndexedCase
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.store import Case

_FRAME = r"(?<!/testing/)patient\d{3}/(?P<id>patient\d{3}_frame\d{2})"
_FILES = {"image": rf"{_FRAME}\.nii\.gz", "mask": rf"{_FRAME}_gt\.nii\.gz"}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Find the frames; the draw counts patients of incomplete ones too, so that it stays the published one."""
    complete, incomplete = raw.cases(_FILES)
    cases = sorted([*complete, *incomplete])
    patients = sorted(set(map(_patient, cases)))
    random.Random(0).shuffle(patients)
    drawn = patients[: splits.in_proportion(25, 100, len(patients))]
    published = splits.held_out(cases, [case for case in cases if _patient(case) in drawn])
    validated = splits.in_proportion(10, 75, len(patients) - len(drawn))
    return Index(
        {case: IndexedCase(_patient(case), files) for case, files in complete.items()},
        {"published": published, "holdout": splits.with_validation(published, validated, _patient)},
        incomplete,
    )


def _patient(case: str) -> str:
    return case.partition("_")[0]


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Min-max, then in the published form slices resized among whole numbers."""
    published = parameters["form"] == "published"
    return Preparation((("min_max",), *([("slices_of_bytes", *volumes.IN_PLANE)] if published else [])))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (one channel) and label on axes (x, y, z); see the module's text for the two forms."""
    volume, mask = reading.read_aligned({role: entry.files[role][0] for role in _FILES})
    image = preparation(parameters).apply([volume.array], names=("image",))
    label = reading.labels(mask, (0, 1, 2, 3), "the mask")
    if not label.any():
        raise CaseExcluded("the mask is empty; every frame shows the heart")
    spacing, affine = mask.spacing, mask.affine
    if parameters["form"] == "published":
        spacing, affine = volumes.resized_geometry(volume)
        label = volumes.resize_labels_in_plane(label)
    return Case(image, label, spacing, entry.patient, affine)
