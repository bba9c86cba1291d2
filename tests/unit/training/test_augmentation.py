"""Augmentation: what moves together, what is kept, how often and how strongly."""

import inspect
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from lib.training import augmentation
from lib.training.augmentation import Sample
from lib.training.catalogue import AUGMENTATIONS

INTENSITY = ("noise", "blur", "brightness", "contrast", "low_resolution", "gamma")
WARPS = ("zoom", "rotate", "elastic")
SIZES = [(12, 12), (12, 8), (6, 6, 4)]
RELEASED = [
    {"name": "turn", "angles": [180]},
    {"name": "zoom", "range": [0.85, 1.0]},
    *({"name": name} for name in INTENSITY[:-1]),
    {"name": "gamma", "probability": 0.1, "invert": True},
    {"name": "gamma"},
    {"name": "mirror"},
]


def augment(sample: Sample, steps: list[dict[str, Any]], rng: np.random.Generator) -> Sample:
    return augmentation.augment(sample, [*map(AUGMENTATIONS.parse, steps)], rng)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def a_sample(*size: int, channels: int = 2) -> Sample:
    """Every entry says where a voxel came from: all hold the same numbers."""
    places = np.arange(np.prod(size)).reshape(1, *size)
    return {
        "image": np.repeat(places, channels, axis=0).astype(np.float32),
        "label": places.astype(np.uint16),
        "components": places.astype(np.int32),
        "distance": np.repeat(places, 3, axis=0).astype(np.float32),
    }


def an_image(*size: int, channels: int = 2) -> Sample:
    image = generator(7).normal(1, 2, (channels, *size)).astype(np.float32)
    return {"image": image, "label": (image[:1] > 1).astype(np.uint8)}


def surely(name: str, **parameters: Any) -> list[dict[str, Any]]:
    share = {"per_channel": 1.0} if name in ("blur", "low_resolution") else {}
    return [{"name": name, "probability": 1.0, **share, **parameters}]


def image_after(sample: Sample, steps: list[dict[str, Any]], seed: int = 0) -> np.ndarray:
    return augment(sample, steps, generator(seed))["image"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["mirror", "turn"])
def test_all_entries_move_alike(name: str, size: tuple[int, ...]) -> None:
    sample = a_sample(*size)
    for seed in range(20):
        moved = augment(sample, [{"name": name, "probability": 0.6}], generator(seed))
        places = moved["label"][0]
        assert sorted(places.flat) == list(range(places.size))
        for entry, values in moved.items():
            assert values.dtype == sample[entry].dtype
            assert values.shape == sample[entry].shape
            assert all(np.array_equal(channel, places) for channel in values)


@pytest.mark.parametrize("size", SIZES)
def test_mirror_reverses_every_axis_and_undoes_itself(size: tuple[int, ...]) -> None:
    sample = a_sample(*size)
    once = augment(sample, surely("mirror"), generator())
    assert np.array_equal(once["image"][0].ravel(), sample["image"][0].ravel()[::-1])
    assert np.array_equal(image_after(once, surely("mirror")), sample["image"])


@pytest.mark.parametrize("size", [(12, 12), (6, 6, 4)])
def test_turns_by_90_and_270_degrees_undo_each_other(size: tuple[int, ...]) -> None:
    sample = a_sample(*size)
    once = augment(sample, surely("turn", angles=[90]), generator())
    assert np.array_equal(once["image"], np.swapaxes(sample["image"], 1, 2)[:, ::-1])
    assert np.array_equal(image_after(once, surely("turn", angles=[270])), sample["image"])


def test_a_plane_that_is_not_square_turns_by_180_degrees() -> None:
    sample = a_sample(12, 8, 4)
    turned = image_after(sample, surely("turn", angles=[90, 270]))
    assert np.array_equal(turned, sample["image"][:, ::-1, ::-1])


