"""Tasks of the Medical Segmentation Decathlon: liver, pancreas, hippocampus (Antonelli et al., 2022).

A task's folder holds `dataset.json`, which lists its training pairs below `imagesTr` and `labelsTr`; the images of
`imagesTs` have no public masks. Native axes and spacing, nothing is cropped. No official validation or test part has
masks, so ``holdout`` is drawn once by case: 70 % train, 10 % validation, 20 % test. The ids of Task03 are not known
to be those of LiTS, so the publication's split of LiTS is not applied to it.

Parameters: ``task``, the name of the folder; ``window``, HU to clip to and to scale to [0, 1] by smallest and largest
value, or None for mean 0 and standard deviation 1 per case; ``classes``, values of the mask that become 1 while all
others become 0, by default none.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from lib.datasets.index import Index, IndexedCase, drawn_index
from lib.datasets.preparation import Preparation, ct_window
from lib.datasets.raw import RawFiles, posix
from lib.datasets.reading import joined, read_with_mask
from lib.errors import SeglossError
from lib.files import read_json
from lib.store import Case

TASKS = {
    "Task03_Liver": ("CT", ["background", "liver", "cancer"]),
    "Task04_Hippocampus": ("MRI", ["background", "anterior", "posterior"]),
    "Task07_Pancreas": ("CT", ["background", "pancreas", "cancer"]),
}
"""Modality and labels that the task's dataset.json must state."""


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Take the training pairs of dataset.json whose files are there.

    Raises:
        SeglossError: there is no dataset.json, or it is damaged or of another task.
    """
    path = Path(raw.one(r"dataset\.json"))
    pairs = _training_pairs(path, parameters["task"])
    named, present = Counter(case for case, _ in pairs), set(raw.paths)
    cases, excluded = {}, {}
    for case, files in pairs:
        missing = [role for role, file in files.items() if file not in present]
        if named[case] > 1:
            excluded[case] = f"duplicate id: listed {named[case]} times by dataset.json"
        elif missing:
            excluded[case] = f"no {' and no '.join(missing)} among the raw files"
        else:
            cases[case] = {role: [file] for role, file in files.items()}
    return drawn_index(cases, excluded)


def _training_pairs(path: Path, task: str) -> list[tuple[str, dict[str, str]]]:
    description = read_json(path)
    try:
        labels = [description["labels"][str(value)].lower() for value in range(len(description["labels"]))]
        found = (description["modality"]["0"], labels)
        dimensions = description["tensorImageSize"]
        pairs = [
            (
                Path(posix(pair["image"])).name.removesuffix(".nii.gz"),
                {role: (path.parent / posix(pair[role])).as_posix() for role in ("image", "label")},
            )
            for pair in description["training"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise SeglossError(f"{path}: not the description of a Decathlon task ({error!r})") from error
    if found != TASKS[task] or dimensions != "3D":
        raise SeglossError(f"{path}: states {dimensions} {found}, but {task} is 3D {TASKS[task]}")
    return pairs


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Clipped to the window and scaled to [0, 1], or brought to mean 0 and standard deviation 1 where there is none."""
    limits = parameters["window"]
    return Preparation(ct_window(limits) if limits else (("standardise",),))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one case and scale its intensities."""
    known = range(len(TASKS[parameters["task"]][1]))
    image, mask = read_with_mask(entry, known)
    mask = joined(mask, parameters.get("classes"))
    return Case(preparation(parameters).apply([image.array]), mask, image.spacing, entry.patient, image.affine)
