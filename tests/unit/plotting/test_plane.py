"""The plane of a case that figures show."""

from pathlib import Path

import numpy as np
from conftest import store_case

from lib.plotting.plane import LONGEST_SIDE, Plane, evenly


def test_a_plane_has_x_to_the_right_and_y_upwards(tmp_path: Path) -> None:
    label = np.zeros((20, 30, 5), np.uint8)
    label[1, 2, 3] = 1
    case = store_case(tmp_path, "volume", np.arange(label.size, dtype=float).reshape(1, *label.shape), label)
    whole = Plane.of(case, label > 0)
    assert np.argwhere(whole.cut(label)).tolist() == [[30 - 1 - 2, 1]]
    cut = Plane.of(case, label > 0, label > 0)
    assert cut.z == 3 and max(cut.cut(label).shape) < 20 and cut.cut(label).sum() == 1
    assert Plane.of(case, label > 1).z == 2


def test_large_images_are_thinned(tmp_path: Path) -> None:
    label = np.zeros((2 * LONGEST_SIDE + 1, 10), np.uint8)
    label[0, 0] = 1
    case = store_case(tmp_path, "large", np.random.default_rng(0).normal(size=(3, *label.shape)), label)
    assert Plane.of(case, label > 0).cut(case.array("image")).shape == (3, 107, 4)


def test_places_are_taken_evenly() -> None:
    assert [evenly(0, 4), evenly(1, 4), evenly(3, 4), evenly(10, 4)] == [[], [0], [0, 1, 2], [0, 3, 6, 9]]
