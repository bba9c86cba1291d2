"""IDRiD, part A: lesions and optic disc on 81 fundus photographs (Porwal et al., Data 2018; doi:10.21227/H25W98).

Layout: `1. Original Images/<a. Training Set or b. Testing Set>/IDRiD_<nn>.jpg` and
`2. All Segmentation Groundtruths/<the same two>/<n>. <class>/IDRiD_<nn>_<MA, HE, EX, SE or OD>.tif`; a class that is
absent has no file. The label holds those of ``classes``: microaneurysm, haemorrhage, hard exudate, soft exudate, optic
disc. Unless they have channels of their own (``overlapping``), the later of the lesions stays where they overlap (soft
over hard exudate over haemorrhage over microaneurysm), and any lesion over the optic disc. The native size, or
``size``.

Split `official`: 54 and 27 by folder, of the 54 a tenth drawn with seed 0 as `validation`. `holdout`: 40 % of all
drawn with seed 0 as test, 10 % as validation. The names give no patients, so every photograph counts as one.
"""

from typing import Any

import numpy as np

from lib.datasets.adapters import pictures, splits
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase, split_by_patient
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.store import Case

_CLASSES = ("MA", "HE", "EX", "SE", "OD")
_PAINTED = ("OD", "MA", "HE", "EX", "SE")
_IMAGE = r"1\. Original Images/[ab]\. (?:Training|Testing) Set/(?P<id>IDRiD_\d{2})\.jpg"
_MASKS = {name: rf"(?P<id>IDRiD_\d{{2}})_{name}\.tif" for name in _CLASSES}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Collect the masks of each photograph, in parts by its folder."""
    found, excluded = raw.cases({"image": _IMAGE, **_MASKS}, optional=_MASKS)
    excluded |= dict.fromkeys(
        (case for case, files in found.items() if files.keys() == {"image"}), "no mask among the raw files"
    )
    cases = {case: IndexedCase(case, files) for case, files in found.items() if case not in excluded}
    test = {case for case, entry in cases.items() if "/b. testing set/" in entry.files["image"][0].lower()}
    parts = splits.held_out(cases, test)
    validated = splits.in_proportion(1, 10, len(parts["train"]))
    drawn = split_by_patient({case: case for case in cases}, 0, validation=0.1, test=0.4)
    return Index(cases, {"official": splits.with_validation(parts, validated), "holdout": drawn}, excluded)


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [0, 1] and label of 0 to as many classes as are chosen, or one channel for each."""
    image = pictures.read_colours(*entry.files["image"])
    classes = parameters.get("classes", _CLASSES)
    masks = {name: _mask(entry, name, image.shape[1:]) for name in classes}
    if parameters.get("overlapping"):
        label = np.stack([masks[name] for name in classes]).astype(np.uint8)
    else:
        label = np.zeros(image.shape[1:], np.uint8)
        for name in sorted(classes, key=_PAINTED.index):
            label[masks[name]] = classes.index(name) + 1
    return pictures.make_case(image, label, entry.patient, preparation(parameters))


def _mask(entry: IndexedCase, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Where a class is: (height, width), bool."""
    found = np.zeros(shape, bool)
    for path in entry.files.get(name, ()):
        mask = pictures.read_foreground(path)
        if mask.shape != shape:
            raise CaseExcluded(f"image {shape} and mask {name} {mask.shape} differ in shape")
        found |= mask
    return found
