"""Archives, unpacked whole or not at all. Nothing that an archive says of itself is trusted."""

import errno
import gzip
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from lib.errors import SeglossError
from lib.files import atomic_path
from lib.suggest import shortened

MAX_RATIO = 200
"""Largest size of the members in sizes of the archive,"""
ALLOWANCE = 2**30
"""plus these bytes."""
_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
_OFFSET_RANGE = 2**32
_CHUNK = 2**20
_BAD_LINK = "it is a device or a link that leads out or to no member"
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    tarfile.TarError,
    gzip.BadGzipFile,
    struct.error,
    ValueError,
    NotImplementedError,
)


def is_archive(path: str) -> bool:
    """Whether the name says that :func:`extract` can unpack it."""
    return path.lower().endswith(_ENDINGS)


def stem(path: str) -> str:
    """The path without an archive's ending."""
    ending = max((ending for ending in _ENDINGS if path.lower().endswith(ending)), key=len, default="")
    return path.removesuffix(path[len(path) - len(ending) :])


def extract(archive: Path, output: Path) -> None:
    """Unpack ``archive`` to the folder ``output``, which appears, or is replaced, only when it is complete.

    Zips of writers that know no offset beyond 4 GiB (they write it modulo 2**32) are unpacked too. Left out
    are ``__MACOSX`` and ``.DS_Store``.

    Raises:
        SeglossError: the archive is not there, damaged, too large for the disk or suspiciously large; or a
            member has no name, one that is too long, that of another or a path that leads out, is encrypted, a
            device, or a link that leads out or to nothing.
    """
    if not os.path.isfile(archive):  # noqa: PTH113, as is_file fails where a name is too long
        raise SeglossError(f"{archive}: no such archive; download it first")
    with atomic_path(output) as folder, _damage_reported(archive):
        folder.mkdir()
        members = _Members(archive, folder)
        (_unzip if _is_zip(archive.name) else _untar)(archive, members)


def check(archive: Path, name: str) -> None:
    """Read the whole of ``archive``, whose name is ``name``, and compare it with the checksums in it.

    Raises:
        SeglossError: it is cut off, damaged or suspiciously large.
    """
    with _damage_reported(archive):
        if _is_zip(name):
            _read_members(archive)
        else:
            for _ in _tar_members(archive):
                pass


def _read_members(archive: Path) -> None:
    with zipfile.ZipFile(archive) as directory, archive.open("rb") as raw:
        _require_plausible(archive, sum(entry.file_size for entry in directory.infolist()))
        for entry in directory.infolist():
            if not _is_folder(entry) and not _is_encrypted(entry):
                with directory.open(_located(entry, raw)) as content:
                    while content.read(_CHUNK):
                        pass


def _require_plausible(archive: Path, size: int) -> None:
    if size > (limit := _largest(archive)):
        raise SeglossError(f"{archive}: unpacks to {size} bytes, {limit} are plausible; not unpacked")


def _largest(archive: Path) -> int:
    return MAX_RATIO * archive.stat().st_size + ALLOWANCE


