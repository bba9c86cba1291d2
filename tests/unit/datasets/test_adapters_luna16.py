"""The adapter of LUNA16 and LIDC-IDRI on an imitation of the official archives."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import official_ct as official
import pytest
from adapters_ct import Unpacked, box_mask, same_place
from scipy import ndimage

from lib.datasets.adapters import luna16
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError


@pytest.fixture(scope="module")
def published(unpacked: Callable[..., Path]) -> Unpacked:
    return Unpacked("luna16", luna16, unpacked(official.write_luna16))


@pytest.fixture(scope="module")
def corrected(unpacked: Callable[..., Path]) -> Unpacked:
    return Unpacked("luna16_corrected", luna16, unpacked(official.write_luna16))


LUNG_BOX = (slice(4, 28), slice(4, 27), slice(4, 23))
"""Lungs [12, 20) x [12, 19) x [12, 15), grown by 3 and with a margin of 5."""


def grown_lungs() -> np.ndarray:
    """All voxels at most 3 steps from the box of the lungs."""
    steps = sum(
        np.maximum(0, np.maximum(first - axis, axis - last))
        for axis, first, last in zip(np.ogrid[:40, :32, :28], (12, 12, 12), (19, 18, 14), strict=True)
    )
    return steps <= 3


def test_luna16_published_target_counts_nodules_not_readers(published: Unpacked) -> None:
    case = published.prepare(official.CONSENSUS)
    shape = official.SHAPE
    expected = box_mask(shape, (11, 19), (10, 18), (13, 13))  # readers 1 and 2, and reader 2 twice
    expected |= box_mask(shape, (12, 13), (12, 16), (12, 12))  # reader 3's position 12.8 is truncated
    expected[20, 14, 13] = True  # a single point, and reader 2's outline
    np.testing.assert_array_equal(case.label, expected[LUNG_BOX])
    assert case.n_lesions == 1


def test_luna16_corrected_target_counts_readers_without_outlines_and_holes(corrected: Unpacked) -> None:
    case = corrected.prepare(official.CONSENSUS)
    shape = official.SHAPE
    expected = box_mask(shape, (12, 17), (11, 17), (13, 13))  # readers 1 and 2
    expected[14, 14, 13] = False  # reader 1's hole
    expected |= box_mask(shape, (11, 11), (13, 15), (13, 13))  # readers 1 and 3, whose 12.8 is rounded
    np.testing.assert_array_equal(case.label, expected[LUNG_BOX])
    assert case.n_lesions is None


def test_luna16_matches_nodules_within_ten_voxels_or_millimetres(published: Unpacked, corrected: Unpacked) -> None:
    by_voxels = box_mask(official.SHAPE, (20, 24), (8, 12), (8, 8))
    by_voxels |= box_mask(official.SHAPE, (10, 14), (8, 12), (13, 13))  # 12.5 mm away
    np.testing.assert_array_equal(published.prepare(official.DISTANT).label, by_voxels[LUNG_BOX])
    by_millimetres = box_mask(official.SHAPE, (21, 23), (9, 11), (8, 8))
    by_millimetres |= box_mask(official.SHAPE, (11, 13), (20, 22), (8, 8))  # 11 voxels away
    box = (slice(4, 29), slice(4, 28), slice(3, 23))  # covers the target too
    np.testing.assert_array_equal(corrected.prepare(official.DISTANT).label, by_millimetres[box])


def test_luna16_intensities_axes_and_geometry(published: Unpacked) -> None:
    case = published.prepare(official.CONSENSUS)
    lungs, scan = grown_lungs(), official.ramp(*official.SHAPE).astype(float)
    scan[~lungs] = min(scan[lungs].min(), 0)
    scan = np.clip(scan[LUNG_BOX], -1000, 300)
    np.testing.assert_allclose(case.image[0], (scan - scan.min()) / (scan.max() - scan.min()), atol=1e-6)
    assert case.image.dtype == np.float32
    assert case.spacing == official.SPACING
    assert case.patient == official.CONSENSUS
    affine = np.diag([-0.75, -0.5, 2.5, 1.0])
    affine[:3, 3] = 20, -8.5, -100.25  # LPS to RAS
    assert same_place(case, (14, 14, 13), (4, 4, 4), affine)


def test_luna16_masked_voxels_get_the_smallest_product() -> None:
    scan = np.array([[[50, 400, -20]]], np.int16)
    lungs = np.array([[[True, True, False]]])
    np.testing.assert_allclose(luna16._masked_window(scan, lungs), [[[50 / 300, 1, 0]]])  # 0 outside is less


def test_luna16_reversed_scans(published: Unpacked, corrected: Unpacked) -> None:
    """The list serves the published form, the header's axes serve the corrected one."""
    square = box_mask(official.SHAPE, (4, 8), (5, 9), (9, 9))
    np.testing.assert_array_equal(published.prepare(official.REVERSED).label, square[LUNG_BOX])
    assert published.reason(official.FLIPPED_UNKNOWN) == "a nodule of annotations.csv lies outside the scan"
    inside = box_mask(official.SHAPE, (5, 7), (6, 8), (9, 9))
    box = (slice(0, 28), slice(1, 27), slice(4, 23))
    for scan in (official.REVERSED, official.FLIPPED_UNKNOWN):
        case = corrected.prepare(scan)
        np.testing.assert_array_equal(case.label, inside[box])
        affine = np.diag([0.75, 0.5, 2.5, 1.0])
        affine[:3, 3] = 20, -8.5, -100.25
        assert same_place(case, (6, 7, 9), (0, 1, 4), affine)


