"""A user's own data: layouts, what dataset.json says and lies, splits, bad cases."""

import json
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from lib.config.load import load
from lib.config.own_data import OwnData
from lib.config.run import Configuration
from lib.datasets import Dataset
from lib.datasets.adapters import own_data
from lib.datasets.index import Index
from lib.datasets.own import own_dataset
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError
from lib.labels import IGNORED
from lib.names import printable
from lib.store import Case, StoredCase, write_case

AFFINE = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 3.0, 9], [0, 0, 0, 1]])
ELSEWHERE = AFFINE + np.diag([4.0, 0, 0, 0])[:, [3, 1, 2, 0]]  # 4 mm along the first axis of the world
SHAPE = (7, 8, 5)
BINARY = {"background": 0, "lesion": 1}
DEEP = json.loads("[" * 500 + "]" * 500)
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
    return own_data.index(RawFiles([folder]), dataset.parameters | dataset.indexing).checked("mine")


def prepared(folder: Path, case: str, **options: Any) -> Case:
    entry = indexed(folder, **options).cases[case]
    return own_data.prepare(case, entry, described(folder, **options).parameters)


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
    assert (dataset.dimensions, dataset.channels, dataset.labels.names) == (
        3,
        ("FLAIR",),
        ("background", "lesion"),
    )
    case = prepared(folder, "p0_scan1")
    image = ramp(step=2)
    np.testing.assert_allclose(case.image[0], (image - image.mean()) / image.std(), atol=1e-5)
    np.testing.assert_array_equal(case.label, mask())
    np.testing.assert_allclose(case.affine, AFFINE)
    assert case.spacing == pytest.approx((1.5, 2.0, 3.0))  # of the array's axes, whatever they are in the world


def test_decathlon_layout_with_its_list_and_channels_last(tmp_path: Path) -> None:
    for case in ("brain_001", "brain_002", "brain_003"):
        save(tmp_path / f"imagesTr/{case}.nii.gz", np.stack([ramp(), -ramp()], axis=-1))
        save(tmp_path / f"labelsTr/{case}.nii.gz", mask(2))
    listed = ("brain_001", "brain_002", "brain_009")
    pairs = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in listed]
    labels = {"0": "background", "1": "oedema", "2": "tumour"}
    description = {"modality": {"0": "T1", "1": "T2"}, "labels": labels, "training": pairs}
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    assert described(tmp_path).labels.names == ("background", "oedema", "tumour")
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
    assert dataset.labels.names == ("background", "lesion") and dataset.labels.partly_annotated
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
    with pytest.raises(SeglossError, match=r"patient 'p1' .* is in validation and in test; keep all cases of a pat"):
        indexed(folder, splits=str(folder / name), patients=r"p\d+")


def test_folds_of_nnunet(folder: Path) -> None:
    folds = [{"train": ["p0_scan0", "p0_scan1", "p1_scan2"], "val": ["p1_scan3"]}]
    (folder / "splits_final.json").write_text(json.dumps(folds))
    parts = indexed(folder, splits=str(folder / "splits_final.json")).splits["holdout"]
    assert parts["test"] == ("p1_scan3",)
    assert len(parts["train"]) == 2 and len(parts["validation"]) == 1


def test_folds_are_drawn_beside_the_holdout(folder: Path) -> None:
    dataset = described(folder, folds=2, patients=r"p\d+")
    assert dataset.splits == ("holdout", "fold-0", "fold-1") and dataset.folds == (("fold-0", "fold-1"),)
    index = indexed(folder, folds=2, patients=r"p\d+")
    assert tuple(index.splits) == dataset.splits
    assert index.splits["holdout"] == indexed(folder, patients=r"p\d+").splits["holdout"]
    assert {index.splits[fold]["test"] for fold in dataset.folds_of(0)} == {
        ("p0_scan0", "p0_scan1"),
        ("p1_scan2", "p1_scan3"),
    }
    with pytest.raises(SeglossError, match="folds: 3 folds, but 2 patients; ask for fewer, or leave folds out"):
        indexed(folder, folds=3, patients=r"p\d+")


