"""Cases of one data set found in another by their images: saved again, resampled, windowed, cut, mirrored, turned."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import ROOT
from lib.datasets import DATASETS
from lib.datasets.duplicates import (
    BLOCKS,
    SAME,
    Match,
    correlation,
    matches,
    signature,
    signature_of,
    without_duplicates,
)
from lib.datasets.index import IndexedCase
from lib.datasets.phantoms import blobs, livers
from lib.errors import SeglossError
from lib.files import read_json, write_json
from lib.resampling import resample_image
from lib.store import Case, StoredCase, write_case

N = 8
PARAMETERS = DATASETS["phantom_livers"].parameters | {"spacings": [[4.0, 4.0, 5.0], [4.0, 4.0, 6.0], [4.5, 4.5, 5.0]]}
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])


def liver(number: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """Image (x, y, z) and spacing of a phantom."""
    case = livers.prepare(f"abdomen_{number:03d}", IndexedCase(""), PARAMETERS)
    return case.image[0], case.spacing


@pytest.fixture(scope="module")
def phantoms() -> list[tuple[np.ndarray, tuple[float, ...]]]:
    return [liver(number) for number in range(N)]


def store(folder: Path, name: str, image: np.ndarray, spacing: tuple[float, ...], axes: np.ndarray) -> StoredCase:
    label = np.zeros(image.shape, np.uint8)
    affine = axes @ np.diag([*spacing, 1.0]) if image.ndim == 3 else None
    write_case(folder / name, name, Case(image[None], label, spacing, name, affine))
    return StoredCase(folder / name)


def signed(image: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    return signature(image, spacing, BLOCKS[3])


Change = Callable[[np.ndarray, tuple[float, ...]], tuple[np.ndarray, tuple[float, ...]]]


def resampled(image: np.ndarray, spacing: tuple[float, ...], factor: float) -> tuple[np.ndarray, tuple[float, ...]]:
    made = resample_image(image[None], [round(length / factor) for length in image.shape])[0]
    return made, tuple(s * old / new for s, old, new in zip(spacing, image.shape, made.shape, strict=True))


CHANGES: dict[str, Change] = {
    "saved again": lambda image, spacing: (image.copy(), spacing),
    "coarser": lambda image, spacing: resampled(image, spacing, 1.5),
    "finer": lambda image, spacing: resampled(image, spacing, 1 / 1.5),
    "other intensities": lambda image, spacing: (600 * image - 1000, spacing),
    "narrower window": lambda image, spacing: (image.clip(0.125, 0.875), spacing),
    "first slices cut off": lambda image, spacing: (image[..., 4:], spacing),
    "slices cut off on both sides": lambda image, spacing: (image[..., 1:-2], spacing),
    "mirrored": lambda image, spacing: (image[::-1, :, ::-1], spacing),
    "all at once": lambda image, spacing: resampled(image.clip(0.125, 0.875)[:, ::-1, 3:] * 600, spacing, 1.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_image_correlates_and_others_do_not(phantoms: list, change: str) -> None:
    known = [signed(*phantom) for phantom in phantoms]
    for number, phantom in enumerate(phantoms):
        found = [correlation(signed(*CHANGES[change](*phantom)), other) for other in known]
        assert found.pop(number) > SAME
        assert max(found) < SAME - 0.1


def test_a_correlation_by_hand() -> None:
    """Of slices that are the same but for a shift all that is shared counts; of other slices it is Pearson's."""
    rng = np.random.default_rng(0)
    slices = rng.normal(size=(10, 4, 4))
    slices -= slices.mean(axis=(1, 2), keepdims=True)
    assert correlation(slices, slices[2:]) == pytest.approx(1)
    assert correlation(slices[:9], slices[1:] * 7) == pytest.approx(1)  # 8 of 9
    assert correlation(slices[:6], slices[4:]) < 0.9  # no more than 2 of 6
    one, other = slices[:1], slices[1:2]
    mirrored = [other[0, ::x, ::y].ravel() for x in (1, -1) for y in (1, -1)]
    expected = max(0, *(np.corrcoef(one.ravel(), values)[0, 1] for values in mirrored))
    assert correlation(one, other) == pytest.approx(expected)


