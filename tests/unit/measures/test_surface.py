"""Surface distances and the rest of a structure's measures: golden, by brute force, by other libraries, by hand."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK
from scipy import ndimage
from scipy.spatial.distance import cdist

from lib import ROOT
from lib.arrays import write_array
from lib.config.load import load
from lib.errors import SeglossError
from lib.files import write_json
from lib.labels import IGNORED, Labels
from lib.measures.catalogue import MEASURES
from lib.measures.crosscheck import disagreement, library_measures, report
from lib.measures.evaluation import case_rows, segmentation_of
from lib.measures.lesions import lesions
from lib.measures.overlap import dice
from lib.measures.segmentation import Segmentation
from lib.measures.slices import dice_of_slices, row_hausdorff
from lib.measures.surface import DISTANCES, surface, surface_distances, surface_measures
from lib.store import Case, StoredCase, write_case

SPACINGS = (0.5, 5.0, 1.0, 0.7, 3.3, 1.2, 0.9765625)
COLUMNS = ["measure", "segloss", "monai", "difference", "above_tolerance"]
Pair = tuple[np.ndarray, np.ndarray, tuple[float, ...], float]


@pytest.fixture(scope="module")
def metrics(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "boundary_loss.json").read_text())["metrics"]


def named(*structures: str) -> Labels:
    return Labels(("background", *structures))


def measures_of(prediction: np.ndarray, target: np.ndarray, spacing: tuple, tolerance: float) -> dict:
    return surface_measures(Segmentation(target, prediction, spacing), tolerance)


def distances_of(prediction: np.ndarray, target: np.ndarray, spacing: tuple) -> tuple[np.ndarray, np.ndarray]:
    return surface_distances(Segmentation(target, prediction, spacing))


def lesions_of(prediction: np.ndarray, target: np.ndarray) -> dict:
    return lesions(Segmentation(target, prediction, (1,) * target.ndim))


def rows_of(prediction: np.ndarray, label: np.ndarray, spacing: tuple, labels: Labels, tolerance: float) -> list[dict]:
    """Of each structure what is measured of masks alone."""
    surfaces = {"name": "surface", "tolerance": tolerance}
    chosen = [*map(MEASURES.parse, ("overlap", "slices", surfaces, "lesions"))]
    stored = {"labels": prediction}
    found = [
        ({"case": "a", "structure": name}, segmentation_of(stored, label, spacing, labels, name))
        for name in labels.structures
    ]
    return case_rows(found, chosen, "any")


def disk(height: int, width: int, y: int, x: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def shifted_ellipsoid() -> tuple[np.ndarray, np.ndarray]:
    z, y, x = np.mgrid[:24, :32, :40]
    target = ((z - 11) / 5) ** 2 + ((y - 15) / 9) ** 2 + ((x - 20) / 12) ** 2 <= 1
    prediction = np.roll(target, (2, 3, -1), (0, 1, 2))
    prediction[20:22, 2:4, 2:4] = True
    return prediction, target


def blob(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth blobs to single voxels, from few to almost everywhere; most of them meet the border."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0, 2.5))
    return noise >= np.quantile(noise, rng.uniform(0.1, 0.995))


def random_pairs(seed: int, count: int) -> Iterator[Pair]:
    """Predictions near the target and far from it, with spacing and a tolerance that distances often equal."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        axes = 2 + number % 2
        shape = tuple(rng.integers(3, (40, 16)[axes - 2], axes))
        spacing = tuple(rng.choice(SPACINGS, axes).tolist())
        target = blob(rng, shape)
        near = np.roll(target, rng.integers(-2, 3), axis=0) ^ (rng.random(shape) < 0.01)
        prediction = near if near.any() and rng.random() < 0.5 else blob(rng, shape)
        yield prediction, target, spacing, float(rng.choice(spacing) * rng.integers(1, 4))


