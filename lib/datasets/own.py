"""A user's own data in the layout of nnU-Net or of the Medical Segmentation Decathlon: what its folder says of it.

This module stays free of heavy imports, because parsing the DAG reads it; ``adapters/own_data.py`` prepares.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from lib.config.own_data import OwnData
from lib.datasets import Dataset
from lib.datasets.index import SPLITS, fold_names
from lib.datasets.raw import is_folder, is_skipped, posix
from lib.errors import SeglossError
from lib.files import read_json
from lib.labels import Labels
from lib.suggest import shortened
from lib.tables import read_rows

VOLUME_ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
ENDINGS = VOLUME_ENDINGS + PICTURE_ENDINGS
IGNORE = "ignore"
"""Name of the label of voxels that are not annotated, as in nnU-Net."""


def own_dataset(name: str, own: OwnData) -> Dataset:
    """Describe the data set ``name`` by its entry in the configuration and its ``dataset.json``.

    Raises:
        SeglossError: channels, labels or dimensions are given by neither, or ``dataset.json`` is faulty.
    """
    where = f"own_data.{name}"
    described = read_description(own.folder)
    channels = own.channels or _channels(described, where)
    layout = find_layout(own, where)
    if not layout and not own.label and (advice := dicom_advice(own.folder)):
        raise SeglossError(f"{where}: {own.folder} has no masks of a known kind{advice}")
    labels = _labels(own, described, where)
    dimensions = own.dimensions or _dimensions(described, layout, own, where)
    if own.size and len(own.size) != dimensions:
        raise SeglossError(f"{where}: size {list(own.size)}: {dimensions} lengths were expected")
    if own.folds and own.splits:
        check_folds(own, where)
    folds = tuple(fold_names(own.folds, repeat) for repeat in range(own.repeats)) if own.folds else ()
    preparation, description = (
        {"window", "size", "threshold", "empty_masks"},
        {"title", "dimensions", "channels", "labels"},
    )
    return Dataset(
        name=name,
        title=own.title or described.get("name") or name,
        adapter="lib.datasets.adapters.own_data",
        splits=("holdout", *chain.from_iterable(folds)),
        folds=folds,
        channels=tuple(channels),
        labels=Labels(tuple(label for label in labels if label != IGNORE), partly_annotated=IGNORE in labels),
        dimensions=dimensions,
        parameters={
            **own.model_dump(mode="json", include=preparation),
            "dimensions": dimensions,
            "channels": list(channels),
            "label_values": labels,
        },
        indexing=own.model_dump(mode="json", exclude=preparation | description | {"folds", "repeats"})
        | {"layout": layout}
        # so that data without are not indexed again
        | ({"folds": own.folds} if own.folds else {})
        | ({"repeats": own.repeats} if own.repeats > 1 else {}),
    )


def read_description(folder: str) -> dict[str, Any]:
    """What ``dataset.json`` says; nothing where there is none.

    Raises:
        SeglossError: it cannot be read or is not a mapping.
    """
    path = Path(folder) / "dataset.json"
    try:
        if not path.exists() and not path.is_symlink():
            return {}
    except OSError as error:
        raise SeglossError(f"{path}: cannot be read: {error.strerror}; change the permissions of the folder") from error
    description = read_json(path, remedy="correct it")
    if not isinstance(description, dict):
        raise SeglossError(f"{path}: a mapping was expected, found {type(description).__name__}")
    for key in ("name", "file_ending"):
        if not isinstance(description.get(key, ""), str):
            raise SeglossError(f"{path}: {key}: text was expected, found {shortened(description[key])}")
    return description


def _description_below(folder: str) -> str:
    """What to do where ``dataset.json`` lies deeper than expected; empty if it does not."""
    level = [Path(folder)]
    for _ in range(DEPTH):
        level = sorted(child for parent in level for child in _subfolders(parent))
        if found := next((child for child in level if (child / "dataset.json").is_file()), None):
            return f"; there is one in {found}: is that the folder of the data set?"
    return ""


def digest_of_description(own: OwnData) -> str:
    """Short hash of the files that state which cases are in which part; names of images and masks aside."""
    paths = [Path(own.folder) / "dataset.json", *([Path(own.splits)] if own.splits else [])]
    contents = (path.read_bytes() if path.is_file() else b"" for path in paths)
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def _channels(described: Mapping[str, Any], where: str) -> list[str]:
    names = described.get("channel_names") or described.get("modality")
    if not names:
        return ["image"]
    is_numbered = isinstance(names, dict) and sorted(names) == sorted(map(str, range(len(names))))
    if not is_numbered or not all(isinstance(name, str) and name for name in names.values()):
        raise SeglossError(
            f'{where}: dataset.json: channel_names (or modality): a mapping of "0", "1", ... to names was expected,'
            f" found {shortened(names)}"
        )
    return [names[str(number)] for number in range(len(names))]


def _labels(own: OwnData, described: Mapping[str, Any], where: str) -> dict[str, list[int]]:
    given = own.labels or described.get("labels")
    if own.threshold is None:
        return _label_values(given, own, where)
    labels = _label_values(given or {"background": 0, "foreground": 1}, own, where)
    if len(labels) != 2 or IGNORE in labels:
        raise SeglossError(
            f"{where}: threshold: labels of background and one class were expected, found {', '.join(labels)}; leave"
            " one of the two keys out"
        )
    return labels


def _label_values(labels: Any, own: OwnData, where: str) -> dict[str, list[int]]:
    """Class name -> values in the mask, in the order of the classes; from nnU-Net's or the Decathlon's form."""
    if not isinstance(labels, dict) or not labels:
        raise SeglossError(
            f"{where}: labels: a mapping such as {{background: 0, lesion: 1}} was expected here or in dataset.json,"
            f" found {shortened(labels)}{_description_below(own.folder)}"
        )
    if all(isinstance(name, str) for name in labels.values()):  # the Decathlon's form: value -> name
        values_of: dict[str, list[int]] = {}
        for value, name in labels.items():
            if not re.fullmatch("[0-9]{1,3}", value):
                raise SeglossError(
                    f"{where}: labels: whole numbers from 0 to 255 with their names, or names with their numbers, were"
                    f" expected, found {shortened(value)}: {shortened(name)}"
                )
            values_of.setdefault(name, []).append(int(value))
        labels = values_of
    if "" in labels:
        raise SeglossError(f"{where}: labels: a class has no name; found {shortened(labels)}")
    values = {str(label): [given] if isinstance(given, int) else given for label, given in labels.items()}
    for label, of_label in values.items():
        if not isinstance(of_label, list) or not of_label or not all(map(_is_value, of_label)):
            raise SeglossError(
                f"{where}: labels.{label}: whole numbers from 0 to 255 were expected, found {shortened(labels[label])}"
            )
    named = [value for of_label in values.values() for value in of_label]
    if len(set(named)) < len(named):
        raise SeglossError(f"{where}: labels: a value belongs to two classes; regions that overlap are not supported")
    background = next((label for label in values if label.lower() == "background"), None) or next(
        (label for label, of_label in values.items() if 0 in of_label and label != IGNORE), None
    )
    ordered = dict(sorted(values.items(), key=lambda item: (item[0] != background, item[0] == IGNORE, min(item[1]))))
    if background is None or len(ordered) - (IGNORE in ordered) < 2:
        raise SeglossError(
            f"{where}: labels: background (0) and at least one more were expected, found {shortened(labels)}"
        )
    return ordered


def _is_value(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


FOLDERS = {
    "labels": (
        *("labelstr", "labels", "label", "masks", "mask", "gt", "gts", "ground_truth", "groundtruth"),
        *("annotations", "annotation", "segmentations", "segmentation"),
    ),
    "images": ("imagestr", "images", "image", "imgs", "img"),
    "regions": ("regionstr", "regions"),
}
"""What the folders of images, masks and regions may be called, in small letters; first what nnU-Net calls them."""
DEPTH = 3
"""How far below the user's folder those are looked for."""


