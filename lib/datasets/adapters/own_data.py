"""A user's own data: the layout of nnU-Net or of the Medical Segmentation Decathlon, 2D and 3D.

Images lie in `imagesTr`, or another folder of `lib.datasets.own.FOLDERS`, as `<case>.<ending>`, or
`<case>_0000.<ending>`, `<case>_0001.<ending>`, ... for one file a channel; masks in `labelsTr`, `masks`, ... as
`<case>.<ending>`; region masks, if any, in `regionsTr`. Other names are given by patterns such as
`{case}_FLAIR.nii.gz`.

Intensities: pictures of 8 bits are divided by 255; a ``window`` is clipped and scaled to [0, 1]; anything else is
brought to mean 0 and standard deviation 1 per case and channel, within the region if there is one. Outside the
region the image holds its minimum.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets import reading
from lib.datasets.file_notes import note
from lib.datasets.index import Index, IndexedCase, fold_names, folds_by_patient, split_by_patient
from lib.datasets.itk_headers import separate_data_file
from lib.datasets.own import (
    ENDINGS,
    IGNORE,
    VOLUME_ENDINGS,
    dicom_advice,
    read_description,
    splits_of_file,
    training_list,
    without_ending,
)
from lib.datasets.preparation import Preparation, Step
from lib.datasets.raw import CaseFiles, RawFiles
from lib.datasets.readers import Volume, read_picture, read_volume
from lib.errors import CaseExcluded, SeglossError
from lib.labels import IGNORED
from lib.maps import foreground
from lib.store import Case

_ADDED_TO_MASKS = "[_-](?:mask|masks|seg|segmentation|gt|groundtruth|label|labels|lesion|lesions)"
"""What names of masks may have behind the name of their image."""


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks; splits come from the user's file, or are drawn by patient."""
    patterns = _image_patterns(raw, parameters) | {
        "label": _label_pattern(raw, parameters),
        "region": _pattern(parameters["region"]) or _in_folder("regions", parameters),
    }
    optional = () if parameters["region"] else ("region",)
    _check_found(raw, patterns, optional, parameters)
    files, excluded = raw.cases(patterns, optional)
    for of_case in files.values():
        of_case |= _separate_data(of_case)
    notes = _notes(raw, files, parameters)
    _obey_description(files, excluded, parameters["folder"])
    folds = parameters.get("folds")
    named = splits_of_file(parameters["splits"])[: folds or 1] if parameters["splits"] else []
    if named:
        in_part = {case for parts in named for ids in parts.values() for case in ids}
        _check_no_endings(in_part, files, parameters["splits"])
        _leave_out(files, excluded, [case for case in files if case not in in_part], "in no part of the splits file")
    cases = {case: IndexedCase(_patient(case, parameters["patients"]), of_case) for case, of_case in files.items()}
    return Index(cases, _splits(cases, named, parameters), excluded, notes)


def _in_folder(role: str, parameters: dict[str, Any], added: str = "") -> str:
    """Pattern of the files in the folder of images, labels or regions."""
    folder = parameters["layout"].get(role, f"{role}Tr")
    return rf"{re.escape(folder)}/(?P<id>[^/]+?){added}(?:{'|'.join(map(re.escape, _endings(parameters)))})"


def _endings(parameters: dict[str, Any]) -> tuple[str, ...]:
    return VOLUME_ENDINGS if parameters["dimensions"] == 3 else ENDINGS


def _label_pattern(raw: RawFiles, parameters: dict[str, Any]) -> str:
    """Of the names without and with what may follow the image's, those that more images have."""
    if parameters["label"]:
        return _pattern(parameters["label"])
    names = (_in_folder("labels", parameters), _in_folder("labels", parameters, f"(?:{_ADDED_TO_MASKS})?"))
    images = raw.matching(next(iter(_image_patterns(raw, parameters).values()))).keys()
    return max(names, key=lambda pattern: len(images & raw.matching(pattern).keys()))


