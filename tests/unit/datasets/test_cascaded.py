"""Prepared cases within the region of a cascade."""

from pathlib import Path

import numpy as np
import pytest

from lib.config.cascade import SecondStage
from lib.datasets.adapters import cascaded
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.labels import Labels
from lib.store import Case, write_case, write_excluded

AFFINE = np.array([[-0.8, 0, 0, 10], [0, 0.8, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])
LIVER = Labels(("background", "liver", "tumour"))


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    label = np.zeros((12, 10, 6), np.uint8)
    label[3:8, 2:8, 1:5] = 1
    label[4:6, 4:6, 2:4] = 2
    image = 5 + np.random.default_rng(0).random(size=(2, 12, 10, 6))
    write_case(tmp_path / "a", "a", Case(image, label, (0.8, 0.8, 2.0), "p", AFFINE))
    write_excluded(tmp_path / "b", "b", "too bad")
    write_case(tmp_path / "c", "c", Case(image, 0 * label, (0.8, 0.8, 2.0), "q"))
    cases = {name: IndexedCase(name) for name in "abc"}
    Index(cases, {"holdout": {"train": ("a", "b"), "validation": (), "test": ("c",)}}).write(tmp_path / "index.json")
    return tmp_path


def prepare(folder: Path, case: str, **options: object) -> Case:
    stage = SecondStage(region=["liver", "tumour"], inside=["tumour"], **options)
    parameters = {"stage": stage.model_dump(mode="json"), "labels": LIVER.as_json()}
    found = cascaded.index(RawFiles([folder / "index.json"]), parameters)
    assert found.splits["holdout"]["train"] == ("a", "b")
    return cascaded.prepare(case, found.cases[case], parameters)


def test_a_case_is_cut_to_its_region_and_stays_where_it_lay(prepared: Path) -> None:
    made = prepare(prepared, "a")
    assert made.image.shape == (2, 5, 6, 4) and made.label.shape == (5, 6, 4)
    assert made.spacing == (0.8, 0.8, 2.0)
    assert np.argwhere(made.label == 1).min(0).tolist() == [1, 2, 1] and (made.label == 1).sum() == 8
    assert (made.label <= 1).all() and (made.image > 0).all()
    np.testing.assert_allclose(made.affine @ [0, 0, 0, 1], AFFINE @ [3, 2, 1, 1])


def test_what_is_around_the_region_is_blanked(prepared: Path) -> None:
    made = prepare(prepared, "a", dilate_mm=0.8)
    assert made.image.shape == (2, 7, 8, 4)
    assert (made.image[:, 0, 0] == 0).all() and (made.image[:, 0, 1:-1] > 0).all()
    assert (prepare(prepared, "a", dilate_mm=0.8, mask=False).image > 0).all()
    assert prepare(prepared, "a", crop=False).image.shape == (2, 12, 10, 6)


def test_a_case_without_a_region_and_what_was_excluded_are_left_out(prepared: Path) -> None:
    with pytest.raises(CaseExcluded, match="the region of liver, tumour is empty"):
        prepare(prepared, "c")
    with pytest.raises(CaseExcluded, match="too bad"):
        prepare(prepared, "b")
