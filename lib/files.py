"""Files that appear only when complete."""

import errno
import fcntl
import glob
import hashlib
import json
import os
import platform
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from lib.errors import SeglossError

UNFINISHED = ".unfinished"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path next to ``path`` to write a file or a folder to; rename it to ``path`` on success.

    On any failure the half-written file or folder is removed and ``path`` stays as it was.

    Raises:
        SeglossError: the disk is full, the folder cannot be written, or the like.
    """
    path = Path(path)
    # a name of its own, as another process may be writing the same
    temporary = path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}{UNFINISHED}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path, of_the_dead_alone=True)
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise SeglossError(f"{path}: cannot be written: {reason}; free space or check permissions") from error
    finally:
        _remove(temporary)


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Keep every other process from what the lock file ``path`` stands for; where the file system has locks.

    Raises:
        SeglossError: another process holds it.
    """
    with _locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> TextIO:
    """The lock file, open and locked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise SeglossError(f"{path}: cannot be written: {error.strerror}; free space or check permissions") from error
    try:  # lockf, not flock: the processes that load data for this one do not inherit it
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except FileNotFoundError:
        pass  # who held it has removed it since it was opened
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            return file  # no locks on this file system
        file.close()
        raise SeglossError(
            f"{path.parent}: another process is at work there; wait until it is done, or end it"
            " (jobs go on when their Snakemake is killed)"
        ) from None
    file.close()
    return _locked(path)


def remove_unfinished(path: Path, of_the_dead_alone: bool = False) -> None:
    """Remove what killed processes have left of ``path`` before it was complete.

    Args:
        of_the_dead_alone: leave what belongs to a process that is alive, or on another machine.
    """
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        host, _, number = temporary.name[len(path.name) + 2 : -len(UNFINISHED)].rpartition("-")
        if not of_the_dead_alone or (host == platform.node() and not _is_alive(number)):
            _remove(temporary)


def _is_alive(process: str) -> bool:
    if not process.isdecimal() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):  # nothing there, or the folder or name is the fault already being reported
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        SeglossError: it cannot be read, or is a folder, a device, or a pipe, which would be waited for.
        UnicodeDecodeError: it is not UTF-8.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise SeglossError(f"{path}: cannot be read: a file was expected, no folder, pipe or device")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SeglossError(f"{path}: cannot be read: {error.strerror}") from error


def read_json(path: Path, remedy: str = "delete the file and make it again") -> Any:
    """Read a JSON file; ``remedy`` says what to do about a damaged one.

    Raises:
        SeglossError: the file is missing, no file, truncated or not JSON, or has a key twice in one object.
    """
    try:
        return json.loads(read_text(path), object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise SeglossError(f"{path}: not valid JSON ({error}); {remedy}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in content if keys.count(key) > 1)!r}")
    return content


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; computed once while the file stays as it is."""
    state = Path(path).stat()
    return _sha256(Path(path), state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=100_000)
def _sha256(path: Path, *_state: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