def surface_points(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Centres in mm (points, axes) of the voxels that miss one of their face neighbours."""
    padded = np.pad(mask, 1)
    inner = tuple(slice(1, -1) for _ in mask.shape)
    neighbours = [np.roll(padded, step, axis)[inner] for axis in range(mask.ndim) for step in (-1, 1)]
    return np.argwhere(mask & ~np.logical_and.reduce(neighbours)) * spacing


def percentile_95(distances: np.ndarray) -> float:
    ordered = np.sort(distances)
    whole, part = divmod(0.95 * (len(ordered) - 1), 1)
    above = ordered[min(int(whole) + 1, len(ordered) - 1)]
    return float((1 - part) * ordered[int(whole)] + part * above)


def brute_force(prediction: np.ndarray, target: np.ndarray, spacing: tuple, tolerance: float) -> dict:
    between = cdist(surface_points(prediction, spacing), surface_points(target, spacing))
    forth, back = between.min(axis=1), between.min(axis=0)
    both = [*forth, *back]
    return {
        "hd": max(both),
        "hd95": percentile_95(np.array(both)),
        "hd95_directed": max(percentile_95(forth), percentile_95(back)),
        "assd": sum(both) / len(both),
        "nsd": sum(distance < tolerance + 1e-9 for distance in both) / len(both),
    }


@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 1, 1)])
def test_distances_of_the_shifted_ellipsoid_are_golden(metrics: dict, spacing: tuple[int, ...]) -> None:
    prediction, target = shifted_ellipsoid()
    (golden,) = (
        values
        for text, values in metrics.items()
        if text.startswith("3D hd") and text.endswith(f"voxelspacing {spacing}")
    )
    ours = measures_of(prediction, target, spacing, tolerance=1)
    swapped = measures_of(target, prediction, spacing, tolerance=1)
    for measure in ("hd", "hd95"):
        assert ours[measure] == pytest.approx(golden[measure], rel=1e-6)
        assert swapped[measure] == pytest.approx(golden[f"{measure} swapped"], rel=1e-6)
    assert ours["hd95_directed"] == pytest.approx({1: 3.4641, 5: 8.6603}[spacing[0]], rel=1e-5)  # MONAI's
    assert dice(prediction, target) == pytest.approx(golden["dsc"], rel=1e-12)


def test_true_and_published_hausdorff_of_two_disks_are_golden(metrics: dict) -> None:
    pairs = {
        ("disk(8,7,4) vs disk(8,11,4)", "true hd of the same pair (medpy, spacing 1)"): (
            disk(16, 16, 8, 7, 4),
            disk(16, 16, 8, 11, 4),
        ),
        ("disks r=5 at (60,60)", "true hd of that pair"): (
            disk(256, 256, 60, 60, 5),
            disk(256, 256, 200, 200, 5),
        ),
    }
    for (part_of_name, name_of_true), (prediction, target) in pairs.items():
        (published,) = (value for text, value in metrics.items() if "2018" in text and part_of_name in text)
        assert row_hausdorff(prediction, target) == pytest.approx(published, rel=1e-12)
        assert row_hausdorff(~prediction, ~target) == pytest.approx(published, rel=1e-12)
        hd = measures_of(prediction, target, (1, 1), 1)["hd"]
        assert hd == pytest.approx(metrics[name_of_true], rel=1e-6)


def test_the_hausdorff_of_rows_is_far_from_the_true_one() -> None:
    pair = disk(256, 256, 60, 60, 5), disk(256, 256, 200, 200, 5)
    assert row_hausdorff(*pair) == pytest.approx(11**0.5)
    assert measures_of(*pair, (1, 1), 1)["hd"] == pytest.approx(140 * 2**0.5, rel=1e-6)


def test_the_penalty_for_one_empty_mask_is_golden(metrics: dict) -> None:
    golden = metrics["hausdorff penalty for exactly one empty mask, formula"]["16x16 spacing (0.9,1.1)"]
    full, empty = disk(16, 16, 8, 7, 4), np.zeros((16, 16), bool)
    for pair in ((full, empty), (empty, full)):
        assert measures_of(*pair, (0.9, 1.1), 2) == {
            **dict.fromkeys(DISTANCES, pytest.approx(golden, rel=1e-12)),
            "nsd": 0,
        }


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6)])
def test_two_empty_masks_agree(shape: tuple[int, ...]) -> None:
    empty = np.zeros(shape, bool)
    assert measures_of(empty, empty, (1,) * len(shape), 1) == {**dict.fromkeys(DISTANCES, 0), "nsd": 1}
    assert not surface(empty).any()
    assert row_hausdorff(empty, empty) == 0
    assert dice_of_slices(empty, empty) == 1
    assert lesions_of(empty, empty) == dict.fromkeys(lesions_of(empty, empty), 0) | {"lesion_f1": 1}


def test_distances_to_an_empty_mask_are_refused() -> None:
    full, empty = np.ones((3, 3), bool), np.zeros((3, 3), bool)
    for pair in ((full, empty), (empty, full), (empty, empty)):
        with pytest.raises(SeglossError, match="found an empty one"):
            distances_of(*pair, (1, 1))


def test_surface_by_hand() -> None:
    mask = np.ones((5, 4), bool)
    mask[0, 0] = False
    expected = [
        [0, 1, 1, 1],
        [1, 0, 0, 1],  # the missing corner is no face neighbour of the second voxel
        [1, 0, 0, 1],
        [1, 0, 0, 1],
        [1, 1, 1, 1],
    ]
    np.testing.assert_array_equal(surface(mask), expected)
    assert surface(np.ones((3, 3, 3), bool)).sum() == 26


def test_distances_and_measures_by_hand() -> None:
    """Prediction of 1 voxel, target of 3 in its column: 2, 4 and 6 mm away."""
    prediction, target = np.zeros((2, 8, 6), bool)
    prediction[1, 2] = True
    target[2:5, 2] = True
    to_target, to_prediction = distances_of(prediction, target, (2, 1))
    np.testing.assert_allclose(to_target, [2])
    np.testing.assert_allclose(to_prediction, [2, 4, 6])
    measures = measures_of(prediction, target, (2, 1), tolerance=4)
    # of 2, 2, 4, 6 the 95th percentile lies 0.85 of the way from 4 to 6; of 2, 4, 6 it lies 0.9 of it
    assert measures == pytest.approx({"hd": 6, "hd95": 5.7, "hd95_directed": 5.8, "assd": 3.5, "nsd": 0.75}, rel=1e-6)
    assert measures_of(prediction, target, (2, 1), tolerance=3.9)["nsd"] == 0.5
    assert measures_of(target, prediction, (2, 1), tolerance=4) == measures
    perfect = measures_of(target, target, (2, 1), tolerance=0)
    assert perfect == {**dict.fromkeys(DISTANCES, 0), "nsd": 1}


def test_measures_equal_brute_force() -> None:
    for prediction, target, spacing, tolerance in random_pairs(seed=0, count=200):
        ours = measures_of(prediction, target, spacing, tolerance)
        assert ours == pytest.approx(brute_force(prediction, target, spacing, tolerance), rel=2e-6, abs=1e-6)


def test_distances_come_in_the_order_of_the_voxels() -> None:
    for prediction, target, spacing, _ in random_pairs(seed=1, count=20):
        points = surface_points(prediction, spacing), surface_points(target, spacing)
        between = cdist(*points)
        to_target, to_prediction = distances_of(prediction, target, spacing)
        np.testing.assert_allclose(to_target, between.min(axis=1), rtol=2e-6)
        np.testing.assert_allclose(to_prediction, between.min(axis=0), rtol=2e-6)


def test_single_precision_suffices_far_apart() -> None:
    """Long rows of a spacing that float32 rounds: errors add up along them, below the stated bound."""
    prediction, target = np.zeros((2, 500, 500), bool)
    prediction[:3, :2] = True
    target[480:, 470:] = True
    spacing = (3.3, 0.45)
    ours = measures_of(prediction, target, spacing, tolerance=1600)
    assert ours == pytest.approx(brute_force(prediction, target, spacing, 1600), rel=1e-5)


def test_the_tolerance_includes_distances_that_equal_it() -> None:
    target = np.zeros((12, 12), bool)
    target[:, 2] = True
    for spacing in (0.1, 0.45, 0.7, 1.2, 3.3):
        for steps in range(1, 9):
            shifted = np.roll(target, steps, axis=1)
            assert measures_of(shifted, target, (1, spacing), steps * spacing)["nsd"] == 1
            assert measures_of(shifted, target, (1, spacing), 0.99 * steps * spacing)["nsd"] == 0


def test_memory_order_and_surrounding_background_change_nothing() -> None:
    for prediction, target, spacing, tolerance in random_pairs(seed=2, count=10):
        ours = measures_of(prediction, target, spacing, tolerance)
        wide = np.pad(prediction, (5, 9)), np.pad(target, (5, 9))
        fortran = np.asfortranarray(prediction), np.asfortranarray(target)
        assert measures_of(*wide, spacing, tolerance) == ours
        assert measures_of(*fortran, spacing, tolerance) == ours


def test_measures_equal_monai() -> None:
    for prediction, target, spacing, tolerance in random_pairs(seed=3, count=40):
        ours = measures_of(prediction, target, spacing, tolerance)
        library = library_measures(Segmentation(target, prediction, spacing), tolerance)
        assert library.pop("dice") == pytest.approx(dice(prediction, target), abs=1e-6)
        assert library == pytest.approx({measure: ours[measure] for measure in library}, rel=1e-5, abs=1e-6)


def simple_itk_hausdorff(prediction: np.ndarray, target: np.ndarray, spacing: tuple[float, ...]) -> float:
    images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (prediction, target)]
    for image in images:
        image.SetSpacing([float(step) for step in spacing[::-1]])
    measured = SimpleITK.HausdorffDistanceImageFilter()
    measured.Execute(*images)
    return measured.GetHausdorffDistance()


def test_hausdorff_equals_that_of_simple_itk_between_the_surfaces() -> None:
    """SimpleITK's is between all voxels, of which the surface is a part: other than ours by definition."""
    for prediction, target, spacing, _ in random_pairs(seed=4, count=100):
        ours = measures_of(prediction, target, spacing, 1)["hd"]
        of_surfaces = simple_itk_hausdorff(surface(prediction), surface(target), spacing)
        assert ours == pytest.approx(of_surfaces, rel=2e-6)
        of_volumes = simple_itk_hausdorff(prediction, target, spacing)
        between = cdist(np.argwhere(prediction) * spacing, np.argwhere(target) * spacing)
        assert of_volumes == pytest.approx(max(between.min(axis=1).max(), between.min(axis=0).max()))


def test_a_hollow_shows_that_simple_itk_measures_the_inside() -> None:
    full = np.zeros((15, 15), bool)
    full[2:13, 2:13] = True
    hollow = full.copy()
    hollow[4:11, 4:11] = False
    assert simple_itk_hausdorff(hollow, full, (1.0, 1.0)) == 4  # from the centre to the ring
    assert measures_of(hollow, full, (1, 1), 1)["hd"] == 1  # of the ring's inner edge to the outer one


def test_dice_of_slices_by_hand() -> None:
    prediction, target = np.zeros((2, 2, 3, 4), bool)
    prediction[0, :2, 0] = target[0, 1:, 0] = True  # 2 / 4
    prediction[1, 1, 1] = True  # 0, for a single voxel
    prediction[:, :, 2] = target[:, :, 2] = True  # 1
    assert dice_of_slices(prediction, target) == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert dice(prediction, target) == pytest.approx(14 / 17)
    assert dice_of_slices(prediction[..., 0], target[..., 0]) == 0.5


def test_row_hausdorff_is_the_mean_over_slices_of_what_its_name_hides() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        prediction, target = rng.random((2, 7, 9, 5)) < rng.uniform(0.02, 0.9, (2, 1, 1, 5))
        expected = [
            cdist(prediction[..., z].astype(float), target[..., z].astype(float)).min(axis=1).max() for z in range(5)
        ]
        assert row_hausdorff(prediction, target) == pytest.approx(np.mean(expected))
        assert row_hausdorff(prediction[..., 0], target[..., 0]) == pytest.approx(expected[0])


def test_row_hausdorff_is_directed_and_needs_no_penalty() -> None:
    prediction, target = np.zeros((2, 4, 6), bool)
    target[1, :4] = True
    assert row_hausdorff(prediction, target) == 0  # each row of the prediction is as empty as some of the target
    assert row_hausdorff(target, prediction) == 2
    assert row_hausdorff(np.roll(target, 2, axis=0), target) == 0


def test_lesions_found_and_components_wrong_by_hand() -> None:
    prediction, target = np.zeros((2, 9, 9, 9), bool)
    target[0, 0, 0] = target[1, 1, 1] = True  # one lesion, over a corner; not found
    target[4:7, 4:7, 4:7] = True  # found twice
    prediction[3:5, 4, 4] = prediction[6, 6, 6:8] = True
    prediction[5, 7, 8] = True  # outside, but of the latter component over a corner
    target[8, 0:4, 8] = target[8, 6:9, 8] = True  # two lesions under one component
    prediction[8, 0:9, 8] = True
    prediction[0, 8, 0] = prediction[2, 8, 0] = True  # nothing there
    assert lesions_of(prediction, target) == {
        "lesions": 4,
        "lesions_found": 3,
        "components": 5,
        "components_wrong": 2,
        "lesion_f1": 2 / 3,
    }
    assert lesions_of(prediction, target & False) == {
        "lesions": 0,
        "lesions_found": 0,
        "components": 5,
        "components_wrong": 5,
        "lesion_f1": 0,
    }


def test_lesions_of_a_picture_connect_over_corners() -> None:
    target = np.eye(4, dtype=bool)
    prediction = target[::-1].copy()
    detected = {"lesions": 1, "lesions_found": 0, "components": 1, "components_wrong": 1, "lesion_f1": 0}
    assert lesions_of(prediction, target) == detected
    prediction[0, 0] = True
    assert lesions_of(prediction, target) == {
        "lesions": 1,
        "lesions_found": 1,
        "components": 2,
        "components_wrong": 1,
        "lesion_f1": 2 / 3,
    }


def two_structures() -> tuple[np.ndarray, np.ndarray]:
    label, prediction = np.zeros((2, 10, 10, 4), np.uint8)
    label[1:4, 1:4], label[6:9, 6:9, :2] = 1, 2
    prediction[2:5, 1:4], prediction[6:9, 5:8, :2] = 1, 2
    return prediction, label


def test_rows_hold_each_measure_of_each_structure() -> None:
    prediction, label = two_structures()
    rows = rows_of(prediction, label, (1, 2, 3), named("left", "right"), tolerance=1)
    assert [(row["case"], row["structure"]) for row in rows] == [("a", "left"), ("a", "right")]
    for number, row in enumerate(rows, start=1):
        pair = prediction == number, label == number
        expected = {
            "dice": dice(*pair),
            "dice_slices": dice_of_slices(*pair),
            "dice_slices_if_empty": dice_of_slices(pair[1] & False, pair[1]),
            "row_hausdorff": row_hausdorff(*pair),
            **measures_of(*pair, (1, 2, 3), 1),
            **lesions_of(*pair),
        }
        assert {key: row[key] for key in expected} == expected
    assert [(row["present"], row["predicted"]) for row in rows] == [(36, 36), (18, 18)]
    assert [row["hd"] for row in rows] == pytest.approx([1, 2])  # of one row, of one column


def test_an_absent_structure_has_the_penalty_and_one_that_nobody_sees_is_perfect() -> None:
    prediction, label = two_structures()
    prediction[prediction == 2] = 0
    *_, right, nobody = rows_of(prediction, label, (1, 1, 1), named("left", "right", "none"), 1)
    assert (right["present"], right["predicted"], right["dice"], right["nsd"]) == (18, 0, 0, 0)
    assert right["dice_slices"] == 0.5
    assert right["hd95"] == right["assd"] == pytest.approx((10**2 + 10**2 + 4**2) ** 0.5)
    assert (nobody["dice"], nobody["dice_slices"], nobody["nsd"], nobody["hd"]) == (1, 1, 1, 0)


def test_ignored_voxels_count_for_neither_mask() -> None:
    prediction, label = two_structures()
    ignored = np.random.default_rng(6).random(label.shape) < 0.2
    expected = rows_of(prediction * ~ignored, label * ~ignored, (1, 1, 1), named("left", "right"), 1)
    for row in expected:
        row["voxels"] -= ignored.sum()
    label[ignored] = IGNORED
    for filling in (0, 1, IGNORED):
        prediction[ignored] = filling
        assert rows_of(prediction, label, (1, 1, 1), named("left", "right"), 1) == expected
    (nothing,) = rows_of(np.ones_like(label), np.full_like(label, IGNORED), (1, 1, 1), named("left"), 1)
    assert (nothing["voxels"], nothing["present"], nothing["predicted"]) == (0, 0, 0)


def test_a_picture_has_rows_too() -> None:
    prediction, label = (volume[..., 0] for volume in two_structures())
    left, _ = rows_of(prediction, label, (1, 2), named("left", "right"), tolerance=1)
    assert left["dice_slices"] == left["dice"] == pytest.approx(2 / 3)
    assert (left["hd"], left["nsd"], left["lesions_found"]) == (1, 1, 1)


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0, 1), (1, -1, 1), (1, float("nan"), 1), 1])
def test_other_spacings_are_refused(spacing: Any) -> None:
    prediction, label = two_structures()
    told = "^segmentation: expected a spacing of 3 positive lengths, mm along each axis, found .*$"
    with pytest.raises(SeglossError, match=told):
        Segmentation(label > 0, prediction > 0, spacing)


