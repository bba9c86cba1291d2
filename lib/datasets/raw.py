"""Raw files found by the names that the publisher gave them, wherever below a folder they lie."""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from lib.errors import SeglossError

CaseFiles = dict[str, list[str]]


class RawFiles:
    """The files below some folders (or some files themselves), searched once.

    Hidden files and what macOS leaves in archives are not seen.
    """

    def __init__(self, places: Iterable[Path]) -> None:
        self.places = tuple(map(Path, places))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(path for place in self.places for path in _below(place)))

    def matching(self, pattern: str) -> dict[str, list[str]]:
        """Files by id: ``pattern`` is a regular expression for the end of the path, after a `/`; its group ``id``
        names the case."""
        compiled = re.compile(rf".*/{pattern}")
        found = defaultdict(list)
        for path in self.paths:
            if match := compiled.fullmatch(f"/{path}"):
                found[match["id"]].append(path)
        return dict(found)

    def one(self, pattern: str) -> str:
        """The only file that matches.

        Raises:
            SeglossError: there is none, or more than one.
        """
        compiled = re.compile(rf".*/{pattern}")
        found = [path for path in self.paths if compiled.fullmatch(f"/{path}")]
        if len(found) != 1:
            raise SeglossError(f"{self}: {len(found)} files match {pattern}; exactly one was expected")
        return found[0]

    def cases(
        self, patterns: Mapping[str, str], optional: Collection[str] = ()
    ) -> tuple[dict[str, CaseFiles], dict[str, str]]:
        """Pair the files of each case by id.

        Args:
            patterns: role (image, label, ...) -> pattern, as :meth:`matching` takes it.
            optional: roles that a case may lack.

        Returns:
            Files by case and role, and the reason of each incomplete case (a role without file, or with two).

        Raises:
            SeglossError: no file matches a required role.
        """
        found = {role: self.matching(pattern) for role, pattern in patterns.items()}
        for role, pattern in patterns.items():
            if not found[role] and role not in optional:
                raise SeglossError(
                    f"{self}: no {role} found (its path would end as {pattern}); is this the layout that"
                    " docs/data_sets.md or docs/own_data.md describes?"
                )
        complete, incomplete = {}, {}
        for case in sorted({case for files in found.values() for case in files}, key=natural):
            files = {role: of_role[case] for role, of_role in found.items() if case in of_role}
            missing = [role for role in patterns if role not in files and role not in optional]
            broken = [path for paths in files.values() for path in paths if not Path(path).exists()]
            twice = [f"{role}s {', '.join(paths)}" for role, paths in files.items() if len(paths) > 1]
            if missing:
                incomplete[case] = f"no {' and no '.join(missing)} among the raw files"
            elif broken:
                incomplete[case] = f"{broken[0]} is a link to nothing"
            elif twice:
                incomplete[case] = f"duplicate id: {'; '.join(twice)}"
            else:
                complete[case] = files
        return complete, incomplete

    def __str__(self) -> str:
        return ", ".join(map(str, self.places[:3])) + (" ..." if len(self.places) > 3 else "")


def digest_of_names(places: Iterable[Path]) -> str:
    """Short hash of the names of all files below some folders."""
    return hashlib.sha256("\n".join(RawFiles(places).paths).encode(errors="surrogateescape")).hexdigest()[:12]


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key by which case 2 comes before case 10."""
    return tuple(
        (not word.isdecimal(), int(word) if word.isdecimal() else 0, word)
        for word in re.split(r"(\d+)", text)
    )


def _refuse(error: OSError) -> None:
    raise SeglossError(f"{error.filename}: cannot be read: {error.strerror}; change its permissions")


def _below(place: Path) -> Iterator[str]:
    if place.is_file():
        yield place.as_posix()
        return
    if not place.is_dir():
        raise SeglossError(f"{place}: no such folder of raw files")
    for folder, folders, files in os.walk(place, onerror=_refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name).as_posix() for name in files if not name.startswith("."))
