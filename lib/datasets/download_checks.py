"""Whether a file that came is the right one, by all that is known of it."""

import gzip
import hashlib
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lib.datasets import archives
from lib.datasets.sources import SourceFile
from lib.errors import SeglossError
from lib.files import read_json, sha256, write_json

_PAGE = "a web page instead of the file: the address needs a login or has moved"
_MAGIC = {".gz": b"\x1f\x8b", ".png": b"\x89PNG", ".7z": b"7z\xbc\xaf\x27\x1c"}
_CHUNK = 2**20


class Fault(Exception):
    """The file cannot be had, or another one came: trying again would not help."""


class Damage(Fault):
    """The whole file came and is wrong: it may have suffered on the way."""


def verify(path: Path, file: SourceFile, record: Path | None, address: str) -> None:
    """Compare the whole file with all that is known of it, and remember what is not."""
    size = path.stat().st_size
    if file.size not in (None, size):
        raise Damage(page_or(head_of(path), f"{size} bytes found, {file.size} expected"))
    digest = sha256(path)
    if file.sha256 and not digest.startswith(file.sha256):
        raise Damage(page_or(head_of(path), f"SHA-256 {digest} found, {file.sha256} expected"))
    if file.md5 and (found := _md5(path)) != file.md5:
        raise Damage(page_or(head_of(path), f"MD5 {found} found, {file.md5} expected"))
    if not file.sha256 and not file.md5:
        _require_likeness(path, file.path)
    if record:
        _compare_with_record(record, {"size": size, "sha256": digest}, address)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _require_likeness(path: Path, name: str) -> None:
    """Without a checksum, the content must at least be of the kind that the name says."""
    head = head_of(path)
    expected = _MAGIC.get(Path(name).suffix.lower(), b"")
    if not head or page_or(head, "") or not head.startswith(expected):
        raise Damage(page_or(head, f"not a {Path(name).suffix} file" if head else "empty"))
    try:
        if archives.is_archive(name):
            archives.check(path, name)
        elif expected == _MAGIC[".gz"]:
            _read_through(path)
    except (SeglossError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Damage(f"the content is cut off or damaged ({error})") from error


def _read_through(path: Path) -> None:
    with gzip.open(path) as stream:
        while stream.read(_CHUNK):
            pass


def _compare_with_record(record: Path, found: dict[str, Any], address: str) -> None:
    known = recorded(record)
    if known is None:
        date = datetime.now(UTC).isoformat(timespec="seconds")
        return write_json(record, {**found, "address": address, "date": date})
    if any(known[key] != value for key, value in found.items()):
        raise Damage(
            f"SHA-256 {found['sha256']} found, {known['sha256']} by the first download, as {record} says;"
            " if the publisher has changed the file on purpose, delete this record"
        )


def recorded(record: Path | None) -> dict[str, Any] | None:
    """Size and SHA-256 of the first download, None before it."""
    if record is None or not os.path.lexists(record):
        return None
    known = read_json(record, "delete it and run again")
    kinds = {"size": int, "sha256": str}
    if not isinstance(known, dict) or any(not isinstance(known.get(key), kinds[key]) for key in kinds):
        raise SeglossError(f"{record}: no record of a download (size and sha256 are expected); delete it and run again")
    return known


def head_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(512)


def page_or(head: bytes, fault: str) -> str:
    """The fault, or that a web page came where the content begins like one."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return _PAGE if text.startswith((b"<!doctype html", b"<html", b"<!--")) else fault