def find_layout(own: OwnData, where: str) -> dict[str, str]:
    """The names of the folders in which masks, images and regions lie, each from the highest level that has one.

    Roles that a pattern describes, and those of which there is no folder, are left out.

    Raises:
        SeglossError: two folders may be the one of the masks, or of the images.
    """
    described = {"labels": own.label, "images": own.images, "regions": own.region}
    layout: dict[str, str] = {}
    level = [Path(own.folder)]
    for _ in range(DEPTH):
        level = sorted(child for parent in level for child in _subfolders(parent))
        missing = [role for role, pattern in described.items() if not pattern and role not in layout]
        layout |= {role: name for role in missing if (name := _the_one(role, level, where))}
        if {"labels", "images"} <= layout.keys():
            break
    return layout


def _the_one(role: str, level: list[Path], where: str) -> str | None:
    files = {path.name: _files(path) for path in level if path.name.lower() in FOLDERS[role]}
    known = sorted(filter(files.get, files), key=lambda name: (FOLDERS[role].index(name.lower()), name))
    if len(known) > 1 and known[0].lower() != FOLDERS[role][0]:
        ending = next(end for end in ENDINGS if files[known[0]][0].lower().endswith(end))
        key = "label" if role == "labels" else role
        raise SeglossError(
            f"{where}: {' and '.join(f'{name}/' for name in known)} may both be the folder of the {role}; choose one"
            f' by a pattern, such as {key}: "{known[0]}/{{case}}{ending}"'
        )
    return known[0] if known else None


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if not is_skipped(entry.name) and is_folder(entry)]
    except OSError:  # the job that looks for the cases says so
        return []


