"""The official archives, one YAML file each: where their files come from, how large they are, their digests.

This module stays free of heavy imports, because parsing the DAG reads it.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from lib.errors import SeglossError
from lib.suggest import suggestion

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SourceFile:
    """One file: ``path`` below the source's address, ``size`` in bytes, ``sha256`` in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """One archive; a file's address is ``url`` followed by its path."""

    name: str
    title: str
    citation: str
    licence: str
    url: str
    files: tuple[SourceFile, ...]

    def file(self, path: str) -> SourceFile:
        """Return the file at ``path``.

        Raises:
            SeglossError: the source has no such file.
        """
        of_path = {file.path: file for file in self.files}
        if path not in of_path:
            raise SeglossError(
                f"source {self.name}: no file {path!r}; its files are listed in {_yaml(self.name)}"
            )
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
    try:
        entries = yaml.safe_load(_yaml(name).read_text(encoding="utf-8"))
        described = {key: entries[key] for key in ("title", "citation", "licence", "url")}
        return Source(name=name, files=tuple(SourceFile(**file) for file in entries["files"]), **described)
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise SeglossError(f"{_yaml(name)}: not a description of a source: {error!r}") from error


def _yaml(name: str) -> Path:
    return _FOLDER / f"{name}.yaml"
