"""What the boundary loss's thread of questions says about distance maps, as facts: patches, slices, turns, classes.

The source is the fact sheet of the boundary loss, sections 2 and 11. Distances are in mm, negative inside.
"""

import json
from pathlib import Path

import blosc2
import edt
import numpy as np
import pytest
import torch
from conftest import classes as labels_of
from conftest import store_case
from scipy import ndimage
from scipy.spatial.distance import cdist

from lib.arrays import cut, cut_distance, write_array
from lib.config.schema import Sampling
from lib.errors import SeglossError
from lib.losses import build_loss
from lib.maps import published_distance, published_distance_2d, signed_distance, signed_distance_2d
from lib.training.augmentation import Sample
from lib.training.catalogue import AUGMENTATIONS
from lib.training.sampling import PatchSampler

FORMS = [published_distance, signed_distance]
BORDERS = {published_distance: 1, signed_distance: 0}
VOLUMES = [
    ((19, 14), (1.0, 1.0)),
    ((15, 22), (0.6, 2.3)),
    ((11, 13, 8), (0.8, 0.8, 3.5)),
    ((9, 12, 10), (1.7, 0.45, 1.2)),
]


def blobs(
    shape: tuple[int, ...], n_classes: int = 2, seed: int = 0, where: float = 1.0, least: float = 0.7
) -> np.ndarray:
    """Six ellipsoids of 1..n_classes - 1, of radii from ``least`` voxels on.

    ``where``: the share of each axis, about its middle, that has centres.
    """
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    for number in range(6):
        centre = (0.5 + where * rng.uniform(-0.5, 0.5, len(shape))) * shape
        radii = least + rng.uniform(0.04, 0.12, len(shape)) * shape
        axes = zip(np.indices(shape), centre, radii, strict=True)
        label[sum(((axis - c) / r) ** 2 for axis, c, r in axes) <= 1] = 1 + number % (n_classes - 1)
    return label


def golden_ellipsoid() -> np.ndarray:
    z, y, x = np.indices((24, 32, 40))
    return (((z - 11) / 5) ** 2 + ((y - 15) / 9) ** 2 + ((x - 20) / 12) ** 2 <= 1).astype(np.uint8)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict:
    return json.loads((shared / "golden/boundary_loss.json").read_text())


# The values themselves


def by_all_pairs(label: np.ndarray, spacing: tuple[float, ...], n_classes: int, border: float) -> np.ndarray:
    """The signed distances from the distances of all pairs of voxels."""
    places = np.argwhere(np.ones(label.shape)) * spacing
    pairs = cdist(places, places)
    masks = [label == number for number in range(n_classes)] if n_classes > 2 else [label == 1]
    maps = np.zeros((len(masks), label.size))
    for mask, values in zip([mask.ravel() for mask in masks], maps, strict=True):
        if mask.any() and not mask.all():
            values[~mask] = pairs[~mask][:, mask].min(1)
            values[mask] = border - pairs[mask][:, ~mask].min(1)
    return maps.reshape(-1, *label.shape)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("shape", "spacing"), VOLUMES)
def test_maps_equal_the_least_of_all_pairs(shape, spacing, n_classes, form) -> None:
    for seed in range(3):
        label = blobs(shape, n_classes, seed)
        label[label == 2] = 0 if seed == 2 else 2  # an absent class
        found = form(label, spacing, labels_of(n_classes)).reshape(-1, *shape)
        expected = by_all_pairs(label, spacing, n_classes, BORDERS[form])
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(9,) * 2, (9,) * 3])
@pytest.mark.parametrize("spacing", [0.25, 0.5, 1.0, 3.0])
def test_inside_a_single_voxel(shape, spacing) -> None:
    label = np.zeros(shape, np.uint8)
    centre = (4,) * len(shape)
    label[centre] = 1
    spacings = (4.0, *[spacing] * (len(shape) - 1))
    smallest = min(spacings)
    assert signed_distance(label, spacings)[centre] == -smallest
    assert published_distance(label, spacings)[centre] == 1 - smallest  # positive inside below 1 mm
    assert signed_distance(label, spacings)[label == 0].min() == smallest


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing", [(0.25, 0.5, 3.0), (5.0, 1.0, 0.125)])
def test_inside_an_object_one_voxel_thick(spacing, axis) -> None:
    label = np.zeros((7, 7, 7), np.uint8)
    slab = tuple(slice(3, 4) if a == axis else slice(None) for a in range(3))
    label[slab] = 1
    assert (signed_distance(label, spacing)[slab] == -spacing[axis]).all()
    assert (published_distance(label, spacing)[slab] == 1 - spacing[axis]).all()


