"""The official archives, one YAML file each: where their files come from, who may have them, their checksums.

This module stays free of heavy imports, because parsing the DAG reads it.
"""

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator

from lib.errors import SeglossError
from lib.fields import PositiveInt, Section, unique
from lib.suggest import suggestion
from lib.validation import validated

_FOLDER = Path(__file__).parent
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # each start of the workflow reads all of them


def _relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} is not a relative path without '..'")
    return path


def _web_address(url: str) -> str:
    if url and not re.fullmatch(r"https?://\S.*", url):
        raise ValueError(f"{url!r} is not an http(s) address")
    return url


def _hexadecimal(shortest: int, longest: int) -> AfterValidator:
    def check(digits: str | None) -> str | None:
        if digits is not None and not re.fullmatch(f"[0-9a-f]{{{shortest},{longest}}}", digits):
            raise ValueError(f"{digits!r} is not {shortest} to {longest} lower-case hexadecimal digits")
        return digits

    return AfterValidator(check)


Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, AfterValidator(_web_address)]


class SourceFile(Section):
    """One file: ``path`` below the source's address, ``size`` in bytes, checksums in hexadecimal.

    ``sha256`` may be its first 8 or more digits, where no more is published. ``url`` is the whole address of a
    file that does not lie at its path below the source's address.
    """

    path: Annotated[str, AfterValidator(_relative)]
    size: PositiveInt | None = None
    sha256: Annotated[str | None, _hexadecimal(8, 64)] = None
    md5: Annotated[str | None, _hexadecimal(32, 32)] = None
    url: Url | None = None


class Source(Section):
    """One archive. ``steps``: what a person does to get a set that is not public; ``layout``: what it unpacks to."""

    name: str
    title: Text
    citation: Text
    licence: Text
    access: Literal["public", "registration", "request"]
    url: Url = ""
    steps: tuple[Text, ...] = ()
    layout: Text
    files: tuple[SourceFile, ...]

    @model_validator(mode="after")
    def _can_be_had(self) -> "Source":
        if not self.files:
            raise ValueError("files: at least one is expected")
        unique([file.path for file in self.files])
        if self.is_public and self.steps:
            raise ValueError("steps: a public source needs none")
        if not self.is_public and not self.steps:
            raise ValueError(f"steps: are missing, though access is {self.access!r}")
        for file in self.files:
            if self.is_public and not self.address(file).startswith("http"):
                raise ValueError(f"url: is missing, and so has {file.path} no address")
        return self

    @property
    def is_public(self) -> bool:
        return self.access == "public"

    def address(self, file: SourceFile) -> str:
        """The official address of ``file``."""
        return file.url or self.url + file.path

    def file(self, path: str) -> SourceFile:
        """Return the file at ``path``.

        Raises:
            SeglossError: the source has no such file.
        """
        of_path = {file.path: file for file in self.files}
        if path not in of_path:
            raise SeglossError(f"source {self.name}: no file {path!r}; its files are listed in {_yaml(self.name)}")
        return of_path[path]


def source_names() -> tuple[str, ...]:
    """Names of all sources, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def load_source(name: str) -> Source:
    """Read the source ``name``.

    Raises:
        SeglossError: there is no such source, or its YAML file is faulty.
    """
    if name not in source_names():
        raise SeglossError(f"unknown source {name!r}{suggestion(name, source_names())}")
    described = _description(name)
    files = tuple(
        validated(SourceFile, file, f"{_yaml(name)}: files.{number}")
        for number, file in enumerate(described.get("files") or [])
    )
    return validated(Source, {**described, "name": name, "files": files}, str(_yaml(name)))


def _description(name: str) -> dict[str, Any]:
    try:
        described = yaml.load(_yaml(name).read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.YAMLError as error:
        raise SeglossError(f"{_yaml(name)}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(described, dict):
        raise SeglossError(f"{_yaml(name)}: not a description of a source: title, citation, ... expected")
    return described


def _yaml(name: str) -> Path:
    return _FOLDER / f"{name}.yaml"
