"""The registry of data sets, the index with its splits, and the search among raw files."""

import re
from itertools import chain
from pathlib import Path

import pytest

from lib.datasets import DATASETS
from lib.datasets.index import (
    SPLITS,
    Index,
    IndexedCase,
    drawn_index,
    folds_by_patient,
    numbered,
    read_index,
    split_by_patient,
)
from lib.datasets.raw import RawFiles, digest_of_names, natural
from lib.datasets.sources import source_names
from lib.errors import SeglossError


def index(**splits: dict[str, tuple[str, ...]]) -> Index:
    cases = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    return Index({case: IndexedCase(patient, {"image": [case]}) for case, patient in cases.items()}, splits)


def test_every_data_set_has_known_sources_and_names_what_it_holds() -> None:
    for dataset in DATASETS.values():
        assert set(dataset.sources) <= set(source_names())
        assert len(dataset.labels.names) >= 2 and dataset.channels and dataset.splits
        assert (dataset.known_index is None) == bool(dataset.sources)


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    written = index(holdout={"train": ("a1", "a2"), "validation": (), "test": ("b1",)})
    written.excluded["d"] = "no mask"
    written.write(tmp_path / "index.json")
    assert read_index(tmp_path / "index.json") == written
    (tmp_path / "index.json").write_text('{"cases": 3}')
    with pytest.raises(SeglossError, match=r"index\.json: not an index of cases"):
        read_index(tmp_path / "index.json")


def test_bundles_hold_every_case_once_and_only_cases_that_lie_in_the_same_parts() -> None:
    cases = {f"c{number}": IndexedCase(f"c{number}") for number in range(100)}
    names = tuple(cases)
    splits = {
        "one": {"train": names[:60], "validation": names[60:65], "test": names[65:]},
        "two": {"train": names[30:], "test": names[:30]},
    }
    bundles = Index(cases, splits).bundles(8)
    assert sorted(case for bundle in bundles.values() for case in bundle) == sorted(names)
    for bundle in bundles.values():
        for parts in splits.values():
            assert all(set(bundle) <= set(ids) or not set(bundle) & set(ids) for ids in parts.values())
    assert 100 / 8 <= len(bundles) <= 100 / 8 + 4
    assert max(map(len, bundles.values())) <= 2 * 8
    fewer = {case: entry for case, entry in cases.items() if case != "c3"}
    kept = {
        split: {p: tuple(c for c in ids if c != "c3") for p, ids in parts.items()} for split, parts in splits.items()
    }
    others = Index(fewer, kept).bundles(8)
    assert [name for name in bundles if bundles[name] != others.get(name)] == [
        name for name, bundle in bundles.items() if "c3" in bundle
    ]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": ("a1",), "test": ("a2",)}, "patient 'a' (case 'a2') is in train and in test"),
        ({"train": ("a1", "a1")}, "part 'train' names a case twice"),
        ({"training": ("a1",)}, "unknown part 'training'"),
    ],
)
def test_faulty_splits_are_refused(parts: dict, message: str) -> None:
    with pytest.raises(SeglossError) as caught:
        index(mine=parts).checked("set")
    assert str(caught.value).startswith("data set set, split 'mine': ")
    assert message in str(caught.value)


def test_splits_are_cut_down_to_what_is_there_and_the_rest_is_reported() -> None:
    checked = index(mine={"train": ("a1", "gone"), "test": ("b1",)}).checked("set")
    assert checked.splits["mine"] == {"train": ("a1",), "validation": (), "test": ("b1",)}
    assert checked.excluded == {"gone": "named by the split 'mine', but not among the raw files"}


def test_a_data_set_without_usable_case_says_why() -> None:
    with pytest.raises(SeglossError, match="data set set: no usable case among 1; x: no mask"):
        Index({}, {}, {"x": "no mask"}).checked("set")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 41])
def test_drawn_splits_are_by_patient_complete_and_repeat(count: int) -> None:
    patients = {f"{number}_{visit}": str(number) for number in range(count) for visit in range(1 + number % 3)}
    drawn = split_by_patient(patients, 3, validation=0.1, test=0.2)
    assert drawn == split_by_patient(patients, 3, validation=0.1, test=0.2)
    assert sorted(case for part in drawn.values() for case in part) == sorted(patients)
    sides = [{patients[case] for case in drawn[part]} for part in SPLITS]
    assert sum(map(len, sides)) == count
    assert sides[0]  # something to train on
    if count > 2:
        assert sides[1] and sides[2]
    if count == 41:
        assert list(map(len, sides)) == [29, 4, 8]
        assert drawn != split_by_patient(patients, 4, validation=0.1, test=0.2)