# Patches and slices


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("shape", "spacing"), VOLUMES)
def test_cut_maps_are_those_of_the_whole_volume(tmp_path, shape, spacing, n_classes) -> None:
    whole = published_distance(blobs(shape, n_classes), spacing, labels_of(n_classes))
    write_array(tmp_path / "map.b2nd", whole)
    stored = blosc2.open(str(tmp_path / "map.b2nd"), mode="r")
    start, size = (2, 5, 1)[: len(shape)], (6, 7, 5)[: len(shape)]
    box = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
    for array in (whole, stored):
        np.testing.assert_array_equal(cut_distance(array, start, size), whole[(..., *box)])
    assert np.shares_memory(cut_distance(whole, start, size), whole)


MARGIN = 6


def beyond(whole: np.ndarray, n_axes: int) -> np.ndarray:
    """The map (1 or K, *spatial) of a box that leaves the volume by MARGIN voxels on every side."""
    size = tuple(length + 2 * MARGIN for length in whole.shape[-n_axes:])
    return cut_distance(whole, (-MARGIN,) * n_axes, size).reshape(-1, *size)


def of_volume(array: np.ndarray, n_axes: int) -> np.ndarray:
    return array[(..., *[slice(MARGIN, -MARGIN)] * n_axes)]


def gap_to_volume(shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    """Distance of each voxel of the larger box to the volume in mm."""
    squares = [
        ((np.abs(place - place.clip(0, length - 1))) * s) ** 2
        for length, s in zip(shape, spacing, strict=True)
        for place in [np.arange(-MARGIN, length + MARGIN)]
    ]
    return np.sqrt(sum(np.ix_(*squares)))


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("shape", "spacing"), VOLUMES)
def test_beyond_the_volume_distances_lack_at_most_the_way_to_it(shape, spacing, n_classes) -> None:
    gap = gap_to_volume(shape, spacing)
    signs = np.ones(n_classes if n_classes > 2 else 1)
    signs[0] = -1 if n_classes > 2 else 1  # the background's channel is inside there
    signs = signs.reshape(-1, *[1] * len(shape))
    at_the_border = 0
    for seed in range(5):
        label = blobs(shape, n_classes, seed)
        at_the_border += np.count_nonzero(label[0]) + np.count_nonzero(label[:, -1])
        whole = signed_distance(label, spacing, labels_of(n_classes))
        continued = beyond(whole, len(shape))
        np.testing.assert_array_equal(of_volume(continued, len(shape)), whole.reshape(-1, *shape))
        true = signed_distance(np.pad(label, MARGIN), spacing, labels_of(n_classes))
        lacking = np.where(gap > 0, signs * (true - continued), 0)
        assert lacking.min() >= -1e-4
        assert (lacking <= gap + 1e-4).all()
        assert lacking.max() > max(spacing)
    assert at_the_border


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "spacing"), VOLUMES)
def test_beyond_the_volume_is_background(shape, spacing, form) -> None:
    gap = gap_to_volume(shape, spacing)
    label = np.full(shape, 3, np.uint8)
    label[(slice(2, -2),) * len(shape)] = 0
    label[(4,) * len(shape)] = 1
    background, *others = beyond(form(label, spacing, labels_of(4)), len(shape))
    assert (background[gap > 0] <= 0).all()
    assert all((other[gap > 0] >= 0).all() for other in others)
    (foreground,) = beyond(form(label, spacing), len(shape))
    assert (foreground[gap > 0] >= 0).all()
    assert not foreground[0].any()  # beyond voxels of the foreground


def test_beyond_the_volume_an_absent_class_has_no_distance() -> None:
    label = blobs((9, 8), 3)
    assert not cut_distance(signed_distance(label, (1.0, 1.0), labels_of(4)), (-3, -3), (15, 14))[3].any()
    assert not cut_distance(signed_distance(0 * label, (1.0, 1.0)), (-3, -3), (15, 14)).any()


def test_a_box_without_a_voxel_of_the_volume_is_refused() -> None:
    with pytest.raises(SeglossError, match="lies outside the volume"):
        cut_distance(np.zeros((4, 5)), (4, 0), (2, 2))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "spacing"), VOLUMES)
