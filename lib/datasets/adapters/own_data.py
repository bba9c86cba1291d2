"""A user's own data: the layout of nnU-Net or of the Medical Segmentation Decathlon, 2D and 3D.

Images lie in `imagesTr` (or `images`) as `<case>.<ending>`, or `<case>_0000.<ending>`, `<case>_0001.<ending>`, ...
for one file a channel; masks in `labelsTr` (or `labels`) as `<case>.<ending>`; region masks, if any, in `regionsTr`
(or `regions`). Other names are told by patterns such as `{case}_FLAIR.nii.gz`.

Intensities: pictures of 8 bits are divided by 255; a ``window`` is clipped and scaled to [0, 1]; anything else is
brought to mean 0 and standard deviation 1 per case and channel, within the region if there is one. Outside the
region the image holds its minimum.
"""

import re
from typing import Any

import numpy as np

from lib.datasets import IGNORED, reading
from lib.datasets.index import Index, IndexedCase, split_by_patient
from lib.datasets.own import IGNORE, PICTURE_ENDINGS, VOLUME_ENDINGS
from lib.datasets.raw import RawFiles
from lib.datasets.reading import Volume
from lib.errors import CaseExcluded, SeglossError
from lib.maps import foreground
from lib.store import Case

_ENDING = "(?i:" + "|".join(map(re.escape, VOLUME_ENDINGS + PICTURE_ENDINGS)) + ")"


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks; splits come from the user's file, or are drawn by patient."""
    patterns = _image_patterns(raw, parameters)
    patterns["label"] = _pattern(parameters["label"]) or rf"labels(?:Tr)?/(?P<id>[^/]+?){_ENDING}"
    patterns["region"] = _pattern(parameters["region"]) or rf"regions(?:Tr)?/(?P<id>[^/]+?){_ENDING}"
    optional = () if parameters["region"] else ("region",)
    files, excluded = raw.cases(patterns, optional)
    _obey_description(files, excluded, parameters)
    cases = {
        case: IndexedCase(_patient(case, parameters["patients"]), of_case) for case, of_case in files.items()
    }
    return Index(cases, {"holdout": _split(cases, excluded, parameters)}, excluded)


def _image_patterns(raw: RawFiles, parameters: dict[str, Any]) -> dict[str, str]:
    if parameters["images"]:
        return {f"image {number}": _pattern(pattern) for number, pattern in enumerate(parameters["images"])}
    numbered = rf"images(?:Tr)?/(?P<id>[^/]+)_{{}}{_ENDING}"
    if raw.matching(numbered.format("0001")):
        return {
            f"image {number}": numbered.format(f"{number:04d}")
            for number in range(len(parameters["channels"]))
        }
    if raw.matching(numbered.format("0000")):
        return {"image 0": numbered.format("0000")}
    return {"image 0": rf"images(?:Tr)?/(?P<id>[^/]+?){_ENDING}"}


def _pattern(text: str | None) -> str | None:
    """`{case}_FLAIR.nii.gz` as a regular expression whose group ``id`` is the case."""
    return text and re.escape(text).replace(re.escape("{case}"), r"(?P<id>[^/]+)", 1).replace(r"\*", "[^/]*")


def _obey_description(files: dict[str, Any], excluded: dict[str, str], parameters: dict[str, Any]) -> None:
    """Hold what dataset.json says against what is there."""
    listed, expected = parameters["training"], parameters["expected"]
    if listed is not None:
        for case in set(listed) - set(files) - set(excluded):
            excluded[case] = "listed by dataset.json, but its files are not there"
        for case in set(files) - set(listed):
            del files[case]
            excluded[case] = "not in the training list of dataset.json"
    named = len(files) + len(excluded)
    if expected is not None and expected != named:
        raise SeglossError(
            f"dataset.json says numTraining {expected}, but {named} cases are there or listed; correct the number or"
            " complete the files"
        )


def _patient(case: str, pattern: str | None) -> str:
    """What the pattern finds in the case's id (its first group, if it has one)."""
    if pattern is None:
        return case
    match = re.search(pattern, case)
    if match is None:
        raise SeglossError(f"patients: {pattern!r} finds no patient in the case {case!r}; mend the pattern")
    return match[1] if match.re.groups else match[0]


def _split(
    cases: dict[str, IndexedCase], excluded: dict[str, str], parameters: dict[str, Any]
) -> dict[str, Any]:
    patients = {case: entry.patient for case, entry in cases.items()}
    shares = {"validation": parameters["validation_share"], "test": parameters["test_share"]}
    told = parameters["split_parts"]
    if told is None:
        return split_by_patient(patients, parameters["seed"], **shares)
    for case in set(cases) - {case for ids in told.values() for case in ids}:
        excluded[case] = "in no part of the splits file"
    if "validation" not in told:
        train = {case: patients[case] for case in told.get("train", ()) if case in cases}
        drawn = split_by_patient(train, parameters["seed"], validation=shares["validation"])
        return {**told, "train": drawn["train"], "validation": drawn["validation"]}
    return told


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
    inside = channel if region is None else channel[region]
    if not inside.size:
        raise CaseExcluded("the region is empty")
    reading.check_varied(inside)
    if parameters["window"]:
        low, high = parameters["window"]
        scaled = (np.clip(channel, low, high).astype(np.float32) - low) / (high - low)
    elif channel.dtype == np.uint8:
        scaled = channel.astype(np.float32) / 255
    else:
        scaled = ((channel - inside.mean(dtype=float)) / inside.std(dtype=float)).astype(np.float32)
    return scaled if region is None else np.where(region, scaled, scaled[region].min())