@pytest.mark.parametrize("size", [(32, 24), (16, 16, 8)])
def test_the_released_steps_are_a_function_of_the_generator(size: tuple[int, ...]) -> None:
    sample = an_image(*size)
    kept = {name: values.copy() for name, values in sample.items()}
    results = [augment(sample, RELEASED, generator(seed)) for seed in (*range(30), *range(30))]
    for first, second in zip(results[:30], results[30:], strict=True):
        for name, values in first.items():
            assert np.array_equal(values, second[name])
            assert values.dtype == sample[name].dtype
            assert values.shape == sample[name].shape
            assert np.isfinite(values).all()
    assert len({result["image"].tobytes() for result in results}) > 25
    assert all(np.array_equal(sample[name], kept[name]) for name in kept)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_probability_is_the_share_of_samples_that_change(name: str) -> None:
    sample = an_image(40, 30, channels=1)
    steps = [{**surely(name)[0], "probability": 0.3}]
    rng = generator()
    changed = np.mean([not np.array_equal(augment(sample, steps, rng)["image"], sample["image"]) for _ in range(1000)])
    expected = 1 - 0.7**2 if name == "mirror" else 0.3
    assert changed == pytest.approx(expected, abs=0.045)  # three standard errors


@pytest.mark.parametrize("name", ["blur", "low_resolution"])
def test_a_channel_changes_with_a_probability_of_its_own(name: str) -> None:
    sample = an_image(8, 8, channels=2000)
    changed = image_after(sample, surely(name, per_channel=0.25, range=[0.6, 0.7])) != sample["image"]
    assert changed.any((1, 2)).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("size", [(16, 12), (8, 8, 6)])
@pytest.mark.parametrize("name", INTENSITY)
def test_intensity_steps_change_nothing_but_the_image(name: str, size: tuple[int, ...]) -> None:
    sample = an_image(*size)
    changed = augment(sample, surely(name), generator())
    assert changed["label"] is sample["label"]
    assert changed["image"].dtype == np.float32
    assert changed["image"].shape == sample["image"].shape
    assert (changed["image"] != sample["image"]).any()


def test_noise_has_the_drawn_standard_deviation() -> None:
    sample = {"image": np.zeros((1, 100, 100), np.float32)}
    deviations = [image_after(sample, surely("noise", range=[0.02, 0.08]), seed).std() for seed in range(200)]
    assert min(deviations) == pytest.approx(0.02, rel=0.1)
    assert max(deviations) == pytest.approx(0.08, rel=0.1)
    assert np.mean(deviations) == pytest.approx(0.05, rel=0.1)


def test_blur_has_the_drawn_width() -> None:
    point = np.zeros((1, 31, 31), np.float32)
    point[0, 15, 15] = 1
    blurred = image_after({"image": point}, surely("blur", range=[0.8, 0.8]))[0]
    squared_distance = (np.arange(31) - 15.0) ** 2
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    assert (blurred.sum(1) * squared_distance).sum() ** 0.5 == pytest.approx(0.8, rel=0.01)


def test_brightness_draws_a_factor_for_each_channel() -> None:
    sample = {"image": np.full((3000, 2, 2), 2, np.float32)}
    factors = image_after(sample, surely("brightness", range=[0.75, 1.5]))[:, 0, 0] / 2
    assert factors.min() == pytest.approx(0.75, abs=0.01)
    assert factors.max() == pytest.approx(1.5, abs=0.01)
    assert factors.mean() == pytest.approx(1.125, abs=0.02)


def test_contrast_scales_about_the_mean_within_the_old_values() -> None:
    channel = np.array([[-1, 0, 0], [0, 0, 1]], np.float32)
    sample = {"image": np.repeat(channel[None], 3000, axis=0)}
    upper = image_after(sample, surely("contrast", range=[0.75, 1.5]))[:, 1, 2]
    assert upper.max() == 1
    assert (upper < 1).mean() == pytest.approx(0.5, abs=0.03)
    assert upper.min() == pytest.approx(0.75, abs=0.01)
    stronger = image_after(
        {"image": 3 + channel[None] * [[[1, 0.5, 0], [0, 0.5, 1]]]}, surely("contrast", range=[2, 2])
    )
    assert stronger[0] == pytest.approx(3 + channel)