def test_maps_made_of_a_patch_are_wrong_by_up_to_what_was_cut_off(shape, spacing, form) -> None:
    label = np.zeros(shape, np.uint8)
    label[2], label[-2, -2] = 1, 1
    start, size = (3,) + (0,) * (len(shape) - 1), (len(label) - 3, *shape[1:])
    of_whole = cut_distance(form(label, spacing), start, size)
    of_patch = form(cut(label, start, size), spacing)
    assert of_whole[0].max() == np.float32(spacing[0])  # the slab beside the patch is near
    assert of_patch[0].min() == pytest.approx((len(of_patch) - 2) * spacing[0])  # the other object is not


def test_patches_of_the_golden_ellipsoid(golden: dict) -> None:
    """Only the patch without the ellipsoid; ``test_maps`` has the other."""
    values = golden["patching"]["ellipsoid cropped to x<7 (class 1 absent)"]
    label = golden_ellipsoid()
    whole = published_distance(label, (1.0, 1.0, 1.0))
    patch = cut_distance(whole, (0, 0, 0), (24, 32, 7))
    assert [patch.min(), patch.max()] == pytest.approx(values["whole-map class1 min/max in the patch"])
    of_background = published_distance(1 - label, (1.0, 1.0, 1.0))[..., :7]
    assert [of_background.min(), of_background.max()] == pytest.approx(values["whole-map class0 min/max in the patch"])
    assert not published_distance(label[..., :7], (1.0, 1.0, 1.0)).any()


@pytest.mark.parametrize("z", [0, 5, 6, 8, 11])
def test_slices_of_the_golden_ellipsoid(golden: dict, z: int) -> None:
    values = golden["slice_of_3d_map_versus_2d_map"][f"z={z}"]
    label = golden_ellipsoid()
    of_volume = published_distance(label, (1.0, 1.0, 1.0))[z]
    of_slice = published_distance(label[z], (1.0, 1.0))
    assert np.count_nonzero(label[z]) == values["foreground_pixels"]
    for found, name in ((of_volume, "3d"), (of_slice, "2d")):
        expected = values[f"{name} class1 min/max/mean"]
        assert [found.min(), found.max(), found.mean(dtype=float)] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("in_3d", "in_2d"), [(published_distance, published_distance_2d), (signed_distance, signed_distance_2d)]
)
def test_background_alone_has_distances_in_3d_only(in_3d, in_2d) -> None:
    """The 3D map supervises slices and patches without a lesion; the map of a slice leaves them to other slices."""
    spacing = (0.9, 0.9, 3.0)
    label = np.zeros((12, 10, 8), np.uint8)
    label[4:7, 3:8, 2:4] = 1
    whole, by_slice = in_3d(label, spacing), in_2d(label, spacing)
    for z in (0, 1, 4, 7):
        assert not by_slice[..., z].any()
        steps = 2 - z if z < 2 else z - 3
        assert whole[5, 5, z] == pytest.approx(3.0 * steps)
        assert (whole[..., z] > 0).all()
    expected = by_all_pairs(label, spacing, 2, BORDERS[in_3d])[0]
    patch = cut_distance(whole, (0, 0, 5), (12, 3, 3))
    np.testing.assert_allclose(patch, expected[:, :3, 5:], atol=1e-5)


# Augmentation

IN_PLANE = [((44, 36), (1.0, 1.0)), ((40, 40, 12), (1.0, 1.0, 5.0)), ((32, 40, 20), (0.6, 0.6, 2.5))]


def smooth_blobs(shape: tuple[int, ...], n_classes: int = 2, seed: int = 0) -> np.ndarray:
    """Blobs amid the volume without parts less than three voxels thick, which resampling a label may lose."""
    label = blobs(shape, n_classes, seed, where=0.4, least=2.0)
    for number in range(1, n_classes):
        mask = label == number
        label[mask & ~ndimage.binary_opening(mask, np.ones((3,) * len(shape)))] = 0
    return label


def augmented(step: str, label: np.ndarray, distances: np.ndarray, seed: int = 0, **parameters) -> Sample:
    """The sample after the step, with the ``place`` where each voxel was and whether that lies ``inside``."""
    sample = {
        "image": label[None].astype(np.float32),
        "label": label[None],
        "distance": distances.reshape(-1, *label.shape),
        "place": np.indices(label.shape).astype(np.float32),
        "inside": np.full((1, *label.shape), 7, np.uint8),
    }
    after = AUGMENTATIONS[step].loaded(sample, np.random.default_rng(seed), probability=1.0, **parameters)
    return {**after, "label": after["label"][0], "inside": after["inside"][0] > 0}


