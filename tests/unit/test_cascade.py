"""Cascades: regions, what the second stage sees, and the labels of both stages."""

from typing import Any

import numpy as np
import pytest

from lib.cascade import combined, image_inside, label_inside, region_of, window_of
from lib.config.cascade import SecondStage
from lib.labels import IGNORED, Labels

LIVER = Labels(("background", "liver", "tumour", "spleen"))
LOBES = Labels(("background", "left", "right"))
OVERLAPPING = Labels(("liver", "tumour", "vessel"), exclusive=False)
UNIT = (1.0, 1.0)


def stage(**options: Any) -> SecondStage:
    return SecondStage(**{"region": ["liver", "tumour"], "inside": ["tumour"], **options})


def label(*rows: str) -> np.ndarray:
    return np.array([[IGNORED if value == "i" else int(value) for value in row] for row in rows], np.uint8)


def test_the_region_is_the_union_of_its_structures() -> None:
    found = region_of(label("01203", "00110"), stage(), LIVER, UNIT)
    assert found.astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]
    channels = np.stack([label("1100"), label("0110"), label("0001")])
    assert region_of(channels, stage(), OVERLAPPING, UNIT).astype(int).tolist() == [[1, 1, 1, 0]]


def test_dilation_is_in_mm_between_centres() -> None:
    one = np.zeros((7, 7, 5), np.uint8)
    one[3, 3, 2] = 1
    found = region_of(one, stage(dilate_mm=2.1), LIVER, (0.7, 1.0, 2.5))
    along = [np.flatnonzero(found[:, 3, 2]), np.flatnonzero(found[3, :, 2]), np.flatnonzero(found[3, 3, :])]
    assert [axis.tolist() for axis in along] == [[0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5], [2]]
    offsets = np.indices(one.shape).reshape(3, -1).T - (3, 3, 2)
    within = np.hypot(*(offsets * (0.7, 1.0, 2.5)).T[:2]) <= 2.1 + 1e-9
    assert found.sum() == (within & (offsets[:, 2] == 0)).sum()


def test_the_hull_closes_what_is_concave() -> None:
    found = region_of(label("1000001", "1000001", "1111111"), stage(convex_hull=True), LIVER, UNIT)
    assert found.all()
    corner = np.zeros((9, 9, 9), np.uint8)
    corner[0, 0, 0] = corner[8, 0, 0] = corner[0, 8, 0] = corner[0, 0, 8] = 1
    hull = region_of(corner, stage(convex_hull=True), LIVER, (1, 1, 1))
    i, j, k = np.indices(corner.shape)
    assert hull[i + j + k <= 8].all() and not hull[i + j + k >= 11].any()  # between: its voxels are cubes
    both = region_of(label("10001"), stage(convex_hull=True, dilate_mm=1.0), LIVER, UNIT)
    assert both.all()


@pytest.mark.parametrize("options", [{}, {"dilate_mm": 3.0}, {"convex_hull": True}])
def test_the_region_of_nothing_is_empty_and_that_of_everything_full(options: dict) -> None:
    assert not region_of(label("0300", "0300"), stage(**options), LIVER, UNIT).any()
    assert region_of(label("1121", "1111"), stage(**options), LIVER, UNIT).all()


def test_the_window_and_what_is_seen_in_it() -> None:
    region = np.zeros((5, 6), bool)
    region[1:3, 2] = region[2, 3] = True
    image = np.arange(1, 31, dtype=np.float32).reshape(1, 5, 6)
    assert window_of(region, stage()) == (slice(1, 3), slice(2, 4))
    assert window_of(region, stage(crop=False)) == (slice(0, 5), slice(0, 6))
    assert image_inside(image, region, stage()).tolist() == [[[9, 0], [15, 16]]]
    assert image_inside(image, region, stage(mask=False)).tolist() == [[[9, 10], [15, 16]]]
    whole = image_inside(image, region, stage(crop=False))
    assert whole.shape == image.shape and whole.sum() == 9 + 15 + 16 and whole.dtype == np.float32


def test_the_label_inside_is_of_its_structures_alone() -> None:
    true = label("30000", "01210", "0i110")
    region = region_of(true, stage(), LIVER, UNIT)
    assert stage().labels_inside(LIVER).names == ("liver", "tumour")
    assert label_inside(true, region, stage(), LIVER).tolist() == [[0, 1, 0], [IGNORED, 0, 0]]
    lobes = stage(region=["left", "right"], inside=["right", "left"], dilate_mm=1.0)
    true = label("01200")
    assert lobes.labels_inside(LOBES) == LOBES
    assert label_inside(true, region_of(true, lobes, LOBES, UNIT), lobes, LOBES).tolist() == [[0, 1, 2, 0]]


def test_structures_that_overlap_end_where_the_region_does() -> None:
    chosen = stage(region=["liver"], inside=["vessel", "tumour"])
    true = np.stack([label("1100"), label("0110"), label("1i01")])
    inside = chosen.labels_inside(OVERLAPPING)
    assert inside.names == ("tumour", "vessel") and not inside.exclusive
    region = region_of(true, chosen, OVERLAPPING, UNIT)
    assert label_inside(true, region, chosen, OVERLAPPING).tolist() == [[[0, 1]], [[1, IGNORED]]]


def test_both_stages_together() -> None:
    first = label("300000", "011220", "000000")
    region = region_of(first, stage(dilate_mm=1.0), LIVER, UNIT)
    assert window_of(region, stage()) == (slice(0, 3), slice(0, 6))
    found = label("100000", "010010", "001000")  # the corner at the top is outside the region
    expected = label("300000", "021120", "002000")
    assert combined(first, found, region, stage(), LIVER).tolist() == expected.tolist()
    assert first.tolist() == label("300000", "011220", "000000").tolist()


def test_where_nothing_is_left_of_the_region_it_is_background() -> None:
    chosen = stage(region=["left", "right"], inside=["left", "right"])
    first = label("0112")
    region = region_of(first, chosen, LOBES, UNIT)
    assert combined(first, label("102"), region, chosen, LOBES).tolist() == [[0, 1, 0, 2]]


def test_overlapping_structures_of_both_stages() -> None:
    chosen = stage(region=["liver"], inside=["tumour"])
    first = np.stack([label("0110"), label("1110"), label("0011")])
    region = region_of(first, chosen, OVERLAPPING, UNIT)
    found = combined(first, np.array([[[0, 1]]], np.uint8), region, chosen, OVERLAPPING)
    assert found.tolist() == [[[0, 1, 1, 0]], [[0, 0, 1, 0]], [[0, 0, 1, 1]]]


def test_an_empty_region_keeps_what_is_elsewhere() -> None:
    first = label("0330")
    region = region_of(first, stage(), LIVER, UNIT)
    assert combined(first, None, region, stage(), LIVER).tolist() == first.tolist()


def test_the_true_label_and_its_inside_are_the_true_label() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice([0, 1, 2, 3, IGNORED], size=(9, 8), p=[0.5, 0.2, 0.1, 0.1, 0.1]).astype(np.uint8)
    for chosen in (stage(), stage(dilate_mm=2.0, convex_hull=True), stage(crop=False)):
        region = region_of(true, chosen, LIVER, UNIT)
        inside = label_inside(true, region, chosen, LIVER)
        np.testing.assert_array_equal(combined(true, inside, region, chosen, LIVER), true)