def test_low_resolution_keeps_a_line_but_not_a_checkerboard() -> None:
    rows, columns = np.indices((32, 32))
    sample = {"image": np.stack([rows / 32, (rows + columns) % 2]).astype(np.float32)}
    line, checkerboard = image_after(sample, surely("low_resolution", range=[0.5, 0.5]))
    assert line == pytest.approx(sample["image"][0], abs=0.05)
    assert checkerboard.std() < 1e-3


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("power", [0.7, 1.5])
def test_gamma_bends_between_kept_mean_and_deviation(invert: bool, power: float) -> None:
    image = an_image(40, 30)["image"]
    bent = image_after({"image": image}, surely("gamma", range=[power, power], invert=invert))
    assert bent.mean((1, 2)) == pytest.approx(image.mean((1, 2)), abs=1e-5)
    assert bent.std((1, 2)) == pytest.approx(image.std((1, 2)), rel=1e-5)
    order = image[0].ravel().argsort()
    slopes = np.diff(bent[0].ravel()[order][[0, 600, 1199]]) / np.diff(image[0].ravel()[order][[0, 600, 1199]])
    assert (slopes > 0).all()
    assert (slopes[0] > slopes[1]) == ((power < 1) != invert)


def test_a_constant_channel_stays_as_it_is() -> None:
    sample = {"image": np.full((1, 5, 5), 0.25, np.float32)}
    for name in ("contrast", "gamma", "low_resolution", "blur"):
        assert image_after(sample, surely(name)) == pytest.approx(sample["image"])


@pytest.mark.parametrize("size", [(101, 101), (41, 41, 41)])
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_zoom_divides_lengths_by_the_factor_about_the_centre(size: tuple[int, ...], factor: float) -> None:
    centre = np.array(size) // 2
    distance = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(np.indices(size), centre, strict=True)))
    ball = (distance <= size[0] / 5)[None]
    sample = {
        "image": ball.astype(np.float32),
        "label": ball.astype(np.uint8),
        "components": 7 * ball.astype(np.int32),
    }
    zoomed = augment(sample, surely("zoom", range=[factor, factor]), generator())
    assert zoomed["label"].sum() == pytest.approx(ball.sum() / factor ** len(size), rel=0.05)
    assert np.mean(np.nonzero(zoomed["label"][0]), axis=1) == pytest.approx(centre)
    assert set(np.unique(zoomed["components"])) == {0, 7}
    for name in ("image", "components"):
        differs = (zoomed[name] > sample[name].max() / 2) != zoomed["label"].astype(bool)
        assert differs.mean() < 0.01
    assert [values.dtype for values in zoomed.values()] == [values.dtype for values in sample.values()]


def test_zoom_shows_nothing_outside_of_the_image() -> None:
    sample = {"image": np.ones((2, 20, 20), np.float32), "label": np.full((1, 20, 20), 3, np.uint8)}
    zoomed = augment(sample, surely("zoom", range=[1.25, 1.25]), generator())
    for name, value in (("image", 1), ("label", 3)):
        inside = np.zeros((20, 20))
        inside[2:-2, 2:-2] = value
        assert all(channel == pytest.approx(inside) for channel in zoomed[name])


def test_half_of_the_released_zooms_are_none() -> None:
    sample = an_image(16, 16, channels=1)
    zoomed = [image_after(sample, surely("zoom", range=[0.85, 1.0]), seed) for seed in range(400)]
    kept = np.mean([np.allclose(image, sample["image"], atol=1e-5) for image in zoomed])
    assert kept == pytest.approx(0.5, abs=0.08)


def with_places(*size: int) -> Sample:
    """``place`` says where a voxel was, of those whose ``inside`` is 7."""
    return {
        "image": np.zeros((1, *size), np.float32),
        "place": np.indices(size).astype(np.float32),
        "inside": np.full((1, *size), 7, np.uint8),
    }