def error_of(after: Sample, form, spacing: tuple[float, ...], n_classes: int = 2) -> np.ndarray:
    """How far the augmented map is from the map of the augmented label, in mm; 0 outside."""
    true = form(after["label"], spacing, labels_of(n_classes))
    return np.abs(after["distance"] - true) * after["inside"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    ("shape", "spacing", "tolerance"),
    [
        ((16, 16), (0.75, 0.75), 0),
        ((12, 12, 7), (1.0, 1.0, 5.0), 0),
        ((9, 9, 8), (0.5, 0.5, 2.5), 0),
        ((9, 9, 9), (0.9, 0.9, 3.1), 4e-7),
    ],
)
def test_mirrored_and_turned_maps_are_exact(shape, spacing, tolerance, n_classes, form) -> None:
    """Where the squares of the spacing are rounded, the last digit in float32 depends on the order of the sum."""
    label = blobs(shape, n_classes)
    distances = form(label, spacing, labels_of(n_classes))
    moved = [augmented("turn", label, distances, angles=[angle]) for angle in (90, 180, 270)]
    moved.append(augmented("mirror", label, distances))
    for axis in range(-len(shape), 0):
        moved.append({"label": np.flip(label, axis), "distance": np.flip(distances, axis)})
    for after in moved:
        assert (after["label"] != label).any()
        expected = form(np.ascontiguousarray(after["label"]), spacing, labels_of(n_classes))
        found = after["distance"].reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0)


def test_turns_and_rotations_across_unequal_spacings_scale_distances_by_at_most_their_ratio() -> None:
    spacing, ratio, voxel = (1.0, 1.5, 2.0), 1.5, np.hypot(1.0, 1.5)
    label = smooth_blobs((36, 36, 10))
    distances = signed_distance(label, spacing)
    turned = augmented("turn", label, distances, angles=[90])
    true = signed_distance(np.ascontiguousarray(turned["label"]), spacing)
    scale = turned["distance"][0] / true
    assert scale.min() == pytest.approx(1 / ratio)
    assert scale.max() == pytest.approx(ratio)
    for seed in range(3):
        rotated = augmented("rotate", label, distances, seed, range=[30, 60])
        true = signed_distance(rotated["label"], spacing)
        error = error_of(rotated, signed_distance, spacing)
        assert (error <= (ratio - 1) * np.abs(true) + voxel).all()
        assert error.max() > 2 * voxel


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "spacing"), IN_PLANE)
def test_rotated_maps_are_right_within_a_pixels_diagonal(shape, spacing, form) -> None:
    diagonal = np.hypot(*spacing[:2])
    for seed in range(4):
        for n_classes, allowed in ((2, 1.0), (4, 1.5)):  # labels of several classes take whole voxels
            label = smooth_blobs(shape, n_classes, seed)
            after = augmented("rotate", label, form(label, spacing, labels_of(n_classes)), seed, range=[-45, 45])
            error = error_of(after, form, spacing, n_classes)
            assert 0 < error.max() <= allowed * diagonal


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "spacing"), IN_PLANE)
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_zoomed_maps_are_right_within_a_voxels_diagonal(factor, shape, spacing, form) -> None:
    inner = BORDERS[form] * abs(1 - 1 / factor)
    for seed in range(4):
        label = smooth_blobs(shape, seed=seed)
        after = augmented("zoom", label, form(label, spacing), seed, range=[factor, factor])
        error = error_of(after, form, spacing)
        assert (error <= np.linalg.norm(spacing) + inner * after["label"]).all()


def test_the_millimetre_inside_is_zoomed_too() -> None:
    label = np.zeros((21, 21, 21), np.uint8)
    label[5:16, 5:16, 5:16] = 1
    spacing = (1.0, 1.0, 2.0)
    for factor in (0.8, 1.25):
        published, signed = (
            augmented("zoom", label, form(label, spacing), range=[factor, factor])["distance"][0, 10, 10, 10]
            for form in FORMS
        )
        assert published - signed == pytest.approx(1 / factor)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "spacing"), IN_PLANE)
