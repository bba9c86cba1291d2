"""ISLES 2018: stroke lesions on CT perfusion maps (Hakim et al., Stroke 2021; doi:10.5281/zenodo.17736412).

Layout: `TRAINING/case_<n>/SMIR.Brain.XX.O.<modality>.<number>/` with a NIfTI of the same name; modality CT, CT_CBF,
CT_CBV, CT_MTT, CT_Tmax and OT (the mask). CT_4DPWI and `TESTING/`, which has no masks, are left alone.

Preparation is the boundary loss's code (Kervadec et al., MedIA 2021): min-max per volume, the native grid, which is
256x256 in plane.

Split `published`: 20 of the 94 cases drawn with seed 0 from the sorted ones, called `test` although the publication
selected its epoch on them as well; `validation` is empty. `holdout`: 20 of the others become `validation`. A patient
may have two cases; the files do not say which, so neither split can keep them together.
"""

from typing import Any

from lib.datasets import reading
from lib.datasets.adapters import volumes
from lib.datasets.index import Index, IndexedCase
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.store import Case

_NAMES = {"CT": "CT", "CBF": "CT_CBF", "CBV": "CT_CBV", "MTT": "CT_MTT", "Tmax": "CT_Tmax", "mask": "OT"}
_FILES = {
    role: rf"TRAINING/(?P<id>case_\d+)/(?:[^/]+/)?SMIR\.Brain\.XX\.O\.{name}\.\d+\.nii(?:\.gz)?"
    for role, name in _NAMES.items()
}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Find the training cases."""
    return volumes.drawn_from_sorted(raw, _FILES, 20, 94)


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Min-max per channel."""
    return Preparation((("min_max",),))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (CT, CBF, CBV, MTT, Tmax) and label on axes (x, y, z)."""
    *channels, mask = reading.read_aligned({role: entry.files[role][0] for role in _FILES})
    image = preparation(parameters).apply([volume.array for volume in channels], names=tuple(_FILES))
    label = reading.labels(mask, (0, 1), "the mask")
    return Case(image, label, mask.spacing, entry.patient, mask.affine)
