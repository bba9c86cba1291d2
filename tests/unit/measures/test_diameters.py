"""Diameters of lesions: rectangles, diamonds and discs by hand, with unequal spacing; in volumes on one slice."""

import math
from itertools import combinations

import numpy as np
import pytest

from lib.errors import SeglossError
from lib.maps import largest_component
from lib.measures.diameters import diameters, size


def box(shape: tuple[int, ...], *sides: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


@pytest.mark.parametrize(
    ("voxels", "spacing", "width", "height"),
    [((3, 4), (1.0, 1.0), 3, 4), ((6, 2), (0.5, 2.0), 3, 4), ((1, 1), (2.0, 2.0), 2, 2), ((1, 10), (1.0, 0.5), 1, 5)],
)
def test_a_rectangle(voxels: tuple[int, int], spacing: tuple[float, float], width: float, height: float) -> None:
    """Its diagonal; and from a corner at a right angle to the diagonal to the opposite side."""
    found = diameters(box((12, 14), (2, 2 + voxels[0]), (3, 3 + voxels[1])), spacing)
    diagonal = math.hypot(width, height)
    assert found.longest == pytest.approx(diagonal)
    assert found.perpendicular == pytest.approx(min(width, height) * diagonal / max(width, height))
    assert found.z is None


def test_the_lines_are_where_they_were_measured() -> None:
    spacing = np.array([0.5, 2.0])
    mask = box((12, 14), (2, 8), (3, 5))
    found = diameters(mask, spacing)
    low, high = np.array([1.5, 2.5]), np.array([7.5, 4.5])  # edges of the voxels
    assert {tuple(end) for end in found.longest_line} in (
        {tuple(low), tuple(high)},
        {(low[0], high[1]), (high[0], low[1])},
    )
    for line, length in ((found.longest_line, found.longest), (found.perpendicular_line, found.perpendicular)):
        assert np.linalg.norm((line[1] - line[0]) * spacing) == pytest.approx(length)
        assert ((line > low - 1e-9) & (line < high + 1e-9)).all()
    directions = [(line[1] - line[0]) * spacing for line in (found.longest_line, found.perpendicular_line)]
    assert directions[0] @ directions[1] == pytest.approx(0, abs=1e-9)


def test_a_long_ellipse_has_its_axes() -> None:
    spacing = (0.5, 0.8)
    x, y = np.meshgrid(np.arange(200) * spacing[0], np.arange(150) * spacing[1], indexing="ij")
    found = diameters((((x - 50) / 40) ** 2 + ((y - 60) / 25) ** 2) < 1, spacing)
    assert found.longest == pytest.approx(80, abs=1) and found.perpendicular == pytest.approx(50, abs=1.5)


def test_random_shapes_as_all_pairs_of_corners_have_it() -> None:
    """Reference: every pair of voxel corners; and chords through the hull, found by cutting it in thin strips."""
    rng = np.random.default_rng(0)
    spacing = np.array([0.7, 1.3])
    for _ in range(4):
        mask = largest_component(rng.random((9, 8)) < 0.55)
        corners = {(x + dx, y + dy) for x, y in np.argwhere(mask) for dx in (-0.5, 0.5) for dy in (-0.5, 0.5)}
        points = np.array(sorted(corners)) * spacing
        found = diameters(mask, spacing)
        assert found.longest == pytest.approx(max(math.dist(*pair) for pair in combinations(points, 2)))
        along = np.diff(found.longest_line * spacing, axis=0)[0] / found.longest
        t, u = points @ along, points @ np.array([-along[1], along[0]])
        longest = 0.0
        for place in np.linspace(t.min() + 1e-6, t.max() - 1e-6, 101):
            crossed = [
                u[i] + (u[j] - u[i]) * (place - t[i]) / (t[j] - t[i])
                for i, j in combinations(range(len(t)), 2)
                if min(t[i], t[j]) < place < max(t[i], t[j])
            ]
            longest = max(longest, max(crossed) - min(crossed))
        assert found.perpendicular == pytest.approx(longest, rel=0.02) and found.perpendicular >= longest - 1e-9


def test_a_volume_is_measured_on_the_slice_where_its_largest_lesion_is_largest() -> None:
    mask = box((20, 20, 9), (2, 6), (2, 5), (2, 6)) | box((20, 20, 9), (2, 6), (2, 8), (4, 5))
    mask |= box((20, 20, 9), (12, 18), (12, 18), (7, 8))  # larger on its slice, smaller as a whole
    assert (largest_component(mask).sum(), mask.sum()) == (4 * 3 * 3 + 4 * 6, 4 * 3 * 3 + 4 * 6 + 36)
    found = diameters(mask, (1.0, 0.5, 7.0))
    assert found.z == 4
    assert found.longest == pytest.approx(5) and found.perpendicular == pytest.approx(3 * 5 / 4)


def test_of_a_slice_in_parts_the_largest_is_measured() -> None:
    mask = box((20, 20, 3), (1, 3), (1, 3), (1, 2)) | box((20, 20, 3), (5, 9), (1, 4), (1, 2))
    mask |= box((20, 20, 3), (1, 9), (1, 2), (2, 3)) & ~box((20, 20, 3), (3, 5), (1, 2), (1, 2))
    assert largest_component(mask).sum() == mask.sum()
    assert diameters(mask, (1.0, 1.0, 5.0)).longest == pytest.approx(5)


def test_nothing_has_no_diameter_and_no_size() -> None:
    empty = np.zeros((4, 4, 4), bool)
    assert diameters(empty, (1.0, 1.0, 1.0)) is None and not largest_component(empty).any()
    assert size(empty, (1.0, 1.0, 1.0)) == 0


def test_size_is_in_cubic_or_square_millimetres() -> None:
    assert size(box((4, 4, 4), (0, 2), (0, 3), (0, 1)), (0.5, 2.0, 3.0)) == 2 * 3 * 3.0
    assert size(box((4, 4), (0, 2), (0, 3)), (0.5, 2.0)) == 6


def test_a_label_is_no_mask() -> None:
    for measure in (diameters, size):
        with pytest.raises(SeglossError, match="expected bool masks"):
            measure(np.ones((3, 3), np.uint8), (1.0, 1.0))
