"""What training cases have in common, by hand; target spacings as nnU-Net's planner has them."""

from pathlib import Path

import numpy as np
import pytest
from conftest import classes

from lib.datasets.fingerprint import fingerprint, target_spacing
from lib.labels import Labels
from lib.store import Case, StoredCase, write_case


def store(folder: Path, name: str, image: np.ndarray, label: np.ndarray, spacing: tuple[float, ...]) -> StoredCase:
    write_case(folder / name, name, Case(image, label, spacing, name))
    return StoredCase(folder / name)


@pytest.fixture
def cases(tmp_path: Path) -> list[StoredCase]:
    first, second = np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 8), np.uint8)
    first[0, 0, :2], first[3, 3, 3] = 1, 2
    second[0, 0, 0], second[:, :, 7] = 1, 255
    images = [np.arange(label.size, dtype=np.float32).reshape(1, *label.shape) for label in (first, second)]
    return [
        store(tmp_path, "a", images[0], first, (1.0, 1.0, 2.0)),
        store(tmp_path, "b", images[1], second, (1.0, 1.0, 1.0)),
    ]


def test_a_fingerprint_by_hand(cases: list[StoredCase]) -> None:
    found = fingerprint(cases, classes(3))
    assert found["cases"] == 2
    assert found["median_spacing"] == [1, 1, 1.5] == found["target_spacing"]
    assert found["median_shape"] == [4, 4, 6]
    assert found["median_target_shape"] == pytest.approx([4, 4, (4 * 2 / 1.5 + 8 / 1.5) / 2])
    annotated = 64 + 128 - 16
    assert found["class_shares"] == pytest.approx(
        {"0": (annotated - 4) / annotated, "1": 3 / annotated, "2": 1 / annotated}
    )
    assert found["components"] == {"median": 1.5, "largest": 2, "cases_without": 0}
    (channel,) = found["intensities"]
    values = np.array([0, 1, 63, 0])
    assert (channel["mean"], channel["smallest"], channel["largest"]) == (16, 0, 63)
    assert channel["sd"] == pytest.approx(values.std())
    assert channel["percentile_99.5"] == pytest.approx(np.percentile(values, 99.5))


def test_no_structure_leaves_no_intensities(cases: list[StoredCase], tmp_path: Path) -> None:
    empty = store(
        tmp_path, "c", np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2), np.zeros((2, 2, 2), np.uint8), (1,) * 3
    )
    found = fingerprint([empty], classes(2))
    assert found["intensities"] == [] and found["components"]["cases_without"] == 1


def test_of_overlapping_structures_each_voxel_counts_for_all(tmp_path: Path) -> None:
    label = np.zeros((2, 4, 4), np.uint8)
    label[0, :2], label[1, 1:] = 1, 1
    case = store(tmp_path, "d", np.arange(16, dtype=np.float32).reshape(1, 4, 4), label, (1.0, 1.0))
    found = fingerprint([case], Labels(("spot", "vessel"), exclusive=False))
    assert found["class_shares"] == {"spot": 0.5, "vessel": 0.75}
    assert found["intensities"][0]["largest"] == 15


@pytest.mark.parametrize(
    ("spacings", "shapes", "expected"),
    [
        ([(1, 1, 1), (2, 2, 2), (3, 3, 3)], [(100,) * 3] * 3, [2, 2, 2]),
        # slices: the tenth percentile, not below the others
        ([(0.8, 0.8, 5)] * 9 + [(0.8, 0.8, 1)] * 2, [(512, 512, 60)] * 11, [0.8, 0.8, 1.0]),
        ([(0.8, 0.8, 5)] * 9 + [(0.8, 0.8, 0.5)] * 2, [(512, 512, 60)] * 11, [0.8, 0.8, 0.8]),
        # coarse along an axis, but with as many voxels: no slices
        ([(0.8, 0.8, 5)] * 9 + [(0.8, 0.8, 1)] * 2, [(100, 100, 60)] * 11, [0.8, 0.8, 5.0]),
    ],
)
def test_target_spacings(spacings: list, shapes: list, expected: list[float]) -> None:
    assert target_spacing(spacings, shapes) == pytest.approx(expected)