def _image_patterns(raw: RawFiles, parameters: dict[str, Any]) -> dict[str, str]:
    if parameters["images"]:
        return {f"image {number}": _pattern(pattern) for number, pattern in enumerate(parameters["images"])}
    plain, numbered = _in_folder("images", parameters), _in_folder("images", parameters, "_{:04d}")
    masks = raw.matching(_pattern(parameters["label"]) or _in_folder("labels", parameters)).keys()
    first = raw.matching(numbered.format(0)).keys()
    if not first or len(masks & raw.matching(plain).keys()) > len(masks & first):
        return {"image 0": plain}
    number_of = {
        name: int(name[-4:])
        for name in raw.matching(plain)
        if re.fullmatch(".+_[0-9]{4}", name) and name[:-5] in {*first, *masks}
    }
    last = max(number_of, key=number_of.get)
    n_files, n_channels = number_of[last] + 1, len(parameters["channels"])
    if n_files not in (1, n_channels):
        raise SeglossError(
            f"{raw}: the images of a case are numbered from _0000 to {last[-5:]} (as {last}), but {n_channels}"
            " channel(s) are named; correct channels, or channel_names in dataset.json, or the files"
        )
    return {f"image {number}": numbered.format(number) for number in range(n_files)}


def _check_found(
    raw: RawFiles, patterns: dict[str, str], optional: Collection[str], parameters: dict[str, Any]
) -> None:
    given = dict(zip(patterns, parameters["images"] or [], strict=False))
    given |= {role: parameters[role] for role in ("label", "region") if parameters[role]}
    for role, pattern in patterns.items():
        if role not in optional and not raw.matching(pattern):
            kind = "labels" if role == "label" else "images"
            folder = parameters["layout"].get(kind, f"{kind}Tr")
            numbered = f"_{int(role[6:]):04d}" if role.startswith("image") and "image 1" in patterns else ""
            expected = given.get(role) or f"{folder}/<case>{numbered}.<ending>"
            raise SeglossError(
                f"{raw}: no {role}: no file is named as {expected}{dicom_advice(parameters['folder'])}; see"
                " docs/own_data.md for layouts and patterns"
            )


def _separate_data(files: CaseFiles) -> CaseFiles:
    """The files in which the voxels of headers (.mhd, .nrrd) lie, by a role of their own."""
    found = {
        f"voxels of {role}": separate_data_file(Path(path))
        for role, (path,) in files.items()
        if path.lower().endswith((".mhd", ".nrrd"))
    }
    return {role: [path.as_posix()] for role, path in found.items() if path}


def _notes(raw: RawFiles, files: dict[str, CaseFiles], parameters: dict[str, Any]) -> tuple[str, ...]:
    """What lies in the folder and is neither image nor mask nor description."""
    used = {path for of_case in files.values() for paths in of_case.values() for path in paths}
    described = {f"{parameters['folder'].rstrip('/')}/dataset.json", parameters["splits"]}
    unknown = (path for path in raw.paths if not path.lower().endswith(_endings(parameters)))
    ignored = [path for path in [*unknown, *raw.skipped] if path not in used | described]
    names = sorted({path.rpartition("/")[2] for path in ignored})
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return (f"files or folders without a known ending, ignored: {len(ignored)} ({shown})",) if ignored else ()


def _pattern(text: str | None) -> str | None:
    """`{case}_FLAIR.nii.gz` as a regular expression whose group ``id`` is the case."""
    return text and re.escape(text).replace(re.escape("{case}"), r"(?P<id>[^/]+)", 1).replace(r"\*", "[^/]*")


def _obey_description(files: dict[str, Any], excluded: dict[str, str], folder: str) -> None:
    """Hold what dataset.json says against what is there."""
    described = read_description(folder)
    if (listed := training_list(described, folder)) is not None:
        for case in listed:
            if case not in files:
                excluded.setdefault(case, "listed by dataset.json, but its files are not there")
        _leave_out(files, excluded, sorted(set(files) - set(listed)), "not in the training list of dataset.json")
    named = len(files) + len(excluded) if listed is None else len(set(listed))
    number = described.get("numTraining")
    if number is not None and str(number).removesuffix(".0") != str(named):
        raise SeglossError(
            f"dataset.json says numTraining {number}, but {named} cases are there or listed; correct the number or"
            " complete the files"
        )


def _leave_out(files: dict[str, Any], excluded: dict[str, str], cases: list[str], reason: str) -> None:
    for case in cases:
        del files[case]
        excluded[case] = reason


def _check_no_endings(named: set[str], files: dict[str, Any], splits: str) -> None:
    """Check that a file of splits names cases, not files."""
    for name in sorted(named - files.keys()):
        if (case := without_ending(name)) in files:
            raise SeglossError(f"{splits}: names {name!r}; write cases without the file's ending: {case!r}")