@pytest.mark.parametrize(("patients", "folds"), [(10, 5), (11, 3), (7, 7), (2, 2)])
@pytest.mark.parametrize("validation", [0.0, 0.1, 0.3])
def test_every_patient_is_tested_in_one_fold_and_never_on_two_sides(
    patients: int, folds: int, validation: float
) -> None:
    patient_of = {f"p{number % patients:02d}_{number}": f"p{number % patients:02d}" for number in range(2 * patients)}
    splits = folds_by_patient(patient_of, 3, folds, validation)
    assert [*splits] == [f"fold-{number}" for number in range(folds)]
    tested, index = [], Index({case: IndexedCase(patient) for case, patient in patient_of.items()}, splits)
    for parts in index.checked("mine").splits.values():  # refuses a patient on two sides
        assert sorted(chain.from_iterable(parts.values())) == sorted(patient_of)
        sizes = {part: len({patient_of[case] for case in cases}) for part, cases in parts.items()}
        assert sizes["test"] in (patients // folds, -(-patients // folds)) and sizes["train"] >= 1
        assert sizes["validation"] == min(
            max(round(validation * patients), validation > 0), patients - sizes["test"] - 1
        )
        tested += parts["test"]
    assert sorted(tested) == sorted(patient_of)
    assert len(index.bundles(1000)) <= 3 * folds
    assert splits == folds_by_patient(patient_of, 3, folds, validation)
    assert patients == 2 or splits != folds_by_patient(patient_of, 4, folds, validation)


def test_repeated_folds_test_every_patient_again_in_another_order() -> None:
    patients = {f"p{number:02d}": f"p{number:02d}" for number in range(20)}
    first, second = (folds_by_patient(patients, 3, 5, 0.1, repeat) for repeat in (0, 1))
    assert [*second] == [f"repeat-1-{name}" for name in first]
    for drawn in (first, second):
        assert sorted(case for parts in drawn.values() for case in parts["test"]) == sorted(patients)
    assert {frozenset(parts["test"]) for parts in first.values()}.isdisjoint(
        frozenset(parts["test"]) for parts in second.values()
    )


def test_drawn_index_takes_patients_from_ids() -> None:
    made = drawn_index({"p1_a": {}, "p1_b": {}, "p2_a": {}}, {}, lambda case: case[:2])
    assert {case: entry.patient for case, entry in made.cases.items()} == {
        "p1_a": "p1",
        "p1_b": "p1",
        "p2_a": "p2",
    }


def test_numbered_cases_may_leave_a_part_empty(tmp_path: Path) -> None:
    made = numbered("a_", train=2, validation=0, test=1)
    assert made.splits["holdout"] == {"train": ("a_000", "a_001"), "validation": (), "test": ("a_002",)}
    assert made.checked("set") == made
    made.write(tmp_path / "index.json")
    assert read_index(tmp_path / "index.json") == made


@pytest.fixture
def raw(tmp_path: Path) -> RawFiles:
    for name in (
        "x/img/1.png",
        "x/img/10.png",
        "x/img/2.png",
        "x/mask/1.png",
        "y/mask/2.png",
        "z/mask/2.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("x/img/._3.png", "__MACOSX/img/4.png", ".hidden/img/5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return RawFiles([tmp_path])


PATTERNS = {"image": r"img/(?P<id>\d+)\.png", "mask": r"mask/(?P<id>\d+)\.png"}


def test_files_are_paired_by_id_wherever_they_lie(raw: RawFiles) -> None:
    complete, incomplete = raw.cases(PATTERNS)
    assert list(complete) == ["1"]
    assert list(incomplete) == ["2", "10"]
    assert incomplete["2"].startswith("duplicate id: masks ") and "y/mask/2.png" in incomplete["2"]
    assert incomplete["10"] == "no mask among the raw files"


def test_cases_are_sorted_by_their_numbers_whatever_else_their_names_hold() -> None:
    assert sorted(["a10", "a²", "a2", "b1", "7"], key=natural) == ["7", "a2", "a10", "a²", "b1"]


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (r"pictures/(?P<id>\d+)\.png", "pictures/<number>.png"),
        (r"subset\d/(?P<id>[\d.]+)\.z?raw", "subset<digit>/<name>.[z]raw"),
        (
            r"(?<!/test/)(?:a|b)/(?P<id>x_\d{3})/(?:[^/]+/)?T1\.nii(?:\.gz)?",
            "(a|b)/x_<3 digits>/[<name>/]T1.nii[.gz]",
        ),
    ],
)
def test_files_of_another_layout_are_reported(raw: RawFiles, pattern: str, shown: str) -> None:
    with pytest.raises(SeglossError, match=re.escape(f"no image found: no file is named {shown}; is this the layout")):
        raw.cases({"image": pattern})


def test_one_file_is_one(raw: RawFiles) -> None:
    with pytest.raises(SeglossError, match=r": 2 files mask/2\.png; exactly one was expected"):
        raw.one(r"mask/2\.png")
    with pytest.raises(SeglossError, match="no such folder of raw files"):
        RawFiles([raw.places[0] / "gone"]).matching("x")


def test_another_set_of_names_has_another_digest(raw: RawFiles) -> None:
    before = digest_of_names(raw.places)
    (raw.places[0] / "x/img/1.png").write_text("other content")
    assert digest_of_names(raw.places) == before
    (raw.places[0] / "x/img/7.png").touch()
    assert digest_of_names(raw.places) != before
