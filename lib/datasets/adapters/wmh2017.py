"""WMH 2017: white matter hyperintensities on FLAIR and T1 (Kuijf et al., IEEE TMI 2019; doi:10.34894/AECRSD).

Layout: `<site>/<subject>/pre/FLAIR.nii.gz`, `pre/T1.nii.gz`, `wmh.nii.gz` with the sites Utrecht, Singapore and
GE3T, as in the challenge's three archives, or the same below `training/` and `training/Amsterdam/` as in Dataverse's.
The 60 training subjects are the cases; what lies below `test/` is left alone, since no publication here used it.
Labels: 0 background, 1 hyperintensity, 2 other pathology.

Form `published`, the boundary loss's code (Kervadec et al., MedIA 2021): min-max per volume, slices resized to 256x256,
label 2 made background after resizing. Form `corrected`: the native grid, min-max per volume, label 2 not annotated.

Split `published`: 10 subjects drawn with seed 0 from the sorted ones. The publication selected its epoch on them and
reported them; here they are `test`, and `validation` is empty. `holdout`: 10 of the other 50 become `validation`.
"""

from typing import Any

from lib.datasets import reading
from lib.datasets.adapters import volumes
from lib.datasets.index import Index, IndexedCase
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.labels import IGNORED
from lib.store import Case

_SUBJECT = r"(?<!/test/)(?<!/test/Amsterdam/)(?:Utrecht|Singapore|GE3T)/(?P<id>\d+)"
_FILES = {
    "FLAIR": rf"{_SUBJECT}/pre/FLAIR\.nii\.gz",
    "T1": rf"{_SUBJECT}/pre/T1\.nii\.gz",
    "mask": rf"{_SUBJECT}/wmh\.nii\.gz",
}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Find the training subjects."""
    return volumes.drawn_from_sorted(raw, _FILES, 10, 60)


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Min-max per channel, then slices resized in the published form."""
    published = parameters["form"] == "published"
    return Preparation((("min_max",), *([("slices", *volumes.IN_PLANE)] if published else [])))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (FLAIR, T1) and label on axes (x, y, z); see the module's text for the two forms."""
    *channels, mask = reading.read_aligned({role: entry.files[role][0] for role in _FILES})
    image = preparation(parameters).apply([volume.array for volume in channels], names=tuple(_FILES))
    label = reading.labels(mask, (0, 1, 2), "the mask")
    spacing, affine = mask.spacing, mask.affine
    if parameters["form"] == "published":
        spacing, affine = volumes.resized_geometry(channels[0])
        label = volumes.resize_labels_in_plane(label)
    label[label == 2] = 0 if parameters["form"] == "published" else IGNORED
    return Case(image, label, spacing, entry.patient, affine)