def _patient(case: str, pattern: str | None) -> str:
    """What the pattern finds in the case's id (its first group, if it has one)."""
    if pattern is None:
        return case
    match = re.search(pattern, case)
    patient = match and (match[1] if match.re.groups else match[0])
    if not patient:
        raise SeglossError(f"patients: {pattern!r} finds no patient in the case {case!r}; correct the pattern")
    return patient


def _splits(
    cases: dict[str, IndexedCase], named: Sequence[dict[str, list[str]]], parameters: dict[str, Any]
) -> dict[str, Any]:
    """The splits that a file names, or drawn ones: the holdout, and the folds if there are to be some."""
    patients = {case: entry.patient for case, entry in cases.items()}
    seed, folds, validation = (parameters.get(name) for name in ("seed", "folds", "validation_share"))
    if named:
        splits = [_with_validation(parts, patients, seed, validation) for parts in named]
        return {"holdout": splits[0]} | (dict(zip(fold_names(folds), splits, strict=True)) if folds else {})
    if folds and folds > (found := len({*patients.values()})):
        raise SeglossError(
            f"{parameters['folder']}: folds: {folds} folds, but {found} patients; ask for fewer, or leave folds out"
        )
    splits = {"holdout": split_by_patient(patients, seed, validation=validation, test=parameters["test_share"])}
    for repeat in range(parameters.get("repeats", 1) if folds else 0):
        splits |= folds_by_patient(patients, seed, folds, validation, repeat)
    return splits


def _with_validation(
    parts: dict[str, list[str]], patients: dict[str, str], seed: int, share: float
) -> dict[str, Sequence[str]]:
    if "validation" in parts:
        return parts
    train = {case: patients[case] for case in parts.get("train", ()) if case in patients}
    drawn = split_by_patient(train, seed, validation=share)
    return {**parts, "train": drawn["train"], "validation": drawn["validation"]}


def preparation(parameters: dict[str, Any]) -> Preparation:
    """See the module's text for what happens to intensities."""
    window, size = parameters["window"], parameters["size"]
    scaling: Step = ("bytes_or_standardise",) if parameters["dimensions"] == 2 else ("standardise",)
    resizing: list[Step] = [("resize", *size)] if size else []
    return Preparation((("window", *window) if window else scaling, ("blank",), *resizing))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one case; see the module's text for what happens to intensities."""
    images = [
        _read(path, parameters) for role, paths in entry.files.items() if role.startswith("image") for path in paths
    ]
    # a threshold is of what viewers show, labels are of the numbers in the file
    label = _read(entry.files["label"][0], parameters, as_labels=parameters["threshold"] is None)
    for other, name in [(label, "mask"), *((image, "a further channel") for image in images[1:])]:
        reading.check_same_geometry(images[0], other, name)
    image = _with_advice(images, parameters["dimensions"], len(parameters["channels"]))
    mask = _classes(label, parameters) if parameters["threshold"] is None else _above(label, parameters)
    if parameters["empty_masks"] == "exclude" and not foreground(mask).any():
        raise CaseExcluded("the mask is empty; to keep such cases set empty_masks: keep")
    region = None
    if "region" in entry.files:
        volume = _read(entry.files["region"][0], parameters, as_labels=True)
        reading.check_same_geometry(images[0], volume, "region")
        region = _region(_single(volume, parameters), mask)
    scaled = preparation(parameters).apply(image, region)
    spacing = images[0].spacing[: parameters["dimensions"]]
    if size := parameters["size"]:
        spacing = tuple(s * old / new for s, old, new in zip(spacing, mask.shape, size, strict=True))
        mask = reading.resize_labels(mask, size)
    return Case(scaled, mask, spacing, entry.patient, None if size else images[0].affine)


def _with_advice(images: Sequence[Volume], dimensions: int, n_channels: int) -> np.ndarray:
    """The channels, as :func:`joined_channels` gives them."""
    try:
        return joined_channels(images, dimensions, n_channels)
    except CaseExcluded as reason:
        if dimensions == 2 and n_channels == 1 and images[0].array.shape[2:] == (3,):
            raise CaseExcluded(f"{reason}; for colours set channels: [red, green, blue]") from None
        raise


def _region(region: Volume, mask: np.ndarray) -> np.ndarray:
    """Where the region is, in which the whole foreground should lie."""
    if np.isnan(region.array).any():
        raise CaseExcluded("the region has NaN")
    marked = reading.is_marked(region)
    lesion = foreground(mask)
    if outside := np.count_nonzero(lesion & ~marked):
        note(f"{outside} of {np.count_nonzero(lesion)} foreground voxels lie outside the region, which is blanked")
    return marked


