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


NO_DATA = {
    *(
        "__macosx",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@synoresource",
        "@tmp",
        "#recycle",
        "~snapshot",
    ),
    *("$recycle.bin", "lost+found", "network trash folder", "system volume information", "temporary items"),
}
"""Folders that operating systems and file servers put next to data, in small letters."""


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name has no data: hidden ones, and those of ``NO_DATA``."""
    return name.startswith(".") or name.lower() in NO_DATA


class RawFiles:
    """The files below some folders (or some files themselves), searched once.

    What :func:`is_skipped` names is not seen. Every folder is visited once, however many links lead to it.
    """

    def __init__(self, places: Iterable[Path]) -> None:
        self.places = tuple(map(Path, places))

    @cached_property
    def _found(self) -> list[str]:
        return sorted(path for place in self.places for path in _below(place))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path in self._found if not _is_skipped_path(path))

    @cached_property
    def skipped(self) -> tuple[str, ...]:
        """Files and folders that are not seen."""
        return tuple(path for path in self._found if _is_skipped_path(path))

    def matching(self, pattern: str) -> dict[str, list[str]]:
        """Files by id: ``pattern`` is a regular expression for the end of the path, after a `/`; its group ``id``
        names the case. Letter case changes nothing."""
        compiled = _end_of_path(pattern)
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
        compiled = _end_of_path(pattern)
        found = [path for path in self.paths if compiled.fullmatch(f"/{path}")]
        if len(found) != 1:
            raise SeglossError(f"{self}: {len(found)} files {_readable(pattern)}; exactly one was expected")
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
        found = _most_specific({role: self.matching(pattern) for role, pattern in patterns.items()})
        for role, pattern in patterns.items():
            if not found[role] and role not in optional:
                raise SeglossError(
                    f"{self}: no {role} found: no file is named {_readable(pattern)}; is this the layout that"
                    " docs/data_sets.md or docs/own_data.md describes?"
                )
        complete, incomplete = {}, {}
        required = [files for role, files in found.items() if role not in optional]
        for case in sorted({case for files in required for case in files}, key=natural):
            files = {role: of_role[case] for role, of_role in found.items() if case in of_role}
            missing = [role for role in patterns if role not in files and role not in optional]
            broken = [path for paths in files.values() for path in paths if not Path(path).is_file()]
            twice = [f"{role}s {', '.join(paths)}" for role, paths in files.items() if len(paths) > 1]
            if missing:
                incomplete[case] = f"no {' and no '.join(missing)} among the raw files"
            elif broken:
                kind = "neither file nor folder" if Path(broken[0]).exists() else "a link to nothing"
                incomplete[case] = f"{broken[0]} is {kind}"
            elif twice:
                incomplete[case] = f"duplicate id: {'; '.join(twice)}"
            else:
                complete[case] = files
        return complete, incomplete

    def __str__(self) -> str:
        return ", ".join(map(str, self.places[:3])) + (" ..." if len(self.places) > 3 else "")


def _end_of_path(pattern: str) -> re.Pattern[str]:
    return re.compile(rf".*/{pattern}", re.IGNORECASE | re.DOTALL)


_IN_WORDS = (
    (r"\(\?<?[!=][^()]*\)", ""),  # what must not stand before or behind
    (r"\[\^/\]\+\??|\[\\d\.\]\+", "<name>"),
    (r"\\d\{(\d+)\}", r"<\1 digits>"),
    (r"\\d\+", "<number>"),
    (r"\\d", "<digit>"),
    (r"\(\?P<\w+>([^()]*)\)", r"\1"),
    (r"\(\?:([^()]*)\)\?|(\w)\?", r"[\1\2]"),
    (r"\(\?:([^()]*)\)", r"(\1)"),
    (r"\\(.)", r"\1"),
)


def _readable(pattern: str) -> str:
    """A pattern of this package as people write such names: `<name>` for any, [...] for what may be left out."""
    for form, words in _IN_WORDS:
        pattern = re.sub(form, words, pattern)
    return pattern


def _most_specific(found: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """Each file for the roles whose pattern leaves the shortest id: `a_mask.png` is a mask, no image of that name."""
    shortest: dict[str, int] = {}
    for files in found.values():
        for case, paths in files.items():
            for path in paths:
                shortest[path] = min(len(case), shortest.get(path, len(case)))
    kept: dict[str, dict[str, list[str]]] = {}
    for role, files in found.items():
        of_role = {case: [path for path in paths if shortest[path] == len(case)] for case, paths in files.items()}
        kept[role] = {case: paths for case, paths in of_role.items() if paths}
    return kept


def digest_of_names(places: Iterable[Path]) -> str:
    """Short hash of the names of all files below some folders."""
    return _digest(RawFiles(places).paths)


TABLES = (".csv", ".json", ".tsv", ".txt", ".xls", ".xlsx", ".xml")


def digest_of_tables(folder: str) -> str:
    """Short hash of the state of all tables and descriptions below a folder of official data."""
    return digest_of_states(path for path in RawFiles([folder]).paths if path.lower().endswith(TABLES))


def digest_of_states(paths: Iterable[str]) -> str:
    """Short hash of names, sizes and times of files: it changes where a file is replaced, by an older one too."""
    return _digest(f"{path} {_state(path)}" for path in paths)


def _state(path: str) -> str:
    try:
        state = Path(path).stat()
    except OSError:  # gone; the job that reads it says so
        return "none"
    return f"{state.st_size} {state.st_mtime_ns}"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:12]


def posix(path: str) -> str:
    """A path as a description file gives it, also one that was written on Windows, with `/` between its parts."""
    return path.replace("\\", "/")


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key by which case 2 comes before case 10."""
    return tuple(
        (not word.isdecimal(), int(word) if word.isdecimal() else 0, word) for word in re.split(r"(\d+)", text)
    )


def _is_skipped_path(path: str) -> bool:
    return is_skipped(path.rpartition("/")[2])


def _below(place: Path) -> Iterator[str]:
    """All below a folder but folders, and the files and folders that are skipped."""
    if place.is_file():
        yield place.as_posix()
        return
    if not place.is_dir():
        raise SeglossError(f"{place}: no such folder of raw files")
    visited: set[tuple[int, int]] = set()
    folders, links = [place.as_posix()], []
    while folders or links:  # links last: a folder's own path counts, not that of a link to it
        folder = folders.pop() if folders else links.pop(0)
        state = Path(folder).stat()
        if (state.st_dev, state.st_ino) in visited:
            continue
        visited.add((state.st_dev, state.st_ino))
        for entry in _entries(folder):
            if is_skipped(entry.name):
                yield entry.path
            elif is_folder(entry):
                (links if entry.is_symlink() else folders).append(entry.path)
            else:  # a link to nothing, or a pipe, is reported with its case
                yield entry.path


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder or a link to one; a link to itself is none."""
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SeglossError(f"{error.filename}: cannot be read: {error.strerror}; change its permissions") from error