def test_without_folds_the_index_is_asked_for_as_ever(folder: Path) -> None:
    assert "folds" not in described(folder).indexing and described(folder).splits == ("holdout",)


def test_folds_may_be_those_of_nnunet(folder: Path) -> None:
    cases = sorted(indexed(folder).cases)
    folds = [
        {"train": [case for case in cases if case not in tested], "val": tested} for tested in (cases[1:], cases[:1])
    ]
    path = folder / "splits_final.json"
    path.write_text(json.dumps(folds))
    splits = indexed(folder, splits=str(path), folds=2).splits
    assert [splits[fold]["test"] for fold in ("holdout", "fold-0", "fold-1")] == [
        tuple(cases[1:]),
        tuple(cases[1:]),
        tuple(cases[:1]),
    ]
    assert len(splits["fold-1"]["train"]) == 2 and len(splits["fold-1"]["validation"]) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "s.csv",
            "case,part\np0_scan0,train\n",
            "folds: 2 folds, but .*/s.csv has a single split; leave one of splits",
        ),
        (
            "s.json",
            '[{"train": [], "val": []}, {"train": [], "val": []}, {"train": [], "val": []}]',
            "has 3 folds; leave",
        ),
        ("s.json", '[{"train": [], "val": ["a"]}, {"train": [], "val": ["a"]}]', "tests the case 'a' more than once"),
    ],
)
def test_folds_and_other_splits_contradict_each_other(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(SeglossError, match=rf"^own_data.mine: .*{message}"):
        described(folder, splits=str(folder / name), folds=2)


def test_cases_in_no_part_and_parts_without_case_are_reported(folder: Path) -> None:
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
    spoil, message = BAD_CASES[fault]
    spoil(folder, folder / "imagesTr/p0_scan0_0000.nii.gz", folder / "labelsTr/p0_scan0.nii.gz")
    found = reason(folder, "p0_scan0")
    assert message in found and "\n" not in found
    for case in ("p0_scan1", "p1_scan2", "p1_scan3"):
        assert case in indexed(folder).cases
        write_case(folder / "store" / case, case, prepared(folder, case))
        assert not StoredCase(folder / "store" / case).excluded


def test_empty_masks_are_kept_on_request(folder: Path) -> None:
    save(folder / "labelsTr/p0_scan0.nii.gz", 0 * mask())
    assert not prepared(folder, "p0_scan0", empty_masks="keep").label.any()


@pytest.mark.parametrize(
    ("changes", "message"),
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
        ({"file_ending": ".dcm"}, "file_ending '.dcm', but masks are such as 'p0_scan0.nii.gz'"),
        ({"labels": {"0": "background", "999": "lesion"}}, "labels.lesion: whole numbers from 0 to 255"),
        ({"labels": {"background": 0, "lesion": []}}, "labels.lesion: whole numbers from 0 to 255"),
        ({"training": [{"image": "a", "label": 3}]}, "training: pairs of image and label were expected"),
        *(
            (
                {"labels": {"0": "background", key: "lesion"}},
                "labels: whole numbers from 0 to 255 with their names",
            )
            for key in ("²", "١", "1_0", " 1", "0x1", "1.0", "-1", "1000", "")
        ),
        ({"labels": {"background": "0", "lesion": "1"}}, "were expected, found 'background': '0'"),
        ({"labels": {"0": "background", "1": "lesion", "01": "other"}}, "a value belongs to two classes"),
        ({"labels": {"background": 0, "lesion": True}}, "labels.lesion: whole numbers from 0 to 255"),
        ({"labels": {"background": 0, "lesion": 1.0}}, "labels.lesion: whole numbers from 0 to 255"),
        ({"labels": {"background": 0, "lesion": 10**400}}, "labels.lesion: whole numbers from 0 to 255"),
        ({"labels": {"background": 0, "": 1}}, "labels: a class has no name"),
        ({"labels": DEEP}, "labels: a mapping such as {background: 0, lesion: 1} was expected"),
        ({"channel_names": DEEP}, "channel_names (or modality): a mapping"),
        ({"channel_names": {"0": ""}}, "channel_names (or modality): a mapping"),
        ({"name": DEEP}, "dataset.json: name: text was expected, found [[[["),
        ({"file_ending": 3}, "dataset.json: file_ending: text was expected, found 3"),
    ],
)
def test_a_lying_description_is_refused_in_one_line(folder: Path, changes: dict, message: str) -> None:
    describe(folder, **changes)
    with pytest.raises(SeglossError) as caught:
        indexed(folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_more_channels_promised_than_there_are(folder: Path) -> None:
    describe(folder, channel_names={"0": "FLAIR", "1": "T1"})
    with pytest.raises(CaseExcluded, match="the image has 1 channels, 2 were expected"):
        prepared(folder, "p0_scan0")


def test_own_data_take_part_in_every_study_that_fits(folder: Path) -> None:
    own = {"mine": {"folder": str(folder)}}
    configuration = load({"own_data": own})
    runs = [run for run in configuration.runs if run.dataset == "mine"]
    counts = Counter((run.study, run.variant) for run in runs)
    assert counts == {
        ("inverse_weighting", "base"): 8,
        ("boundary", "slices"): 12,
        ("boundary", "volumes"): 6,
        ("liver_benchmark", "base"): 4,
        **{("liver_benchmark", name): 2 for name in ("attention_unet", "dyn_unet", "sgd", "plateau", "tuned")},
    }
    assert {run.title for run in runs} == {"mine"}
    assert not configuration.notes
    only = load({"own_data": own, "datasets": "mine"})
    assert {run.dataset for run in only.runs} == {"mine"}


def test_a_folder_of_raw_files_serves_every_form_of_the_data_set(folder: Path, tmp_path: Path) -> None:
    values = {"raw": {"lits": str(tmp_path)}, "own_data": {"mine": {"folder": str(folder)}}}
    configuration = load(values)
    for name in ("lits", "lits_corrected", "lits_liver_and_tumour"):
        assert configuration.users_folder(name) == str(tmp_path)
    assert configuration.users_folder("mine") == str(folder)
    assert configuration.users_folder("luna16") is configuration.users_folder("phantom_lesions") is None


def test_own_data_with_folds_are_trained_fold_by_fold_whatever_the_split(folder: Path) -> None:
    def loaded(**options: Any) -> Configuration:
        values = {"scale": "demo", "studies": "boundary", "datasets": "mine", "losses": "gdl", "variants": "volumes"}
        return load({**values, "own_data": {"mine": {"folder": str(folder), **options}}})

    without, configuration = loaded(), loaded(folds=2)
    folds = ("fold-0", "fold-1")
    assert [run.id for run in without.runs] == [f"boundary/mine/volumes/gdl/seed-{seed}" for seed in (0, 1)]
    assert [run.id for run in configuration.runs] == [
        f"boundary/mine/volumes_{fold}/gdl/seed-{seed}" for seed in (0, 1) for fold in folds
    ]
    assert [(run.split, run.fold) for run in configuration.runs] == [(fold, fold) for fold in folds] * 2
    assert [run.split for run in without.runs] == ["holdout"] * 2
    assert all(one.keys == other.keys for one in without.runs[:1] for other in configuration.runs[:2])
    assert [run.fold for run in configuration.costed_of("boundary")] == ["fold-0"]
    assert configuration.note("boundary").endswith("Data: mine (own data, cross-validation in 2 folds).")
    named = load({**configuration.values, "settings": {"split": "holdout"}})
    assert [run.split for run in named.runs] == ["fold-0", "fold-1"] * 2


def test_repeated_folds_are_drawn_anew_for_each_seed(folder: Path) -> None:
    def loaded(**options: Any) -> Configuration:
        values = {"studies": "liver_benchmark", "variants": "tuned", "datasets": "mine"}
        return load({**values, "own_data": {"mine": {"folder": str(folder), "folds": 2, **options}}})

    configuration = loaded(repeats=2)
    draws = [("fold-0", "fold-1"), ("repeat-1-fold-0", "repeat-1-fold-1")]
    assert [tuple(run.fold for run in configuration.runs if run.seed == seed) for seed in (0, 1)] == draws
    assert configuration.datasets["mine"].folds_of(2) == draws[0]
    assert all(run.search.base.fold == run.fold for run in configuration.runs)
    assert {search.base.fold for search in configuration.searches.values()} == {*draws[0], *draws[1]}
    assert configuration.note("liver_benchmark").endswith("cross-validation in 2 folds drawn 2 times).")
    assert [run.id for run in loaded(repeats=1).runs] == [run.id for run in loaded().runs]
    assert loaded(repeats=1).datasets["mine"].indexing == loaded().datasets["mine"].indexing
    for options in ({"folds": None}, {"splits": str(folder / "dataset.json")}):
        with pytest.raises(SeglossError, match="repeats: folds that are drawn are repeated: give folds, and no splits"):
            loaded(repeats=2, **options)


def test_each_fold_is_searched_by_itself(folder: Path) -> None:
    describe(folder, channel_names={"0": "r"})
    values = {"studies": "liver_benchmark", "variants": "tuned", "datasets": "mine"}
    searched = load({**values, "own_data": {"mine": {"folder": str(folder), "folds": 2}}})
    assert [search.base.split for search in searched.searches.values()] == ["fold-0", "fold-1"]
    names = [name.rpartition(".")[0] for name in searched.searches]
    assert names == [f"liver_benchmark/mine/tuned-fold-{number}" for number in (0, 1)]
    assert {(run.fold, run.search.base.fold) for run in searched.runs} == {
        (fold, fold) for fold in ("fold-0", "fold-1")
    }
    (alone,) = load({**values, "own_data": {"mine": {"folder": str(folder)}}}).searches
    assert alone.startswith("liver_benchmark/mine/tuned.")


def test_own_data_that_fit_no_study_are_reported(folder: Path) -> None:
    describe(folder, labels={"background": 0, "a": 1, "b": 2})
    values = {"own_data": {"mine": {"folder": str(folder)}}, "studies": "inverse_weighting,t_loss"}
    (note,) = load(values).notes
    assert note == (
        "own_data.mine: 3D with 3 classes fits none of the studies chosen; it is prepared on request only:"
        " plots/data/mine.pdf"
    )


def test_voxels_that_are_not_annotated_reach_the_loss(folder: Path) -> None:
    describe(folder, labels={"background": 0, "lesion": 1, "ignore": 2})
    runs = load({"own_data": {"mine": {"folder": str(folder)}}, "losses": "bce"}).runs
    parameters = {run.dataset: run.training_settings.loss["parameters"] for run in runs}
    assert parameters["mine"]["ignore_index"] == IGNORED
    assert parameters["phantom_lesions"]["ignore_index"] is None


@pytest.mark.parametrize(
    ("values", "message"),
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
        (
            {"own_data": {"m": {"folder": ".", "dimensions": 3, "size": [8, 8], "labels": BINARY}}},
            "own_data.m: size [8, 8]: 3 lengths were expected",
        ),
        ({"own_data": {"m": {"folder": ".", "test_share": 0.95}}}, "leave nothing to train on"),
        (
            {"own_data": {"m": {"folder": ""}}},
            "own_data.m.folder: '' is not allowed; expected at least one char",
        ),
        ({"own_data": {"m": {"folder": "a<b>"}}}, "'a<b>' has < and >, which Snakemake reads as a wildcard"),
        ({"own_data": {"m": {"folder": "loop"}}}, "own_data.m.folder: 'loop' is not a folder that exists"),
        *(
            ({"own_data": {"m": {"folder": ".", key: value}}}, f"own_data.m.{key}: {message}")
            for key, value, message in (
                ("splits", "", "'' is not allowed; expected at least one character"),
                ("splits", ".", "'.' is not a file that exists"),
                ("title", "", "'' is not allowed; expected at least one character"),
                ("channels", "CT", "'CT' is not allowed; expected a list in square brackets, such as [CT]"),
                ("size", 8, "8 is not allowed; expected a list in square brackets, such as [..., ...]"),
                ("size", [8] * 4, "[8, 8, 8, 8] is not allowed; expected at most 3 of them"),
                ("size", [10**6] * 3, "[1000000, 1000000, 1000000] is more than 2147483648 voxels"),
                ("seed", 2**32, "4294967296 is not allowed; expected less than 4294967296"),
                (
                    "labels",
                    {0: "background"},
                    "{0: 'background'}: write names first, as in {background: 0, lesion",
                ),
                ("labels", {"0": "background"}, "{'0': 'background'}: write names first, as in"),
                ("dimensions", "³", "'³' is not allowed; expected 2 or 3"),
            )
        ),
        ({"own_data": {"m": {"folder": ".", "patients": "("}}}, "is not a regular expression"),
        ({"own_data": {"m": {"folder": ".", "label": "x.nii"}}}, "must hold {case} once"),
        (
            {"own_data": {"m": {"folder": ".", "labels": {"background": 0, "a": 1}}}},
            "no masks of a known kind",
        ),
    ],
)
def test_mistakes_in_the_configuration_of_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a<b>").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SeglossError) as caught:
        load(values)
    assert message in str(caught.value)
    assert str(caught.value).startswith("workflow_config.yaml")


