"""Maps against SciPy, hand computation and the publication's golden values."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import classes
from scipy import ndimage

from lib.errors import SeglossError
from lib.maps import (
    MAPS,
    connected_components,
    label_components,
    published_distance,
    published_distance_2d,
    signed_distance,
    signed_distance_2d,
    voronoi_cells,
)

SPACINGS_3D = [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (0.9, 0.9, 3.0), (0.4, 2.5, 0.7)]


CONNECTIVITIES = {4: (2, 1), 8: (2, 2), 6: (3, 1), 18: (3, 2), 26: (3, 3)}
"""Number of neighbours -> axes of the mask, and by how many of them a neighbour may differ."""


def assert_same_components(ours: np.ndarray, count: int, mask: np.ndarray, connectivity: int) -> None:
    reference, expected = ndimage.label(mask, ndimage.generate_binary_structure(*CONNECTIVITIES[connectivity]))
    assert count == expected == ours.max(initial=0)
    np.testing.assert_array_equal(ours > 0, mask)
    pairs = {*zip(ours[mask].tolist(), reference[mask].tolist(), strict=True)}
    assert len(pairs) == count  # one to one


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_components_equal_scipy(connectivity: int) -> None:
    """Over odd and even lengths, sparse to full masks, both orders in memory, and parts of larger arrays."""
    rng = np.random.default_rng(connectivity)
    axes = CONNECTIVITIES[connectivity][0]
    longest = 65 if axes == 2 else 17
    shapes = [tuple(rng.integers(1, longest + 1, axes)) for _ in range(150)]
    shapes += [
        (1, longest, 1)[:axes],
        (longest, 1, 1)[:axes],
        (1,) * axes,
        (4, 3, 1)[:axes],
        (40, 41, 2)[:axes],
    ]
    for number, shape in enumerate(shapes):
        mask = rng.random(shape) < rng.choice([0.05, 0.3, 0.6, 1.0])
        mask = (mask, np.asfortranarray(mask), np.repeat(mask, 2, axis=0)[::2])[number % 3]
        mask.setflags(write=False)
        assert_same_components(*label_components(mask, connectivity), mask, connectivity)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int8, np.uint16, np.int32, np.int64, np.float32, float])
@pytest.mark.parametrize("shape", [(4, 3), (40, 41), (7, 8), (5, 4, 3), (6, 6, 1), (1, 23, 1)])
def test_components_of_every_type_of_label(kind: type, shape: tuple[int, ...]) -> None:
    label = np.random.default_rng(0).integers(0, 3, shape).astype(kind)
    components = connected_components(label)
    assert_same_components(components, components.max(), label > 0, 8 if len(shape) == 2 else 26)


def test_components_at_the_border_of_a_picture() -> None:
    """Of this mask as bool, cc3d 4.1.1 labels a voxel of the background."""
    label = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]], bool)
    np.testing.assert_array_equal(connected_components(label), label)


def test_components_that_do_not_cover_the_mask_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cc3d.connected_components", lambda mask, **_: (np.ones_like(mask), 1))
    with pytest.raises(SeglossError, match="labels do not cover the mask"):
        connected_components(np.eye(3))


def test_components_of_a_batch_are_refused() -> None:
    with pytest.raises(SeglossError, match="2D or 3D"):
        connected_components(np.zeros((1, 2, 3, 4)))


def reference(mask: np.ndarray, spacing: tuple[float, ...], inner_border: float) -> np.ndarray:
    """Signed distance by two SciPy transforms of the whole volume."""
    if mask.all() or not mask.any():
        return np.zeros(mask.shape)
    outside, inside = (ndimage.distance_transform_edt(part, sampling=spacing) for part in (~mask, mask))
    return np.where(mask, inner_border - inside, outside)


def masks_3d() -> list[np.ndarray]:
    """Blobs inside, at the border, over the whole volume, one voxel, and noise."""
    rng = np.random.default_rng(0)
    shape = (13, 18, 9)
    masks = [rng.random(shape) < density for density in (0.001, 0.05, 0.6, 0.98)]
    ball = ((np.indices(shape) - np.array([6, 8, 4])[:, None, None, None]) ** 2).sum(0) <= 9
    edge = np.zeros(shape, bool)
    edge[:, :5] = True
    corner = np.zeros(shape, bool)
    corner[0, 0, 0] = True
    return [*masks, ball, ~ball, edge, corner]


@pytest.mark.parametrize("spacing", SPACINGS_3D)
@pytest.mark.parametrize(("distance", "inner_border"), [(published_distance, 1.0), (signed_distance, 0.0)])
def test_distances_equal_scipy(distance, inner_border: float, spacing: tuple[float, ...]) -> None:
    for mask in masks_3d():
        found = distance(mask.astype(np.uint8), spacing)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, reference(mask, spacing, inner_border), atol=2e-5)


@pytest.mark.parametrize("spacing", SPACINGS_3D)
def test_the_corrected_distance_has_the_right_sign_and_is_antisymmetric(spacing: tuple[float, ...]) -> None:
    for mask in masks_3d():
        distance = signed_distance(mask.astype(np.uint8), spacing)
        assert (distance[mask] < 0).all() and (distance[~mask] > 0).all()
        np.testing.assert_allclose(signed_distance((~mask).astype(np.uint8), spacing), -distance, atol=2e-5)


def test_classes_have_a_channel_each_and_two_classes_one_for_the_foreground() -> None:
    label = np.random.default_rng(1).integers(0, 3, (7, 8, 5)).astype(np.uint8)
    label[0, 0, 0] = 255  # not annotated: of no class
    spacing = (1.0, 2.0, 3.0)
    found = published_distance(label, spacing, classes(4))
    assert found.shape == (4, *label.shape)
    for number in range(3):
        np.testing.assert_allclose(found[number], reference(label == number, spacing, 1.0), atol=2e-5)
    assert not found[3].any()  # an absent class
    binary = np.where(label == 255, 255, label > 0).astype(np.uint8)
    np.testing.assert_allclose(published_distance(binary, spacing), reference(binary == 1, spacing, 1.0), atol=2e-5)


def test_slices_by_themselves() -> None:
    label = (np.random.default_rng(2).random((9, 11, 4)) < 0.2).astype(np.uint8)
    label[..., 1] = 0
    label[..., 2] = 1
    published, corrected = (
        MAPS[f"{kind}_distance_2d"](label, (0.5, 2.0, 7.0), classes(2)) for kind in ("published", "signed")
    )
    for z in range(4):
        mask = label[..., z] > 0
        expected = reference(mask, (0.5, 2.0), 1.0)
        np.testing.assert_array_equal(published[..., z], np.trunc(expected.astype(np.float32)))
        np.testing.assert_allclose(corrected[..., z], reference(mask, (0.5, 2.0), 0.0), atol=2e-5)
    assert not published[..., 1:3].any()


def test_published_distances_equal_golden_values(shared: Path) -> None:
    golden = json.loads((shared / "golden/boundary_loss.json").read_text())["distance_maps"]
    masks = {"disk16": disk(16, 8, 7, 4), "ellipsoid": ellipsoid()}
    for name, expected in golden.items():
        shape, _, resolution = name.split("/")
        mask = masks[shape]
        told = resolution.removeprefix("res=")
        spacing = (1.0,) * mask.ndim if told == "None" else tuple(map(float, told.strip("()").split(",")))
        for number in (0, 1):
            distance = published_distance((mask == number).astype(np.uint8), spacing)
            check_golden(distance, expected[f"class{number}"])


def disk(length: int, y: int, x: int, radius: int) -> np.ndarray:
    i, j = np.indices((length, length))
    return (i - y) ** 2 + (j - x) ** 2 <= radius**2


def ellipsoid() -> np.ndarray:
    z, y, x = np.indices((24, 32, 40))
    return ((z - 11) / 5) ** 2 + ((y - 15) / 9) ** 2 + ((x - 20) / 12) ** 2 <= 1


def check_golden(distance: np.ndarray, expected: dict) -> None:
    assert list(distance.shape) == expected["shape"]
    assert distance.sum(dtype=float) == pytest.approx(expected["sum"], rel=1e-6)
    assert (distance.min(), distance.max()) == pytest.approx((expected["min"], expected["max"]), rel=1e-6, abs=1e-6)
    for place, value in expected["voxels"].items():
        assert distance[tuple(map(int, place.split(",")))] == pytest.approx(value, abs=1e-5)


def test_truncated_slices_have_the_published_sum() -> None:
    """Fact sheet of the boundary loss, section 2: 608 instead of 662.49 for the disk of radius 4."""
    mask = disk(16, 8, 7, 4).astype(np.uint8)
    assert published_distance_2d(mask, (1.0, 1.0)).sum() == 608
    assert published_distance(mask, (1.0, 1.0)).sum() == pytest.approx(662.49, abs=0.01)
    assert (published_distance_2d(mask, (0.5, 0.5)) < 0).sum() == 1


def test_patches_differ_from_patches_of_the_whole_map(shared: Path) -> None:
    """Why maps are cut from the whole volume's: the golden file's error of a map made on the patch."""
    golden = json.loads((shared / "golden/boundary_loss.json").read_text())["patching"]
    label = ellipsoid().astype(np.uint8)
    whole = published_distance(label, (1.0, 1.0, 1.0))
    cropped = published_distance(label[..., :10], (1.0, 1.0, 1.0))
    expected = golden["ellipsoid cropped to x<10 (class 1 has 22 voxels there)"]["max_abs_diff_class1"]
    assert np.abs(whole[..., :10] - cropped).max() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 1.0, 0.5)])
def test_voronoi_cells_belong_to_the_nearest_component(spacing: tuple[float, ...]) -> None:
    label = np.random.default_rng(4).random((7, 9, 8)) < 0.03
    components = connected_components(label)
    voxels = np.argwhere(components)
    cells = voronoi_cells(label, spacing)
    for place in np.ndindex(label.shape):
        distances = np.linalg.norm((voxels - place) * spacing, axis=1)
        nearest = {components[tuple(voxel)] for voxel in voxels[np.isclose(distances, distances.min())]}
        assert cells[place] in nearest
    assert (cells[label] == components[label]).all()


def test_a_volume_without_component_is_no_cell() -> None:
    assert not voronoi_cells(np.zeros((4, 5)), (1.0, 1.0)).any()
    assert (voronoi_cells(np.ones((4, 5)), (1.0, 1.0)) == 1).all()


@pytest.mark.parametrize("name", [name for name in MAPS if "distance" in name])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_masks_without_a_border_have_no_distance(name: str, shape: tuple[int, ...]) -> None:
    for mask in (np.zeros(shape, np.uint8), np.ones(shape, np.uint8)):
        for count in (2, 3):
            assert not MAPS[name](mask, (1.0,) * len(shape), classes(count)).any()


def test_voxels_that_are_not_annotated_are_no_component() -> None:
    label = np.array([[1, 0, 255], [0, 0, 255], [0, 1, 0]], np.uint8)
    assert connected_components(label).max() == 2
    assert not connected_components(label)[label == 255].any()
    assert signed_distance_2d(label, (1.0, 1.0))[0, 2] > 0
