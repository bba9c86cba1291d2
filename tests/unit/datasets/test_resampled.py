"""Prepared cases on another grid."""

from pathlib import Path

import numpy as np
import pytest
from conftest import classes

from lib.config.schema import Resampling
from lib.datasets.adapters import resampled
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.files import write_json
from lib.store import Case, write_case, write_excluded

AFFINE = np.array([[-0.8, 0, 0, 10], [0, 0.8, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    label = np.zeros((12, 10, 6), np.uint8)
    label[2:8, 2:8, 1:5] = 1
    image = np.random.default_rng(0).normal(size=(2, 12, 10, 6)) + label
    write_case(tmp_path / "a", "a", Case(image, label, (0.8, 0.8, 2.0), "p", AFFINE))
    write_excluded(tmp_path / "b", "b", "too bad")
    parts = {"train": ("a", "b"), "validation": (), "test": ()}
    Index({"a": IndexedCase("p"), "b": IndexedCase("q")}, {"holdout": parts}).write(tmp_path / "index.json")
    return tmp_path


def prepare(folder: Path, case: str, fingerprint: Path | None = None, by_slice: bool = False, **grid: object) -> Case:
    parameters = {"resampling": Resampling(**grid).model_dump(mode="json"), "by_slice": by_slice}
    parameters |= {"labels": classes(2).as_json()}
    places = [folder / "index.json", *([fingerprint] if fingerprint else [])]
    found = resampled.index(RawFiles(places), parameters)
    assert found.splits["holdout"]["train"] == ("a", "b")
    return resampled.prepare(case, found.cases[case], parameters)


def test_a_case_on_a_coarser_grid_lies_where_it_lay(prepared: Path) -> None:
    made = prepare(prepared, "a", factor=2)
    assert made.image.shape == (2, 6, 5, 3) and made.label.shape == (6, 5, 3)
    assert made.spacing == (1.6, 1.6, 4.0) and made.patient == "p"
    corner = AFFINE @ [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(made.affine @ [-0.5, -0.5, -0.5, 1], corner)
    np.testing.assert_allclose(made.affine @ [5.5, 4.5, 2.5, 1], AFFINE @ [11.5, 9.5, 5.5, 1])
    np.testing.assert_array_equal(made.label[1:4, 1:4, 1], 1)


def test_a_spacing_in_mm_and_the_median(prepared: Path, tmp_path: Path) -> None:
    assert prepare(prepared, "a", spacing=(1.6, 0.8, 1.0)).label.shape == (6, 10, 12)
    write_json(tmp_path / "other/fingerprint.json", {"cases": ["b"], "target_spacing": [0.8, 0.8, 1.0]})
    made = prepare(prepared, "a", fingerprint=tmp_path / "other/fingerprint.json", spacing="median")
    assert made.label.shape == (12, 10, 12) and made.spacing == (0.8, 0.8, 1.0)


def test_slices_stay_where_a_network_sees_them_one_by_one(prepared: Path) -> None:
    assert prepare(prepared, "a", by_slice=True, factor=2).label.shape == (6, 5, 6)


def test_nothing_changes_at_the_same_spacing(prepared: Path) -> None:
    made = prepare(prepared, "a", spacing=(0.8, 0.8, 2.0))
    native = prepare(prepared, "a")
    np.testing.assert_array_equal(made.image, native.image)
    np.testing.assert_array_equal(made.label, native.label)


def test_what_was_excluded_stays_so(prepared: Path) -> None:
    with pytest.raises(CaseExcluded, match="too bad"):
        prepare(prepared, "b", factor=2)