def test_values_of_one_name_are_one_class(folder: Path) -> None:
    describe(folder, labels={"0": "background", "1": "lesion", "2": "lesion"})
    assert described(folder).parameters["label_values"] == {"background": [0], "lesion": [1, 2]}


@pytest.mark.parametrize("cases", [("p0_scan0",), ("p0_scan0", "p0_scan1", "p1_scan2", "p1_scan3")])
@pytest.mark.parametrize(("number", "names"), [(1, 1), (2, 1), (2, 2), (1, 3)])
def test_channels_beyond_those_that_are_named_are_reported(
    folder: Path, cases: tuple[str, ...], number: int, names: int
) -> None:
    for case in cases:
        save(folder / f"imagesTr/{case}_{number:04d}.nii.gz", ramp())
    with pytest.raises(SeglossError) as caught:
        indexed(folder, channels=["FLAIR", "T1", "T2"][:names])
    message = f"numbered from _0000 to _{number:04d} (as {cases[0]}_{number:04d}), but {names} channel(s) are named"
    assert message in str(caught.value)


def test_a_gap_between_channels_is_reported(folder: Path) -> None:
    for number in range(4):
        save(folder / f"imagesTr/p{number // 2}_scan{number}_0002.nii.gz", ramp())
    channels = ["FLAIR", "T1", "T2"]
    with pytest.raises(SeglossError, match=r"no image 1: no file is named as imagesTr/<case>_0001\.<ending>"):
        indexed(folder, channels=channels)
    save(folder / "imagesTr/p0_scan0_0001.nii.gz", ramp())
    found = indexed(folder, channels=channels)
    assert list(found.cases) == ["p0_scan0"]
    assert found.excluded["p1_scan3"] == "no image 1 among the raw files"


