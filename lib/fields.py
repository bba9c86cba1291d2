"""The kinds of fields that sections of configuration files are made of."""

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from lib.names import NAME, unfit_for_path
from lib.suggest import shortened

VOXELS = 2**31
"""Of an image at most: 8 GiB a channel."""
PATH_LENGTH = 2000
"""Bytes of a folder's path; of the 4096 that systems take the rest is for what lies in it."""


class Section(BaseModel):
    """A section of a configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def underscored_number(text: str) -> float | None:
    """The number that Python reads in such as ``1_0``; None if it is none, or one without an underscore."""
    for kind in (int, float) if "_" in text else ():
        with suppress(ValueError):
            return kind(text)
    return None


def _plain_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{shortened(value)} is larger than whole numbers of 64 bits are")
    if isinstance(value, str) and (number := underscored_number(value)) is not None:
        raise ValueError(f"{value!r} would be read as {number}; write the number without underscores")
    return value


def unique(values: list[Any]) -> list[Any]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"duplicate value {value!r}")
    return values


def _split_at_commas(value: Any) -> Any:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) and value != "all" else value


def whole_number(value: Any) -> Any:
    """Nested values of the command line arrive as text."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value


def _listed(value: Any) -> Any:
    return value if isinstance(value, Collection) else [value]


def _is(test: Callable[[Path], bool], path: str) -> bool:
    try:
        return test(Path(path))
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        return False


def _folder_or_address(mirror: str) -> str:
    if not _is(Path.is_dir, mirror) and not _is_address(mirror):
        shown = shortened(re.sub("//[^/@]*@", "//...@", mirror))  # without a password
        raise ValueError(f"{shown} is neither a folder that exists nor an address http://... or https://...")
    return mirror


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[^\s\0]+", text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # no number of a port, or brackets without an IPv6 address
        return False


def _existing_file(path: str) -> str:
    if not _is(Path.is_file, path):
        raise ValueError(f"{shortened(path)} is not a file that exists")
    return path


def _existing_folder(path: str) -> str:
    if not _is(Path.is_dir, path):
        raise ValueError(f"{shortened(path)} is not a folder that exists")
    return _fit_for_path(path)


def _existing_place(path: str) -> str:
    if not _is(Path.exists, path):
        raise ValueError(f"{shortened(path)} is neither a file nor a folder that exists")
    return _fit_for_path(path)


def _fit_for_path(path: str) -> str:
    if reason := unfit_for_path(path):
        raise ValueError(f"{shortened(path)} has {reason}; make a link without")
    return path


def _folder_to_make(path: str) -> str:
    """The folder as Snakemake writes paths: no `./` in front, no `//` within."""
    path = str(Path(path))
    if reason := unfit_for_path(path) or _UNFIT_BEGINNINGS.get(path[0]):
        raise ValueError(f"{shortened(path)} has {reason}; choose another folder")
    return path


_UNFIT_BEGINNINGS = {
    "-": "a - in front, which commands take for an option",
    "~": "a ~ in front, which nothing replaces by a home folder here",
}


def _with_case(pattern: str) -> str:
    if pattern.count("{case}") != 1:
        raise ValueError(f"{pattern!r} must hold {{case}} once, as in {{case}}_FLAIR.nii.gz")
    return pattern


def _of_an_image(size: tuple[int, ...]) -> tuple[int, ...]:
    if prod(size) > VOXELS:
        raise ValueError(f"{list(size)} is more than {VOXELS} voxels, 8 GiB a channel")
    return size


def _regular_expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


def _module_name(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{shortened(name)} is not the name of a module, such as my_networks")
    return name


Int = Annotated[int, BeforeValidator(_plain_number)]
PositiveInt = Annotated[Int, Field(ge=1)]
Number = Annotated[float, BeforeValidator(_plain_number)]
NonNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Fraction = Annotated[Number, Field(gt=0, le=1)]
Size = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3), AfterValidator(_of_an_image)]
Planned = Literal["planned"]
"""In the place of a value that a plan from the training cases gives, once it is made."""
Seed = Annotated[Int, Field(ge=0, lt=2**32)]
"""What every generator of random numbers here takes, also after a training has mixed it with the epoch."""
Text = Annotated[str, Field(min_length=1)]
ModuleName = Annotated[str, AfterValidator(_module_name)]
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Modules = Annotated[
    list[ModuleName], AfterValidator(unique), BeforeValidator(_listed), BeforeValidator(_split_at_commas)
]
Trackers = Annotated[
    list[Literal["clearml"]], AfterValidator(unique), BeforeValidator(_listed), BeforeValidator(_split_at_commas)
]
NameList = Annotated[list[str], Field(min_length=1), AfterValidator(unique)]
SeedList = Annotated[list[Seed], Field(min_length=1), AfterValidator(unique)]
Names = Annotated[Literal["all"] | NameList, BeforeValidator(_listed), BeforeValidator(_split_at_commas)]
Seeds = Annotated[Literal["all"] | SeedList, BeforeValidator(_listed), BeforeValidator(_split_at_commas)]
Folder = Annotated[Text, AfterValidator(_folder_to_make)]
ExistingFolder = Annotated[Text, AfterValidator(_existing_folder)]
ExistingPlace = Annotated[Text, AfterValidator(_existing_place)]
"""A file or a folder."""
ExistingFile = Annotated[Text, AfterValidator(_existing_file)]
Mirror = Annotated[Text, AfterValidator(_folder_or_address)]
FilePattern = Annotated[str, AfterValidator(_with_case)]
RegularExpression = Annotated[Text, AfterValidator(_regular_expression)]
