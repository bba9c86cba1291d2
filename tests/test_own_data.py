"""A user's own data: layouts, what dataset.json says and lies, splits, bad cases."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from lib import config
from lib.datasets import IGNORED, Dataset
from lib.datasets.adapters import own_data
from lib.datasets.index import Index
from lib.datasets.own import own_dataset
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError
from lib.schema import OwnData
from lib.store import Case, StoredCase, write_case

AFFINE = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 3.0, 9], [0, 0, 0, 1]])
ELSEWHERE = AFFINE + np.diag([4.0, 0, 0, 0])[:, [3, 1, 2, 0]]  # 4 mm along the first axis of the world
SHAPE = (7, 8, 5)
BINARY = {"background": 0, "lesion": 1}
DESCRIPTION = {"channel_names": {"0": "FLAIR"}, "labels": BINARY, "numTraining": 4, "file_ending": ".nii.gz"}


def ramp(shape: tuple[int, ...] = SHAPE, step: float = 1.0) -> np.ndarray:
    return (step * np.arange(np.prod(shape)).reshape(shape)).astype(np.float32)


def mask(value: int = 1) -> np.ndarray:
    label = np.zeros(SHAPE, np.uint8)
    label[2:4, 3:6, 1] = value
    return label


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four cases in nnU-Net's layout, of two patients."""
    for number in range(4):
        case = f"p{number // 2}_scan{number}"
        save(tmp_path / f"imagesTr/{case}_0000.nii.gz", ramp(step=1 + number))
        save(tmp_path / f"labelsTr/{case}.nii.gz", mask())
    describe(tmp_path)
    return tmp_path


def describe(folder: Path, **changes: Any) -> None:
    (folder / "dataset.json").write_text(json.dumps({**DESCRIPTION, **changes}))


def described(folder: Path, **options: Any) -> Dataset:
    return own_dataset("mine", OwnData(folder=str(folder), **options))


def indexed(folder: Path, **options: Any) -> Index:
    dataset = described(folder, **options)
    return own_data.index(RawFiles([folder]), dataset.parameters).checked("mine")


def prepared(folder: Path, case: str, **options: Any) -> Case:
    dataset = described(folder, **options)
    entry = own_data.index(RawFiles([folder]), dataset.parameters).cases[case]
    return own_data.prepare(case, entry, dataset.parameters)


def reason(folder: Path, case: str, **options: Any) -> str:
    """Why the case is left out, wherever that is found."""
    index = indexed(folder, **options)
    if case in index.excluded:
        return index.excluded[case]
    with pytest.raises(CaseExcluded) as caught:
        write_case(folder / "store", case, prepared(folder, case, **options))
    assert not (folder / "store").exists()
    return str(caught.value)


def test_nnunet_layout(folder: Path) -> None:
    dataset = described(folder)
    assert (dataset.dimensions, dataset.channels, dataset.classes) == (
        3,
        ("FLAIR",),
        ("background", "lesion"),
    )
    case = prepared(folder, "p0_scan1")
    image = ramp(step=2)
    np.testing.assert_allclose(case.image[0], (image - image.mean()) / image.std(), atol=1e-5)
    np.testing.assert_array_equal(case.label, mask())
    np.testing.assert_allclose(case.affine, AFFINE)
    assert case.spacing == pytest.approx(
        (1.5, 2.0, 3.0)
    )  # of the array's axes, whatever they are in the world


def test_decathlon_layout_with_its_list_and_channels_last(tmp_path: Path) -> None:
    for case in ("brain_001", "brain_002", "brain_003"):
        save(tmp_path / f"imagesTr/{case}.nii.gz", np.stack([ramp(), -ramp()], axis=-1))
        save(tmp_path / f"labelsTr/{case}.nii.gz", mask(2))
    listed = ("brain_001", "brain_002", "brain_009")
    pairs = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in listed]
    labels = {"0": "background", "1": "oedema", "2": "tumour"}
    told = {"modality": {"0": "T1", "1": "T2"}, "labels": labels, "training": pairs}
    (tmp_path / "dataset.json").write_text(json.dumps(told))
    assert described(tmp_path).classes == ("background", "oedema", "tumour")
    index = indexed(tmp_path)
    assert set(index.cases) == {"brain_001", "brain_002"}
    assert index.excluded["brain_009"] == "listed by dataset.json, but its files are not there"
    assert index.excluded["brain_003"] == "not in the training list of dataset.json"
    case = prepared(tmp_path, "brain_001")
    np.testing.assert_allclose(case.image[0], -case.image[1], atol=1e-6)
    assert set(np.unique(case.label)) == {0, 2}