def test_blocks_are_means(phantoms: list) -> None:
    """Where blocks are whole voxels; the same of an image that is finer by a whole number."""
    image, spacing = phantoms[0]
    image, spacing = image[:32, :32], (1.0, 1.0, 2.0)
    finer = image.repeat(2, axis=0).repeat(2, axis=1).repeat(3, axis=2)
    whole = signed(image, spacing)
    np.testing.assert_allclose(signed(finer, (0.5, 0.5, 2 / 3)), whole, atol=1e-5)
    assert whole.shape[1:] == (16, 16) and np.abs(whole.mean(axis=(1, 2))).max() < 1e-6


def test_an_affine_that_turns_the_axes_is_followed(tmp_path: Path, phantoms: list) -> None:
    image, spacing = phantoms[0]
    straight = store(tmp_path, "straight", image, spacing, np.eye(4))
    turned = np.moveaxis(image, 2, 0)[:, ::-1]  # z, -x, y
    axes = np.array([[0, -1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    other = store(tmp_path, "turned", turned, (spacing[2], *spacing[:2]), axes)
    np.testing.assert_allclose(signature_of(straight), signature_of(other), atol=1e-5)


def test_a_constant_slice_and_a_flat_image_match_nothing() -> None:
    flat = signature(np.ones((20, 20, 4), np.float32), (1.0, 1.0, 1.0), 16)
    assert correlation(flat, flat) == 0


def test_pictures(tmp_path: Path) -> None:
    made = [blobs.prepare(f"blob_{n:03d}", IndexedCase(""), DATASETS["phantom_blobs"].parameters) for n in range(6)]
    pictures = [case.image[0] for case in made]
    tested = [store(tmp_path / "tested", f"t{n}", pictures[n][::-1], (1.0, 1.0), np.eye(4)) for n in (0, 1)]
    trained = [store(tmp_path / "trained", f"b{n}", pictures[n], (2.0, 2.0), np.eye(4)) for n in (1, 2, 3, 4, 5)]
    first, second = matches(tested, trained)
    assert not first.duplicate and second.duplicate
    assert (second.case, second.trained_case) == ("t1", "b1") and second.correlation == pytest.approx(1)


def test_pictures_and_volumes_cannot_be_compared(tmp_path: Path, phantoms: list) -> None:
    volume = store(tmp_path, "volume", *phantoms[0], np.eye(4))
    picture = store(tmp_path, "picture", phantoms[0][0][..., 10], (1.0, 1.0), np.eye(4))
    with pytest.raises(SeglossError, match="pictures and volumes cannot be compared"):
        matches([volume], [picture])


def test_what_remains() -> None:
    cases = {"a": {"case": "a"}, "b": {"case": "b"}}
    found = [Match("a", "x", 0.95), Match("b", "y", 0.6)]
    assert without_duplicates(cases, found, "set") == {"b": {"case": "b"}}
    with pytest.raises(SeglossError, match=r"^set: all 1 test cases are among the training cases, as a is x;"):
        without_duplicates({"a": {}}, found, "set")


def test_the_script_lists_duplicates_and_what_remains(tmp_path: Path, phantoms: list) -> None:
    """Two sets that share two scans under other names, one of them resampled and cut."""
    trained = [store(tmp_path / "lits", str(n), *phantoms[n], np.eye(4)) for n in (0, 1, 2, 3)]
    shared = CHANGES["all at once"](*phantoms[1])
    tested = [
        store(tmp_path / "abdomen", "Case_1", *shared, np.eye(4)),
        store(tmp_path / "abdomen", "Case_2", *phantoms[4], np.eye(4)),
        store(tmp_path / "abdomen", "Case_3", *phantoms[3], np.eye(4)),
    ]
    for name, part in {"test": tested, "train": trained[:3], "validation": trained[3:]}.items():
        write_json(tmp_path / f"{name}.json", {case.name: case.description for case in part})
    command = [sys.executable, ROOT / "scripts/duplicates.py", "--name", "abdomen"]
    command += ["--prepared", tmp_path / "abdomen", "--tested", tmp_path / "test.json"]
    command += [
        "--trained-prepared",
        tmp_path / "lits",
        "--trained",
        tmp_path / "train.json",
        tmp_path / "validation.json",
    ]
    command += ["--table", tmp_path / "duplicates.csv", "--remaining", tmp_path / "remaining.json"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    table = pd.read_csv(tmp_path / "duplicates.csv", dtype={"trained_case": str})
    assert list(table) == ["case", "trained_case", "correlation", "duplicate"]
    assert table["duplicate"].tolist() == [1, 0, 1] and table["trained_case"][[0, 2]].tolist() == ["1", "3"]
    assert read_json(tmp_path / "remaining.json") == {"Case_2": tested[1].description}
