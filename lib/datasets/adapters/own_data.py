"""A user's own data: the layout of nnU-Net or of the Medical Segmentation Decathlon, 2D and 3D.

Images lie in `imagesTr` (or `images`) as `<case>.<ending>`, or `<case>_0000.<ending>`, `<case>_0001.<ending>`, ...
for one file a channel; masks in `labelsTr` (or `labels`) as `<case>.<ending>`; region masks, if any, in `regionsTr`
(or `regions`). Other names are told by patterns such as `{case}_FLAIR.nii.gz`.

Intensities: pictures of 8 bits are divided by 255; a ``window`` is clipped and scaled to [0, 1]; anything else is
brought to mean 0 and standard deviation 1 per case and channel, within the region if there is one. Outside the
region the image holds its minimum.
"""

import itertools
import re
from collections.abc import Collection
from typing import Any

import numpy as np

from lib.datasets import IGNORED, reading
from lib.datasets.index import Index, IndexedCase, split_by_patient
from lib.datasets.own import (
    IGNORE,
    PICTURE_ENDINGS,
    VOLUME_ENDINGS,
    read_description,
    split_parts,
    training_list,
)
from lib.datasets.raw import RawFiles
from lib.datasets.reading import Volume
from lib.errors import CaseExcluded, SeglossError
from lib.maps import foreground
from lib.store import Case

_ENDING = "(?i:" + "|".join(map(re.escape, VOLUME_ENDINGS + PICTURE_ENDINGS)) + ")"


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks; splits come from the user's file, or are drawn by patient."""
    label = _pattern(parameters["label"]) or rf"labels(?:Tr)?/(?P<id>[^/]+?){_ENDING}"
    patterns = _image_patterns(raw, raw.matching(label), parameters)
    patterns["label"] = label
    patterns["region"] = _pattern(parameters["region"]) or rf"regions(?:Tr)?/(?P<id>[^/]+?){_ENDING}"
    optional = () if parameters["region"] else ("region",)
    files, excluded = raw.cases(patterns, optional)
    _obey_description(files, excluded, parameters["folder"])
    parts = split_parts(parameters["splits"]) if parameters["splits"] else None
    if parts is not None:
        in_part = {case for ids in parts.values() for case in ids}
        _leave_out(
            files, excluded, [case for case in files if case not in in_part], "in no part of the splits file"
        )
    cases = {
        case: IndexedCase(_patient(case, parameters["patients"]), of_case) for case, of_case in files.items()
    }
    return Index(cases, {"holdout": _split(cases, parts, parameters)}, excluded)


def _image_patterns(raw: RawFiles, masks: Collection[str], parameters: dict[str, Any]) -> dict[str, str]:
    if parameters["images"]:
        return {f"image {number}": _pattern(pattern) for number, pattern in enumerate(parameters["images"])}
    plain = rf"images(?:Tr)?/(?P<id>[^/]+?){_ENDING}"
    numbered = rf"images(?:Tr)?/(?P<id>[^/]+)_{{:04d}}{_ENDING}"
    if set(masks) & raw.matching(plain).keys() or not raw.matching(numbered.format(0)):
        return {"image 0": plain}
    n_files = next(number for number in itertools.count(1) if not raw.matching(numbered.format(number)))
    n_channels = len(parameters["channels"])
    if n_files not in (1, n_channels):
        raise SeglossError(
            f"{raw}: {n_files} files a case (_0000, _0001, ...), but {n_channels} channel(s) are named"
        )
    return {f"image {number}": numbered.format(number) for number in range(n_files)}


def _pattern(text: str | None) -> str | None:
    """`{case}_FLAIR.nii.gz` as a regular expression whose group ``id`` is the case."""
    return text and re.escape(text).replace(re.escape("{case}"), r"(?P<id>[^/]+)", 1).replace(r"\*", "[^/]*")


def _obey_description(files: dict[str, Any], excluded: dict[str, str], folder: str) -> None:
    """Hold what dataset.json says against what is there."""
    told = read_description(folder)
    if (listed := training_list(told, folder)) is not None:
        for case in listed:
            if case not in files:
                excluded.setdefault(case, "listed by dataset.json, but its files are not there")
        _leave_out(
            files, excluded, sorted(set(files) - set(listed)), "not in the training list of dataset.json"
        )
    named = len(files) + len(excluded)
    if told.get("numTraining") is not None and str(told["numTraining"]) != str(named):
        raise SeglossError(
            f"dataset.json says numTraining {told['numTraining']}, but {named} cases are there or listed; correct the"
            " number or complete the files"
        )


def _leave_out(files: dict[str, Any], excluded: dict[str, str], cases: list[str], reason: str) -> None:
    for case in cases:
        del files[case]
        excluded[case] = reason