def test_several_channels_a_region_and_other_names(tmp_path: Path) -> None:
    region = np.zeros(SHAPE, np.uint8)
    region[1:6, 1:7] = 1
    for number in range(2):
        for channel, step in (("FLAIR", 1), ("T1", -3)):
            save(tmp_path / f"patient{number}_{channel}_x10.nii.gz", ramp(step=step))
        save(tmp_path / f"patient{number}_lesions.nii.gz", mask())
        save(tmp_path / f"patient{number}_brain.nii.gz", region)
    options = {
        "channels": ["FLAIR", "T1"],
        "images": ["{case}_FLAIR_x10.nii.gz", "{case}_T1_x10.nii.gz"],
        "label": "{case}_lesions.nii.gz",
        "region": "{case}_brain.nii.gz",
        "labels": BINARY,
    }
    case = prepared(tmp_path, "patient1", **options)
    inside = region > 0
    for channel, step in zip(case.image, (1, -3), strict=True):
        raw = ramp(step=step)
        expected = (raw - raw[inside].mean()) / raw[inside].std()
        np.testing.assert_allclose(channel[inside], expected[inside], atol=1e-5)
        assert (channel[~inside] == channel[inside].min()).all()


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
def test_pictures_in_colour_with_a_file_of_labels(tmp_path: Path, ending: str) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    label = np.zeros((6, 9), np.uint8)
    label[2:4, 3:7] = 255
    for case in ("a", "b", "c"):
        for kind, array in (("imagesTr", colours), ("labelsTr", label)):
            (tmp_path / kind).mkdir(exist_ok=True)
            suffix = "_0000" if kind == "imagesTr" else ""
            Image.fromarray(array).save(tmp_path / kind / f"{case}{suffix}{ending}")
    options = {"channels": ["R", "G", "B"], "labels": {"background": 0, "polyp": 255}}
    assert described(tmp_path, **options).dimensions == 2
    case = prepared(tmp_path, "b", **options)
    np.testing.assert_allclose(case.image, np.moveaxis(colours, -1, 0) / 255, atol=1e-6)
    np.testing.assert_array_equal(case.label, label // 255)
    smaller = prepared(tmp_path, "b", size=[3, 3], **options)
    assert smaller.image.shape == (3, 3, 3) and smaller.spacing == (2.0, 3.0)


def test_metaimage_keeps_axes_spacing_and_place(tmp_path: Path) -> None:
    volume = SimpleITK.GetImageFromArray(ramp().transpose())
    volume.SetSpacing((0.5, 1.5, 4.0))
    volume.SetOrigin((10.0, -20.0, 30.0))
    volume.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    label = SimpleITK.GetImageFromArray(mask().transpose())
    label.CopyInformation(volume)
    for kind, image in (("imagesTr", volume), ("labelsTr", label)):
        (tmp_path / kind).mkdir()
        SimpleITK.WriteImage(image, tmp_path / kind / "a.mha")
    case = prepared(tmp_path, "a", labels=BINARY, window=(0, 279))
    np.testing.assert_allclose(case.image[0], ramp() / 279, atol=1e-6)
    assert case.spacing == (0.5, 1.5, 4.0)
    corner = case.affine @ [3, 2, 1, 1]
    lps = volume.TransformIndexToPhysicalPoint((3, 2, 1))
    np.testing.assert_allclose(corner[:3], [-lps[0], -lps[1], lps[2]])


def test_classes_are_joined_and_some_voxels_are_not_annotated(folder: Path) -> None:
    several = mask(3)
    several[5, 5, 1:4] = [1, 2, 7]
    for number in range(4):
        save(folder / f"labelsTr/p{number // 2}_scan{number}.nii.gz", several)
    labels = {"ignore": 7, "lesion": [1, 3], "background": [0, 2]}
    dataset = described(folder, labels=labels)
    assert dataset.classes == ("background", "lesion") and dataset.partly_annotated
    case = prepared(folder, "p0_scan0", labels=labels)
    np.testing.assert_array_equal(case.label == 1, np.isin(several, [1, 3]))
    np.testing.assert_array_equal(case.label == IGNORED, several == 7)


def test_a_split_keeps_patients_together(folder: Path) -> None:
    index = indexed(folder, patients=r"p\d+", validation_share=0, test_share=0.5)
    parts = index.splits["holdout"]
    assert sorted(map(len, parts.values())) == [0, 2, 2]
    for cases in parts.values():
        assert len({index.cases[case].patient for case in cases}) <= 1
    assert indexed(folder, patients=r"p\d+", validation_share=0, test_share=0.5) == index  # seeded


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "s.json",
            '{"train": ["p0_scan0", "p0_scan1"], "validation": ["p1_scan2"], "test": ["p1_scan3"]}',
        ),
        (
            "s.csv",
            "case,part\np0_scan0,train\np0_scan1,train\np1_scan2,validation\np1_scan3,test\n",
        ),
    ],
)
def test_splits_from_a_file(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    parts = indexed(folder, splits=str(folder / name)).splits["holdout"]
    assert parts == {"train": ("p0_scan0", "p0_scan1"), "validation": ("p1_scan2",), "test": ("p1_scan3",)}
    with pytest.raises(
        SeglossError, match=r"patient 'p1' .* is in validation and in test; keep all cases of a pat"
    ):
        indexed(folder, splits=str(folder / name), patients=r"p\d+")


def test_folds_of_nnunet(folder: Path) -> None:
    folds = [{"train": ["p0_scan0", "p0_scan1", "p1_scan2"], "val": ["p1_scan3"]}]
    (folder / "splits_final.json").write_text(json.dumps(folds))
    parts = indexed(folder, splits=str(folder / "splits_final.json")).splits["holdout"]
    assert parts["test"] == ("p1_scan3",)
    assert len(parts["train"]) == 2 and len(parts["validation"]) == 1


def test_cases_in_no_part_and_parts_without_case_are_told(folder: Path) -> None:
    (folder / "s.json").write_text('{"train": ["p0_scan0"], "validation": ["gone"], "test": ["p1_scan3"]}')
    excluded = indexed(folder, splits=str(folder / "s.json")).excluded
    assert excluded["p0_scan1"] == excluded["p1_scan2"] == "in no part of the splits file"
    assert excluded["gone"] == "named by the split 'holdout', but not among the raw files"


def colour(folder: Path, path: Path) -> None:
    save(path, np.stack([ramp(), ramp() + 1, ramp()], axis=-1))


BAD_CASES: dict[str, tuple[Callable[[Path, Path, Path], None], str]] = {
    "mask of another shape": (
        lambda folder, image, label: save(label, mask()[:-1]),
        "image (7, 8, 5) and mask (6, 8, 5) differ in shape",
    ),
    "mask of another spacing": (
        lambda folder, image, label: save(label, mask(), AFFINE * [[1.1], [1], [1], [1]]),
        "image and mask differ in spacing",
    ),
    "mask at another place": (
        lambda folder, image, label: save(label, mask(), ELSEWHERE),
        "image and mask differ in position or axes by up to 4 mm",
    ),
    "mirrored mask": (
        lambda folder, image, label: save(label, mask(), AFFINE @ np.diag([1, 1, -1, 1])),
        "image and mask differ in position or axes",
    ),
    "unknown label": (
        lambda folder, image, label: save(label, mask(5)),
        "the mask holds label 5; known are 0, 1",
    ),
    "mask of fractions": (
        lambda folder, image, label: save(label, mask() * 0.5),
        "the mask holds label 0.5; known are 0, 1",
    ),
    "NaN": (
        lambda folder, image, label: save(image, np.where(mask() > 0, np.nan, ramp())),
        "the image holds NaN or infinite values",
    ),
    "constant image": (
        lambda folder, image, label: save(image, np.full(SHAPE, 4.0)),
        "the image is constant (4)",
    ),
    "empty mask": (
        lambda folder, image, label: save(label, 0 * mask()),
        "the mask is empty; to keep such cases set empty_masks: keep",
    ),
    "4D image": (
        lambda folder, image, label: save(image, np.stack([ramp(), 2 * ramp()], axis=-1)),
        "an array of shape (7, 8, 5, 2) was found; 3 axes and 1 channel(s) were expected",
    ),
    "colours": (
        lambda folder, image, label: colour(folder, image),
        "an array of shape (7, 8, 5, 3) was found",
    ),
    "unreadable image": (
        lambda folder, image, label: image.write_bytes(b"not a NIfTI"),
        "p0_scan0_0000.nii.gz cannot be read",
    ),
    "truncated mask": (
        lambda folder, image, label: label.write_bytes(label.read_bytes()[:60]),
        "p0_scan0.nii.gz cannot be read",
    ),
    "no mask": (lambda folder, image, label: label.unlink(), "no label among the raw files"),
    "no image": (lambda folder, image, label: image.unlink(), "no image 0 among the raw files"),
    "duplicate id": (
        lambda folder, image, label: save(folder / "more/labelsTr" / label.name, mask()),
        "duplicate id: labels ",
    ),
}


@pytest.mark.parametrize("fault", BAD_CASES)
def test_bad_cases_are_excluded_with_their_reason_and_nothing_else(folder: Path, fault: str) -> None:
    spoil, told = BAD_CASES[fault]
    spoil(folder, folder / "imagesTr/p0_scan0_0000.nii.gz", folder / "labelsTr/p0_scan0.nii.gz")
    found = reason(folder, "p0_scan0")
    assert told in found and "\n" not in found
    for case in ("p0_scan1", "p1_scan2", "p1_scan3"):
        assert case in indexed(folder).cases
        write_case(folder / "store" / case, case, prepared(folder, case))
        assert not StoredCase(folder / "store" / case).excluded


def test_empty_masks_are_kept_on_request(folder: Path) -> None:
    save(folder / "labelsTr/p0_scan0.nii.gz", 0 * mask())
    assert not prepared(folder, "p0_scan0", empty_masks="keep").label.any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"numTraining": 7}, "dataset.json says numTraining 7, but 4 cases are there or listed"),
        ({"labels": {}}, "labels: a mapping such as {background: 0, lesion: 1} was expected"),
        ({"labels": {"background": 0}}, "background (0) and at least one more were expected"),
        ({"labels": {"lesion": 1, "other": 2}}, "background (0) and at least one more were expected"),
        ({"labels": {"background": 0, "lesion": "one"}}, "labels.lesion: whole numbers from 0 to 255"),
        ({"labels": {"background": 0, "whole": [1, 2], "core": [2]}}, "a value belongs to two classes"),
        ({"channel_names": ["FLAIR"]}, "channel_names (or modality): a mapping"),
        ({"channel_names": {"1": "FLAIR"}}, "channel_names (or modality): a mapping"),
        ({"training": ["a"]}, "training: pairs of image and label were expected"),
        ({"file_ending": ".dcm"}, "no masks of a known kind"),
    ],
)
def test_a_lying_description_is_refused_in_one_line(folder: Path, changes: dict, told: str) -> None:
    describe(folder, **changes)
    with pytest.raises(SeglossError) as caught:
        indexed(folder)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_more_channels_promised_than_there_are(folder: Path) -> None:
    describe(folder, channel_names={"0": "FLAIR", "1": "T1"})
    with pytest.raises(CaseExcluded, match="the image has 1 channels, 2 were expected"):
        prepared(folder, "p0_scan0")


