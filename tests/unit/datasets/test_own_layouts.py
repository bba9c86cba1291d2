"""A user's own data as people have them: other folders, other names, files that are not data, soft masks, DICOM."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image
from test_own_data import AFFINE, BINARY, described, indexed, mask, prepared, ramp, reason, save

from lib import ROOT
from lib.config.load import load
from lib.config.own_data import OwnData
from lib.datasets.file_notes import collected_notes
from lib.datasets.fingerprint import fingerprint
from lib.datasets.readers import read_picture, read_volume
from lib.errors import CaseExcluded, SeglossError
from lib.labels import Labels
from lib.plotting.data_report import draw_data_report
from lib.store import StoredCase

POLYP = {"background": 0, "polyp": 255}
GREY = np.random.default_rng(0).integers(0, 256, (6, 9), dtype=np.uint8)
BLOB = np.zeros((6, 9), np.uint8)
BLOB[1:4, 3:8] = 255


def save_picture(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def save_pictures(folder: Path, images: str = "images", masks: str = "masks", added: str = "", n: int = 3) -> None:
    for number in range(n):
        save_picture(folder / images / f"c{number}.png", GREY)
        save_picture(folder / masks / f"c{number}{added}.png", BLOB)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("image", "label"),
        ("img", "gt"),
        ("imgs", "ground_truth"),
        ("Images", "Annotations"),
        ("train/images", "train/masks"),
        ("imagesTr", "labelsTr"),
    ],
)
def test_folders_of_other_names_are_recognised(tmp_path: Path, images: str, masks: str) -> None:
    save_pictures(tmp_path, images, masks)
    assert list(indexed(tmp_path, labels=POLYP).cases) == ["c0", "c1", "c2"]
    np.testing.assert_array_equal(prepared(tmp_path, "c1", labels=POLYP).label, BLOB // 255)
    values = {"own_data": {"mine": {"folder": str(tmp_path), "labels": POLYP}}}
    note = f"own_data.mine: labels in {Path(masks).name}/, images in {Path(images).name}/"
    assert (note in load(values).notes) == (masks != "labelsTr")


@pytest.mark.parametrize("added", ["_mask", "_segmentation", "-gt", "_lesion"])
def test_masks_may_say_in_their_names_that_they_are_masks(tmp_path: Path, added: str) -> None:
    save_pictures(tmp_path, added=added)
    assert list(indexed(tmp_path, labels=POLYP).cases) == ["c0", "c1", "c2"]


def test_a_mask_beside_its_image_is_no_image(tmp_path: Path) -> None:
    save_pictures(tmp_path, "all", "all", "_lesion")
    options = {"images": ["{case}.png"], "label": "{case}_lesion.png", "labels": POLYP}
    found = indexed(tmp_path, **options)
    assert (list(found.cases), found.excluded) == (["c0", "c1", "c2"], {})


def test_two_folders_that_may_hold_the_masks(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/c0.txt").write_text("boxes of a detector")
    assert len(indexed(tmp_path, labels=POLYP).cases) == 3
    save_pictures(tmp_path, masks="labels")
    with pytest.raises(SeglossError, match=r'labels/ and masks/ may both be .* label: "labels/\{case\}\.png"'):
        described(tmp_path, labels=POLYP)
    assert len(indexed(tmp_path, labels=POLYP, label="masks/{case}.png").cases) == 3


NO_DATA = (
    "Thumbs.db",
    ".DS_Store",
    "README.txt",
    "A.txt",
    "c1.png~",
    ".c1.png.swp",
    "._c1.png",
    "desktop.ini",
    "zz",
)


def test_files_that_are_no_data_are_ignored_and_counted(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    folders = (tmp_path, tmp_path / "images", tmp_path / "masks")
    for folder in folders:
        for name in NO_DATA:
            (folder / name).write_bytes(b"no picture")
        for name in ("@eaDir", "__MACOSX", ".ipynb_checkpoints"):
            save_picture(folder / name / "c1.png", GREY)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": POLYP, "numTraining": 3}))
    found = indexed(tmp_path)
    assert (list(found.cases), found.excluded) == (["c0", "c1", "c2"], {})
    count = len(folders) * (len(NO_DATA) + 3)
    assert found.notes == (
        f"files or folders without a known ending, ignored: {count} (.DS_Store, ._c1.png, .c1.png.swp,"
        " .ipynb_checkpoints, @eaDir, ...)",
    )


@pytest.mark.parametrize("link", ["loop", "images/loop", "a", "images/a", "masks/a"])
def test_every_real_folder_is_visited_once(tmp_path: Path, link: str) -> None:
    save_pictures(tmp_path)
    for target in (".", str(tmp_path), str(tmp_path / "images"), link):
        (tmp_path / link).symlink_to(target)
        assert list(indexed(tmp_path, labels=POLYP).cases) == ["c0", "c1", "c2"], target
        (tmp_path / link).unlink()


def test_folders_behind_links_are_read(tmp_path: Path) -> None:
    save_pictures(tmp_path / "disk")
    (tmp_path / "mine").mkdir()
    for name in ("images", "masks"):
        (tmp_path / "mine" / name).symlink_to(tmp_path / "disk" / name)
    assert len(indexed(tmp_path / "mine", labels=POLYP).cases) == 3


@pytest.mark.parametrize("ending", [".NII.GZ", ".Nii.gz", ".nii.GZ", ".NII", ".MHA", ".Mha", ".NRRD"])
@pytest.mark.parametrize("folder_names", ["imagesTr labelsTr", "IMAGESTR LabelsTr"])
def test_letter_case_changes_nothing(tmp_path: Path, ending: str, folder_names: str) -> None:
    for kind, array in zip(folder_names.split(), (ramp(), mask()), strict=True):
        (tmp_path / kind).mkdir()
        path = tmp_path / kind / f"a{ending.lower()}"
        if "nii" in path.name:
            save(path, array)
        else:
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array.T.copy()), path)
        path.rename(path.with_name(f"a{ending}"))
    case = prepared(tmp_path, "a", labels=BINARY)
    np.testing.assert_array_equal(case.label, mask())
    np.testing.assert_allclose(case.image[0], (ramp() - ramp().mean()) / ramp().std(), atol=1e-5)


def test_upper_case_pictures(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    for path in [*tmp_path.glob("*/*.png")]:
        path.rename(path.with_suffix(".PNG"))
    np.testing.assert_array_equal(prepared(tmp_path, "c0", labels=POLYP).image[0], GREY / np.float32(255))


@pytest.mark.parametrize("prefix", ["./", ".\\", "", "C:\\data\\"])
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_paths_in_a_description(tmp_path: Path, prefix: str, separator: str) -> None:
    pairs = []
    for number in range(8):
        save(tmp_path / f"imagesTr/c{number}.nii.gz", ramp())
        save(tmp_path / f"labelsTr/c{number}.nii.gz", mask())
        pairs.append({kind: f"{prefix}{kind}sTr{separator}c{number}.nii.gz" for kind in ("image", "label")})
    described = {"labels": BINARY, "numTraining": 8, "training": pairs}
    (tmp_path / "dataset.json").write_text(json.dumps(described))
    found = indexed(tmp_path)
    assert (len(found.cases), found.excluded) == (8, {})


def write_dicom(path: Path, modality: str, preamble: bool = True) -> None:
    """The beginning of a DICOM file: preamble, and the element (0008,0060) in explicit little endian."""
    path.parent.mkdir(parents=True, exist_ok=True)
    element = b"\x08\x00\x60\x00CS" + len(modality).to_bytes(2, "little") + modality.encode()
    path.write_bytes((128 * b"\0" + b"DICM" if preamble else b"") + element + 100 * b"\0")


@pytest.mark.parametrize("place", ["p1/series/IM0001", "imagesTr/c0/0.dcm", "imagesTr/c0.DCM"])
def test_dicom_is_named_with_the_commands_that_convert_it(tmp_path: Path, place: str) -> None:
    write_dicom(tmp_path / place, "CT", preamble=not place.lower().endswith(".dcm"))
    write_dicom(tmp_path / "p1/rtss/IM0002", "RTSTRUCT")
    write_dicom(tmp_path / "p1/seg/x.dcm", "SEG")
    for options in ({}, {"dimensions": 3}, {"images": ["{case}.dcm"], "label": "{case}_seg.dcm"}):
        with pytest.raises(SeglossError) as caught:
            indexed(tmp_path, labels=BINARY, **options)
        message = str(caught.value)
        assert "DICOM files (CT, RTSTRUCT, SEG)" in message and "dcm2niix" in message and "\n" not in message
        assert "(?P<" not in message


def test_masks_of_soft_values_are_cut_at_a_threshold(tmp_path: Path) -> None:
    for number in range(3):
        save_picture(tmp_path / f"images/c{number}.jpg", GREY)
        colours = np.stack([BLOB] * 3, axis=-1)
        save_picture(tmp_path / f"masks/c{number}.jpg", colours if number else BLOB, quality=60)
    assert "set a threshold" in reason(tmp_path, "c0", labels=POLYP)
    stored = np.asarray(Image.open(tmp_path / "masks/c0.jpg"))
    for case in ("c0", "c1"):
        found = prepared(tmp_path, case, threshold=127)
        np.testing.assert_array_equal(found.label, stored > 127)
    assert "lies above the threshold 300" in reason(tmp_path, "c0", threshold=300)
    assert described(tmp_path, threshold=127).labels.names == ("background", "foreground")


def test_probability_maps_and_their_region(tmp_path: Path) -> None:
    probability = np.linspace(0, 1, ramp().size).reshape(ramp().shape)
    for kind, array in (("imagesTr", ramp()), ("labelsTr", probability), ("regionsTr", probability)):
        save(tmp_path / kind / "a.nii.gz", array.astype(np.float32))
    case = prepared(tmp_path, "a", labels=BINARY, threshold=0.5)
    np.testing.assert_array_equal(case.label, probability.astype(np.float32) > 0.5)
    save(tmp_path / "labelsTr/a.nii.gz", np.where(mask() > 0, np.nan, probability))
    assert reason(tmp_path, "a", labels=BINARY, threshold=0.5) == "the mask has NaN"


@pytest.mark.parametrize("labels", [{"background": 0, "a": 1, "b": 2}, {"background": 0, "a": 1, "ignore": 2}])
def test_a_threshold_is_for_one_class(tmp_path: Path, labels: dict) -> None:
    save_pictures(tmp_path)
    with pytest.raises(SeglossError, match="threshold: labels of background and one class were expected, found"):
        described(tmp_path, labels=labels, threshold=127)


@pytest.mark.parametrize("labels", [BINARY, POLYP])
def test_masks_of_one_bit(tmp_path: Path, labels: dict) -> None:
    for number in range(2):
        save_picture(tmp_path / f"images/c{number}.png", GREY)
        save_picture(tmp_path / f"masks/c{number}.png", BLOB > 0)
    np.testing.assert_array_equal(prepared(tmp_path, "c0", labels=labels).label, BLOB > 0)
    np.testing.assert_array_equal(prepared(tmp_path, "c1", threshold=127).label, BLOB > 0)


@pytest.mark.parametrize("kind", ["joined.mha", "joined.nrrd", "vector.mha", "vector.nii.gz", "joined.nii.gz"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_channels_on_a_further_axis(tmp_path: Path, kind: str, n_channels: int) -> None:
    channels = [ramp(), ramp()[::-1].copy()][:n_channels]
    volumes = [SimpleITK.GetImageFromArray(channel.T.copy()) for channel in channels]
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    together = SimpleITK.JoinSeries(volumes) if kind.startswith("joined") else SimpleITK.Compose(volumes)
    ending = kind.partition(".")[2]
    SimpleITK.WriteImage(together, tmp_path / f"imagesTr/a.{ending}")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(mask().T.copy()), tmp_path / f"labelsTr/a.{ending}")
    case = prepared(tmp_path, "a", labels=BINARY, channels=["T1", "T2"][:n_channels], window=(0, 279))
    np.testing.assert_allclose(case.image, np.stack(channels) / 279, atol=1e-6)
    assert case.spacing == (1, 1, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_masks_are_drawn_on_the_upright_picture(tmp_path: Path, orientation: int, ending: str) -> None:
    """Image as the camera stores it, with its orientation; mask as an annotator saw it."""
    turns = {
        **{1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose},
        **{6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, -1)},
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"quality": 95} if ending == ".jpg" else {}
    for number in range(2):
        save_picture(tmp_path / f"images/c{number}{ending}", turns[orientation](BLOB), exif=exif, **quality)
        save_picture(tmp_path / f"masks/c{number}.png", BLOB)
    image = prepared(tmp_path, "c0", labels=POLYP).image[0]
    np.testing.assert_array_equal(image > 0.5, BLOB > 127)


def test_a_header_that_contradicts_itself(tmp_path: Path) -> None:
    """The qform is right and pixdim with it; the sform says 1 mm."""
    for kind, array in (("imagesTr", ramp()), ("labelsTr", mask())):
        image = nibabel.Nifti1Image(array, None)
        image.header.set_qform(np.diag([-1.3158, -1.3158, 10, 1]), code=1)
        image.header.set_sform(np.diag([-1, -1, 1, 1]), code=1)
        (tmp_path / kind).mkdir()
        nibabel.save(image, tmp_path / kind / "a.nii.gz")
        shutil.copy(tmp_path / kind / "a.nii.gz", tmp_path / kind / "B.NII.GZ")
    for case in ("a", "B"):
        assert prepared(tmp_path, case, labels=BINARY).spacing == pytest.approx((1.3158, 1.3158, 10))


def test_a_region_saved_as_scaled_whole_numbers(tmp_path: Path) -> None:
    region = np.zeros(ramp().shape, np.float32)
    region[1:6, 1:7] = 1
    for kind, array in (("imagesTr", ramp()), ("labelsTr", mask().astype(np.float32)), ("regionsTr", region)):
        image = nibabel.Nifti1Image(array, AFFINE)
        if kind != "imagesTr":
            image.header.set_data_dtype(np.int16)
        (tmp_path / kind).mkdir()
        nibabel.save(image, tmp_path / kind / "a.nii.gz")
    stored = np.asarray(nibabel.load(tmp_path / "regionsTr/a.nii.gz").dataobj)
    assert (stored[region == 0] != 0).any() or (stored[region == 1] != 1).any()
    case = prepared(tmp_path, "a", labels=BINARY)
    np.testing.assert_array_equal(case.label, mask())
    assert len(np.unique(case.image[0][region == 0])) == 1


def test_the_voxels_of_a_header_are_files_of_the_case(tmp_path: Path) -> None:
    for kind, array in (("imagesTr", ramp()), ("labelsTr", mask())):
        (tmp_path / kind).mkdir()
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array.T.copy()), tmp_path / kind / "a.mhd")
    found = indexed(tmp_path, labels=BINARY)
    assert found.cases["a"].files["voxels of label"] == [f"{tmp_path}/labelsTr/a.raw"]
    assert found.notes == ()
    np.testing.assert_array_equal(prepared(tmp_path, "a", labels=BINARY).label, mask())


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_pictures_saved_as_volumes_lie_as_pictures(tmp_path: Path, ending: str) -> None:
    for number in range(2):
        (tmp_path / "images").mkdir(exist_ok=True)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(BLOB), tmp_path / f"images/c{number}{ending}")
        save_picture(tmp_path / f"masks/c{number}.png", BLOB)
    case = prepared(tmp_path, "c0", labels=POLYP)
    np.testing.assert_array_equal(case.image[0] > 0.5, case.label == 1)


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 255, "lesion": 0},
        {"lesion": 0, "Background": [1, 255]},
        {"lesion": 0, "background": 255},
    ],
)
def test_the_class_named_background_is_the_background(tmp_path: Path, labels: dict) -> None:
    for number in range(2):
        save_picture(tmp_path / f"images/c{number}.png", GREY)
        save_picture(tmp_path / f"masks/c{number}.png", 255 - BLOB)
    assert [name.lower() for name in described(tmp_path, labels=labels).labels.names] == [
        "background",
        "lesion",
    ]
    np.testing.assert_array_equal(prepared(tmp_path, "c0", labels=labels).label, BLOB // 255)


@pytest.mark.parametrize("stray", ["aaa.png", "zzz.png"])
def test_a_stray_file_of_another_kind_changes_nothing(tmp_path: Path, stray: str) -> None:
    for case in ("a", "b", "c"):
        save(tmp_path / f"imagesTr/{case}_0000.nii.gz", ramp())
        save(tmp_path / f"labelsTr/{case}.nii.gz", mask())
    save_picture(tmp_path / "labelsTr" / stray, BLOB)
    save(tmp_path / "imagesTr/b.nii.gz", ramp())  # without a number
    save(tmp_path / "regionsTr/other.nii.gz", mask())
    pairs = [{"image": f"imagesTr/{case}.nii.gz", "label": f"labelsTr/{case}.nii.gz"} for case in "ab"]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": BINARY, "numTraining": 2, "training": pairs}))
    found = indexed(tmp_path)
    assert (list(found.cases), list(found.excluded)) == (["a", "b"], ["c"])


def test_pairs_of_different_cases_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "imagesTr/a.nii.gz", ramp())
    save(tmp_path / "labelsTr/a.nii.gz", mask())
    pairs = [{"image": "imagesTr/b.nii.gz", "label": "labelsTr/a.nii.gz"}]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": BINARY, "training": pairs}))
    with pytest.raises(SeglossError, match=r"imagesTr/b.nii.gz and labelsTr/a.nii.gz are named as different cases"):
        indexed(tmp_path)


def test_lesions_outside_the_region_are_noted(tmp_path: Path) -> None:
    for kind, array in (("imagesTr", ramp()), ("labelsTr", mask()), ("regionsTr", 1 - mask())):
        save(tmp_path / kind / "a.nii.gz", array)
    with collected_notes() as notes:
        prepared(tmp_path, "a", labels=BINARY)
    assert notes == ["6 of 6 foreground voxels lie outside the region, which is blanked"]
    save(tmp_path / "regionsTr/a.nii.gz", np.where(mask() > 0, np.nan, 1))
    assert reason(tmp_path, "a", labels=BINARY) == "the region has NaN"


def test_tiffs_that_pillow_would_change_are_left_out(tmp_path: Path) -> None:
    for name, array, options in (
        ("planar", np.zeros((3, 6, 9), np.uint16), {"photometric": "rgb", "planarconfig": "separate"}),
        ("signed", np.arange(-27, 27, dtype=np.int8).reshape(6, 9), {}),
        ("long", np.full((6, 9), 2**31, np.uint32), {}),
        ("inverted", np.zeros((6, 9), np.uint16), {"photometric": "miniswhite"}),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, **options)
        with pytest.raises(CaseExcluded, match="in a form that would be changed; convert it"):
            read_picture(tmp_path / f"{name}.tif")


def test_dollars_in_titles_and_names_are_shown(tmp_path: Path, tiny_cases: list[StoredCase]) -> None:
    cases = [StoredCase(tiny_cases[0].folder)]
    cases[0].description["case"] = "$^{$"
    labels = Labels(("background", "$\\frac{1$", "other"))
    draw_data_report(tmp_path / "r.pdf", "from $5 to $6", cases, labels, ["$_"], fingerprint(cases, labels), "$")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


SPACE = "type: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (SPACE, "its header gives no spacing; 1 mm was taken"),
        (SPACE + "spacings: 1 nan 2\n", "lengths in mm were expected"),
        (
            SPACE + 'space: LPS\nspace units: "m" "m" "m"\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n',
            "lengths in mm were expected",
        ),
        (SPACE + "spacings: 1 1.5 2\n", ""),
        (
            "type: uint8\ndimension: 4\nsizes: 3 2 2 2\nkinds: vector domain domain domain\nencoding: raw\n"
            "spacings: nan 1 1 2\n",
            "",
        ),
    ],
)
def test_spacing_that_itk_would_make_up(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(f"NRRD0005\n{header}\n".encode() + bytes(range(24)))
    with collected_notes() as notes:
        try:
            read_volume(tmp_path / "a.nrrd")
        except CaseExcluded as error:
            notes.append(str(error))
    assert len(notes) == bool(message) and message in "".join(notes)


def test_every_option_stands_on_the_page() -> None:
    page = (ROOT / "docs/own_data.md").read_text()
    for option in OwnData.model_fields:
        assert f"`{option}`" in page
