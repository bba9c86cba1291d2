"""Images, labels and predictions on other grids, against SciPy and by hand."""

import numpy as np
import pytest
from scipy import ndimage

from lib.labels import BINARY, Labels
from lib.resampling import resample_image, resample_label, resample_values, slice_axis

RNG = np.random.default_rng(0)
FINDINGS = Labels(("spot", "vessel"), exclusive=False)


def test_nothing_changes_where_the_grid_is_the_same() -> None:
    image, label = RNG.normal(size=(2, 5, 6, 7)).astype(np.float32), RNG.integers(0, 3, (5, 6, 7), np.uint8)
    assert resample_image(image, (5, 6, 7)) is image
    assert resample_label(label, (5, 6, 7), BINARY) is label
    assert resample_values(image, (5, 6, 7)) is image and resample_values(image[0], (5, 6, 7)) is not None


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """A slow wave over the extent of the grid."""
    places = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")
    return sum(np.sin(3 * place + 1) for place in places).astype(np.float32)


@pytest.mark.parametrize("shape", [(40, 24, 16), (20, 30, 9)])
def test_an_image_keeps_its_extent(shape: tuple[int, ...]) -> None:
    """What it shows stays in its place: half a voxel off would be an error of 0.05 and more."""
    found = resample_image(smooth((28, 24, 12))[None], shape)[0]
    inside = tuple(slice(3, -3) for _ in shape)
    np.testing.assert_allclose(found[inside], smooth(shape)[inside], atol=0.012)
    assert found.dtype == np.float32


def test_values_are_interpolated_linearly_between_the_middles_of_voxels() -> None:
    values = RNG.normal(size=(3, 6, 4)).astype(np.float32)
    places = np.meshgrid((np.arange(9) + 0.5) * 6 / 9 - 0.5, (np.arange(10) + 0.5) * 4 / 10 - 0.5, indexing="ij")
    expected = [ndimage.map_coordinates(of_class, places, order=1, mode="nearest") for of_class in values]
    np.testing.assert_allclose(resample_values(values, (9, 10)), expected, atol=1e-6)
    np.testing.assert_allclose(resample_values(values[0], (9, 10)), expected[0], atol=1e-6)


def test_fine_detail_is_smoothed_before_voxels_become_coarser() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), 32)[None, None].repeat(64, 1)
    assert np.ptp(resample_image(stripes, (16, 16))) < 0.3
    assert np.ptp(ndimage.zoom(stripes[0], 0.25, order=3)) > 0.9


def test_nothing_is_interpolated_across_slices() -> None:
    label = np.zeros((8, 8, 3), np.uint8)
    label[2:6, 2:6, 1] = 1
    found = resample_label(label, (16, 16, 6), BINARY, across=2)
    assert found[..., :2].sum() == 0 == found[..., 4:].sum()
    assert found[..., 2].sum() == found[..., 3].sum() > 4 * 16 - 12
    values = resample_values(label.astype(np.float32), (8, 8, 6), across=2)
    np.testing.assert_array_equal(values, label.repeat(2, axis=2))


def test_a_label_has_the_value_with_the_largest_share() -> None:
    label = np.zeros((8, 8), np.uint8)
    label[:, 4:] = 2
    label[6:, :] = 255
    found = resample_label(label, (4, 4), Labels(("background", "a", "b")))
    assert set(np.unique(found)) == {0, 2, 255}  # never 1, which lies between 0 and 2
    np.testing.assert_array_equal(found, label[::2, ::2])
    np.testing.assert_array_equal(resample_label(found, (8, 8), Labels(("background", "a", "b"))).shape, (8, 8))


def test_structures_that_overlap_are_resampled_by_themselves() -> None:
    label = np.zeros((2, 8, 8), np.uint8)
    label[0, :4], label[1, 2:] = 1, 1
    found = resample_label(label, (4, 4), FINDINGS)
    np.testing.assert_array_equal(found, label[:, ::2, ::2])


def test_the_axis_across_slices() -> None:
    assert slice_axis((1.0, 1.0, 3.0)) is None and slice_axis((1.0, 1.0, 3.1)) == 2
    assert slice_axis((1.0, 1.0, 1.0), (5.0, 1.0, 1.0)) == 0
