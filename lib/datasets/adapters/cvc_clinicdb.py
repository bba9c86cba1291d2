"""CVC-ClinicDB: polyps in 612 frames of 29 colonoscopy sequences (Bernal et al., Comput. Med. Imaging Graph. 2015).

Layout: `Original/<n>.tif` and `Ground Truth/<n>.tif`. Neighbouring frames are nearly the same, so a sequence counts as
a patient; its frames follow each other. Mask: above 127, as in SegLossBias. The native size, or ``square``. Split
`holdout`: 20 % of the sequences test, 10 % validation, seed 0.
"""

from bisect import bisect_right
from typing import Any

from lib.datasets.adapters import pictures
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase, drawn_index
from lib.datasets.raw import RawFiles
from lib.store import Case

_FILES = {"image": r"Original/(?P<id>\d+)\.tif", "mask": r"Ground Truth/(?P<id>\d+)\.tif"}
_FRAMES = 612
# first frame of each sequence, as the publisher's table is quoted by others who use it
_SEQUENCES = (
    1,
    26,
    51,
    68,
    79,
    104,
    127,
    152,
    178,
    200,
    206,
    228,
    253,
    278,
    298,
    318,
    343,
    364,
    384,
    409,
    429,
    448,
)
_SEQUENCES += (467, 479, 504, 529, 547, 572, 592)


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair frames and masks by number; a frame of no known sequence is excluded."""
    complete, excluded = raw.cases(_FILES)
    for case in [case for case in complete if not 1 <= int(case) <= _FRAMES]:
        del complete[case]
        excluded[case] = f"frame {case} is of no known sequence; there are frames 1 to {_FRAMES}"
    return drawn_index(complete, excluded, lambda case: f"sequence{bisect_right(_SEQUENCES, int(case)):02d}")


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (3, height, width) in [0, 1] and label of 1 on the polyp."""
    mask = pictures.check_shown(pictures.read_foreground(*entry.files["mask"], above=127), "polyp")
    image = pictures.read_colours(*entry.files["image"])
    return pictures.make_case(image, mask, entry.patient, preparation(parameters))