@pytest.mark.parametrize("smoothness", [8, 16])
def test_elastic_maps_are_wrong_by_at_most_strain_times_distance(smoothness, shape, spacing, form) -> None:
    """And by no more than twice the largest displacement: by how much two displacements can differ."""
    pixel = np.hypot(*spacing[:2])
    for seed in range(4):
        label = smooth_blobs(shape, seed=seed)
        distances = form(label, spacing)
        after = augmented("elastic", label, distances, seed, range=[0.5, 2], smoothness=smoothness)
        displacements = ((after["place"] - np.indices(shape)).T * spacing).T
        within = ndimage.binary_erosion(after["inside"])
        largest = np.linalg.norm(displacements, axis=0)[within].max()
        strain = np.linalg.norm([np.gradient(part, *spacing) for part in displacements], 2, axis=(0, 1))
        stretch = strain[within].max() * np.abs(form(after["label"], spacing))
        error = error_of(after, form, spacing)[0]
        assert (error <= np.minimum(stretch, 2 * largest) + pixel).all()


def test_a_single_voxel_may_vanish_from_the_label_but_not_from_the_map() -> None:
    label = np.zeros((25, 25), np.uint8)
    label[4, 5] = 1
    distances = signed_distance(label, (1.0, 1.0))
    vanished = 0
    for degrees in range(-45, 46, 5):
        after = augmented("rotate", label, distances, range=[degrees, degrees])
        vanished += not after["label"].any()
        assert after["distance"].min() < 1  # of the voxels beside it
    assert 0 < vanished < 19


# Losses


@pytest.mark.parametrize("classes", [[1, 3], [0], [0, 2, 3]])
def test_class_subsets_of_the_boundary_loss_are_the_mean_of_their_channels(classes: list[int]) -> None:
    label = blobs((9, 12, 10), 4)
    distances = signed_distance(label, (1.7, 0.45, 1.2), labels_of(4))
    logits = torch.randn(1, 4, *label.shape, dtype=torch.float64)
    loss = build_loss("boundary", distance="signed_distance", classes=classes)
    maps = {"signed_distance": torch.from_numpy(distances)[None]}
    found = loss(logits, torch.from_numpy(label)[None, None], maps)
    products = torch.softmax(logits, 1)[0].numpy() * distances
    assert found.item() == pytest.approx(np.mean([products[c].mean() for c in classes]), rel=1e-6)
    assert found.item() != pytest.approx(products.mean(), rel=0.01)


def test_with_two_classes_the_background_changes_nothing_but_a_constant() -> None:
    label = blobs((9, 12, 10))
    target = torch.from_numpy(label)[None, None]
    maps = {"signed_distance": torch.from_numpy(signed_distance(label, (1.7, 0.45, 1.2)))[None, None]}
    gradients = []
    for options in ({}, {"include_background": False}):
        logits = torch.linspace(-3, 3, 2 * label.size, dtype=torch.float64).view(1, 2, *label.shape)
        logits.requires_grad_()
        build_loss("boundary", distance="signed_distance", **options)(logits, target, maps).backward()
        gradients.append(logits.grad)
    assert gradients[0].any()
    torch.testing.assert_close(*gradients)
    published = {"published_distance": maps["signed_distance"]}
    with pytest.raises(SeglossError, match="or where it is a signed_distance"):
        build_loss("boundary")(logits, target, published)


def test_nothing_about_distances_is_computed_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label = blobs((16, 20, 8))
    case = store_case(tmp_path, "case", label[None] + 0.1 * np.arange(8), label)
    write_array(case.folder / "signed_distance.b2nd", signed_distance(label, (1.0, 1.0, 3.0)))
    sampling = Sampling(patch_size=(16, 16, 8), batch_size=2, augmentation=["mirror", "rotate"])
    sampler = PatchSampler([case], sampling, ["signed_distance"], seed=0, steps=3)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a distance transform in a training step")

    for module, name in ((edt, "edt"), (ndimage, "distance_transform_edt")):
        monkeypatch.setattr(module, name, forbidden)

    def step(number: int, loss: str) -> None:
        batch = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in sampler[number].items()}
        logits = torch.zeros(2, 2, 16, 16, 8, requires_grad=True)
        build_loss(loss)(logits, batch.pop("label"), batch).backward()
        assert logits.grad.any()

    for number in range(3):
        step(number, "gdl_boundary_rebalance")
    with pytest.raises(AssertionError, match="a distance transform in a training step"):
        step(0, "gdl_hausdorff")
