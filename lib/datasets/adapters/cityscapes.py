"""Cityscapes: street scenes in 19 classes (Cordts et al., CVPR 2016).

Layout: `leftImg8bit/<train or val>/<city>/<id>_leftImg8bit.png`, `gtFine/.../<id>_gtFine_labelIds.png`; the test part,
whose masks are dummies, is left alone. The 34 ids of the files become the 19 classes that are evaluated, all others are
not annotated. The native size. A city counts as a patient.

Split `published`, SegLossBias (Liu et al.): the official train part and, as `test`, the official val part,
on which the publication also selected; `validation` is empty. `holdout`: three cities of train become `validation`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets import reading
from lib.datasets.adapters import pictures, splits
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.datasets.readers import read_picture
from lib.labels import IGNORED
from lib.store import Case

_FILES = {
    "image": r"leftImg8bit/(?:train|val)/[^/]+/(?P<id>[^/]+)_leftImg8bit\.png",
    "mask": r"gtFine/(?:train|val)/[^/]+/(?P<id>[^/]+)_gtFine_labelIds\.png",
}
_IDS = 34
_EVALUATED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_CLASS_OF_ID = np.full(_IDS, IGNORED, np.uint8)
_CLASS_OF_ID[list(_EVALUATED_IDS)] = range(len(_EVALUATED_IDS))


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks by id, in parts by the folder of the image."""
    complete, incomplete = raw.cases(_FILES)
    published = splits.held_out(
        complete,
        {case for case, files in complete.items() if "/leftimg8bit/val/" in f"/{files['image'][0]}".lower()},
    )
    return Index(
        {case: IndexedCase(_city(case), files) for case, files in complete.items()},
        {"published": published, "holdout": splits.with_validation(published, 3, _city)},
        incomplete,
    )


def _city(case: str) -> str:
    return case.partition("_")[0]


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [0, 1] and label of 0 to 18, 255 where nothing is evaluated."""
    (path,) = entry.files["mask"]
    ids = reading.grey_levels(read_picture(path, as_labels=True), Path(path).name)
    label = _CLASS_OF_ID[reading.labels(ids, range(_IDS), "the mask")]
    image = pictures.read_colours(*entry.files["image"])
    return pictures.make_case(image, label, entry.patient, preparation(parameters))
