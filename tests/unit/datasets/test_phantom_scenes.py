"""Colour phantoms of four structures of very different sizes, exclusive and overlapping."""

import numpy as np
import pytest

from lib.datasets import DATASETS
from lib.datasets.phantoms.scenes import COLOURS, MISSING, RIM, SHARES, SIDE, STRUCTURES, prepare
from lib.labels import IGNORED
from lib.store import Case

EXCLUSIVE, OVERLAPPING = DATASETS["phantom_scenes"], DATASETS["phantom_findings"]
INSIDE = (slice(RIM, -RIM),) * 2
Scenes = dict[str, Case]


def scene(name: str, overlapping: bool = True, **changes: object) -> Case:
    dataset = OVERLAPPING if overlapping else EXCLUSIVE
    return prepare(name, dataset.known_index.cases[name], {**dataset.parameters, **changes})


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """All of the demo scale, in the overlapping form."""
    return {name: scene(name) for name in OVERLAPPING.known_index.cases}


def of_structures(scenes: Scenes) -> np.ndarray:
    """Share of the annotated pixels: (scenes, structures)."""
    return np.array([case.label[:, *INSIDE].mean(axis=(1, 2)) for case in scenes.values()])


def test_a_scene_is_a_function_of_its_id_and_seed(scenes: Scenes) -> None:
    again, other = scene("scene_004"), scene("scene_004", seed=1)
    np.testing.assert_array_equal(again.image, scenes["scene_004"].image)
    np.testing.assert_array_equal(again.label, scenes["scene_004"].label)
    assert not np.array_equal(other.image, again.image)
    assert not np.array_equal(other.label, again.label)
    assert len({case.image.tobytes() for case in scenes.values()}) == len(scenes)


def test_scenes_are_pictures_in_colour(scenes: Scenes) -> None:
    assert EXCLUSIVE.labels.names == ("background", *STRUCTURES) and OVERLAPPING.labels.names == STRUCTURES
    for case in scenes.values():
        assert case.image.shape == (3, SIDE, SIDE) and case.image.dtype == np.float32
        assert case.image.min() >= 0 and case.image.max() <= 1
        assert (np.ptp(case.image.mean(axis=(1, 2))) > 0.05) and case.image.std(axis=(1, 2)).min() > 0.04


def test_the_rim_alone_is_not_annotated(scenes: Scenes) -> None:
    rim = np.ones((SIDE, SIDE), bool)
    rim[INSIDE] = False
    for name in list(scenes)[:8]:
        for case in (scenes[name], scene(name, overlapping=False)):
            assert ((case.label == IGNORED) == rim).all()


def test_structures_have_the_median_shares_that_are_stated(scenes: Scenes) -> None:
    shares = of_structures(scenes)
    medians = [np.median(of_one[of_one > 0]) for of_one in shares.T]
    assert medians == pytest.approx(SHARES, rel=0.35)
    for of_one in shares.T:  # of the pictures
        small, large = np.quantile(of_one[of_one > 0], (0.1, 0.9))
        assert large > 2 * small


def test_small_structures_are_missing_from_some_pictures_of_each_part(scenes: Scenes) -> None:
    there = of_structures(scenes) > 0
    assert 1 - there.mean(0) == pytest.approx(MISSING, abs=0.1)
    assert there[:, 0].all() and not there[:, 1:].all(0).any()
    parts = OVERLAPPING.known_index.splits["holdout"]
    for part, length in {"train": 32, "validation": 8, "test": 24}.items():
        assert len(parts[part]) == length
        assert there[[list(scenes).index(name) for name in parts[part]]].any(0).all(), part


def test_of_exclusive_classes_the_smaller_hides_the_larger(scenes: Scenes) -> None:
    hidden = 0
    for name, overlapping in scenes.items():
        exclusive = scene(name, overlapping=False)
        np.testing.assert_array_equal(exclusive.image, overlapping.image)
        expected = np.zeros((SIDE, SIDE), int)
        for number, mask in enumerate(overlapping.label, start=1):
            expected[mask == 1] = number
        np.testing.assert_array_equal(exclusive.label[INSIDE], expected[INSIDE])
        hidden += (overlapping.label[:, *INSIDE].sum(0) > 1).sum()
    assert hidden > 1000


@pytest.mark.parametrize("number", range(len(STRUCTURES)))
def test_no_colour_separates_a_structure_from_the_rest(number: int, scenes: Scenes) -> None:
    direction = COLOURS[number] / np.linalg.norm(COLOURS[number])
    score = np.stack([np.tensordot(direction, case.image, 1)[INSIDE] for case in scenes.values()])
    masks = np.stack([case.label[number][INSIDE] == 1 for case in scenes.values()])
    assert score[masks].mean() > score[~masks].mean() + 0.5 * score[~masks].std()
    guesses = (score > level for level in np.quantile(score, np.linspace(0, 0.9995, 60)))
    assert max(2 * (guess & masks).sum() / (guess.sum() + masks.sum()) for guess in guesses) < 0.8
