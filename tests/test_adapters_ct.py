"""Adapters of the CT data sets (and the Decathlon's MR) on imitations of the official archives."""

import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import official_ct as official
import pytest
from scipy import ndimage

from lib.datasets import DATASETS
from lib.datasets.adapters import abdomenct1k, amos22, decathlon, lits, luna16
from lib.datasets.index import Index
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError
from lib.store import Case, write_case


class Unpacked:
    """The archives of a data set, unpacked, with its cases as its adapter finds and prepares them."""

    def __init__(self, dataset: str, adapter: ModuleType, folder: Path) -> None:
        self.adapter, self.parameters = adapter, DATASETS[dataset].parameters
        self.index: Index = adapter.index(RawFiles([folder]), self.parameters).checked(dataset)
        assert DATASETS[dataset].adapter == adapter.__name__
        assert set(self.index.splits) == set(DATASETS[dataset].splits)

    def prepare(self, case: str, **parameters: object) -> Case:
        return self.adapter.prepare(case, self.index.cases[case], {**self.parameters, **parameters})

    def reason(self, case: str) -> str:
        with pytest.raises(CaseExcluded) as caught:
            self.prepare(case)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def parts(self, split: str = "holdout") -> dict[str, tuple[str, ...]]:
        return self.index.splits[split]


def unpack(paths: list[Path], folder: Path) -> Path:
    folder.mkdir()
    for path in paths:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder / path.stem)
        elif path.suffix == ".tar":
            with tarfile.open(path) as archive:
                archive.extractall(folder / path.stem, filter="data")
        else:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folders: dict[tuple, Path] = {}

    def folder(write: Callable, *arguments: str) -> Path:
        key = (write, *arguments)
        if key not in folders:
            archives = tmp_path_factory.mktemp("archives")
            folders[key] = unpack(write(archives, *arguments), archives / "unpacked")
        return folders[key]

    return folder


def same_place(case: Case, voxel: tuple[int, ...], start: tuple[int, ...], affine: np.ndarray) -> bool:
    """Whether the raw voxel lies in the cropped case where it lay before."""
    here = np.append(np.subtract(voxel, start), 1)
    return np.allclose(case.affine @ here, affine @ np.append(voxel, 1), atol=1e-5)


