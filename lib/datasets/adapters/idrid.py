"""IDRiD, part A: lesions and optic disc on 81 fundus photographs (Porwal et al., Data 2018; doi:10.21227/H25W98).

Layout: `1. Original Images/<a. Training Set or b. Testing Set>/IDRiD_<nn>.jpg` and
`2. All Segmentation Groundtruths/<the same two>/<n>. <class>/IDRiD_<nn>_<MA, HE, EX, SE or OD>.tif`; a class that is
absent has no file. Classes: 1 microaneurysm, 2 haemorrhage, 3 hard exudate, 4 soft exudate, 5 optic disc. Where they
overlap, the later of the lesions stays (soft over hard exudate over haemorrhage over microaneurysm), and any lesion
over the optic disc. The native size.

Split `official`: 54 and 27 by folder, of the 54 a tenth drawn with seed 0 as `validation`. The names give no patients,
so every photograph counts as one.
"""

from typing import Any

import numpy as np

from lib.datasets.adapters import pictures, splits
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.store import Case

_CLASSES = {"OD": 5, "MA": 1, "HE": 2, "EX": 3, "SE": 4}  # in the order in which they are painted
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
    return Index(cases, {"official": splits.with_validation(parts, validated)}, excluded)


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [0, 1] and label of 0 to 5."""
    image = pictures.read_colours(*entry.files["image"])
    label = np.zeros(image.shape[1:], np.uint8)
    for name, number in _CLASSES.items():
        for path in entry.files.get(name, ()):
            mask = pictures.read_foreground(path)
            if mask.shape != label.shape:
                raise CaseExcluded(f"image {label.shape} and mask {name} {mask.shape} differ in shape")
            label[mask] = number
    return pictures.make_case(image, label, entry.patient)