def test_luna16_lung_mask_loses_its_rarest_value_or_its_trachea(published: Unpacked, corrected: Unpacked) -> None:
    assert published.prepare(official.SMALL_LUNG).image.shape[1] == 40 - 4  # 2 voxels of lung 4 are gone,
    trachea_and_lungs = corrected.prepare(official.SMALL_LUNG).image.shape  # 3 of the trachea are not
    assert trachea_and_lungs[1] == (17 + 3 + 1 + 5) - (12 - 3 - 5)
    odd = np.full((5, 5, 5), 3, np.uint8)
    odd[0, 0, 0] = 7
    with pytest.raises(CaseExcluded, match="lung mask holds label 7; known are 0, 3, 4, 5"):
        luna16._lung_mask(odd, published=False)
    with pytest.raises(CaseExcluded, match="empty"):
        luna16._lung_mask(np.zeros((5, 5, 5), np.uint8), published=False)


@pytest.mark.parametrize("seed", range(4))
def test_luna16_lung_mask_is_ten_dilations_ten_erosions_three_dilations(seed: int) -> None:
    """Against the steps one by one on the whole volume, where its border erodes nothing."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(12, 45, 3)
    values = (ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0.12) * np.uint8(3)
    values[rng.random(shape) < 0.002] = 5
    expected = values == 3

    def step(mask: np.ndarray, outside: bool) -> list[np.ndarray]:
        padded = np.pad(mask, 1, constant_values=outside)
        inner = (slice(1, -1),) * 3
        return [mask, *(np.roll(padded, n, axis)[inner] for axis in range(3) for n in (1, -1))]

    for _ in range(10):
        expected = np.any(step(expected, outside=False), axis=0)
    for _ in range(10):
        expected = np.all(step(expected, outside=True), axis=0)
    for _ in range(3):
        expected = np.any(step(expected, outside=False), axis=0)
    np.testing.assert_array_equal(luna16._lung_mask(values, published=True), expected)


def test_luna16_contours_are_filled_as_opencv_does() -> None:
    """A crossing polygon whose lines pass midway between voxels; the picture is that of OpenCV 5.0.0."""
    points = np.array([[14, 8], [0, 1], [10, 4], [1, 7], [3, 0], [13, 5]])
    outline, inside = luna16._outline_and_inside(points, (16, 9))
    picture = [
        "...##...........",
        "##.####.........",
        "..#######.......",
        "..#########.....",
        "..######.####...",
        "..############..",
        ".#####....####..",
        ".##.........###.",
        "..............#.",
    ]
    drawn = ["".join(".#"[bool(voxel)] for voxel in row) for row in (outline | inside).T]
    assert drawn == picture
    assert not (outline & inside).any()


def test_luna16_splits_are_the_publications(published: Unpacked, corrected: Unpacked) -> None:
    """The pools hold 12 and 9 scans; which five are drawn was asked of scikit-learn 1.9.1."""
    pool = [official.CONSENSUS, official.DISTANT, *map(official.plain, range(10))]
    validation = [pool[number] for number in (0, 3, 5, 6, 8)]
    assert published.parts() == {
        "train": tuple(scan for scan in pool if scan not in validation),
        "validation": tuple(validation),
        "test": published.parts()["test"],
    }
    usable = [official.BAD[n] for n in ("shape", "position", "voxels", "xml", "constant", "outside", "alone")]
    known = [official.FLIPPED_UNKNOWN, official.SMALL_LUNG, official.REVERSED]
    assert published.parts()["test"] == tuple(sorted([*known, *map(official.plain, range(10, 13)), *usable]))

    pool = pool[:9]
    validation = [pool[number] for number in (0, 1, 3, 4, 6)]
    assert published.parts("validation") == {
        "train": tuple(scan for scan in pool if scan not in validation),
        "validation": tuple(validation),
        "test": tuple(map(official.plain, (7, 8, 9))),
    }
    assert corrected.index == published.index


def test_luna16_lists_are_complete() -> None:
    assert len(luna16.LEFT_OUT) == 72
    assert len(luna16.REVERSED) == 11
    assert len(luna16.LEFT_OUT & luna16.REVERSED) == 1


def test_luna16_exclusions_of_the_index(published: Unpacked) -> None:
    excluded = published.index.excluded
    assert excluded.pop(official.BAD["twice"]).startswith("duplicate id: images ")
    assert excluded == {
        official.LEFT_OUT: "left out by the publication, which gives no reason",
        official.BAD["no lungs"]: "no lungs and no lungs voxels among the raw files",
        official.BAD["no reading"]: "it has nodules, but no LIDC reading names its series",
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("shape", "image (40, 32, 28) and lung mask (39, 32, 28) differ in shape"),
        ("position", "image and lung mask differ in position or axes by up to 1 mm"),
        ("voxels", ".mhd cannot be read ("),
        ("xml", "002.xml cannot be read ("),
        ("constant", "the image is constant (0)"),
        ("outside", "a nodule of annotations.csv lies outside the scan"),
    ],
)
def test_luna16_faulty_scans_are_excluded(published: Unpacked, name: str, reason: str) -> None:
    assert reason in published.reason(official.BAD[name])


def test_luna16_corrected_wants_two_readers_at_each_nodule(published: Unpacked, corrected: Unpacked) -> None:
    assert corrected.reason(official.BAD["alone"]) == "no two readers outline the nodule at voxel [25, 25, 20]"
    assert published.prepare(official.BAD["alone"]).n_lesions == 2


def test_luna16_contours_outside_the_scan_exclude_it(published: Unpacked) -> None:
    scan = luna16.Volume(np.zeros((20, 20, 9)), (1.0, 1.0, 1.0), np.eye(4))
    for contour in (
        luna16.Contour(9.0, np.array([[3, 3]]), False),
        luna16.Contour(-1.0, np.array([[3, 3]]), False),
        luna16.Contour(4.0, np.array([[3, 20]]), False),
    ):
        with pytest.raises(CaseExcluded, match="lies outside the scan"):
            luna16._filled([contour], scan, published=True)


def test_luna16_wants_its_table(tmp_path: Path) -> None:
    header = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
    for content, message in (
        ("id,x\n1,2\n", "no column 'seriesuid'"),
        (f"{header}1.2,3,4,5,6,7\n", "line 2: 5 cells were expected, found 6"),
        (f"{header}1.2,3,4,5\n", "line 2: 5 cells were expected, found 4"),
        (f"{header}1.2,3,4,5,6\n1.2,3,x,5,6\n", "row 2: not the annotations of LUNA16"),
        (f"{header}1.2,3,nan,5,6\n", "row 1: not the annotations of LUNA16"),
    ):
        (tmp_path / "annotations.csv").write_text(content)
        with pytest.raises(SeglossError, match=rf"annotations\.csv: {message}"):
            luna16.index(RawFiles([tmp_path]), {"form": "published"})
    (tmp_path / "annotations.csv").unlink()
    with pytest.raises(SeglossError, match=r"0 files annotations\.csv; exactly one was expected"):
        luna16.index(RawFiles([tmp_path]), {"form": "published"})