def test_numbers_of_frames_are_no_channels(tmp_path: Path) -> None:
    for kind in ("imagesTr", "labelsTr"):
        for number in range(4):
            save(tmp_path / f"{kind}/frame_{number:04d}.nii.gz", ramp() if kind == "imagesTr" else mask())
    assert list(indexed(tmp_path, labels=BINARY).cases) == [f"frame_{number:04d}" for number in range(4)]


@pytest.mark.parametrize("pattern", ["x*", "(x)?", "z"])
def test_a_pattern_that_finds_no_patient_is_reported(folder: Path, pattern: str) -> None:
    with pytest.raises(SeglossError, match="finds no patient in the case"):
        indexed(folder, patients=pattern)


def test_a_split_of_other_cases_is_reported(folder: Path) -> None:
    (folder / "s.json").write_text('{"train": ["p0_scan0.nii.gz"], "test": ["p1_scan3.nii.gz"], "validation": []}')
    with pytest.raises(
        SeglossError,
        match=r"s\.json: names 'p0_scan0\.nii\.gz'; write cases without the file's ending: 'p0_scan0'",
    ):
        indexed(folder, splits=str(folder / "s.json"))
    (folder / "s.json").write_text('{"train": ["x"], "test": ["y"], "validation": []}')
    with pytest.raises(SeglossError, match="no usable case among 4; p0_scan0: in no part of the splits file"):
        indexed(folder, splits=str(folder / "s.json"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", "case,part\na,train,x\n", "line 2: 2 cells were expected, found 3 ('a,train,x')"),
        ("s.csv", "case,part\n\na\n", "line 3: 2 cells were expected, found 1 ('a')"),
        (
            "s.csv",
            "case;part\na;train\n",
            "no column 'case'; a table with the columns case, part was expected",
        ),
        ("s.csv", "case,part,part\na,train,test\n", "duplicate column 'part'"),
        ("s.csv", "case,part\na,train\0\n", "line 2: a NUL byte"),
        ("s.csv", 'case,part\n"a,train\nb,test\n', "line 3: unexpected end of data"),
        ("s.csv", f"case,part\n{'a' * 140_000},train\n", "line 2: field larger than field limit"),
        ("s.csv", "", "no column 'case'"),
        ("s.csv", "case,part\n\udce9,train\n", "no text in UTF-8"),
        ("s.json", '{"train": ["a"], "train": ["b"]}', "not valid JSON (duplicate key 'train'); correct it"),
        (
            "s.json",
            '{"train": [["a"]]}',
            "a mapping of train, validation, test to lists of cases was expected",
        ),
        (
            "s.json",
            '{"train": [true]}',
            "a mapping of train, validation, test to lists of cases was expected",
        ),
        ("s.json", "[" * 20_000, "not valid JSON"),
    ],
)
def test_a_faulty_file_of_splits(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content, errors="surrogateescape")
    with pytest.raises(SeglossError) as caught:
        indexed(folder, splits=str(folder / name))
    assert str(caught.value).startswith(f"{folder / name}: {message}") and "\n" not in str(caught.value)