def _files(folder: Path) -> list[str]:
    """The names of its images and volumes."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return [name for name in names if not is_skipped(name) and name.lower().endswith(ENDINGS)]


def _dimensions(described: Mapping[str, Any], layout: Mapping[str, str], own: OwnData, where: str) -> int:
    found = own.label or _an_ending(Path(own.folder), layout)
    ending = described.get("file_ending") or found
    if described.get("file_ending") and not ending.startswith("."):
        ending = f".{ending}"
    if found and not found.lower().endswith(ending.lower()):
        raise SeglossError(f"{where}: dataset.json says file_ending {ending!r}, but masks are such as {found!r}")
    if ending.lower().endswith(VOLUME_ENDINGS):
        return 3
    if ending.lower().endswith(PICTURE_ENDINGS):
        return 2
    raise SeglossError(
        f"{where}: no masks of a known kind ({', '.join(ENDINGS)}) in a folder such as {own.folder}/labelsTr or"
        f" {own.folder}/masks{dicom_advice(own.folder)}; name the files by patterns if they lie elsewhere:"
        " docs/own_data.md"
    )


def _an_ending(folder: Path, layout: Mapping[str, str]) -> str:
    """The name of one mask, of volumes or of pictures, whichever are more."""
    if "labels" not in layout:
        return ""
    folders = chain.from_iterable(folder.glob("*/" * depth + layout["labels"]) for depth in range(DEPTH))
    names = sorted(chain.from_iterable(map(_files, folders)))
    volumes = [name for name in names if name.lower().endswith(VOLUME_ENDINGS)]
    pictures = [name for name in names if name not in volumes]
    return next(iter(volumes if len(volumes) >= len(pictures) else pictures), "")


DICOM_FILES_READ = 200


def dicom_advice(folder: str) -> str:
    """How to convert what lies below a folder if it is DICOM; empty if it is not."""
    paths = islice((path for path in Path(folder).rglob("*") if path.is_file()), DICOM_FILES_READ)
    kinds = sorted(set(filter(None, map(_dicom_modality, paths))))
    if not kinds:
        return ""
    return (
        f"; there are DICOM files ({', '.join(kinds)}), which must be converted: series by `dcm2niix -z y -f %i -o"
        " imagesTr <folder>`, RTSTRUCT by `dcmrtstruct2nii convert -r <file> -d <series> -o labelsTr`, SEG by"
        " `segimage2itkimage --outputType nii --outputDirectory labelsTr --inputDICOM <file>` (dcmqi)"
    )


def _dicom_modality(path: Path) -> str | None:
    """What a DICOM file says of its kind, such as CT or RTSTRUCT; None for other files."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return None
    is_named = path.name.lower().endswith((".dcm", ".dicom", ".ima"))
    if head[128:132] != b"DICM" and not is_named:
        return None
    modality = re.search(rb"\x08\x00\x60\x00(?:CS..|....)([A-Z]{2,16})", head, re.DOTALL)
    return modality[1].decode() if modality else "of unknown kind"


