"""LiTS, liver tumours on CT.

The official batches hold `volume-<n>.nii` and `segmentation-<n>.nii` with labels 1 liver and 2 tumour. A folder
`volume` next to a folder `mask`, as the liver benchmark keeps them, is read too: its files are paired by sorting.

Source of the steps: Shirokikh et al., MICCAI 2020, code release. Native axes and spacing, cropped to the liver
with 5 voxels more on each side, clipped to [-300, 300] HU and scaled to [0, 1] by smallest and largest value.
Parameters:

* ``target``: tumour (1 tumour), liver (1 liver with its tumours) or both (1 liver, 2 tumour);
* ``box``: what the volume is cropped to. ``liver`` is the publication's label 1 alone, which can cut off tumours at
  the rim of the liver; ``liver_and_tumour`` keeps them; ``none`` keeps the whole volume.
"""

from typing import Any

import numpy as np

from lib.datasets.index import Index, IndexedCase, split_by_patient
from lib.datasets.preparation import Preparation, ct_window
from lib.datasets.raw import CaseFiles, RawFiles
from lib.datasets.reading import crop_box, cropped_affine, read_with_mask
from lib.errors import SeglossError
from lib.store import Case

_END = r"\.nii(?:\.gz)?"
OFFICIAL = {"image": rf"volume-(?P<id>\d+){_END}", "label": rf"segmentation-(?P<id>\d+){_END}"}
BENCHMARK = {"image": rf"volume/(?P<id>[^/]+?){_END}", "label": rf"mask/(?P<id>[^/]+?){_END}"}

LIVER, TUMOUR = 1, 2
MARGIN = 5
WINDOW = (-300, 300)
PUBLISHED_IDS = {"test": range(28), "validation": range(28, 33), "train": range(33, 131)}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair volumes and masks; the split is the publication's where ids are its numbers, else drawn by patient."""
    if any(raw.matching(pattern) for pattern in OFFICIAL.values()):
        files, excluded = raw.cases(OFFICIAL)
        split = {part: tuple(map(str, ids)) for part, ids in PUBLISHED_IDS.items()}
    else:
        files, excluded = _paired_by_sorting(raw)
        split = split_by_patient({case: case for case in files}, seed=0, validation=0.1, test=0.2)
    return Index({case: IndexedCase(case, of_case) for case, of_case in files.items()}, {"holdout": split}, excluded)


def _paired_by_sorting(raw: RawFiles) -> tuple[dict[str, CaseFiles], dict[str, str]]:
    images, masks = (raw.matching(pattern) for pattern in BENCHMARK.values())
    if not images:
        raise SeglossError(f"{raw}: neither volume-<n>.nii nor a folder `volume`; is this the official layout?")
    if len(images) != len(masks):
        raise SeglossError(
            f"{raw}: {len(images)} files in `volume` and {len(masks)} in `mask`; to pair them by sorting, the"
            " numbers must be equal"
        )
    pairs = zip(sorted(images.items()), sorted(masks.items()), strict=True)
    files = {case: {"image": of_image, "label": of_mask} for (case, of_image), (_, of_mask) in pairs}
    twice = {case for case, of_case in files.items() if any(len(paths) > 1 for paths in of_case.values())}
    excluded = {
        case: f"duplicate id: {', '.join(path for paths in files[case].values() for path in paths)}" for case in twice
    }
    return {case: of_case for case, of_case in files.items() if case not in twice}, excluded


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Clipped to the window and scaled to [0, 1] by smallest and largest value, of the box."""
    cropped = {"liver": "the liver", "liver_and_tumour": "the liver and its tumours"}.get(parameters["box"])
    note = (
        f"not cropped, while the data set's volumes are, to {cropped} and {MARGIN} voxels around: crop to the same, or"
        " leave out what is found elsewhere"
    )
    return Preparation(ct_window(WINDOW), note if cropped else "")


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one case; image and mask are cropped before the intensities are scaled."""
    image, mask = read_with_mask(entry, (0, LIVER, TUMOUR))
    box = _box(mask, parameters["box"])
    return Case(
        image=preparation(parameters).apply([image.array[box]]),
        label=_target(mask[box], parameters["target"]),
        spacing=image.spacing,
        patient=entry.patient,
        affine=cropped_affine(image.affine, box),
    )


def _box(mask: np.ndarray, kind: str) -> tuple[slice, ...]:
    if kind == "none":
        return tuple(slice(0, length) for length in mask.shape)
    return crop_box(mask == LIVER if kind == "liver" else mask > 0, MARGIN)


def _target(mask: np.ndarray, kind: str) -> np.ndarray:
    if kind == "both":
        return mask
    return (mask == TUMOUR if kind == "tumour" else mask > 0).astype(np.uint8)