FIT = (
    "a b ",
    "per%s",
    "st*r?",
    "q'\"",
    "$(x)",
    "`x`",
    "a;b&|",
    "a\\b",
    "[a]",
    "a,b=c:d",
    "é中",
    "#!~^+@",
    "x" * 128,
)
UNFIT = (
    "index.json",
    "-a",
    "a{b}",
    "a<b>",
    "x" * 129,
    "é" * 65,
    " a",
    "a\nb",
    "a\tb",
    "a\rb",
    "\x1b[31m",
    "a\udce9",
)


def test_ids_with_any_other_characters_are_cases(folder: Path) -> None:
    for name in FIT:
        save(folder / f"imagesTr/{name}_0000.nii.gz", ramp())
        save(folder / f"labelsTr/{name}.nii.gz", mask())
    describe(folder, numTraining=None)
    assert set(FIT) < set(indexed(folder).cases)


@pytest.mark.parametrize("name", ["a{b}", "<results>"])
def test_cases_in_a_folder_that_snakemake_would_misread_are_left_out(folder: Path, name: str) -> None:
    for kind in ("imagesTr", "labelsTr"):
        (folder / name / kind).mkdir(parents=True)
        for path in (folder / kind).glob("p0_scan0*"):
            path.rename(folder / name / kind / path.name)
    assert f"/{name}/imagesTr/p0_scan0_0000.nii.gz has " in indexed(folder).excluded["p0_scan0"]


