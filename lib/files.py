"""Files that appear only when complete."""

import errno
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lib.errors import SeglossError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file or a folder to; rename it to ``path`` on success.

    On any failure the half-written file or folder is removed and ``path`` stays as it was.

    Raises:
        SeglossError: the disk is full, the folder cannot be written, or the like.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(beside)  # what a killed job left
        yield beside
        if path.is_dir():
            shutil.rmtree(path)
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise SeglossError(f"{path}: cannot be written: {reason}; free space or check permissions") from error
    finally:
        _remove(beside)


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Keep every other process from what the lock file ``path`` stands for; where the file system has locks.

    Raises:
        SeglossError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:  # lockf, not flock: the processes that load data for this one do not inherit it
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise SeglossError(
                    f"{path.parent}: another process is at work there; wait until it is done, or end it"
                    " (jobs go on when their Snakemake is killed)"
                ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # nothing there, or the folder is the fault already being reported
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path, remedy: str = "delete the file and make it again") -> Any:
    """Read a JSON file; ``remedy`` says what to do about a damaged one.

    Raises:
        SeglossError: the file is missing, truncated or not JSON, or has a key twice in one object.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"), object_pairs_hook=_unique_keys)
    except OSError as error:
        raise SeglossError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SeglossError(f"{path}: not valid JSON ({error}); {remedy}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in content if keys.count(key) > 1)!r}")
    return content


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