def displacements(sample: Sample) -> np.ndarray:
    """By how many voxels each axis (first index) was displaced, of all voxels that come from inside."""
    places = sample["place"]
    return (places - np.indices(places.shape[1:]))[:, sample["inside"][0] == 7]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", WARPS)
def test_a_warp_by_nothing_changes_nothing(name: str, size: tuple[int, ...]) -> None:
    sample = {
        **an_image(*size),
        "components": 5 * an_image(*size)["label"],
        "distance": an_image(*size)["image"],
    }
    nothing = {"zoom": [1, 1], "rotate": [0, 0], "elastic": [0, 0]}[name]
    same = augment(sample, surely(name, range=nothing), generator())
    for entry, values in sample.items():
        assert same[entry].dtype == values.dtype
        assert same[entry] == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize("size", [(60, 48), (40, 40, 12)])
@pytest.mark.parametrize(("name", "range"), [("rotate", [25, 25]), ("elastic", [2, 2])])
def test_what_is_warped_stays_together(name: str, range: list[int], size: tuple[int, ...]) -> None:
    centre = 0.4 * np.array(size)
    axes = zip(np.indices(size), centre, strict=True)
    ball = (sum(((axis - c) / c) ** 2 for axis, c in axes) <= 0.5)[None]
    sample = {
        "image": ball.astype(np.float32),
        "label": ball.astype(np.uint8),
        "classes": 3 * ball.astype(np.uint8),
        "distance": 0.5 - ball.astype(np.float32),
    }
    warped = augment(sample, surely(name, range=range), generator(1))
    inside = warped["label"].astype(bool)
    assert (inside != ball).mean() > 0.01
    assert set(np.unique(warped["classes"])) == {0, 3}
    for name in ("image", "classes"):
        assert ((warped[name] > sample[name].max() / 2) != inside).mean() < 0.01
    assert ((warped["distance"] <= 0) == inside).all()
    assert [values.dtype for values in warped.values()] == [values.dtype for values in sample.values()]


def test_rotate_turns_as_turn_does() -> None:
    sample = {**an_image(21, 21, 3), "distance": an_image(21, 21, 3)["image"]}
    rotated = augment(sample, surely("rotate", range=[90, 90]), generator())
    turned = augment(sample, surely("turn", angles=[90]), generator())
    for name, values in turned.items():
        assert rotated[name][:, 1:-1, 1:-1] == pytest.approx(values[:, 1:-1, 1:-1], abs=1e-4)


@pytest.mark.parametrize("size", [(20, 30), (20, 30, 3)])
def test_rotate_draws_its_angle_uniformly_and_keeps_the_third_axis(size: tuple[int, ...]) -> None:
    angles = []
    for seed in range(300):
        rotated = augment(with_places(*size), surely("rotate", range=[-10, 40]), generator(seed))
        (rows, columns, *rest), middle = rotated["place"], (9, slice(14, 16), 1)[: len(size)]
        step = np.diff([rows[middle], columns[middle]])[:, 0]
        assert np.hypot(*step) == pytest.approx(1, abs=1e-5)
        angles.append(np.rad2deg(np.arctan2(step[0], step[1])))
        assert all((depths == np.arange(3)).all() for depths in rest)
    assert (min(angles), max(angles)) == pytest.approx((-10, 40), abs=1)
    assert np.mean(angles) == pytest.approx(15, abs=2.5)  # three standard errors


@pytest.mark.parametrize("size", [(160, 160), (64, 64, 24)])
def test_elastic_displaces_by_what_is_drawn_smoothly_in_the_plane(size: tuple[int, ...]) -> None:
    drawn, slopes = [], []
    for seed in range(40):
        warped = augment(with_places(*size), surely("elastic", range=[1, 3], smoothness=5), generator(seed))
        moved = displacements(warped)
        assert np.abs(moved[2:]).max(initial=0) == 0
        drawn.append(np.sqrt(np.mean(moved[0] ** 2)))
        assert np.sqrt(np.mean(moved[1] ** 2)) == pytest.approx(drawn[-1], rel=0.15)  # outside not counted
        inner = (warped["place"] - np.indices(size))[0, 16:-16, 16:-16]  # all of it comes from inside
        slopes.append(np.diff(inner, axis=1).std() / np.sqrt(np.mean(inner**2)))
    assert np.mean(slopes) == pytest.approx(1 / (5 * 2**0.5), rel=0.1)  # that of smoothed noise
    assert 0.9 < min(drawn) < 1.2
    assert 2.6 < max(drawn) < 3.1