@pytest.mark.parametrize("name", ["..", *UNFIT])
def test_ids_that_cannot_name_a_folder_are_left_out(folder: Path, name: str) -> None:
    save(folder / f"imagesTr/{name}_0000.nii.gz", ramp())
    save(folder / f"labelsTr/{name}.nii.gz", mask())
    describe(folder, numTraining=None)
    if name.startswith("."):  # a hidden file is not seen at all
        assert len(indexed(folder).cases) == 4
    else:
        index = indexed(folder)
        assert "cannot name a folder" in index.excluded[printable(name)]
        assert len(index.cases) == 4
        json.dumps(index.excluded, ensure_ascii=False).encode()  # as tables are written


@pytest.mark.parametrize("broken", [np.full((4, 4), np.nan), np.diag([0, 0, 0, 1.0])])
def test_broken_geometry_is_excluded(folder: Path, broken: np.ndarray) -> None:
    for path in (folder / "imagesTr/p0_scan0_0000.nii.gz", folder / "labelsTr/p0_scan0.nii.gz"):
        header = nibabel.load(path).header.copy()
        header["srow_x"], header["srow_y"], header["srow_z"] = broken[:3]
        header["sform_code"], header["qform_code"] = 1, 0
        array = np.asarray(nibabel.load(path).dataobj)
        nibabel.Nifti1Image(array, None, header).to_filename(path)
    assert "p0_scan0_0000.nii.gz has " in reason(folder, "p0_scan0")