def training_list(described: Mapping[str, Any], folder: str) -> list[str] | None:
    """Case ids of the Decathlon's list of training pairs, if there is one.

    Raises:
        SeglossError: it is not a list of pairs, or a pair is of an image and the label of another case.
    """
    pairs = described.get("training")
    if not isinstance(pairs, list):
        return None
    where = f"{folder}/dataset.json: training"
    try:
        stems = [(without_ending(pair["image"]), without_ending(pair["label"])) for pair in pairs]
    except (TypeError, KeyError, AttributeError) as error:
        raise SeglossError(f"{where}: pairs of image and label were expected") from error
    for pair, (image, label) in zip(pairs, stems, strict=True):
        if re.sub(r"_\d{4}$", "", image) != label and image != label:
            raise SeglossError(
                f"{where}: {pair['image']} and {pair['label']} are named as different cases; name them alike"
            )
    return [label for _, label in stems]


def without_ending(path: str) -> str:
    """The name of a file without its ending, also of a path as Windows writes it."""
    name = posix(path).rpartition("/")[2]
    return next((name[: -len(end)] for end in ENDINGS if name.lower().endswith(end)), name)


def check_folds(own: OwnData, where: str) -> None:
    """Check that a file of splits has the folds that are asked for, each case in the test part of one at most.

    Raises:
        SeglossError: it has others.
    """
    found = splits_of_file(own.splits)
    if len(found) != own.folds:
        n_folds = f"{len(found)} folds" if len(found) > 1 else "a single split"
        raise SeglossError(
            f"{where}: folds: {own.folds} folds, but {own.splits} has {n_folds}; leave one of splits and folds out, or"
            " name a splits_final.json of as many folds"
        )
    times_tested = Counter(case for parts in found for case in parts["test"])
    if twice := next((case for case, times in times_tested.items() if times > 1), None):
        raise SeglossError(
            f"{where}: folds: {own.splits} tests the case {twice!r} more than once; give each case one fold's val"
        )


def splits_of_file(path: str) -> list[dict[str, list[str]]]:
    """Parts from a file, of each fold where it has several.

    It is a JSON mapping of part to cases, nnU-Net's splits_final.json, or a CSV of case and part.

    Raises:
        SeglossError: it cannot be read, or is none of these.
    """
    if path.lower().endswith(".csv"):
        parts: dict[str, list[str]] = {}
        for row in read_rows(Path(path), ("case", "part")):
            parts.setdefault(row["part"], []).append(row["case"])
        return [parts]
    content = read_json(Path(path), remedy="correct it")
    splits = [*map(_of_fold, content)] if isinstance(content, list) else [content]
    if not splits or not all(isinstance(parts, dict) and all(map(_are_cases, parts.values())) for parts in splits):
        raise SeglossError(
            f"{path}: a mapping of {', '.join(SPLITS)} to lists of cases was expected, or nnU-Net's list of folds"
        )
    return [{part: list(map(str, ids)) for part, ids in parts.items()} for parts in splits]


def _of_fold(fold: Any) -> dict[str, Any] | None:
    """The parts of one of nnU-Net's folds; None where it is none."""
    is_fold = isinstance(fold, dict) and {"train", "val"} <= fold.keys()
    return {"train": fold["train"], "test": fold["val"]} if is_fold else None


def _are_cases(ids: Any) -> bool:
    return isinstance(ids, list) and all(type(case) in (str, int) for case in ids)
