"""Adapters of the other CT data sets (and the Decathlon's MR) on imitations of the official archives."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import official_ct as official
import pytest
from adapters_ct import Unpacked, same_place

from lib.datasets import DATASETS
from lib.datasets.adapters import abdomenct1k, amos22, decathlon, lits
from lib.datasets.raw import RawFiles
from lib.datasets.reading import standardise
from lib.errors import CaseExcluded, SeglossError
from lib.store import write_case

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
    np.testing.assert_allclose(prepared.image[0], scaled(official.ramp(24, 22, 20)[cut], -300, 300), atol=1e-6)
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


def test_lits_without_pairs_is_reported(tmp_path: Path) -> None:
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
def test_decathlon(unpacked: Callable[..., Path], dataset: str, limits: tuple[int, int] | None, tmp_path: Path) -> None:
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
    ("change", "message"),
    [
        ({"labels": {"0": "background", "1": "liver", "2": "vessel"}}, "but Task03_Liver is 3D"),
        ({"modality": {"0": "MRI"}}, "but Task03_Liver is 3D"),
        ({"tensorImageSize": "4D"}, "states 4D"),
        ({"training": [{"image": "./imagesTr/liver_0.nii.gz"}]}, "not the description of a Decathlon task"),
        ({"labels": ["background"]}, "not the description of a Decathlon task"),
    ],
)
def test_decathlon_checks_the_description(
    unpacked: Callable[..., Path], tmp_path: Path, change: dict, message: str
) -> None:
    folder = unpacked(official.write_decathlon, "Task03_Liver")
    description = json.loads(next(folder.rglob("dataset.json")).read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(description | change))
    with pytest.raises(SeglossError, match=message):
        decathlon.index(RawFiles([tmp_path]), DATASETS["msd_liver"].parameters)


@pytest.mark.parametrize(
    ("image", "message"),
    [(np.full((4, 4, 4), 7.0), "constant"), (np.array([1.0, np.inf, 2.0]), "NaN or infinite")],
)
def test_unusable_mr_is_excluded(image: np.ndarray, message: str) -> None:
    with pytest.raises(CaseExcluded, match=message):
        standardise(image)


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
