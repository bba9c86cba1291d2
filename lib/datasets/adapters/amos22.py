"""AMOS 2022: fifteen abdominal organs on CT and MRI (Ji et al., NeurIPS Datasets and Benchmarks 2022).

`imagesTr`, `labelsTr`, `imagesVa` and `labelsVa` hold `amos_<n>.nii.gz`; numbers below 500 are CT, the others MRI. Of
`imagesTs` no mask is public. Native axes and spacing, nothing is cropped. Split ``official``: test is the
challenge's validation part, and one tenth of its training part, drawn once by case, serves for validation.

Parameters: ``modality``, CT or MRI; ``window``, values to clip to before scaling to [0, 1] by smallest and largest.
"""

from typing import Any

from lib.datasets.index import Index, IndexedCase, split_by_patient
from lib.datasets.preparation import Preparation, ct_window
from lib.datasets.raw import CaseFiles, RawFiles
from lib.datasets.reading import read_with_mask
from lib.store import Case

FIRST_MRI = 500
LABELS = range(16)


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks of both parts; scans of the other modality are excluded."""
    training, excluded = _part(raw, "Tr")
    testing, more = _part(raw, "Va")
    files, excluded = training | testing, excluded | more
    for case in [case for case in files if _modality(case) != parameters["modality"]]:
        del files[case]
        excluded[case] = f"{_modality(case)}; {parameters['modality']} was asked for"
    split = split_by_patient({case: case for case in training if case in files}, seed=0, validation=0.1)
    split["test"] = tuple(case for case in testing if case in files)
    cases = {case: IndexedCase(case, of_case) for case, of_case in files.items()}
    return Index(cases, {"official": split}, excluded)


def _part(raw: RawFiles, part: str) -> tuple[dict[str, CaseFiles], dict[str, str]]:
    file = r"(?P<id>amos_\d+)\.nii\.gz"
    return raw.cases({"image": rf"images{part}/{file}", "label": rf"labels{part}/{file}"})


def _modality(case: str) -> str:
    return "CT" if int(case.rpartition("_")[2]) < FIRST_MRI else "MRI"


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Clipped to the window and scaled to [0, 1] by smallest and largest value."""
    return Preparation(ct_window(parameters["window"]))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one case and scale its intensities."""
    image, mask = read_with_mask(entry, LABELS)
    return Case(preparation(parameters).apply([image.array]), mask, image.spacing, entry.patient, image.affine)