@pytest.mark.parametrize("measure", [dice, lambda *pair: Segmentation(*pair, (1, 1, 1)), dice_of_slices, row_hausdorff])
def test_labels_and_shapes_that_broadcast_are_no_pair_of_masks(measure: Callable) -> None:
    prediction, label = two_structures()
    masks = prediction > 0, label > 0
    measure(*masks)
    for pair in (
        (prediction, label),
        (prediction, masks[1]),
        (masks[0], masks[1][:1]),
        (masks[0].tolist(), masks[1]),
    ):
        found = [f"{one.dtype} of shape {one.shape}" if hasattr(one, "dtype") else "<class 'list'>" for one in pair]
        with pytest.raises(SeglossError) as error:
            measure(*pair)
        told = str(error.value)
        assert "expected bool masks (`label == class`, or `label > 0`), NumPy arrays of one shape" in told
        assert all(text in told for text in found) and "\n" not in told


def test_a_surface_is_that_of_a_mask() -> None:
    with pytest.raises(SeglossError, match=r"^surface: expected bool masks .* found uint8 of shape"):
        surface(two_structures()[1])


# Held against another library


def of_ellipsoids(spacing: tuple[int, ...]) -> tuple[dict, Segmentation]:
    """A row of `cases.csv`, and what it was measured on."""
    prediction, target = shifted_ellipsoid()
    (row,) = rows_of(prediction.astype(np.uint8), target.astype(np.uint8), spacing, named("x"), 2)
    return row, Segmentation(target, prediction, spacing)


