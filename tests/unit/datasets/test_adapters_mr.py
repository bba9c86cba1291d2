"""Adapters of WMH, ISLES and ACDC, and what holds for all adapters of MR and pictures, against computations by hand."""

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import official_mr_2d as official
import pytest
from adapters_mr_2d import TREES, WMH, Unpack, adapter, indexed, nearest, prepared, resized, stored, unit
from official_mr_2d import block, nifti

from lib.datasets import DATASETS
from lib.datasets.file_notes import collected_notes
from lib.datasets.index import Index
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError
from lib.labels import IGNORED
from lib.store import write_case

# every data set


@pytest.mark.parametrize("name", TREES)
def test_official_archive_becomes_the_cases_that_the_registry_promises(
    name: str, unpack: Unpack, tmp_path: Path
) -> None:
    dataset, raw = DATASETS[name], unpack(TREES[name], tar=name == "acdc")
    found = indexed(name, raw)
    assert tuple(found.splits) == dataset.splits
    for parts in found.splits.values():
        assert sorted(case for ids in parts.values() for case in ids) == sorted(found.cases)
    for case, entry in list(found.cases.items())[:3]:
        made = adapter(name).prepare(case, entry, dataset.parameters)
        structures = () if dataset.labels.exclusive else (len(dataset.labels.names),)
        assert made.label.shape == (*structures, *made.image.shape[1:])
        assert made.image.ndim - 1 == len(made.spacing) == dataset.dimensions
        assert len(made.image) == len(dataset.channels)
        assert made.image.dtype == np.float32
        assert made.label.dtype == np.uint8
        if not dataset.parameters.get("standardised"):
            darkest = -1 if name == "isic2017" else 0  # as T-Loss scales colours
            assert made.image.min() >= darkest and made.image.max() <= 1
        values = range(len(dataset.labels.names)) if dataset.labels.exclusive else (0, 1)
        ignored = [IGNORED] if dataset.labels.partly_annotated else []
        assert set(np.unique(made.label)) <= {*values, *ignored}
        assert (made.affine is None) == (dataset.dimensions == 2)
        write_case(tmp_path / "case", case, made)


@pytest.mark.parametrize("name", TREES)
def test_other_folder_without_the_official_files_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SeglossError):
        indexed(name, RawFiles([tmp_path]))


# the boundary loss's data sets

DRAWN = {
    "wmh2017": [54, 24, 48, 56, 26, 2, 16, 32, 31, 25],
    "isles2018": [49, 53, 5, 33, 65, 62, 51, 38, 61, 45, 74, 27, 64, 17, 36, 12, 79, 32, 68, 90],
    "acdc": [23, 8, 11, 7, 48, 13, 1, 91, 94, 54, 16, 63, 52, 41, 80, 2, 47, 87, 78, 66, 19, 6, 24, 10, 59],
}


def full_index(name: str, folder: Path) -> Index:
    """The index of all official file names, with nothing in the files."""
    tree = {
        "wmh2017": lambda: official.wmh2017(official.WMH_SUBJECTS),
        "isles2018": lambda: official.isles2018(range(1, 95)),
        "acdc": lambda: official.acdc(range(1, 151)),
    }[name]()
    for path in tree:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return indexed(name, RawFiles([folder]))


@pytest.mark.parametrize(("name", "held_out", "others"), [("wmh2017", 10, 40), ("isles2018", 20, 54), ("acdc", 25, 65)])
def test_published_split_holds_the_published_draw(name: str, held_out: int, others: int, tmp_path: Path) -> None:
    found = full_index(name, tmp_path)
    patients = sorted({entry.patient for entry in found.cases.values()})
    for split in ("published", "holdout"):
        test = {found.cases[case].patient for case in found.splits[split]["test"]}
        assert test == {patients[number] for number in DRAWN[name]}
    assert found.splits["published"]["validation"] == ()
    of_part = {part: {found.cases[case].patient for case in cases} for part, cases in found.splits["holdout"].items()}
    assert len(of_part["test"]) == held_out
    assert len(of_part["train"]) == others
    assert len(of_part["validation"]) == len(patients) - held_out - others
    assert not found.excluded


def test_drawn_indices_are_the_golden_ones(shared: Path) -> None:
    golden = json.loads((shared / "golden/boundary_loss.json").read_text())["splits"]
    recorded = [value for value in golden.values() if isinstance(value, list)]
    assert sorted(recorded) == sorted(DRAWN.values())


