"""Montgomery County chest X-rays with masks of both lungs (Jaeger et al., Quant. Imaging Med. Surg. 2014).

Layout: `MontgomerySet/CXR_png/MCUCXR_<nnnn>_<0 or 1>.png`, `ManualMask/leftMask/` and `ManualMask/rightMask/` with the
same names. Every image is of another patient. The label is the union of the lungs; image and mask are resized to
``size`` whatever their aspect, about pixel centres. Split `holdout`: 20 % test, 10 % validation, seed 0.
"""

from typing import Any

from lib.datasets.adapters import pictures
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase, drawn_index
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.store import Case

_FILES = {
    "image": r"CXR_png/(?P<id>MCUCXR_\d{4}_[01])\.png",
    "left mask": r"leftMask/(?P<id>MCUCXR_\d{4}_[01])\.png",
    "right mask": r"rightMask/(?P<id>MCUCXR_\d{4}_[01])\.png",
}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Bring image and both masks together by id."""
    return drawn_index(*raw.cases(_FILES))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (1, height, width) in [0, 1] and label of 1 on the lungs."""
    left, right = (
        pictures.check_shown(pictures.read_foreground(*entry.files[f"{side} mask"]), f"{side} lung")
        for side in ("left", "right")
    )
    if left.shape != right.shape:
        raise CaseExcluded(f"left mask {left.shape} and right mask {right.shape} differ in shape")
    image = pictures.read_grey(*entry.files["image"])
    return pictures.make_case(image, left | right, entry.patient, preparation(parameters))
