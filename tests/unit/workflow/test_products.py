"""What a job made is recorded, kept from other processes, and compared with what is there later."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lib import ROOT
from lib.errors import SeglossError
from lib.files import atomic_path, write_text
from lib.workflow import products
from lib.workflow.products import NEVER_MADE, checksums, complete, fault, made_of, making, record_of


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The first output of a job that made a file, a folder, and a file that Snakemake does not know."""
    outputs = [tmp_path / "a.csv", tmp_path / "folder"]
    with making(outputs) as further:
        write_text(outputs[0], "a")
        for name in ("b", "c"):
            write_text(outputs[1] / name, name)
        write_text(tmp_path / "deep/d", "d")
        further.append(tmp_path / "deep/d")
    return outputs[0]


def test_what_is_as_it_was_made_has_no_fault(made: Path) -> None:
    assert fault(made) is None
    assert {Path(path).name for path in checksums(made)} == {"a.csv", "b", "c", "d"}


SPOILT: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "truncated": lambda path: os.truncate(path, 0),
    "replaced": lambda path: path.write_text("x"),
    "replaced by a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("name", ["a.csv", "folder/c", "deep/d"])
def test_what_is_not_as_it_was_made_is_named(made: Path, name: str, how: str) -> None:
    SPOILT[how](made.parent / name)
    assert name in fault(made)


def test_touched_files_are_read_once_and_no_fault(made: Path) -> None:
    before = record_of(made).read_text()
    os.utime(made, (1e9, 1e9))
    assert fault(made) is None
    assert record_of(made).read_text() != before
    made.write_text("b")
    os.utime(made, (1e9, 1e9))  # as bytes that change on a disk: only reading them shows it
    fault.cache_clear()
    assert fault(made) is None


def test_times_that_cannot_be_corrected_are_no_fault(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SeglossError("no space left")

    monkeypatch.setattr(products, "write_json", full)
    os.utime(made, (1e9, 1e9))
    assert fault(made) is None


def test_a_file_that_cannot_be_read_is_no_reason_to_make_it_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr(products, "sha256", stale)
    os.utime(made, (1e9, 1e9))
    with pytest.raises(SeglossError, match=r"a\.csv: cannot be read: Stale file handle"):
        fault(made)


def test_what_a_job_was_made_of_is_added_to_its_record(made: Path) -> None:
    assert made_of(made) == (None, {})
    complete(made, "digest", {"../input.csv": "12"})
    assert made_of(made) == ("digest", {"../input.csv": "12"})
    assert fault(made) is None and len(checksums(made)) == 4
    record_of(made).write_text(record_of(made).read_text().replace('"digest"', "5"))
    assert made_of(made) == (None, {})
    with making([made]):
        assert fault(made.with_name("other")) == NEVER_MADE
        complete(made, "digest", {})  # of a job that is at work again
        assert not record_of(made).exists()


def test_a_job_that_did_not_end_well_has_no_record(made: Path) -> None:
    with pytest.raises(SeglossError, match="full"), making([made]):
        raise SeglossError("full")
    assert "has no record of a job that ended well" in fault(made)
    assert fault(made.with_name("other")) == NEVER_MADE


@pytest.mark.parametrize(
    "damage",
    ["{", "[]", '{"files": {"a.csv": 1}}', '{"files": 1}', '{"files": {}}', '{"files": {"a.csv": {}}}', ""],
)
def test_a_damaged_record_is_none(made: Path, damage: str) -> None:
    record_of(made).write_text(damage)
    assert "has no record" in fault(made)


HOLD = """
import sys, time
from pathlib import Path
from lib.files import atomic_path
from lib.workflow.products import making
output = Path(sys.argv[1])
with making([output]), atomic_path(output) as temporary:
    temporary.write_text("first")
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    output = tmp_path / "product"
    first = subprocess.Popen([sys.executable, "-c", HOLD, output], stdout=subprocess.PIPE, cwd=ROOT)
    assert first.stdout.readline() == b"held\n"
    with pytest.raises(SeglossError, match="another process is at work there"), making([output]):
        pytest.fail("was let in")
    assert list(tmp_path.glob(".product.*.unfinished"))
    with atomic_path(output) as temporary:  # who writes without asking does not touch the other's file
        temporary.write_text("second")
    assert len(list(tmp_path.glob(".product.*.unfinished"))) == 1
    first.kill()
    first.wait()
    time.sleep(0.01)
    with making([output]):
        write_text(output, "third")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".product.made", "product"]
