"""What a job made: recorded when it ends, and compared with what is there when the next call makes its plan.

The record lies beside the first of the job's outputs, ``.<name>.made``, and holds size, time and SHA-256 of every file
that the job made, those included that Snakemake does not know. A job that has begun and has not ended has none.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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


@cache  # a plan asks again after each checkpoint, and what has been made since then it does not ask for
def fault(output: Path) -> str | None:
    """Why what the job with this first output made cannot be used; None where all is as it was made.

    Content is read where size or time have changed, and the record corrected where content has not.
    """
    record = record_of(output)
    try:
        made = read_json(record)["files"]
        touched = False
        for name, recorded in made.items():
            file = record.parent / name
            if not file.is_file():
                return f"{os.path.relpath(file)} is missing"
            stat = file.stat()
            if (stat.st_size, stat.st_mtime_ns) != (recorded["size"], recorded["time"]):
                if stat.st_size != recorded["size"] or sha256(file) != recorded["sha256"]:
                    return f"{os.path.relpath(file)} is not as it was made"
                recorded["time"] = stat.st_mtime_ns
                touched = True
        if touched and os.access(record.parent, os.W_OK):
            write_json(record, {"files": made})
    except (SeglossError, KeyError, TypeError, AttributeError):
        there = output.exists() or record.exists()
        return f"{output} has no record of a job that ended well" if there else NEVER_MADE
    except OSError as error:
        return f"{output}: {error.strerror}"
    return None


@cache
def checksums(output: Path) -> dict[str, str]:
    """The SHA-256 of every file that the job with this first output made, by normal path."""
    folder = str(output.parent)
    files = read_json(record_of(output))["files"]
    return {os.path.normpath(f"{folder}/{name}"): made["sha256"] for name, made in files.items()}