@pytest.mark.parametrize("n_axes", [2, 3])
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_zoomed_distances_are_those_of_the_zoomed_border(factor: float, n_axes: int) -> None:
    size = (21, 17, 9)[:n_axes]
    to_plane = np.indices(size)[0].astype(np.float32) - 12
    sample = {"image": np.zeros((1, *size), np.float32), "distance": to_plane[None]}
    zoomed = augment(sample, surely("zoom", range=[factor, factor]), generator())["distance"][0]
    border = 10 + (12 - 10) / factor  # about the centre
    expected = np.indices(size)[0] - border
    inside = slice(2, -2) if factor > 1 else slice(None)
    assert zoomed[(inside,) * n_axes] == pytest.approx(expected[(inside,) * n_axes], abs=1e-5)


def test_distances_between_0_and_1_are_no_mask() -> None:
    distance = np.linspace(0.2, 0.8, 64, dtype=np.float32).reshape(1, 8, 8)
    sample = {"image": 0 * distance, "distance": distance}
    for name in WARPS:
        warped = augment(sample, surely(name), generator())["distance"]
        assert len(np.unique(warped)) > 30
        assert warped.min() > 0.15


@pytest.mark.parametrize(("name", "range"), [("zoom", [1.5, 1.5]), ("rotate", [40, 40]), ("elastic", [4, 4])])
def test_distances_go_on_outside_without_contradicting_the_label(name: str, range: list[float]) -> None:
    label = np.zeros((1, 24, 24), np.uint8)
    label[:, :12] = 1
    far = np.indices((24, 24))[:1].astype(np.float32) - 11.5
    foreground = {**with_places(24, 24), "label": label, "distance": far}
    classes = {**with_places(24, 24), "label": label, "distance": np.concatenate([-far, far, 0 * far])}
    for sample in (foreground, classes):
        warped = augment(sample, surely(name, range=range), generator(2))
        outside = warped["inside"][0] != 7
        *background, shown, absent = warped["distance"] if sample is classes else (*warped["distance"], 0 * far)
        assert outside.any() and not warped["label"][0][outside].any()
        assert shown[outside].min() == 0  # beyond the foreground
        assert shown[outside].max() > 3  # beyond the background: not 0
        assert shown[~outside].min() < -3
        assert all(np.array_equal(channel[outside], -shown[outside]) for channel in background)
        assert not absent.any()


def test_augmentation_needs_no_torch() -> None:
    code = "import sys, lib.training.augmentation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_step_has_defaults_for_all_its_parameters() -> None:
    for name, entry in AUGMENTATIONS.items():
        parameters = inspect.signature(entry.loaded).parameters.values()
        keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert keywords == AUGMENTATIONS.parse(name).arguments().keys()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("miror", "unknown augmentation 'miror'; did you mean 'mirror'? allowed: mirror, turn"),
        ({"name": "zoom", "range": [-1, 1]}, "greater than 0"),
        ({"name": "elastic", "range": [-1, 1]}, "greater than or equal to 0"),
        ({"name": "rotate", "range": [5, -5]}, "range (5.0, -5.0) must ascend"),
        ({"name": "elastic", "smoothness": 0}, "greater than 0"),
        ({"name": "rotate", "smoothness": 5}, "rotate has no 'smoothness'"),
    ],
)
def test_mistakes_in_the_parameters(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        AUGMENTATIONS.parse(step)


@pytest.mark.parametrize("range", [[-15, 15], [-30, -10], [0, 20]])
def test_angles_may_be_negative(range: list[float]) -> None:
    assert AUGMENTATIONS.parse({"name": "rotate", "range": range}).range == tuple(range)