class _Members:
    """What of an archive may be written below ``folder``."""

    def __init__(self, archive: Path, folder: Path):
        self.archive = archive
        self.folder = folder
        self._limit = _largest(archive)
        self._written = 0
        self._seen: dict[PurePosixPath, bool] = {}

    def path(self, name: str, is_folder: bool) -> Path | None:
        """Where the member goes; None for what is left out."""
        path = PurePosixPath(name)
        if "__MACOSX" in path.parts or path.name == ".DS_Store":
            return None
        if not path.parts and not is_folder:
            raise self.refusal(name, "it has no name")
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
            raise self.refusal(name, "its path leads out of the folder")
        if "\\" in name or "\0" in name:
            raise self.refusal(name, "its path has a backslash or a zero byte")
        is_in_file = not all(self._seen.setdefault(parent, True) for parent in path.parents)
        if is_in_file or (path in self._seen and not (is_folder and self._seen[path])):
            raise self.refusal(name, "another member has the same name")
        self._seen[path] = is_folder
        return self.folder / path

    def holds_file(self, name: str) -> bool:
        """Whether a member of this name that is not a folder has come."""
        return self._seen.get(PurePosixPath(name)) is False

    def require_target(self, link: Path, name: str) -> None:
        """Refuse a link that leads out, to nothing or to itself."""
        try:
            target = Path(os.path.realpath(link, strict=True))
            is_inside = target.is_relative_to(os.path.realpath(self.folder))
        except OSError:
            is_inside = False
        if not is_inside:
            raise self.refusal(name, _BAD_LINK)

    @contextmanager
    def naming(self, name: str) -> Iterator[None]:
        """Name the member whose name cannot be that of a file on this disk."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ):
                raise
            raise self.refusal(name, error.strerror) from error

    def expect(self, size: int) -> None:
        """Refuse before anything is written what cannot fit."""
        _require_plausible(self.archive, size)
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise SeglossError(
                f"{self.archive}: unpacks to {size} bytes, {free} are free at {self.folder.parent}; free space there"
            )

    def wrote(self, size: int) -> None:
        self._written += size
        if self._written > self._limit:
            raise SeglossError(f"{self.archive}: unpacks to more than the plausible {self._limit} bytes; not unpacked")

    def refusal(self, name: str, reason: str) -> SeglossError:
        return SeglossError(
            f"{self.archive}: member {shortened(name)} is refused: {reason}; unpack the archive by hand"
        )


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGES as error:
        reason = str(error)[:200] or type(error).__name__  # it may quote a name of any length
        raise SeglossError(f"{archive}: damaged ({reason}); delete it and run again") from error


def _unzip(archive: Path, members: _Members) -> None:
    with zipfile.ZipFile(archive) as directory, archive.open("rb") as raw:
        members.expect(sum(entry.file_size for entry in directory.infolist()))
        for entry in directory.infolist():
            path = members.path(entry.orig_filename, _is_folder(entry))
            if path is None:
                continue
            _refuse_special(entry, members)
            with members.naming(entry.filename):
                (path if _is_folder(entry) else path.parent).mkdir(parents=True, exist_ok=True)
                if not _is_folder(entry):
                    with directory.open(_located(entry, raw)) as content:
                        _copy(content, path, entry.file_size, members)


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith("/")  # is_dir fails where the name is empty


def _is_encrypted(entry: zipfile.ZipInfo) -> bool:
    return bool(entry.flag_bits & 1)


def _refuse_special(entry: zipfile.ZipInfo, members: _Members) -> None:
    if _is_encrypted(entry):
        raise members.refusal(entry.filename, "it is encrypted")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise members.refusal(entry.filename, "it is a link or a device")


def _located(entry: zipfile.ZipInfo, raw: IO[bytes]) -> zipfile.ZipInfo:
    """The entry with the offset where its header stands, which may be given modulo ``_OFFSET_RANGE``."""
    for offset in range(entry.header_offset, -1, -_OFFSET_RANGE):
        if _header_stands_at(offset, entry, raw):
            break
    else:
        raise zipfile.BadZipFile(f"no header of {entry.filename!r}")
    located = zipfile.ZipInfo(entry.orig_filename)
    for known in ("compress_type", "compress_size", "file_size", "CRC", "flag_bits"):
        setattr(located, known, getattr(entry, known))
    located.header_offset = offset
    return located


def _header_stands_at(offset: int, entry: zipfile.ZipInfo, raw: IO[bytes]) -> bool:
    raw.seek(offset)
    header = raw.read(30)
    if len(header) < 30 or not header.startswith(b"PK\3\4"):
        return False
    name = raw.read(struct.unpack_from("<H", header, 26)[0])
    return name == entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "replace")


def _copy(content: IO[bytes], path: Path, size: int, members: _Members) -> None:
    with path.open("xb") as stream:
        while chunk := content.read(_CHUNK):
            members.wrote(len(chunk))
            stream.write(chunk)
    if path.stat().st_size != size:
        raise zipfile.BadZipFile(f"{path.stat().st_size} bytes instead of {size} in {path.name!r}")


def _untar(archive: Path, members: _Members) -> None:
    members.expect(archive.stat().st_size)  # how much it unpacks to is known only when it is unpacked
    links = {}
    for tar, member in _tar_members(archive):
        has_target = not member.islnk() or members.holds_file(member.linkname)
        path = members.path(member.name, member.isdir())
        if path is None:
            continue
        if not has_target:
            raise members.refusal(member.name, _BAD_LINK)
        members.wrote(member.size if member.isreg() else 0)
        with members.naming(member.name):
            try:
                tar.extract(member, members.folder, set_attrs=False, filter="data")
            except tarfile.FilterError as error:
                raise members.refusal(member.name, _BAD_LINK) from error
        if member.islnk() or member.issym():
            links[path] = member.name
    for link, name in links.items():  # at the end, as a link may stand before its target
        members.require_target(link, name)


def _tar_members(archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members one after another; a cut-off archive is reported at its end."""
    with archive.open("rb") as raw, _decompressed(raw) as content:
        stream = _Stream(content)
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                yield tar, member
        if stream.last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("no end of the archive")
        while stream.read(_CHUNK):  # to the checksum at the end of a compressed one
            pass


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    is_compressed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.open(raw) if is_compressed else raw


class _Stream:
    """A stream that keeps what was read last: tarfile takes a cut-off header for the end of the archive."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.last = b""
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        self.last = self._stream.read(size)
        return self.last
