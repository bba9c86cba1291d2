"""AbdomenCT-1K: liver, kidneys, spleen and pancreas on CT (Ma et al., TPAMI 2022).

`Case_<n>_0000.nii.gz` are the images of three parts, `Case_<n>.nii.gz` the masks; the cases of its test set have no
public mask and are excluded. Native axes and spacing, nothing is cropped. The set took scans of LiTS, MSD, KiTS
and NIH Pancreas in: not an independent test for a network trained on those. ``holdout`` is drawn once by case: 70 %
train, 10 % validation, 20 % test.

Parameters: ``window``, HU to clip to, then the image is scaled to [0, 1] by smallest and largest value; ``classes``,
values of the mask that become 1 while all others become 0, by default none.
"""

from typing import Any

from lib.datasets.index import Index, IndexedCase, drawn_index
from lib.datasets.preparation import Preparation, ct_window
from lib.datasets.raw import RawFiles
from lib.datasets.reading import joined, read_with_mask
from lib.store import Case

PATTERNS = {"image": r"(?P<id>Case_\d+)_0000\.nii\.gz", "label": r"(?P<id>Case_\d+)\.nii\.gz"}
LABELS = range(5)


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks by the number in their names."""
    return drawn_index(*raw.cases(PATTERNS))


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Clipped to the window and scaled to [0, 1] by smallest and largest value."""
    return Preparation(ct_window(parameters["window"]))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one case and scale its intensities."""
    image, mask = read_with_mask(entry, LABELS)
    mask = joined(mask, parameters.get("classes"))
    return Case(preparation(parameters).apply([image.array]), mask, image.spacing, entry.patient, image.affine)
