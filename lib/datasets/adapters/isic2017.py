"""ISIC 2017, part 1: skin lesions on dermoscopic photographs (Codella et al., ISBI 2018).

Layout: `ISIC-2017_<Training, Validation or Test_v2>_Data/ISIC_<7 digits>.jpg` and
`ISIC-2017_..._Part1_GroundTruth/ISIC_<7 digits>_segmentation.png`; superpixels and tables are left alone. The names
give no patients, so every photograph counts as one.

Preparation is T-Loss's (Gonzalez-Jimenez et al., MICCAI 2023): image and mask resized to ``size`` whatever their
aspect, the mask (all above 0) with OpenCV's nearest neighbours unless ``centred_nearest``; colours brought from [0, 1]
to [-1, 1].

Split `official`: 2000, 150 and 600 by folder; T-Loss left the 150 unused and evaluated on the 600. Photographs in
folders of other names are all `train`.
"""

import re
from typing import Any

from lib.datasets.adapters import pictures
from lib.datasets.index import Index, IndexedCase
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.store import Case

_FILES = {"image": r"(?P<id>ISIC_\d{7})\.jpg", "mask": r"(?P<id>ISIC_\d{7})_segmentation\.png"}
_PART_OF_FOLDER = {"Training": "train", "Validation": "validation", "Test": "test"}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair photographs and masks by id, in parts by the folder of the photograph."""
    complete, incomplete = raw.cases(_FILES)
    parts: dict[str, list[str]] = {part: [] for part in _PART_OF_FOLDER.values()}
    for case, files in complete.items():
        parts[_part(files["image"][0])].append(case)
    return Index(
        {case: IndexedCase(case, files) for case, files in complete.items()},
        {"official": {part: tuple(cases) for part, cases in parts.items()}},
        incomplete,
    )


def _part(path: str) -> str:
    named = re.search(r"/ISIC-2017_(Training|Validation|Test)[^/]*/[^/]+$", path, re.IGNORECASE)
    return _PART_OF_FOLDER[named[1].capitalize()] if named else "train"


def preparation(parameters: dict[str, Any]) -> Preparation:
    """As of other pictures, then brought to [-1, 1]."""
    return Preparation((*pictures.preparation(parameters).steps, ("signed",)))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [-1, 1] and label of 1 on the lesion."""
    mask = pictures.check_shown(pictures.read_foreground(*entry.files["mask"]), "lesion")
    image = pictures.read_colours(*entry.files["image"])
    return pictures.make_case(image, mask, entry.patient, preparation(parameters), parameters["centred_nearest"])
