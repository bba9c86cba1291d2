"""The kinds of fields that sections of configuration files are made of."""

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lib.suggest import shortened

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""What becomes part of a path: a loss's label, a variant."""


def underscored_number(text: str) -> float | None:
    """The number that Python reads in such as ``1_0``; None if it is none, or one without an underscore."""
    for kind in (int, float) if "_" in text else ():
        with suppress(ValueError):
            return kind(text)
    return None


def _plain_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    if isinstance(value, str) and (number := underscored_number(value)) is not None:
        raise ValueError(f"{value!r} would be read as {number}; write the number without underscores")
    return value


def unique(values: list[Any]) -> list[Any]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"{value!r} stands twice")
    return values


def _split_at_commas(value: Any) -> Any:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) and value != "all" else value


def whole_number(value: Any) -> Any:
    """Nested values of the command line arrive as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _listed(value: Any) -> Any:
    return value if isinstance(value, Collection) else [value]


def _is(test: Callable[[Path], bool], path: str) -> bool:
    try:
        return test(Path(path))
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        return False


def folder_or_address(mirror: str | None) -> str | None:
    if mirror and "://" not in mirror and not _is(Path.is_dir, mirror):
        raise ValueError(f"{shortened(mirror)} is neither a folder that exists nor an http(s) address")
    return mirror


def existing(path: str) -> str:
    if not _is(Path.exists, path):
        raise ValueError(f"{shortened(path)} does not exist")
    return path


def _existing_folder(path: str) -> str:
    if not _is(Path.is_dir, path):
        raise ValueError(f"{shortened(path)} is not a folder that exists")
    if set("{}") & set(path):
        raise ValueError(f"{path!r} holds braces, which stand for wildcards; make a link without")
    return path


def _with_case(pattern: str) -> str:
    if pattern.count("{case}") != 1:
        raise ValueError(f"{pattern!r} must hold {{case}} once, as in {{case}}_FLAIR.nii.gz")
    return pattern


def regular_expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern


Int = Annotated[int, BeforeValidator(_plain_number)]
PositiveInt = Annotated[Int, Field(ge=1)]
Number = Annotated[float, BeforeValidator(_plain_number)]
NonNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Fraction = Annotated[Number, Field(gt=0, le=1)]
Size = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)]
Seed = Annotated[Int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
NameList = Annotated[list[str], Field(min_length=1), AfterValidator(unique)]
SeedList = Annotated[list[Seed], Field(min_length=1), AfterValidator(unique)]
Names = Annotated[Literal["all"] | NameList, BeforeValidator(_listed), BeforeValidator(_split_at_commas)]
Seeds = Annotated[Literal["all"] | SeedList, BeforeValidator(_listed), BeforeValidator(_split_at_commas)]
Folder = Annotated[str, Field(min_length=1, pattern="^[^\0]*$")]
ExistingFolder = Annotated[str, AfterValidator(_existing_folder)]
FilePattern = Annotated[str, AfterValidator(_with_case)]