def _patient(case: str, pattern: str | None) -> str:
    """What the pattern finds in the case's id (its first group, if it has one)."""
    if pattern is None:
        return case
    match = re.search(pattern, case)
    patient = match and (match[1] if match.re.groups else match[0])
    if not patient:
        raise SeglossError(f"patients: {pattern!r} finds no patient in the case {case!r}; mend the pattern")
    return patient


def _split(
    cases: dict[str, IndexedCase], parts: dict[str, list[str]] | None, parameters: dict[str, Any]
) -> dict[str, Any]:
    patients = {case: entry.patient for case, entry in cases.items()}
    shares = {"validation": parameters["validation_share"], "test": parameters["test_share"]}
    if parts is None:
        return split_by_patient(patients, parameters["seed"], **shares)
    if "validation" not in parts:
        train = {case: patients[case] for case in parts.get("train", ()) if case in cases}
        drawn = split_by_patient(train, parameters["seed"], validation=shares["validation"])
        return {**parts, "train": drawn["train"], "validation": drawn["validation"]}
    return parts


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one case; see the module's text for what happens to intensities."""
    images = [
        _read(path, parameters)
        for role, paths in entry.files.items()
        if role.startswith("image")
        for path in paths
    ]
    label = _read(entry.files["label"][0], parameters, as_labels=True)
    for other, name in [(label, "mask"), *((image, "a further channel") for image in images[1:])]:
        reading.check_same_geometry(images[0], other, name)
    image = np.concatenate([_channels_first(volume.array, parameters) for volume in images])
    if len(image) != len(parameters["channels"]):
        raise CaseExcluded(
            f"the image has {len(image)} channels, {len(parameters['channels'])} were expected"
        )
    mask = _classes(_single(label, parameters), parameters["label_values"])
    if parameters["empty_masks"] == "exclude" and not foreground(mask).any():
        raise CaseExcluded("the mask is empty; to keep such cases set empty_masks: keep")
    region = None
    if "region" in entry.files:
        volume = _read(entry.files["region"][0], parameters, as_labels=True)
        reading.check_same_geometry(images[0], volume, "region")
        region = _single(volume, parameters) > 0
    scaled = np.stack([_scaled(channel, region, parameters) for channel in image])
    spacing = images[0].spacing[: parameters["dimensions"]]
    if size := parameters["size"]:
        spacing = tuple(s * old / new for s, old, new in zip(spacing, mask.shape, size, strict=True))
        scaled, mask = reading.resize(scaled, size), reading.resize_labels(mask, size)
    return Case(scaled, mask, spacing, entry.patient, None if size else images[0].affine)


def _read(path: str, parameters: dict[str, Any], as_labels: bool = False) -> Volume:
    if parameters["dimensions"] == 3 or path.lower().endswith(VOLUME_ENDINGS):
        return reading.read_volume(path)
    return Volume(reading.read_picture(path, as_labels), (1.0, 1.0), None)


def _channels_first(array: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """Channels, which files keep last, to the front; trailing axes of length 1 are no channels."""
    dimensions = parameters["dimensions"]
    while array.ndim > dimensions and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == dimensions:
        return array[None]
    if array.ndim == dimensions + 1 and array.shape[-1] == len(parameters["channels"]):
        return np.moveaxis(array, -1, 0)
    if array.ndim == dimensions + 1 and (array == array[..., :1]).all():
        return array[None, ..., 0]  # grey, stored as colours
    raise CaseExcluded(
        f"an array of shape {array.shape} was found; {dimensions} axes and {len(parameters['channels'])} channel(s)"
        " were expected"
    )


def _single(volume: Volume, parameters: dict[str, Any]) -> np.ndarray:
    found = _channels_first(volume.array, {**parameters, "channels": ["mask"]})
    return found[0]


def _classes(mask: np.ndarray, label_values: dict[str, list[int]]) -> np.ndarray:
    """The class numbers of a mask's values, in the order of ``label_values``."""
    reading.labels(mask, [value for values in label_values.values() for value in values], "the mask")
    table = np.zeros(256, np.uint8)
    for number, (name, values) in enumerate(label_values.items()):
        table[values] = IGNORED if name == IGNORE else number
    return table[mask.astype(np.uint8)]


def _scaled(channel: np.ndarray, region: np.ndarray | None, parameters: dict[str, Any]) -> np.ndarray:
    if region is not None and not region.any():
        raise CaseExcluded("the region is empty")
    if parameters["window"]:
        low, high = parameters["window"]
        scaled = (np.clip(channel, low, high).astype(np.float32) - low) / (high - low)
    elif parameters["dimensions"] == 2 and channel.dtype in (np.uint8, bool):
        scaled = channel.astype(np.float32) / np.float32(255 if channel.dtype == np.uint8 else 1)
    else:
        scaled = reading.standardise(channel, region)
    return scaled if region is None else np.where(region, scaled, scaled[region].min())