def _read(path: str, parameters: dict[str, Any], as_labels: bool = False) -> Volume:
    volume = read_image(path, parameters["dimensions"], as_labels)
    return volume if parameters["dimensions"] == 3 else replace(volume, affine=None)


def read_image(path: str, dimensions: int, as_labels: bool = False) -> Volume:
    """Read a volume, or in 2D a picture or what a file of volumes has of two axes, on the axes of pictures: rows first.

    Raises:
        CaseExcluded, SeglossError: as :func:`read_volume` and :func:`read_picture`.
    """
    if dimensions == 3:
        return read_volume(path)
    if not path.lower().endswith(VOLUME_ENDINGS):
        return Volume(read_picture(path, as_labels), (1.0, 1.0), None)
    volume = read_volume(path)
    affine = None if volume.affine is None else volume.affine[:, [1, 0, 2, 3]]
    return replace(volume, array=volume.array.swapaxes(0, 1), spacing=volume.spacing[1::-1], affine=affine)


def joined_channels(images: Sequence[Volume], dimensions: int, n_channels: int) -> np.ndarray:
    """The channels of the files of a case: (channels, *spatial).

    Raises:
        CaseExcluded: there are more or fewer, or a file has another number of axes.
    """
    image = np.concatenate([_channels_first(volume.array, dimensions, n_channels) for volume in images])
    if len(image) != n_channels:
        raise CaseExcluded(f"the image has {len(image)} channels, {n_channels} were expected")
    return image


def _channels_first(array: np.ndarray, dimensions: int, n_channels: int) -> np.ndarray:
    """Channels, which files keep last, to the front; further axes of length 1 are not channels."""
    array = array.reshape(*array.shape[:dimensions], *(n for n in array.shape[dimensions:] if n > 1))
    if array.ndim == dimensions:
        return array[None]
    if array.ndim == dimensions + 1 and array.shape[-1] == n_channels:
        return np.moveaxis(array, -1, 0)
    if array.ndim == dimensions + 1 and (array == array[..., :1]).all():
        return array[None, ..., 0]  # grey, stored as colours
    raise CaseExcluded(
        f"an array of shape {array.shape} was found; {dimensions} axes and {n_channels} channel(s) were expected"
    )


def _single(volume: Volume, parameters: dict[str, Any]) -> Volume:
    (array,) = _channels_first(volume.array, parameters["dimensions"], 1)
    return replace(volume, array=array)


def _classes(label: Volume, parameters: dict[str, Any]) -> np.ndarray:
    """The class numbers of a mask's values, in the order of the labels."""
    label_values = parameters["label_values"]
    known = [value for values in label_values.values() for value in values]
    mask = _single(label, parameters)
    if mask.array.dtype == bool and 1 not in known:
        mask = replace(mask, array=np.where(mask.array, np.uint8(255), np.uint8(0)))  # white, as viewers show it
    try:
        values = reading.labels(mask, known, "the mask")
    except CaseExcluded as reason:
        soft = "; is it of soft values? then set a threshold, such as 127 or 0.5"
        raise CaseExcluded(f"{reason}{soft if _has_many_values(mask.array) else ''}") from reason
    table = np.zeros(256, np.uint8)
    for number, (name, of_class) in enumerate(label_values.items()):
        table[of_class] = IGNORED if name == IGNORE else number
    return table[values]


def _has_many_values(mask: np.ndarray) -> bool:
    return len(np.unique(mask)) > 8


def _above(label: Volume, parameters: dict[str, Any]) -> np.ndarray:
    """1 where a mask, or any colour of a picture, lies above the threshold."""
    threshold = parameters["threshold"]
    if np.isnan(label.array).any():
        raise CaseExcluded("the mask has NaN")
    marked = label.array > threshold
    if parameters["dimensions"] == 2 and marked.shape[2:] == (3,):
        marked = marked.any(axis=-1)
    mask = _single(replace(label, array=marked), parameters).array
    if not mask.any() and parameters["empty_masks"] == "exclude":
        raise CaseExcluded(
            f"no value of the mask lies above the threshold {threshold:.9g}; the largest is {label.array.max():.9g}"
        )
    return mask.astype(np.uint8)
