"""The normalised surface Dice of surface elements: by hand, by its authors' functions, beside that of voxels."""

import numpy as np
import pytest
from scipy import ndimage
from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

from lib.measures.segmentation import Segmentation
from lib.measures.surface import surface_measures
from lib.measures.surface_elements import surface_elements

PUBLISHED = (2.0, 1.0)


def measured(
    target: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...] = (1, 1), tolerance: float = 1
) -> dict[str, float]:
    return surface_elements(Segmentation(target, prediction, spacing), tolerance, PUBLISHED)


def square(side: int, column: int, size: int = 14) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[4 : 4 + side, column : column + side] = True
    return mask


def test_a_square_that_is_moved_by_hand() -> None:
    """Elements lie at the corners of pixels: of a side of 4, three along each side and one, diagonal, at each corner.

    Moved by 3 pixels, with a tolerance of 1, there agree of the upper and of the lower side two elements and a corner,
    and the three of the side that lies inside of the other square.
    """
    target, prediction = square(4, 2), square(4, 5)
    corner = np.hypot(0.5, 0.5)
    expected = (2 * (2 + corner) + 3) / (4 * 3 + 4 * corner)
    assert measured(target, prediction)["nsd_elements"] == pytest.approx(expected)
    corner = np.hypot(1, 0.5)  # of elements between rows 2 apart
    expected = (2 * (2 + corner) + 3 * 2) / (2 * 3 + 2 * 3 * 2 + 4 * corner)
    assert measured(target, prediction)["nsd_published"] == pytest.approx(expected)
    assert measured(target, prediction, PUBLISHED)["nsd_elements"] == pytest.approx(expected)
    assert measured(target, prediction, tolerance=3) == {"nsd_elements": 1, "nsd_published": 1}
    assert measured(target, target) == {"nsd_elements": 1, "nsd_published": 1}


def test_empty_masks() -> None:
    there, nothing = square(4, 2), square(0, 0)
    assert measured(there, nothing) == {"nsd_elements": 0, "nsd_published": 0}
    for absent, expected in ((measured(nothing, there), 0), (measured(nothing, nothing), 1)):
        assert absent["nsd_elements"] == expected
        assert np.isnan(absent["nsd_published"])


def blob(rng: np.random.Generator, *shape: int, share: float = 0.1, smooth: float = 2.0) -> np.ndarray:
    field = ndimage.gaussian_filter(rng.standard_normal(shape), smooth)
    return field > np.quantile(field, 1 - share)


@pytest.mark.parametrize(("shape", "spacing"), [((40, 30), (0.5, 3.0)), ((20, 16, 12), (3.0, 0.7, 1.2))])
def test_its_authors_functions_give_the_same(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    for tolerance in (0.5, 1, 3):
        target, prediction = blob(rng, *shape), blob(rng, *shape)
        found = measured(target, prediction, spacing, tolerance)
        distances = compute_surface_distances(target, prediction, spacing)
        expected = compute_surface_dice_at_tolerance(distances, tolerance)
        assert 0 < expected < 1
        assert found["nsd_elements"] == pytest.approx(expected)
        if len(shape) == 2:
            distances = compute_surface_distances(target, prediction, PUBLISHED)
            expected = compute_surface_dice_at_tolerance(distances, tolerance)
            assert found["nsd_published"] == pytest.approx(expected)
        else:
            assert np.isnan(found["nsd_published"])


def test_it_is_mostly_higher_than_that_of_voxels_on_small_masks() -> None:
    rows, columns = np.indices((20, 20)) - 10
    for radius, higher in ((2, 0.14), (3, 0.08), (6, 0.05)):
        target = rows**2 + columns**2 <= radius**2
        pairs = [(target, np.roll(target, (down, right), (0, 1))) for down in range(4) for right in range(4)]
        elements = [measured(*pair)["nsd_elements"] for pair in pairs]
        voxels = [surface_measures(Segmentation(*pair, (1, 1)), tolerance=1)["nsd"] for pair in pairs]
        assert np.mean(np.subtract(elements, voxels)) > higher
