"""Augmentation: what moves together, what is kept, how often and how strongly."""

import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from lib.errors import SeglossError
from lib.schema import AUGMENTATIONS as DEFAULTS
from lib.schema import Augmentation
from lib.training import augmentation
from lib.training.augmentation import AUGMENTATIONS, Sample

INTENSITY = ("noise", "blur", "brightness", "contrast", "low_resolution", "gamma")
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
    complete = [Augmentation.model_validate(step).model_dump(exclude_none=True) for step in steps]
    return augmentation.augment(sample, complete, rng)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def a_sample(*size: int, channels: int = 2) -> Sample:
    """Every entry tells where a voxel came from: all hold the same numbers."""
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
    changed = np.mean(
        [not np.array_equal(augment(sample, steps, rng)["image"], sample["image"]) for _ in range(1000)]
    )
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
    slopes = np.diff(bent[0].ravel()[order][[0, 600, 1199]]) / np.diff(
        image[0].ravel()[order][[0, 600, 1199]]
    )
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


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_zoom_refuses_maps_of_real_numbers(probability: float) -> None:
    message = "scaling changes the values of map 'distance'; leave zoom out"
    with pytest.raises(SeglossError, match=message):
        augment(a_sample(8, 8), [{"name": "zoom", "probability": probability}], generator())


def test_an_unknown_step_is_told_with_the_allowed_ones() -> None:
    with pytest.raises(
        SeglossError, match=r"unknown augmentation 'miror'; did you mean 'mirror'\? allowed: mirror, turn"
    ):
        augmentation.augment(an_image(4, 4), [{"name": "miror"}], generator())


def test_augmentation_needs_no_torch() -> None:
    code = "import sys, lib.training.augmentation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_step_has_defaults_for_all_its_parameters() -> None:
    assert DEFAULTS.keys() == AUGMENTATIONS.keys()
    for name, step in AUGMENTATIONS.items():
        parameters = inspect.signature(step).parameters.values()
        assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} == DEFAULTS[name].keys()