def test_incomplete_subject_does_not_move_the_draw(tmp_path: Path) -> None:
    full = full_index("wmh2017", tmp_path)
    (tmp_path / "training/Utrecht/11/wmh.nii.gz").unlink()
    found = indexed("wmh2017", RawFiles([tmp_path]))
    assert found.excluded == {"11": "no mask among the raw files"}
    assert set(full.splits["published"]["test"]) - {"11"} == set(found.splits["published"]["test"])


@pytest.mark.parametrize("dataverse", [True, False])
def test_wmh_subjects_are_the_training_ones_of_either_archive(dataverse: bool, unpack: Unpack) -> None:
    found = indexed("wmh2017", unpack(official.wmh2017(WMH, dataverse)))
    assert set(found.cases) == {"0", "2", "50", "51", "100", "102"}
    assert found.excluded == {}


def test_wmh_as_published(unpack: Unpack) -> None:
    made = prepared("wmh2017", unpack(TREES["wmh2017"]), "50")
    for channel, name in enumerate(("FLAIR", "T1")):
        volume = unit(stored(TREES["wmh2017"], f"/50/pre/{name}.nii.gz").astype(float))
        assert np.allclose(made.image[channel], resized(volume, (256, 256), "zero"), atol=2e-6)
    mask = nearest(official.wmh_mask(50), (256, 256), centred=True)
    assert np.array_equal(made.label, mask == 1)
    assert made.spacing == pytest.approx((0.9 * 12 / 256, 1.1 * 9 / 256, 3))


def test_resized_grid_covers_the_same_field(unpack: Unpack) -> None:
    made = prepared("wmh2017", unpack(TREES["wmh2017"]), "50")
    for corner, of_new in (((-0.5, -0.5, 0), (-0.5, -0.5, 0)), ((11.5, 8.5, 2), (255.5, 255.5, 2))):
        assert np.allclose(official.AFFINE @ [*corner, 1], made.affine @ [*of_new, 1])
    assert np.allclose(np.linalg.norm(made.affine[:3, :3], axis=0), made.spacing)


def test_wmh_corrected_keeps_the_grid_and_ignores_other_pathology(unpack: Unpack) -> None:
    made = prepared("wmh2017_corrected", unpack(TREES["wmh2017"]), "50")
    mask = official.wmh_mask(50)
    assert np.array_equal(made.label, np.where(mask == 2, IGNORED, mask))
    assert np.allclose(made.image[1], unit(stored(TREES["wmh2017"], "/50/pre/T1.nii.gz").astype(float)), atol=1e-6)
    assert made.spacing == pytest.approx((0.9, 1.1, 3))
    assert np.allclose(made.affine, official.AFFINE)


def test_isles_scales_five_maps_on_their_own_grid(unpack: Unpack) -> None:
    made = prepared("isles2018", unpack(TREES["isles2018"]), "case_10")
    tree = {path: content for path, content in TREES["isles2018"].items() if "TRAINING/case_10/" in path}
    for channel, name in enumerate(("CT", "CT_CBF", "CT_CBV", "CT_MTT", "CT_Tmax")):
        (path,) = [path for path in tree if f".{name}." in path]
        assert np.allclose(made.image[channel], unit(stored(tree, path).astype(float)), atol=1e-6)
    assert np.array_equal(made.label, block(16, 16, 2))
    assert made.spacing == pytest.approx((0.9, 1.1, 3))
    assert np.allclose(made.affine, official.AFFINE)


def test_acdc_as_published_is_cut_to_whole_levels_twice(unpack: Unpack) -> None:
    made = prepared("acdc", unpack(TREES["acdc"]), "patient003_frame12")
    assert made.patient == "patient003"
    stretched = np.floor(255 * unit(stored(TREES["acdc"], "003_frame12.nii.gz").astype(float)) + 1e-9)
    exact = resized(stretched, (256, 256), "zero").clip(stretched.min((0, 1)), stretched.max((0, 1)))
    levels = made.image[0] * 255
    assert np.allclose(levels, np.round(levels), atol=1e-4)
    safe = abs(exact - np.round(exact)) > 1e-6  # elsewhere rounding errors decide
    assert safe.mean() > 0.8
    assert np.array_equal(np.round(levels[safe]), np.floor(exact[safe]))
    assert abs(levels - exact).max() <= 1 + 1e-4
    assert np.array_equal(made.label, nearest(official.acdc_mask(), (256, 256), centred=True))
    assert made.spacing == pytest.approx((0.9 * 10 / 256, 1.1 * 14 / 256, 3))


