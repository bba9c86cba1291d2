"""Phantoms of an abdomen with a liver and tumours in it."""

import numpy as np
import pytest

from lib.datasets import DATASETS
from lib.datasets.phantoms.livers import prepare
from lib.maps import connected_components
from lib.store import Case

LIVERS = DATASETS["phantom_livers"]
NAMES = [*LIVERS.known_index.cases][:10]


def phantom(name: str, **changes: object) -> Case:
    return prepare(name, LIVERS.known_index.cases[name], {**LIVERS.parameters, **changes})


@pytest.fixture(scope="module")
def livers() -> dict[str, Case]:
    return {name: phantom(name) for name in NAMES}


def test_a_phantom_is_a_function_of_its_id_and_seed(livers: dict[str, Case]) -> None:
    again, other = phantom(NAMES[0]), phantom(NAMES[0], seed=1)
    np.testing.assert_array_equal(again.image, livers[NAMES[0]].image)
    np.testing.assert_array_equal(again.label, livers[NAMES[0]].label)
    assert other.image.shape != again.image.shape or not np.array_equal(other.image, again.image)


def test_tumours_lie_in_one_liver_of_a_tenth_of_the_image(livers: dict[str, Case]) -> None:
    for case in livers.values():
        assert case.image.min() >= 0 and case.image.max() <= 1
        liver = case.label > 0
        assert connected_components(liver.astype(np.uint8)).max() == 1
        assert 0.05 < liver.mean() < 0.2
        assert (case.label == 2).sum() < 0.2 * liver.sum()


def test_tumours_are_few_of_different_sizes_and_some_cases_have_none(livers: dict[str, Case]) -> None:
    volumes, counts = [], []
    for case in livers.values():
        components = connected_components((case.label == 2).astype(np.uint8))
        counts.append(components.max())
        volumes += (np.bincount(components.ravel())[1:] * np.prod(case.spacing)).tolist()
    assert min(counts) == 0 and 1 < np.mean(counts) < 5
    assert min(volumes) < 1000 and max(volumes) > 5000


def test_tumours_are_darker_than_the_liver_and_neighbours_look_like_it(livers: dict[str, Case]) -> None:
    contrasts, shares = [], []
    for case in livers.values():
        image, liver, tumour = case.image[0], case.label == 1, case.label == 2
        if tumour.sum() > 20:
            contrasts.append(image[liver].mean() - image[tumour].mean())
        alike = (np.abs(image - image[liver].mean()) < image[liver].std()) & (case.label == 0)
        shares.append(alike.sum() / liver.sum())
    assert min(contrasts) > 0.04
    assert np.median(shares) > 0.05
