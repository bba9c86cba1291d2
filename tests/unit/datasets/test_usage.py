"""The line that says what became of a data set's files."""

from pathlib import Path

import numpy as np
import pytest

from lib.config.schema import Folders
from lib.datasets.index import Index, IndexedCase
from lib.datasets.usage import usage, usage_line
from lib.errors import SeglossError
from lib.files import read_json, write_json
from lib.paths import Paths
from lib.store import Case, check_part, write_case, write_excluded


def description(spacing: tuple[float, ...] = (1, 1, 1), notes: tuple[str, ...] = ()) -> dict:
    return {
        "spacing": spacing,
        "shape": [4] * len(spacing),
        "notes": notes,
        "class_voxels": {"0": 60, "1": 4},
    }


def index(*cases: str, **fields: object) -> Index:
    parts = {"train": tuple(cases), "validation": (), "test": ()}
    return Index({case: IndexedCase(case) for case in cases}, {"holdout": parts}, **fields)


def test_all_cases_used() -> None:
    assert usage(index("a", "b"), {"a": description(), "b": description()}) == ["2 cases used, none left out"]


def test_the_commonest_reason_is_named_whatever_numbers_stand_in_it() -> None:
    cases = {f"c{number}": {"excluded": f"the mask holds label {number}"} for number in range(3)}
    cases |= {"x": {"excluded": "the mask is empty"}, "good": description()}
    found = usage(index(*cases, excluded={"y": "no label among the raw files"}), cases)
    assert found == ["1 case used, 5 left out, most often (3) as c0: the mask holds label 0"]


def test_mixed_spacing_notes_on_files_and_on_the_folder() -> None:
    cases = {
        "a": description((0.6, 0.6, 10), ("a.nii.gz: turned",)),
        "b": description((4, 0.6, 1)),
        "c": {"excluded": "x"},
    }
    _, spacing, noted, folder = usage(index(*cases, notes=("2 files ignored",)), cases)
    assert spacing == (
        "the spacing differs between cases, 0.6 to 4 x 0.6 to 0.6 x 1 to 10 mm, and nothing is resampled"
    )
    assert noted == "1 case with a note in cases.csv, such as a: a.nii.gz: turned"
    assert folder == "2 files ignored"
    assert len(usage(index("a"), {"a": description((1.0, 1.0, 1.005))})) == 1


def test_the_line_of_a_data_set(tmp_path: Path) -> None:
    paths = Paths(Folders(data=str(tmp_path), results="results"))
    assert usage_line("mine", paths, 16) is None
    found = index("a", "b")
    found.write(Path(paths.index("mine")))
    assert usage_line("mine", paths, 16) is None  # not prepared yet
    (bundle,) = found.bundles(16)
    write_json(
        Path(paths.bundle("mine", bundle)),
        {"code": "", "cases": {"a": description(), "b": {"excluded": "NaN"}}},
    )
    assert usage_line("mine", paths, 16) == (
        "data mine: 1 case used, 1 left out, as b: NaN (all reasons: results/data/mine/excluded.csv, made with"
        " plots/data/mine.pdf)"
    )


def test_a_part_that_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    label = np.zeros((4, 4), np.uint8)
    image = np.arange(16.0).reshape(1, 4, 4)
    write_case(tmp_path / "empty", "empty", Case(image, label, (1, 1), "p"), ["a note"])
    write_excluded(tmp_path / "bad", "bad", "it holds NaN")
    empty, bad = (read_json(tmp_path / case / "case.json") for case in ("empty", "bad"))
    assert empty["notes"] == ["a note"]
    with pytest.raises(SeglossError, match=r"^validation: the masks of all its usable cases \(1\) are empty"):
        check_part({"empty": empty, "bad": bad}, "validation")
    with pytest.raises(SeglossError, match=r"^test: none of its cases \(1\) can be used; bad: it holds NaN; correct"):
        check_part({"bad": bad}, "test")
    with pytest.raises(SeglossError, match=r"^test: it has no case; give it some"):
        check_part({}, "test")
    label[1, 1] = 1
    write_case(tmp_path / "good", "good", Case(image, label, (1, 1), "p"))
    check_part({"empty": empty, "good": read_json(tmp_path / "good/case.json")}, "test")


@pytest.mark.parametrize("content", [{}, [], {"cases": {"a": description()}}, {"cases": 3}])
def test_damaged_lists_of_cases_are_refused(tmp_path: Path, content: object) -> None:
    paths, found = Paths(Folders(data=str(tmp_path))), index("a", "b")
    found.write(Path(paths.index("mine")))
    (bundle,) = found.bundles(16)
    write_json(Path(paths.bundle("mine", bundle)), content)
    with pytest.raises(SeglossError, match="damaged"):
        usage_line("mine", paths, 16)


def test_names_of_cases_within_words_do_not_part_reasons() -> None:
    cases = {
        "a": {"excluded": "the mask is empty"},
        "b": {"excluded": "the mask is empty"},
        "c": {"excluded": "x"},
    }
    (found,) = usage(index(*cases), cases)
    assert found == "0 cases used, 3 left out, most often (2) as a: the mask is empty"