def test_acdc_corrected_keeps_grid_and_values(unpack: Unpack) -> None:
    made = prepared("acdc_corrected", unpack(TREES["acdc"]), "patient003_frame12")
    volume = stored(TREES["acdc"], "003_frame12.nii.gz").astype(float)
    assert np.allclose(made.image[0], unit(volume), atol=1e-6)
    assert np.array_equal(made.label, official.acdc_mask())


def test_acdc_takes_the_form_that_pixdim_confirms(unpack: Unpack) -> None:
    tree = dict(TREES["acdc"])
    for path in [path for path in tree if "patient003_frame12" in path]:
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(tree[path]))
        image.header.set_qform(image.affine, code=1)
        image.header.set_sform(np.diag([-1, -1, 1, 1]), code=1)
        tree[path] = gzip.compress(nibabel.Nifti1Image(image.dataobj, None, image.header).to_bytes())
    with collected_notes() as notes:
        made = prepared("acdc_corrected", unpack(tree), "patient003_frame12")
    assert made.spacing == pytest.approx((0.9, 1.1, 3))
    assert np.allclose(made.affine, official.AFFINE, atol=1e-5)
    assert "sform 1 x 1 x 1, qform 0.9 x 1.1 x 3, pixdim 0.9 x 1.1 x 3 mm" in notes[0]


def with_nan() -> np.ndarray:
    array = official.random(0, 12, 9, 3).astype(np.float32)
    array[0, 0, 0] = np.nan
    return array


SHIFTED = official.AFFINE.copy()
SHIFTED[0, 3] += 2


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (
            "wmh",
            nifti(official.wmh_mask(shape=(12, 9, 4))),
            r"image \(12, 9, 3\) and mask \(12, 9, 4\) differ in shape",
        ),
        (
            "wmh",
            nifti(official.wmh_mask(), SHIFTED),
            "image and mask differ in position or axes by up to 2 mm",
        ),
        ("pre/T1", nifti(block(12, 9, 3), np.diag([1, 1, 3, 1.0])), "image and T1 differ in spacing"),
        ("wmh", nifti(official.wmh_mask() * 3), "the mask holds label 3, 6; known are 0, 1, 2"),
        ("wmh", nifti(with_nan()), "the mask holds label"),
        ("pre/FLAIR", nifti(with_nan()), "FLAIR: the image holds NaN"),
        ("pre/T1", nifti(np.full((12, 9, 3), 5, np.uint16)), r"T1: the image is constant \(5\)"),
        ("pre/FLAIR", nifti(np.zeros((12, 9, 3, 2), np.float32)), "FLAIR is 4D"),
        ("pre/FLAIR", b"no gzip", "FLAIR.nii.gz cannot be read"),
        ("pre/T1", nifti(block(12, 9, 3))[:60], "T1.nii.gz cannot be read"),
    ],
)
@pytest.mark.parametrize("form", ["published", "corrected"])
def test_unusable_subject_is_excluded_with_its_reason(
    form: str, file: str, content: bytes, reason: str, unpack: Unpack
) -> None:
    raw = unpack(TREES["wmh2017"] | {f"training/Utrecht/0/{file}.nii.gz": content})
    with pytest.raises(CaseExcluded, match=reason):
        prepared("wmh2017", raw, "0", form=form)


def test_subject_that_lies_there_twice_is_excluded(unpack: Unpack) -> None:
    tree = official.wmh2017(WMH)
    found = indexed("wmh2017", unpack(tree | {"old/Utrecht/0/wmh.nii.gz": tree["training/Utrecht/0/wmh.nii.gz"]}))
    assert "0" not in found.cases
    assert found.excluded["0"].startswith("duplicate id: masks ")


def test_empty_heart_is_a_fault_but_a_brain_without_lesion_is_not(unpack: Unpack) -> None:
    nothing = np.zeros((10, 14, 2), np.uint8)
    at = "ACDC/database/training/patient001/patient001_frame01_gt.nii.gz"
    raw = unpack(
        TREES["acdc"]
        | TREES["wmh2017"]
        | {at: nifti(nothing), "training/Utrecht/0/wmh.nii.gz": nifti(np.zeros((12, 9, 3), np.float32))}
    )
    with pytest.raises(CaseExcluded, match="the mask is empty"):
        prepared("acdc", raw, "patient001_frame01")
    assert not prepared("wmh2017", raw, "0").label.any()