def test_disagreement_reports_the_two_definitions_of_the_percentile_and_nothing_else() -> None:
    rows = disagreement(*of_ellipsoids((5, 1, 1)), 2)
    assert {row["measure"]: row["above_tolerance"] for row in rows} == {
        **dict.fromkeys(["dice", "hd", "hd95_directed", "assd", "nsd"], False),
        "hd95": True,
    }
    (row,) = (row for row in rows if row["measure"] == "hd95")
    assert list(row) == COLUMNS
    assert (row["segloss"], row["monai"]) == pytest.approx((8.3666, 8.6603), abs=1e-4)
    assert row["difference"] == row["segloss"] - row["monai"]


def test_disagreement_tells_any_wrong_measure() -> None:
    right, segmentation = of_ellipsoids((1, 1, 1))
    for measure in ("dice", "hd", "hd95", "hd95_directed", "assd", "nsd"):
        for wrong in (1.002 * right[measure] + 0.001, float("nan")):
            rows = disagreement({**right, measure: wrong}, segmentation, 2)
            assert [row["measure"] for row in rows if row["above_tolerance"]] == [measure]


def test_disagreement_passes_over_empty_masks() -> None:
    full, empty = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    for pair in ((full, empty), (empty, full), (empty, empty)):
        assert disagreement({}, Segmentation(*pair, (1, 1)), 1) == []


