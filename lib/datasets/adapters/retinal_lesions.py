"""Retinal Lesions: eight lesion classes on fundus photographs (Wei et al., ICPR 2020).

Layout: `images_896x896/<id>.jpg`, `lesion_segs_896x896/<id>/<class>.png` (a class that is absent has no file), and
`train.txt`, `val.txt`, `test.txt` with one id a line. Masks hold 0, 255 and 127, the last for annotations that the data
set's authors left out of their experiments. A class is where the value is among ``positive``: SegLossBias (Liu et al.)
takes 127 and 255, the corrected data set 255 alone. The label is the union of all classes, or of ``classes``; with
``overlapping`` each of these has a channel of its own. The native size, or ``size``.

Split `official`: the files of SegLossBias. Ids name patient and eye; the split is by photograph, so each counts as a
patient of its own here, and the two eyes of a patient may lie in different parts.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets import reading
from lib.datasets.adapters import pictures
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase, Parts
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError
from lib.files import read_text
from lib.store import Case

_IMAGE = r"images_896x896/(?P<id>[^/]+)\.jpg"
_MASK = r"lesion_segs_896x896/(?P<id>[^/]+)/[^/]+\.png"
CLASSES = (
    *("microaneurysm", "intraretinal_hemorrhage", "hard_exudate", "cotton_wool_spots", "vitreous_hemorrhage"),
    *("preretinal_hemorrhage", "neovascularization", "fibrous_proliferation"),
)
"""Names of the files with masks."""
_SPLIT_FILES = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Collect the masks of each photograph and read the parts from their files.

    Raises:
        SeglossError: there is no photograph, no mask at all, or a file of the split is missing.
    """
    images, masks = raw.matching(_IMAGE), raw.matching(_MASK)
    if not images or not masks:
        raise SeglossError(f"{raw}: no images_896x896/<id>.jpg or no lesion_segs_896x896/<id>/<class>.png")
    cases, excluded = {}, {}
    for case in sorted({*images, *masks}):
        if len(found := images.get(case, [])) == 1:
            cases[case] = IndexedCase(case, {"image": found, "masks": masks.get(case, [])})
        else:
            excluded[case] = f"duplicate id: {', '.join(found)}" if found else "no image among the raw files"
    return Index(cases, {"official": _official_split(raw)}, excluded)


def _official_split(raw: RawFiles) -> Parts:
    parts = {}
    for part, name in _SPLIT_FILES.items():
        found = [path for path in raw.paths if Path(path).name == name]
        if len(found) != 1:
            raise SeglossError(
                f"{raw}: {len(found)} files {name}, one was expected; get train.txt, val.txt and test.txt from"
                " https://drive.google.com/file/d/1nehNgvwN4eCscHhNPZEJHKDnoG-Q868r"
            )
        try:
            parts[part] = tuple(read_text(Path(found[0])).split())
        except UnicodeDecodeError as error:
            raise SeglossError(f"{found[0]}: no text in UTF-8 ({error}); get it again") from error
    return parts


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [0, 1] and label of 1 on lesions, (classes, height, width) where they overlap."""
    image = pictures.read_colours(*entry.files["image"])
    classes = parameters.get("classes", CLASSES)
    channels = np.zeros((len(classes), *image.shape[1:]), bool)
    for path in entry.files["masks"]:
        mask = reading.labels(pictures.read_grey(path)[0], (0, 127, 255), Path(path).name)
        if mask.shape != image.shape[1:]:
            raise CaseExcluded(f"image {image.shape[1:]} and mask {mask.shape} differ in shape")
        if (name := _class_name(path)) in classes:
            channels[classes.index(name)] |= np.isin(mask, parameters["positive"])
    label = channels if parameters.get("overlapping") else channels.any(0)
    return pictures.make_case(image, label, entry.patient, preparation(parameters))


def _class_name(path: str) -> str:
    """The class of a file of masks.

    Raises:
        CaseExcluded: there is none of the name.
    """
    name = re.sub("[^a-z]+", "_", Path(path).stem.lower())
    found = [known for known in CLASSES if known.rstrip("s") == name.rstrip("s")]
    if not found:
        raise CaseExcluded(f"{Path(path).name}: the name of a class was expected: {', '.join(CLASSES)}")
    return found[0]
