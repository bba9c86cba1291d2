"""Noise in masks: the released form against golden values, the corrected form against what it promises."""

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from lib.errors import SeglossError
from lib.labels import IGNORED, NOISE_KINDS
from lib.noise import (
    RELEASED_DIRECTIONS,
    Draw,
    _released_draw,
    _rotated,
    assign,
    noisy_label,
    realised_change,
)

BETAS = (0.3, 0.5, 0.7)


def noise(form: str, beta: float = 0.5, alpha: float = 1.0, **others: Any) -> dict[str, Any]:
    return {"alpha": alpha, "beta": beta, "form": form, "kinds": list(NOISE_KINDS), "seed": 0, **others}


def ball(
    shape: Sequence[int], centre: Sequence[float], radius: float, spacing: Sequence[float] | None = None
) -> np.ndarray:
    axes = zip(np.indices(shape, sparse=True), centre, spacing or [1] * len(shape), strict=True)
    return (sum(((grid - place) * mm) ** 2 for grid, place, mm in axes) <= radius**2).astype(np.uint8)


def centroid_shift(clean: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    return np.argwhere(noisy == 1).mean(axis=0) - np.argwhere(clean == 1).mean(axis=0)


def ids(count: int) -> list[str]:
    return [f"case_{number:05d}" for number in range(count)]


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden/t_loss.json").read_text())["noise"]


# --- which cases ---------------------------------------------------------------------------------------------------


COUNTS = {
    (2000, 0.3): (188, 193, 219),
    (2000, 0.5): (312, 322, 366),
    (2000, 0.7): (442, 461, 497),
    (396, 0.3): (40, 40, 38),
    (396, 0.5): (68, 68, 62),
    (396, 0.7): (91, 98, 88),
}


@pytest.mark.parametrize(("count", "alpha"), COUNTS)
def test_the_released_stream_has_the_published_counts(count: int, alpha: float) -> None:
    draws = assign(random.Random(1).sample(ids(count), count), noise("released", alpha=alpha), 2)
    found = Counter(draw.kind for draw in draws.values())
    assert tuple(found[kind] for kind in NOISE_KINDS) == COUNTS[count, alpha]
    assert [*draws] == sorted(draws)


@pytest.mark.parametrize(("name", "count"), [("isic_2000", 2000), ("shenzhen_396", 396)])
def test_the_released_stream_equals_golden_values(golden: dict, name: str, count: int) -> None:
    for alpha in BETAS:
        expected = golden["pipeline_stream"][name][f"alpha{alpha}"]
        draws = assign(ids(count), noise("released", alpha=alpha), 2)
        numbers = [int(case.removeprefix("case_")) for case in draws]
        first = [[number, draw.kind] for number, draw in zip(numbers, draws.values(), strict=True)][:10]
        told = ",".join(map(str, numbers)).encode()
        assert len(draws) == expected["n_noisy"]
        assert first == expected["first10_noisy_sorted"]
        assert hashlib.sha1(told).hexdigest() == expected["sha1_of_noisy_sorted_csv"]


@pytest.mark.parametrize("form", ["released", "corrected"])
def test_noisy_cases_of_a_smaller_share_are_among_those_of_a_larger_one(form: str) -> None:
    few, some, many = (assign(ids(200), noise(form, alpha=alpha), 2).keys() for alpha in (0.3, 0.5, 0.7))
    assert (len(few), len(some), len(many)) == (60, 100, 140)
    assert few < some < many


def test_a_released_draw_changes_with_alpha_a_corrected_one_with_nothing() -> None:
    for form, stays in (("released", False), ("corrected", True)):
        few = assign(ids(200), noise(form, alpha=0.3), 2)
        many = assign(ids(200), noise(form, alpha=0.7, beta=0.9), 2)
        assert (few == {case: many[case] for case in few}) is stays
    alone = assign(["case_00007"], noise("corrected"), 2)
    assert alone["case_00007"] == assign(ids(200), noise("corrected"), 2)["case_00007"]


@pytest.mark.parametrize("form", ["released", "corrected"])
def test_draws_hang_on_the_seed_and_repeat(form: str) -> None:
    first, again, other = (assign(ids(50), noise(form, seed=seed), 3) for seed in (3, 3, 4))
    assert first == again != other


def test_only_the_kinds_asked_for_are_drawn() -> None:
    for form, kinds in itertools.product(("released", "corrected"), (["erode"], ["affine", "dilate"])):
        assert {draw.kind for draw in assign(ids(60), noise(form, kinds=kinds), 2).values()} == {*kinds}
    without = {key: value for key, value in noise("corrected").items() if key != "kinds"}
    assert assign(ids(60), without, 2) == assign(ids(60), noise("corrected"), 2)
    assert assign([], noise("corrected"), 2) == assign(ids(3), noise("released", alpha=0.3), 2) == {}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_corrected_draws_are_uniform(dimensions: int) -> None:
    draws = assign(ids(6000), noise("corrected"), dimensions).values()
    kinds = Counter(draw.kind for draw in draws)
    assert min(kinds.values()) > 1850
    affine = [draw for draw in draws if draw.kind == "affine"]
    directions = Counter(draw.direction for draw in affine)
    expected = len(affine) / (3**dimensions - 1)
    assert len(directions) == 3**dimensions - 1
    assert max(abs(found - expected) for found in directions.values()) < 4 * expected**0.5
    angles = np.array([draw.angle for draw in affine])
    assert abs(angles.mean()) < 1 and np.abs(angles).max() <= 30 and np.abs(angles).max() > 29.5


def test_released_directions_miss_one_and_have_one_twice() -> None:
    draws = assign(ids(6000), noise("released", kinds=["affine"]), 3).values()
    directions = Counter(draw.direction for draw in draws)
    assert len(directions) == 7 and (-1, -1, 0) not in directions
    assert directions[-1, 1, 0] == pytest.approx(1500, abs=120)


# --- the released form ---------------------------------------------------------------------------------------------


def released(label: np.ndarray, draw: Draw, beta: float) -> np.ndarray:
    return noisy_label(label, draw, noise("released", beta), (1.0,) * label.ndim)


AREAS = {
    (20, 0.5): (1257, 1877, 649),
    (20, 0.7): (1257, 2153, 345),
    (40, 0.5): (5025, 7485, 2441),
    (40, 0.7): (5025, 8581, 1521),
}


@pytest.mark.parametrize(("radius", "beta"), AREAS)
def test_released_layers_have_the_published_areas(radius: int, beta: float) -> None:
    disk = ball((128, 128), (64, 64), radius)
    dilated, eroded = (released(disk, Draw(kind), beta).sum() for kind in ("dilate", "erode"))
    assert (disk.sum(), dilated, eroded) == AREAS[radius, beta]


def test_released_layers_equal_golden_values(golden: dict) -> None:
    for name, expected in golden["deterministic"].items():
        radius, beta = name.removeprefix("R").split("_beta")
        disk = ball((128, 128), (64, 64), int(radius))
        for kind, (clean, noisy, dice, strength) in expected.items():
            change = realised_change(disk, released(disk, Draw(kind), float(beta)))
            assert (change["clean_voxels"], change["noisy_voxels"]) == (clean, noisy)
            assert (change["dice"], change["strength"]) == pytest.approx((dice, strength), abs=1e-8)


def test_a_released_displacement_has_the_published_numbers() -> None:
    """Seed 0 of the golden file: the disk asked to move to the left moves to the right."""
    draw = Draw("affine", 20.665311, (0, -1))
    disk = ball((128, 128), (64, 64), 20)
    noisy = released(disk, draw, 0.5)
    assert noisy.sum() == 1179
    assert centroid_shift(disk, noisy) == pytest.approx((-0.174, 6.157), abs=5e-4)


def test_released_displacements_equal_golden_values(golden: dict) -> None:
    for name, expected in golden["affine_seeded"].items():
        if name == "recipe":
            continue
        radius, beta = name.removeprefix("R").removesuffix("_seeds0-7").split("_beta")
        disk = ball((128, 128), (64, 64), int(radius))
        for seed, (angle, direction, area, strength, dice, rows, columns) in enumerate(expected):
            draw = affine_draw(random.Random(seed))
            assert (draw.angle, [*draw.direction]) == (pytest.approx(angle, abs=1e-6), direction)
            noisy = released(disk, draw, float(beta))
            change = realised_change(disk, noisy)
            assert change["noisy_voxels"] == area
            assert (change["strength"], change["dice"]) == pytest.approx((strength, dice), abs=1e-6)
            assert centroid_shift(disk, noisy) == pytest.approx((rows, columns), abs=5.1e-4)


def affine_draw(stream: random.Random) -> Draw:
    return Draw("affine", stream.uniform(-30, 30), stream.choice(RELEASED_DIRECTIONS))


@cache
def random_disks(length: int, radii: tuple[int, int], margin: int) -> list[np.ndarray]:
    """The 200 disks of the golden file's recipe."""
    rng = np.random.default_rng(7)
    disks = []
    for _ in range(200):
        radius = rng.uniform(*radii)
        low, high = radius + margin, length - 1 - radius - margin
        disks.append(ball((length, length), (rng.uniform(low, high), rng.uniform(low, high)), radius))
    return disks


def draws_in_order(kind: str, stream: random.Random) -> Iterator[Draw]:
    while True:
        if kind == "add_noise":
            yield _released_draw(stream, NOISE_KINDS, 2)
        else:
            yield affine_draw(stream) if kind == "affine" else Draw(kind)


def changes(disks: list[np.ndarray], kind: str, beta: float) -> tuple[list[str], dict[str, np.ndarray]]:
    draws = [*itertools.islice(draws_in_order(kind, random.Random(0)), len(disks))]
    rows = [realised_change(disk, released(disk, draw, beta)) for disk, draw in zip(disks, draws, strict=True)]
    return [draw.kind for draw in draws], {key: np.array([row[key] for row in rows]) for key in rows[0]}


STATISTICS = {
    "mean": np.mean,
    "std": np.std,
    "min": np.min,
    "p10": lambda values: np.percentile(values, 10),
    "median": np.median,
    "p90": lambda values: np.percentile(values, 90),
    "max": np.max,
}


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("kind", [*NOISE_KINDS, "add_noise"])
def test_released_statistics_equal_golden_values(golden: dict, kind: str, beta: float) -> None:
    expected = golden["stat_128"][f"{kind}_beta{beta}"]
    disks = random_disks(128, (8, 45), 2)
    kinds, found = changes(disks, kind, beta)
    assert (disks[0].sum(), found["clean_voxels"].mean()) == (3045, golden["stat_128"]["mean_clean_area"])
    for ours, theirs in (("dice", "dice"), ("strength", "symdiff_over_area"), ("area_ratio", "area_ratio")):
        statistics = {name: function(found[ours]) for name, function in STATISTICS.items()}
        assert statistics == pytest.approx(expected[theirs], abs=1e-12)
    if kind == "add_noise":
        assert kinds[:10] == expected["first10_types"]
        assert Counter(kinds) == expected["type_counts"]


@pytest.mark.parametrize(
    ("kind", "beta", "mean", "std"),
    [
        ("dilate", 0.3, 0.8698, 0.0053),
        ("dilate", 0.5, 0.7997, 0.0052),
        ("dilate", 0.7, 0.7412, 0.0049),
        ("erode", 0.3, 0.8239, 0.0083),
        ("erode", 0.5, 0.6660, 0.0090),
        ("erode", 0.7, 0.4618, 0.0088),
        ("affine", 0.3, 0.728, 0.219),
        ("affine", 0.5, 0.676, 0.172),
        ("affine", 0.7, 0.596, 0.140),
        ("add_noise", 0.5, 0.714, 0.122),
        ("add_noise", 0.7, 0.606, 0.135),
    ],
)
def test_released_statistics_of_larger_disks(kind: str, beta: float, mean: float, std: float) -> None:
    """Fact sheet of the T-Loss, table 3.5, 256 pixels: Dice of clean and noisy mask."""
    dice = changes(random_disks(256, (16, 90), 4), kind, beta)[1]["dice"]
    digits = 4 if kind in ("dilate", "erode") else 3
    assert (round(dice.mean(), digits), round(dice.std(), digits)) == (mean, std)


def frame(inner: tuple[slice, slice] = (slice(None), slice(None)), value: int = 1) -> np.ndarray:
    label = np.zeros((32, 32), np.uint8)
    label[inner] = value
    return label


PIXEL = (slice(16, 17), slice(16, 17))
LINE = (slice(16, 17), slice(6, 26))
NONE = (slice(0), slice(0))
EDGE_CASES = {
    "dilate_empty": (frame(NONE), "dilate", 0.5, 0),
    "dilate_full": (frame(), "dilate", 0.5, 1024),
    "erode_empty": (frame(NONE), "erode", 0.5, 0),
    "erode_full": (frame(), "erode", 0.5, 484),
    "single_pixel_dilate": (frame(PIXEL), "dilate", 0.5, 1),
    "single_pixel_erode_beta0.5": (frame(PIXEL), "erode", 0.5, 1),
    "one_px_line_len20_erode_beta0.7": (frame(LINE), "erode", 0.7, 20),
    "near_full_dilate": (frame((slice(1, -1), slice(1, -1))), "dilate", 0.5, 1020),
    "affine_empty": (frame(NONE), "affine", 0.5, 0),
}


@pytest.mark.parametrize("name", EDGE_CASES)
def test_released_edge_cases(name: str) -> None:
    """Where the released code fails, the mask stays as it is."""
    label, kind, beta, area = EDGE_CASES[name]
    noisy = released(label, Draw(kind, 20.0, (1, 0)), beta)
    assert noisy.sum() == area
    if area == label.sum():
        np.testing.assert_array_equal(noisy, label)


def test_released_edge_cases_are_the_golden_ones(golden: dict) -> None:
    for name, (label, _, _, area) in EDGE_CASES.items():
        expected = golden["edge_cases"][name]
        assert area == (label.sum() if "UnboundLocalError" in expected else expected["area"])


def test_released_layers_in_3d_are_six_neighbourhoods() -> None:
    cube = np.zeros((12, 12, 12), np.uint8)
    cube[5:7, 5:7, 5:7] = 1
    grown = [ndimage.binary_dilation(cube, iterations=layers).astype(np.uint8) for layers in (1, 2)]
    for smaller, larger in itertools.pairwise([cube, *grown]):
        ring = int(larger.sum() - smaller.sum())  # 24, 48
        np.testing.assert_array_equal(released(smaller, Draw("dilate"), ring / smaller.sum()), larger)
        np.testing.assert_array_equal(released(larger, Draw("erode"), ring / larger.sum()), smaller)


def test_released_displacement_in_3d_is_that_of_its_slices() -> None:
    disk = ball((64, 64), (28, 34), 14)
    for direction, angle in (((1, -1), 17.0), ((-1, 0), -28.0)):
        expected = released(disk, Draw("affine", angle, direction), 0.5)
        cylinder = np.repeat(disk[..., None], 5, axis=-1)
        found = released(cylinder, Draw("affine", angle, (*direction, 0)), 0.5)
        np.testing.assert_array_equal(found, np.repeat(expected[..., None], 5, axis=-1))


# --- the corrected form --------------------------------------------------------------------------------------------


def corrected(
    label: np.ndarray, draw: Draw, beta: float, spacing: Sequence[float] | None = None, seed: int = 0
) -> np.ndarray:
    return noisy_label(label, draw, noise("corrected", beta, seed=seed), spacing or (1.0,) * label.ndim)


def directions(dimensions: int) -> list[tuple[int, ...]]:
    return [step for step in itertools.product((-1, 0, 1), repeat=dimensions) if any(step)]


def some_draws(dimensions: int) -> list[Draw]:
    angles = itertools.cycle((25.0, -11.0, 3.0))
    affine = [Draw("affine", angle, step) for angle, step in zip(angles, directions(dimensions), strict=False)]
    return [Draw("dilate"), Draw("erode"), *affine]


FLAT, SOLID = (48, 52), (24, 28, 14)
SPACING = (0.7, 0.7, 2.5)
MASKS = {
    "disk": (ball(FLAT, (24, 26), 10), (1.0, 1.0)),
    "off centre": (ball(FLAT, (12, 39), 7), (1.0, 1.0)),
    "several": (ball(FLAT, (10, 11), 5) | ball(FLAT, (34, 40), 7) | ball(FLAT, (35, 9), 2), (1.0, 1.0)),
    "at the border": (ball(FLAT, (2, 30), 9), (1.0, 1.0)),
    "in the corner": (ball(FLAT, (47, 0), 12), (1.0, 1.0)),
    "flat pixels": (ball(FLAT, (20, 24), 12, (0.8, 2.1)), (0.8, 2.1)),
    "line": (frame(LINE), (1.0, 1.0)),
    "full": (frame(), (1.0, 1.0)),
    "hole": (frame() - frame((slice(10, 15), slice(20, 25))), (1.0, 1.0)),
    "ball": (ball(SOLID, (11, 15, 7), 5), (1.0, 1.0, 1.0)),
    "thick slices": (ball(SOLID, (11, 15, 7), 5, SPACING), SPACING),
    "balls": (ball(SOLID, (5, 5, 3), 4, SPACING) | ball(SOLID, (17, 20, 9), 5, SPACING), SPACING),
    "full volume": (np.ones((6, 7, 5), np.uint8), SPACING),
}


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("name", MASKS)
def test_the_strength_is_exact(name: str, beta: float) -> None:
    label, spacing = MASKS[name]
    before = label.copy()
    for draw in some_draws(label.ndim):
        noisy = corrected(label, draw, beta, spacing)
        wanted = round(beta * label.sum())
        if draw.kind == "dilate":
            wanted = min(wanted, (label == 0).sum())
            assert (noisy >= label).all()
        if draw.kind == "erode":
            assert (noisy <= label).all()
        assert noisy.dtype == np.uint8 and noisy.shape == label.shape
        assert (noisy != label).sum() == wanted, draw
        np.testing.assert_array_equal(noisy, corrected(label, draw, beta, spacing))
    np.testing.assert_array_equal(label, before)


TIES = [(1.0, 2, (1, 0)), (1.1, 32, (1, 3))]


@pytest.mark.parametrize("name", ["disk", "several", "at the border", "flat pixels", "thick slices", "balls"])
def test_layers_are_the_nearest_ones_and_grow_with_beta(name: str) -> None:
    label, spacing = MASKS[name]
    for kind, mask in (("dilate", label == 0), ("erode", label == 1)):
        smaller, larger = (corrected(label, Draw(kind), beta, spacing) != label for beta in (0.3, 0.6))
        assert (smaller <= larger).all()
        distance = ndimage.distance_transform_edt(mask, sampling=spacing)
        assert distance[larger].max() <= distance[mask & ~larger].min() + 1e-3


@pytest.mark.parametrize(("mm", "beta", "tied"), TIES)
def test_ties_are_decided_without_preference(mm: float, beta: float, tied: tuple[int, int]) -> None:
    """Half of the voxels at the same distance from a pixel, by many seeds; rounding of mm must not part them."""
    label = frame(PIXEL)[8:25, 8:25]
    added = sum(corrected(label, Draw("dilate"), beta, (mm, mm), seed).astype(int) for seed in range(200))
    i, j = tied
    shell = {(p * a, q * b) for a, b in ((i, j), (j, i)) for p in (1, -1) for q in (1, -1)}
    assert added.sum() == 200 * (1 + beta)
    assert all(70 < added[8 + row, 8 + column] < 130 for row, column in shell)


def test_the_frame_is_no_border_unless_the_mask_fills_it() -> None:
    half = frame((slice(16), slice(None)))
    eroded = corrected(half, Draw("erode"), 0.5)
    np.testing.assert_array_equal(eroded, frame((slice(8), slice(None))))
    inner = corrected(frame(), Draw("erode"), 1 - (24 / 32) ** 2)
    np.testing.assert_array_equal(inner, frame((slice(4, -4), slice(4, -4))))


@pytest.mark.parametrize("beta", [0.2, 0.5, 1.0, 1.4, 3.0, 50.0])
def test_tiny_empty_and_full_masks_are_no_error_and_no_mask_vanishes(beta: float) -> None:
    corner, middle = np.zeros((9, 8), np.uint8), np.zeros((5, 6, 4), np.uint8)
    corner[0, 0] = middle[2, 3, 1] = 1
    others = [np.ones((4, 3), np.uint8), np.ones((1, 1), np.uint8), np.ones((3, 1, 2), np.uint8), frame(LINE)]
    for label in (corner, middle, *others, *(1 - label for label in others[:3])):
        for draw, form in itertools.product(some_draws(label.ndim), ("corrected", "released")):
            if form == "released" and draw.direction:
                draw = Draw("affine", draw.angle, (*draw.direction[:2], 0)[: label.ndim])
            noisy = noisy_label(label, draw, noise(form, beta), (1.0,) * label.ndim)
            assert noisy.any() == label.any() or (form, draw.kind) == ("released", "affine")
            change = realised_change(label, noisy)
            if form == "corrected" and label.any():
                assert change["strength"] * label.sum() <= round(beta * label.sum()) + 1e-9


def test_what_cannot_be_reached_is_approached() -> None:
    disk = ball((40, 40), (20, 20), 6)
    area = disk.sum()
    assert corrected(disk, Draw("dilate"), 100.0).all()
    assert corrected(disk, Draw("erode"), 2.0).sum() == 1
    away = corrected(disk, Draw("affine", 20.0, (0, 1)), 2.5)
    assert not (away & disk).any() and away.sum() == pytest.approx(area, abs=4)
    corner = ball((40, 40), (0, 0), 6)
    leaving = realised_change(corner, corrected(corner, Draw("affine", 0.0, (-1, -1)), 2.0))
    assert leaving["noisy_voxels"] == 1 and leaving["strength"] == pytest.approx(1 - 1 / corner.sum())


def test_displacements_keep_the_size_and_go_where_they_are_sent() -> None:
    disk = ball((96, 96), (30, 58), 14)
    for angle, direction in itertools.product((0.0, 30.0, -17.0), directions(2)):
        noisy = corrected(disk, Draw("affine", angle, direction), 0.5)
        assert abs(int(noisy.sum()) - int(disk.sum())) <= 12
        shift = centroid_shift(disk, noisy)
        along, across = shift @ direction, np.cross([*shift, 0], [*direction, 0])[2]
        assert along > 3 and abs(across) < 0.4


def test_opposite_directions_cancel() -> None:
    disk = ball((64, 64), (20, 36), 9)
    shifts = [
        centroid_shift(disk, corrected(disk, Draw("affine", angle, direction), 0.5))
        for angle, direction in itertools.product((20.0, -20.0), directions(2))
    ]
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.05
    assert np.linalg.norm(shifts, axis=1).min() > 3


def test_corrected_masks_do_not_drift_and_released_ones_do() -> None:
    disk = ball((64, 64), (32, 32), 9)
    drift = {}
    for form in ("released", "corrected"):
        specification = noise(form, kinds=["affine"])
        draws = assign(ids(300), specification, 2).values()
        noisy = [noisy_label(disk, draw, specification, (1.0, 1.0)) for draw in draws]
        drift[form] = np.mean([centroid_shift(disk, label) for label in noisy], axis=0)
    assert np.abs(drift["corrected"]).max() < 0.45  # three standard errors
    assert drift["released"].min() > 1.5


def test_rotation_is_about_the_lesion_and_in_mm() -> None:
    spacing = np.array([0.8, 2.0])
    rows, columns = np.indices((90, 60), sparse=True)
    bar = (np.abs((rows - 30) * 0.8) <= 20) & (np.abs((columns - 35) * 2.0) <= 5)
    turned = _rotated(bar, 25.0, spacing)
    before, after = (np.argwhere(mask) * spacing for mask in (bar, turned))
    assert after.mean(axis=0) == pytest.approx(before.mean(axis=0), abs=0.1)
    assert len(after) == pytest.approx(len(before), rel=0.03)
    long_axis = np.linalg.eigh(np.cov(after.T))[1][:, -1]
    assert np.rad2deg(np.arctan(long_axis[1] / long_axis[0])) == pytest.approx(25, abs=1)


def test_rotation_of_a_volume_is_that_of_its_slices() -> None:
    flat = MASKS["several"][0] > 0
    solid = _rotated(np.repeat(flat[..., None], 4, axis=-1), 21.0, np.array([1.0, 1.0, 5.0]))
    np.testing.assert_array_equal(solid, np.repeat(_rotated(flat, 21.0, np.array([1.0, 1.0]))[..., None], 4, -1))


def test_an_angle_too_large_for_the_strength_is_halved() -> None:
    bar = np.zeros((64, 64), np.uint8)
    bar[12:52, 28:36] = 1
    strength = {angle: (_rotated(bar > 0, angle, np.ones(2)) != bar).sum() / bar.sum() for angle in (24, 12, 6)}
    assert strength[24] > strength[12] > 0.4 > strength[6]
    noisy = corrected(bar, Draw("affine", 24.0, (1, 0)), 0.4)
    np.testing.assert_array_equal(noisy, corrected(bar, Draw("affine", 6.0, (1, 0)), 0.4))
    assert (noisy != corrected(bar, Draw("affine", 0.0, (1, 0)), 0.4)).any()


def test_a_lesion_off_centre_is_not_thrown_by_its_rotation() -> None:
    disk = ball((128, 128), (24, 100), 12)
    thrown, kept = (form(disk, Draw("affine", 28.0, (1, 0)), 0.5) for form in (released, corrected))
    assert np.linalg.norm(centroid_shift(disk, thrown)) > 20
    assert abs(centroid_shift(disk, kept)[1]) < 0.3


# --- labels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["released", "corrected"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), SPACING])
def test_noisy_foreground_has_the_nearest_clean_class(form: str, spacing: tuple[float, ...]) -> None:
    label = ball(SOLID, (9, 12, 7), 6, spacing) + ball(SOLID, (9, 16, 7), 4, spacing)
    label[20:22, 3:6, 2:5] = 3
    voxels = np.argwhere(label)
    for draw in (Draw("dilate"), Draw("erode"), Draw("affine", 14.0, (1, 1, 0))):
        noisy = noisy_label(label, draw, noise(form), spacing)
        np.testing.assert_array_equal(noisy[(label > 0) & (noisy > 0)], label[(label > 0) & (noisy > 0)])
        for place in np.argwhere((noisy > 0) & (label == 0)):
            distance = np.linalg.norm((voxels - place) * spacing, axis=1)
            nearest = voxels[np.isclose(distance, distance.min())]
            assert noisy[tuple(place)] in label[tuple(nearest.T)]
        binary = noisy_label((label > 0).astype(np.uint8), draw, noise(form), spacing)
        np.testing.assert_array_equal(binary, noisy > 0)


@pytest.mark.parametrize("form", ["released", "corrected"])
def test_what_is_not_annotated_stays_so(form: str) -> None:
    label = ball(FLAT, (24, 26), 9)
    label[:, 33:38] = IGNORED
    foreground = label == 1
    for draw in some_draws(2):
        noisy = noisy_label(label, draw, noise(form), (1.0, 1.0))
        np.testing.assert_array_equal(noisy == IGNORED, label == IGNORED)
        if form == "corrected":
            assert ((noisy == 1) != foreground).sum() == round(0.5 * foreground.sum())
            assert realised_change(label, noisy)["strength"] == pytest.approx(0.5, abs=0.5 / foreground.sum())
    unknown = np.where(foreground, 1, IGNORED).astype(np.uint8)
    for draw in some_draws(2):
        assert (noisy_label(unknown, draw, noise(form), (1.0, 1.0)) == 1).any()


def test_what_is_not_annotated_is_no_background() -> None:
    label = frame((slice(8, 24), slice(8, 24)))
    label[:, :8] = label[:, 24:] = label[24:] = IGNORED
    eroded = corrected(label, Draw("erode"), 0.25)
    assert not (eroded[8:12] == 1).any() and (eroded[12:24, 8:24] == 1).all()


def test_a_step_out_of_the_unknown_leaves_some_foreground() -> None:
    """In one step, the last pixel gets lost at the frame and another comes from where nothing is annotated."""
    label = np.zeros((4, 6), np.uint8)
    label[1, 4:] = label[2, 1] = 1
    label[2, 2] = IGNORED
    assert (corrected(label, Draw("affine", 0.0, (0, 1)), 1.0) == 1).sum() == 1


def test_realised_change() -> None:
    clean, noisy = frame((slice(4), slice(5))), frame((slice(2, 6), slice(5)))
    expected = {"clean_voxels": 20, "noisy_voxels": 20, "strength": 1.0, "area_ratio": 1.0, "dice": 0.5}
    assert realised_change(clean, noisy) == expected == realised_change(clean > 0, noisy > 0)
    clean[10], noisy[10] = IGNORED, IGNORED
    assert realised_change(2 * (clean == 1), noisy) == expected
    empty = realised_change(frame(NONE), frame(NONE))
    assert empty["dice"] == 1 and np.isnan([empty["strength"], empty["area_ratio"]]).all()


def test_batches_are_refused() -> None:
    with pytest.raises(SeglossError, match="2D or 3D"):
        noisy_label(np.zeros((1, 2, 3, 4), np.uint8), Draw("dilate"), noise("corrected"), (1.0,) * 4)