@pytest.fixture(scope="module")
def agreement() -> pd.DataFrame:
    rows = [row for spacing in ((1, 1, 1), (1, 2, 1)) for row in disagreement(*of_ellipsoids(spacing), 2)]
    return pd.DataFrame(rows)


def warnings_of(agreement: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    caplog.set_level(logging.INFO)
    report(agreement)
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def with_wrong(agreement: pd.DataFrame, measure: str) -> pd.DataFrame:
    wrong = agreement.assign(above_tolerance=False)
    row = wrong.index[wrong["measure"] == measure][1]
    wrong.loc[row, ["difference", "above_tolerance"]] = [-0.25, True]
    return wrong


def test_measures_that_agree_are_reported_without_a_warning(
    agreement: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_of(agreement, caplog) == []
    messages = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in messages] == ["dice", "hd", "hd95", "hd95_directed", "assd", "nsd"]
    assert "0 of 2 differ" in messages[0]


def test_a_measure_that_differs_is_a_warning_but_not_that_of_another_definition(
    agreement: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_of(with_wrong(agreement, "assd"), caplog) == ["assd: 1 of 2 differ, by at most 0.25"]
    assert warnings_of(with_wrong(agreement, "hd95"), caplog) == []
    (message,) = (record.getMessage() for record in caplog.records if record.getMessage().startswith("hd95:"))
    assert message.startswith("hd95: 1 of 2") and message.endswith("; MONAI's is of another definition")


def test_nothing_to_compare_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = warnings_of(pd.DataFrame([]), caplog)
    assert message.startswith("no structure is both there and predicted")


@pytest.mark.parametrize("nothing", [True, False])
def test_the_script_holds_the_first_seeds_structures_against_the_library(tmp_path: Path, nothing: bool) -> None:
    values = {"studies": ["boundary"], "variants": ["volumes"], "losses": ["gdl"]}
    (run,) = load(values).first_seed_of("boundary")
    prediction, label = (volume == 1 for volume in two_structures())
    prediction = prediction & (not nothing)
    prepared, spacing = tmp_path / "data/prepared" / run.dataset, (1.0, 1.0, 3.0)
    write_case(prepared / "007", "007", Case(np.indices(label.shape)[:1], label, spacing, "007"))
    described = {"007": StoredCase(prepared / "007").description}
    write_json(tmp_path / "data/splits" / run.dataset / run.split / "test.json", described)
    write_array(tmp_path / "results" / run.id / "predictions/007.labels.b2nd", prediction.astype(np.uint8))
    (structure,) = run.labels.structures
    place = {"case": "007", "structure": structure, "cut": "decided", "threshold": np.nan}
    rows = case_rows([(place, Segmentation(label, prediction, spacing))], run.measures, run.dataset)
    pd.DataFrame(rows).to_csv(tmp_path / "results" / run.id / "cases.csv", index=False)
    script = [sys.executable, str(ROOT / "scripts/crosscheck.py"), "--study", "boundary"]
    command = [*script, "--configuration", json.dumps(values), "--table", "agreement.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("no structure is both there and predicted" in done.stderr) == nothing
    table = pd.read_csv(tmp_path / "agreement.csv", dtype={"case": str})
    assert list(table) == ["run", "case", "structure", *COLUMNS]
    assert len(table) == (0 if nothing else 6) and set(table["case"]) <= {"007"}
    assert not table.query("measure != 'hd95'")["above_tolerance"].any()
