"""Phantoms with one lesion on a grey picture."""

import numpy as np
import pytest
from scipy import ndimage

from lib.datasets import DATASETS
from lib.datasets.phantoms.blobs import MARGIN, SHARE, SIDE, prepare
from lib.maps import connected_components
from lib.store import Case

BLOBS = DATASETS["phantom_blobs"]


def blob(name: str, **changes: object) -> Case:
    return prepare(name, BLOBS.known_index.cases[name], {**BLOBS.parameters, **changes})


@pytest.fixture(scope="module")
def blobs() -> dict[str, Case]:
    return {name: blob(name) for name in BLOBS.known_index.cases}


def test_a_blob_is_a_function_of_its_id_and_seed(blobs: dict[str, Case]) -> None:
    again, other = blob("blob_004"), blob("blob_004", seed=1)
    np.testing.assert_array_equal(again.image, blobs["blob_004"].image)
    np.testing.assert_array_equal(again.label, blobs["blob_004"].label)
    assert not np.array_equal(other.image, again.image)
    assert not np.array_equal(other.label, again.label)


def test_no_blob_is_held_back_for_validation() -> None:
    parts = BLOBS.known_index.splits["holdout"]
    assert {part: len(cases) for part, cases in parts.items()} == {"train": 32, "validation": 0, "test": 20}


def test_each_picture_shows_one_whole_lesion(blobs: dict[str, Case]) -> None:
    for case in blobs.values():
        assert case.image.shape == (1, SIDE, SIDE) and case.label.shape == (SIDE, SIDE)
        assert case.image.min() >= 0 and case.image.max() <= 1
        assert connected_components(case.label).max() == 1
        assert SHARE[0] - 0.005 < case.label.mean() < SHARE[1] + 0.005
        frame = np.pad(np.zeros((SIDE - 2 * MARGIN,) * 2, bool), MARGIN, constant_values=True)
        assert not case.label[frame].any()


def test_lesions_differ_in_size_and_place(blobs: dict[str, Case]) -> None:
    shares = [case.label.mean() for case in blobs.values()]
    assert min(shares) < 0.08 and max(shares) > 0.25
    assert np.std([ndimage.center_of_mass(case.label) for case in blobs.values()], axis=0).min() > 5


def test_lesions_are_darker_than_what_surrounds_them(blobs: dict[str, Case]) -> None:
    contrasts = []
    for case in blobs.values():
        lesion = case.label > 0
        around = ndimage.binary_dilation(lesion, iterations=8) & ~lesion
        contrasts.append(case.image[0][around].mean() - case.image[0][lesion].mean())
    assert min(contrasts) > 0.02
    assert max(contrasts) > 3 * min(contrasts)


def test_no_grey_level_separates_lesions_from_the_rest(blobs: dict[str, Case]) -> None:
    smooth = np.stack([ndimage.gaussian_filter(case.image[0], 1.5) for case in blobs.values()])
    lesions = np.stack([case.label > 0 for case in blobs.values()])
    dark = (smooth < level for level in np.linspace(0.1, 0.9, 81))
    best = max(2 * (guess & lesions).sum() / (guess.sum() + lesions.sum()) for guess in dark)
    assert 0.4 < best < 0.65