def test_spacing_is_that_of_the_affine(folder: Path) -> None:
    path = folder / "imagesTr/p0_scan0_0000.nii.gz"
    header = nibabel.load(path).header.copy()
    header["pixdim"][1:4] = 7
    header.set_sform(AFFINE, code=1)
    nibabel.Nifti1Image(ramp(), None, header).to_filename(path)
    np.testing.assert_allclose(nibabel.load(path).affine, AFFINE)
    assert prepared(folder, "p0_scan0").spacing == pytest.approx((1.5, 2.0, 3.0))


def test_volumes_of_other_kinds_are_excluded(folder: Path) -> None:
    nibabel.Nifti1Image(ramp() + 1j, AFFINE).to_filename(folder / "imagesTr/p0_scan0_0000.nii.gz")
    assert "has values of type complex" in reason(folder, "p0_scan0")
    save(folder / "imagesTr/p0_scan1_0000.nii.gz", ramp()[:, :, 0])
    assert "differ in" in reason(folder, "p0_scan1")
    (folder / "imagesTr/p1_scan2_0000.nii.gz").unlink()
    (folder / "imagesTr/p1_scan2_0000.nii.gz").symlink_to("gone.nii.gz")
    assert reason(folder, "p1_scan2").endswith("p1_scan2_0000.nii.gz is a link to nothing")


def test_what_may_pass_is_no_exclusion(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, parameters = indexed(folder).cases["p0_scan0"], described(folder).parameters

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SeglossError, match=r"cannot be read: Permission denied; make it readable") as caught:
        own_data.prepare("p0_scan0", entry, parameters)
    assert not isinstance(caught.value, CaseExcluded)


PICTURES = {"channels": ["R", "G", "B"], "labels": {"background": 0, "polyp": 1}}


def save_picture(folder: Path, image: Image.Image, **options: object) -> None:
    label = np.zeros((6, 9), np.uint8)
    label[2:4, 3:7] = 1
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(exist_ok=True)
    image.save(folder / "imagesTr/a.tif", **options)
    Image.fromarray(label).save(folder / "labelsTr/a.png")