def box_mask(shape: tuple[int, ...], *spans: tuple[int, int]) -> np.ndarray:
    """True from the first to the last voxel of each span, both included."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(first, last + 1) for first, last in spans)] = True
    return mask


# LUNA16


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


def test_luna16_matches_nodules_within_ten_voxels_or_millimetres(
    published: Unpacked, corrected: Unpacked
) -> None:
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


def test_luna16_lung_mask_loses_its_rarest_value_or_its_trachea(
    published: Unpacked, corrected: Unpacked
) -> None:
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
        official.BAD["no reading"]: "it has nodules, but no LIDC reading tells its series",
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
    assert (
        corrected.reason(official.BAD["alone"]) == "no two readers outline the nodule at voxel [25, 25, 20]"
    )
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
    (tmp_path / "annotations.csv").write_text("id,x\n1,2\n")
    with pytest.raises(SeglossError, match="not the annotations of LUNA16"):
        luna16.index(RawFiles([tmp_path]), {"form": "published"})
    (tmp_path / "annotations.csv").unlink()
    with pytest.raises(SeglossError, match=r"0 files match annotations"):
        luna16.index(RawFiles([tmp_path]), {"form": "published"})


# LiTS


@pytest.fixture(scope="module")
def lits_set(unpacked: Callable[..., Path]) -> Unpacked:
    return Unpacked("lits", lits, unpacked(official.write_lits))


LIVER_BOX = (slice(3, 18), slice(3, 17), slice(1, 15))


def scaled(array: np.ndarray, low: float, high: float) -> np.ndarray:
    clipped = np.clip(array.astype(float), low, high)
    return (clipped - clipped.min()) / (clipped.max() - clipped.min())


@pytest.mark.parametrize("case", ["0", "27", "28", "32"])
def test_lits_published_is_cropped_to_healthy_liver(lits_set: Unpacked, case: str) -> None:
    """Case 27 is stored with an offset and its mask as floats, 28 has a rounded header, 32 a fourth axis of 1."""
    prepared = lits_set.prepare(case)
    expected = np.zeros((24, 22, 20), np.uint8)
    expected[official.LITS_TUMOUR] = 1
    np.testing.assert_array_equal(prepared.label, expected[LIVER_BOX])
    image = scaled(official.ramp(24, 22, 20)[LIVER_BOX], -300, 300)
    np.testing.assert_allclose(prepared.image[0], image, atol=1e-6)
    assert same_place(prepared, official.LITS_TUMOUR, (3, 3, 1), official.OBLIQUE)
    np.testing.assert_allclose(prepared.spacing, np.linalg.norm(official.OBLIQUE[:3, :3], axis=0), atol=1e-6)
    assert prepared.n_lesions is None


@pytest.mark.parametrize(
    ("target", "box", "cut"),
    [
        ("tumour", "liver_and_tumour", (slice(3, 24), slice(3, 17), slice(1, 15))),
        ("both", "none", (slice(24), slice(22), slice(20))),
        ("liver", "liver", LIVER_BOX),
    ],
)
def test_lits_targets_and_boxes(
    lits_set: Unpacked, target: str, box: str, cut: tuple[slice, ...], tmp_path: Path
) -> None:
    prepared = lits_set.prepare("130", target=target, box=box)
    mask = official.lits_mask()[cut]
    expected = {"tumour": mask == 2, "both": mask, "liver": mask > 0}[target]
    np.testing.assert_array_equal(prepared.label, expected)
    np.testing.assert_allclose(
        prepared.image[0], scaled(official.ramp(24, 22, 20)[cut], -300, 300), atol=1e-6
    )
    start = tuple(part.start or 0 for part in cut)
    assert same_place(prepared, official.LITS_TUMOUR, start, official.OBLIQUE)
    write_case(tmp_path, "130", prepared)


def test_lits_split_is_by_number(lits_set: Unpacked) -> None:
    assert lits_set.parts() == {
        "train": ("33", "41", "42", "43", "44", "45", "46", "47", "49", "130"),
        "validation": ("28", "32"),
        "test": ("0", "27"),
    }
    assert len(lits_set.index.excluded) == 131 - len(lits_set.index.cases)
    assert lits_set.index.excluded["1"] == "named by the split 'holdout', but not among the raw files"
    assert lits_set.index.excluded["40"] == "no label among the raw files"
    assert lits_set.index.excluded["48"].startswith("duplicate id: images ")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("41", "image (24, 22, 20) and mask (24, 21, 20) differ in shape"),
        ("42", "image and mask differ in position or axes by up to 0.5 mm"),
        ("43", "the mask holds label 4; known are 0, 1, 2"),
        ("44", "the image holds NaN or infinite values"),
        ("45", "the image is constant (-50)"),
        ("46", "image is 4D with shape (24, 22, 20, 2); a 3D volume was expected"),
        ("47", "volume-47.nii cannot be read ("),
        ("49", "the region to crop to is empty"),
    ],
)
def test_lits_faulty_scans_are_excluded(lits_set: Unpacked, case: str, reason: str) -> None:
    assert reason in lits_set.reason(case)


def write_benchmark_layout(folder: Path, volumes: int, masks: int) -> RawFiles:
    image, mask = official.nifti_pair(official.ramp(24, 22, 20), official.lits_mask())
    for kind, scan, count in (("volume", image, volumes), ("mask", mask, masks)):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            (folder / kind / f"scan_{number}_{kind}.nii").write_bytes(official.nifti(scan, compressed=False))
    return RawFiles([folder])


def test_lits_in_the_layout_of_the_liver_benchmark(tmp_path: Path) -> None:
    index = lits.index(write_benchmark_layout(tmp_path, 10, 10), {}).checked("lits")
    assert list(index.cases) == [f"scan_{number}_volume" for number in range(10)]
    for number in range(10):
        (mask,) = index.cases[f"scan_{number}_volume"].files["label"]
        assert mask.endswith(f"/mask/scan_{number}_mask.nii")
    assert [len(index.splits["holdout"][part]) for part in ("train", "validation", "test")] == [7, 1, 2]
    case = lits.prepare("scan_0_volume", index.cases["scan_0_volume"], DATASETS["lits"].parameters)
    assert case.label.sum() == 1

    (tmp_path / "more" / "volume").mkdir(parents=True)
    (tmp_path / "more" / "mask").mkdir()
    (tmp_path / "more" / "volume" / "scan_3_volume.nii.gz").touch()
    (tmp_path / "more" / "mask" / "scan_3_mask.nii.gz").touch()
    again = lits.index(RawFiles([tmp_path]), {})
    assert again.excluded["scan_3_volume"].startswith("duplicate id: ")
    assert len(again.cases) == 9


def test_lits_without_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(SeglossError, match="3 files in `volume` and 2 in `mask`"):
        lits.index(write_benchmark_layout(tmp_path / "uneven", 3, 2), {})
    (tmp_path / "empty").mkdir()
    with pytest.raises(SeglossError, match="official layout"):
        lits.index(RawFiles([tmp_path / "empty"]), {})


def test_lits_reads_the_real_case(shared: Path) -> None:
    index = lits.index(RawFiles([shared / "data" / "lits_mini_1case"]), {})
    assert list(index.cases) == ["resized_liver"]
    case = lits.prepare("resized_liver", index.cases["resized_liver"], {"target": "both", "box": "none"})
    assert case.label.shape == (64, 64, 33)
    assert np.unique(case.label).tolist() == [0, 1, 2]


# Medical Segmentation Decathlon


@pytest.mark.parametrize(
    ("dataset", "limits"),
    [("msd_liver", (-300, 300)), ("msd_pancreas", (-100, 240)), ("msd_hippocampus", None)],
)
def test_decathlon(
    unpacked: Callable[..., Path], dataset: str, limits: tuple[int, int] | None, tmp_path: Path
) -> None:
    task = DATASETS[dataset].parameters["task"]
    name = official.DECATHLON[task][0]
    found = Unpacked(dataset, decathlon, unpacked(official.write_decathlon, task))
    assert [len(found.parts()[part]) for part in ("train", "validation", "test")] == [8, 1, 2]
    assert {case for part in found.parts().values() for case in part} == {
        f"{name}_{number:03d}" for number in (*range(10), 11)
    }
    assert found.index.excluded == {
        f"{name}_010": "duplicate id: listed 2 times by dataset.json",
        f"{name}_012": "no image and no label among the raw files",
    }
    for number in (3, 8):
        image, mask = official.decathlon_pair(number)
        case = found.prepare(f"{name}_{number:03d}")
        expected = scaled(image, *limits) if limits else (image - image.mean()) / image.std()
        np.testing.assert_allclose(case.image[0], expected, atol=1e-5)
        np.testing.assert_array_equal(case.label, mask)
        np.testing.assert_allclose(case.affine, official.OBLIQUE, atol=1e-5)
        np.testing.assert_allclose(case.spacing, np.linalg.norm(official.OBLIQUE[:3, :3], axis=0), atol=1e-6)
        write_case(tmp_path / str(number), str(number), case)
    assert found.reason(f"{name}_011") == "the mask holds label 3; known are 0, 1, 2"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels": {"0": "background", "1": "liver", "2": "vessel"}}, "but Task03_Liver is 3D"),
        ({"modality": {"0": "MRI"}}, "but Task03_Liver is 3D"),
        ({"tensorImageSize": "4D"}, "tells 4D"),
        ({"training": [{"image": "./imagesTr/liver_0.nii.gz"}]}, "not the description of a Decathlon task"),
        ({"labels": ["background"]}, "not the description of a Decathlon task"),
    ],
)
def test_decathlon_checks_the_description(
    unpacked: Callable[..., Path], tmp_path: Path, change: dict, told: str
) -> None:
    folder = unpacked(official.write_decathlon, "Task03_Liver")
    description = json.loads(next(folder.rglob("dataset.json")).read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(description | change))
    with pytest.raises(SeglossError, match=told):
        decathlon.index(RawFiles([tmp_path]), DATASETS["msd_liver"].parameters)


@pytest.mark.parametrize(
    ("image", "told"),
    [(np.full((4, 4, 4), 7.0), "constant"), (np.array([1.0, np.inf, 2.0]), "NaN or infinite")],
)
def test_unusable_mr_is_excluded(image: np.ndarray, told: str) -> None:
    with pytest.raises(CaseExcluded, match=told):
        decathlon.standardise(image)


# AbdomenCT-1K and AMOS


def test_abdomenct1k(unpacked: Callable[..., Path]) -> None:
    found = Unpacked("abdomenct1k", abdomenct1k, unpacked(official.write_abdomenct1k))
    assert found.index.excluded == {"Case_00011": "no label among the raw files"}
    assert [len(found.parts()[part]) for part in ("train", "validation", "test")] == [8, 1, 2]
    case = found.prepare("Case_00005")
    np.testing.assert_array_equal(case.label, official.organs((20, 18, 12), 4))
    np.testing.assert_allclose(case.image[0], scaled(official.ramp(20, 18, 12), -300, 300), atol=1e-6)
    np.testing.assert_allclose(case.affine, official.OBLIQUE, atol=1e-5)
    assert found.reason("Case_00012") == "the mask holds label 5; known are 0, 1, 2, 3, 4"


def test_amos22(unpacked: Callable[..., Path]) -> None:
    found = Unpacked("amos22", amos22, unpacked(official.write_amos22))
    assert found.index.excluded == {
        "amos_0507": "MRI; CT was asked for",
        "amos_0600": "MRI; CT was asked for",
        "amos_0018": "no label among the raw files",
    }
    parts = found.parts("official")
    assert parts["test"] == ("amos_0008", "amos_0013")
    assert (len(parts["train"]), len(parts["validation"])) == (9, 1)
    assert {*parts["train"], *parts["validation"]} == {
        f"amos_{number:04d}" for number in (1, 4, 5, 6, 7, 9, 10, 11, 14, 15)
    }
    case = found.prepare("amos_0013")
    np.testing.assert_array_equal(case.label, official.organs((22, 20, 10), 15))
    np.testing.assert_allclose(case.image[0], scaled(official.ramp(22, 20, 10), -300, 300), atol=1e-6)
    np.testing.assert_allclose(case.affine, official.OBLIQUE, atol=1e-5)
    assert case.patient == "amos_0013"


def test_amos22_of_the_other_modality(unpacked: Callable[..., Path]) -> None:
    index = amos22.index(RawFiles([unpacked(official.write_amos22)]), {"modality": "MRI"})
    assert set(index.cases) == {"amos_0507", "amos_0600"}
    assert index.splits["official"]["test"] == ("amos_0600",)
