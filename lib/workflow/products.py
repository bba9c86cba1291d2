"""What a job made, and of what: recorded when it ends, compared with what is there when the next call makes its plan.

The record lies beside the first of the job's outputs, ``.<name>.made``. The job writes size, time and SHA-256 of every
file that it made, those included that Snakemake does not know; a job that has begun and has not ended has no record.
The call that started the job adds the settings and inputs of which it was made, when it has seen the job's end.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from lib.errors import SeglossError
from lib.files import held_alone, read_json, remove_unfinished, sha256, write_json

NEVER_MADE = "not made"


def record_of(output: Path) -> Path:
    """The record of a job, by its first output."""
    return output.with_name(f".{output.name}.made")


@contextmanager
def making(outputs: Sequence[Path]) -> Iterator[list[Path]]:
    """Keep other processes from what a job makes, and record it when the job ends well.

    Args:
        outputs: of the job, as Snakemake knows them, files or folders.

    Yields:
        A list for further files that the job makes.

    Raises:
        SeglossError: another process makes the same.
    """
    record, further = record_of(outputs[0]), []
    with held_alone(record.with_suffix(".lock")):
        record.unlink(missing_ok=True)
        for output in outputs:
            remove_unfinished(output)
        yield further
        files = sorted({file for path in [*outputs, *further] for file in _files(path)})
        write_json(record, {"files": {os.path.relpath(file, record.parent): _state(file) for file in files}})


def _files(path: Path) -> Iterable[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _state(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {"size": stat.st_size, "time": stat.st_mtime_ns, "sha256": sha256(file)}


def complete(output: Path, settings: str, inputs: Mapping[str, str]) -> None:
    """Add to the record of the job with this first output of what it was made, if it has a record.

    Args:
        output: the first output of the job.
        settings: digest of all that decides the products but the inputs.
        inputs: SHA-256 of each recorded input by its path from the folder of ``output``.
    """
    record = record_of(output)
    if record.is_file():
        write_json(record, read_json(record) | {"settings": settings, "inputs": dict(inputs)})


def made_of(output: Path) -> tuple[str | None, Mapping[str, str]]:
    """The settings and inputs of which this job made its products; None and none if no call has seen its end."""
    made = read_json(record_of(output))
    settings, inputs = made.get("settings"), made.get("inputs")
    return (settings, inputs) if isinstance(settings, str) and isinstance(inputs, dict) else (None, {})


@cache  # a plan asks again after each checkpoint, and what has been made since then it does not ask for
def fault(output: Path) -> str | None:
    """Why what the job with this first output made cannot be used; None where all is as it was made.

    Content is read where size or time have changed, and the record corrected where content has not.

    Raises:
        SeglossError: a file cannot be read.
    """
    record = record_of(output)
    try:
        whole = read_json(record)
        made, touched = dict(whole["files"]), False
        for file, recorded in zip(_paths(record, made), made.values(), strict=True):
            if not file.is_file():
                return f"{os.path.relpath(file)} is missing"
            stat, content = file.stat(), recorded["sha256"]
            if (stat.st_size, stat.st_mtime_ns) != (recorded["size"], recorded["time"]):
                if stat.st_size != recorded["size"] or sha256(file) != content:
                    return f"{os.path.relpath(file)} is not as it was made"
                recorded["time"] = stat.st_mtime_ns
                touched = True
    except OSError as error:
        raise SeglossError(
            f"{error.filename}: cannot be read: {error.strerror}; make it readable and run again"
        ) from error
    except (SeglossError, KeyError, TypeError, ValueError, AttributeError):
        made, touched = {}, False
    if touched:
        with suppress(SeglossError, OSError):  # to correct times saves time, and is not worth a failure
            write_json(record, whole)
    if not made:
        there = output.exists() or record.exists()
        return f"{output} has no record of a job that ended well" if there else NEVER_MADE
    return None


def checksums(output: Path) -> dict[str, str]:
    """The SHA-256 of every file that the job with this first output made, by absolute path."""
    record = record_of(output)
    return _checksums(record, record.stat().st_mtime_ns)


@cache
def _checksums(record: Path, changed: int) -> dict[str, str]:
    made = read_json(record)["files"]
    return {str(path): of_file["sha256"] for path, of_file in zip(_paths(record, made), made.values(), strict=True)}


def _paths(record: Path, names: Iterable[str]) -> list[Path]:
    return [Path(absolute(record.parent / name)) for name in names]


def absolute(path: str | Path) -> str:
    """The path from the root, without a look at links on the way, as ``os.path.relpath`` takes it."""
    return os.path.normpath(Path(path).absolute())