def test_inks_become_colours(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    save_picture(tmp_path, Image.fromarray(colours).convert("CMYK"))
    image = prepared(tmp_path, "a", **PICTURES).image
    assert np.corrcoef(image.ravel(), np.moveaxis(colours, -1, 0).ravel())[0, 1] > 0.95


def test_pages_and_16_bits_of_colours_are_excluded(tmp_path: Path) -> None:
    page = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8))
    save_picture(tmp_path, page, save_all=True, append_images=[page])
    assert "a.tif has 2 pages, one was expected" in reason(tmp_path, "a", **PICTURES)
    (tmp_path / "imagesTr/a.tif").unlink()
    (tmp_path / "imagesTr/a.png").write_bytes(png_of_16_bits())
    assert "several channels of 16 bits" in reason(tmp_path, "a", **PICTURES)


def png_of_16_bits() -> bytes:
    """A PNG of 9 x 6 pixels of red, green and blue, 16 bits each, written by hand as Pillow cannot."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + bytes(range(54)) for _ in range(6))
    header = struct.pack(">IIBBBBB", 9, 6, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_files_with_a_byte_order_mark(folder: Path) -> None:
    content = (folder / "dataset.json").read_bytes()
    (folder / "dataset.json").write_bytes(b"\xef\xbb\xbf" + content)
    table = "case,part\r\np0_scan0,train\r\np0_scan1,train\r\np1_scan2,validation\r\np1_scan3,test\r\n"
    (folder / "s.csv").write_bytes(b"\xef\xbb\xbf" + table.encode())
    assert indexed(folder, splits=str(folder / "s.csv")).splits["holdout"]["test"] == ("p1_scan3",)
    (folder / "dataset.json").write_text("{ // comment")
    with pytest.raises(SeglossError, match=r"dataset\.json: not valid JSON .*; correct it"):
        indexed(folder)


def test_another_splits_file_prepares_nothing_again(folder: Path) -> None:
    plain, seeded = described(folder), described(folder, seed=5, test_share=0.5)
    assert plain.parameters == seeded.parameters
    assert plain.indexing != seeded.indexing


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def link_to_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    pipe(path.with_name("pipe"))
    path.symlink_to("pipe")


def link_to_device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, link_to_pipe, link_to_device])
def test_what_is_no_file_is_not_waited_for(folder: Path, make: Callable[[Path], None]) -> None:
    for name in ("imagesTr/p0_scan0_0000.nii.gz", "labelsTr/p0_scan1.nii.gz"):
        make(folder / name)
        case = Path(name).name.partition(".")[0].removesuffix("_0000")
        assert indexed(folder).excluded[case] == f"{folder / name} is neither file nor folder"
    for name in ("s.json", "s.csv"):
        make(folder / name)
        with pytest.raises(SeglossError, match=rf"own_data\.m\.splits: '.*/{name}' is not a file that exists"):
            load({"own_data": {"m": {"folder": str(folder), "splits": str(folder / name)}}})
    make(folder / "dataset.json")
    with pytest.raises(SeglossError, match=r"dataset\.json: cannot be read: a file was expected, no folder, pipe"):
        described(folder)


def test_a_description_in_a_folder_below_is_reported(folder: Path) -> None:
    (folder / "Dataset001").mkdir()
    (folder / "dataset.json").rename(folder / "Dataset001/dataset.json")
    with pytest.raises(SeglossError, match=r"found None; there is one in .*/Dataset001: is that the folder of the d"):
        described(folder)


def test_duplicate_keys_in_a_description_are_reported(folder: Path) -> None:
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "a": 1, "a": 2}}')
    with pytest.raises(SeglossError, match=r"dataset\.json: not valid JSON \(duplicate key 'a'\); correct it"):
        described(folder)
