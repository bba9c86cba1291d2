"""Kvasir-SEG: polyps in 1000 endoscopic pictures (Jha et al., MMM 2020).

Layout: `images/<id>.jpg` and `masks/<id>.jpg`; since masks are JPEG files too, they are cut at 127, as in SegLossBias.
The native sizes, which differ, or ``square``. The names give no patients, so every picture counts as one. Split
`holdout`: 20 % test, 10 % validation, seed 0.
"""

from typing import Any

from lib.datasets.adapters import pictures
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase, drawn_index
from lib.datasets.raw import RawFiles
from lib.store import Case

_FILES = {"image": r"images/(?P<id>[^/]+)\.jpg", "mask": r"masks/(?P<id>[^/]+)\.jpg"}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair pictures and masks by id."""
    return drawn_index(*raw.cases(_FILES))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [0, 1] and label of 1 on the polyp."""
    mask = pictures.check_shown(pictures.read_foreground(*entry.files["mask"], above=127), "polyp")
    image = pictures.read_colours(*entry.files["image"])
    return pictures.make_case(image, mask, entry.patient, preparation(parameters))
