"""The cases among a user's images, read and prepared as those that a network was trained on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lib.datasets import reading
from lib.datasets.adapters.own_data import joined_channels, read_image
from lib.datasets.own import ENDINGS, VOLUME_ENDINGS, dicom_advice, without_ending
from lib.datasets.raw import is_skipped, natural
from lib.datasets.readers import Volume
from lib.errors import CaseExcluded, SeglossError
from lib.prediction.model import Model


@dataclass(frozen=True)
class ImageCase:
    """One image: a file, or one a channel; ``region`` is its mask of what to look at."""

    name: str
    files: tuple[Path, ...]
    region: Path | None = None

    @property
    def is_volume(self) -> bool:
        """Whether its files are those of volumes, which say where they lie in space."""
        return self.files[0].name.lower().endswith(VOLUME_ENDINGS)


def find_cases(images: Path, model: Model, regions: Path | None = None) -> list[ImageCase]:
    """The cases in a folder, or the one that a file belongs to, with their regions.

    Raises:
        SeglossError: there is none, two have the same name, or regions are missing or not asked for.
    """
    files = _files(images if images.is_dir() else images.parent, images, model)
    cases = [ImageCase(name, of_case) for name, of_case in _grouped(files, model).items()]
    if not images.is_dir():
        cases = [case for case in cases if images in case.files]
    if bool(regions) != model.regions:
        is_asked = "are blanked outside masks: give those of these images" if model.regions else "have none: leave out"
        raise SeglossError(f"--regions: images of {model.dataset} {is_asked} --regions <folder>")
    return [replace(case, region=_region_of(case, regions)) for case in cases] if regions else cases


def _files(folder: Path, images: Path, model: Model) -> dict[str, Path]:
    """The images by their names without endings."""
    if not images.exists():
        raise SeglossError(f"{images}: no such file or folder; name images, or a folder of them")
    known = ENDINGS if model.dimensions == 2 else VOLUME_ENDINGS
    found = sorted(filter(Path.is_file, folder.iterdir()), key=lambda path: natural(path.name))
    found = [path for path in found if path.name.lower().endswith(known) and not is_skipped(path.name)]
    if not found or not (images.is_dir() or images in found):
        advice = dicom_advice(str(images)) if images.is_dir() else ""
        raise SeglossError(f"{images}: no image of a known kind ({', '.join(known)}) for {model.takes}{advice}")
    return _by_name(found if images.is_dir() else [path for path in found if _belongs(path, images)])


def _belongs(path: Path, image: Path) -> bool:
    """Whether a file is an image, or may be one of its channels."""
    names = (without_ending(one.name) for one in (path, image))
    return path == image or len({re.sub("_[0-9]{4}$", "", name) for name in names}) == 1


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    for path in paths:
        other = by_name.setdefault(without_ending(path.name), path)
        if other != path:
            raise SeglossError(f"{path}: {other.name} is of the same name; predict one of them from another folder")
    return by_name


def _grouped(files: Mapping[str, Path], model: Model) -> dict[str, tuple[Path, ...]]:
    """The files of each case: one, or those numbered from `_0000` for its channels."""
    numbered = {name: name[:-5] for name in files if re.fullmatch(".+_[0-9]{4}", name) and f"{name[:-5]}_0000" in files}
    groups: dict[str, list[Path]] = {}
    for name, case in numbered.items():
        groups.setdefault(case, []).append(files[name])
    # one channel needs no numbers: where there are more, or a file has all channels, they count images
    alone = {case for case, paths in groups.items() if len(model.channels) == 1 and len(paths) > 1}
    if len(model.channels) > 1 and numbered and _has_all_channels(files[next(iter(numbered))], model):
        alone = groups.keys()
    cases: dict[str, tuple[Path, ...]] = {}
    for name, path in files.items():
        case = numbered.get(name, name)
        own = name if case in alone else case
        of_case = tuple(groups[case]) if name in numbered and own == case else (path,)
        if cases.setdefault(own, of_case) != of_case:
            raise SeglossError(f"{path}: there are {own} and {own}_0000; rename one of them")
    return cases


def _has_all_channels(path: Path, model: Model) -> bool:
    try:
        joined_channels([read_image(str(path), model.dimensions)], model.dimensions, len(model.channels))
    except SeglossError:  # said when the case is read
        return False
    return True


def _region_of(case: ImageCase, regions: Path) -> Path:
    if regions.is_file():
        return regions
    found = [path for path in sorted(regions.glob("*")) if without_ending(path.name) == case.name]
    if len(found) != 1:
        raise SeglossError(f"{regions}: {len(found)} files are named {case.name}, one was expected")
    return found[0]


def read_case(case: ImageCase, model: Model) -> tuple[np.ndarray, Volume]:
    """The prepared image, float32 (channels, *prepared), and its first file, whose grid predictions are restored to.

    The shape of the volume's array is that of the image's spatial axes: rows first in 2D.

    Raises:
        CaseExcluded: the image does not fit the network, or its files cannot be read or contradict each other.
        SeglossError: a file cannot be opened.
    """
    images = [read_image(str(path), model.dimensions) for path in case.files]
    for other in images[1:]:
        reading.check_same_geometry(images[0], other, "a further channel")
    image = joined_channels(images, model.dimensions, len(model.channels))
    region = None
    if case.region:
        mask = read_image(str(case.region), model.dimensions, as_labels=True)
        reading.check_same_geometry(images[0], mask, "region")
        (array,) = joined_channels([mask], model.dimensions, 1)
        region = reading.is_marked(replace(mask, array=array))
    prepared = model.preparation.apply(image, region, _names(model.channels))
    if not np.isfinite(prepared).all():
        raise CaseExcluded("the image holds NaN or infinite values")
    return prepared, replace(images[0], array=image[0])


def _names(channels: Sequence[str]) -> Sequence[str]:
    return channels if len(channels) > 1 else ()