def test_own_data_take_part_in_every_study_that_fits(folder: Path) -> None:
    own = {"mine": {"folder": str(folder)}}
    configuration = config.load({"own_data": own})
    runs = [run for run in configuration.runs if run.dataset == "mine"]
    assert len(runs) == 20 and {run.title for run in runs} == {"mine"}
    assert not configuration.notes
    only = config.load({"own_data": own, "datasets": "mine"})
    assert {run.dataset for run in only.runs} == {"mine"}


def test_own_data_that_fit_no_study_are_told(folder: Path) -> None:
    describe(folder, labels={"background": 0, "a": 1, "b": 2})
    (note,) = config.load({"own_data": {"mine": {"folder": str(folder)}}}).notes
    assert note == (
        "own_data.mine: 3D with 3 classes fits none of the studies chosen; it is prepared on request only:"
        " plots/data/mine.pdf"
    )


def test_voxels_that_are_not_annotated_reach_the_loss(folder: Path) -> None:
    describe(folder, labels={"background": 0, "lesion": 1, "ignore": 2})
    runs = config.load({"own_data": {"mine": {"folder": str(folder)}}, "losses": "bce"}).runs
    parameters = {run.dataset: run.training_settings()["loss"]["parameters"] for run in runs}
    assert parameters["mine"]["ignore_index"] == IGNORED
    assert parameters["phantom_lesions"]["ignore_index"] is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"own_data": {"mine": {"folder": "/no/such"}}},
            "own_data.mine.folder: '/no/such' is not a folder that exists",
        ),
        (
            {"own_data": {"lits": {"folder": "."}}},
            "'lits' is the name of an official data set; choose another",
        ),
        ({"raw": {"lit": "."}}, "raw.lit: 'lit' is unknown; did you mean 'lits'?"),
        ({"raw": {"lits": "/no/such"}}, "raw.lits: '/no/such' is not a folder that exists"),
        ({"own_data": {"a b": {"folder": "."}}}, "letters, digits"),
        ({"own_data": {"m": {"folder": ".", "window": [3, 1]}}}, "the lower end must come first"),
        ({"own_data": {"m": {"folder": ".", "test_share": 0.95}}}, "leave nothing to train on"),
        ({"own_data": {"m": {"folder": ".", "patients": "("}}}, "is no regular expression"),
        ({"own_data": {"m": {"folder": ".", "label": "x.nii"}}}, "must hold {case} once"),
        (
            {"own_data": {"m": {"folder": ".", "labels": {"background": 0, "a": 1}}}},
            "no masks of a known kind",
        ),
    ],
)
def test_mistakes_in_the_configuration_of_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeglossError) as caught:
        config.load(values)
    assert told in str(caught.value)
    assert str(caught.value).startswith("workflow_config.yaml")
