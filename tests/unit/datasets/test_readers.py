"""The same data in every format and every legal form of header give the same arrays, spacing and place."""

import gzip
import itertools
import os
import re
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import ExifTags, Image, ImageOps
from scipy.spatial.transform import Rotation

from lib.datasets import reading
from lib.datasets.file_notes import collected_notes
from lib.datasets.readers import Volume, read_picture, read_volume
from lib.errors import CaseExcluded

RNG = np.random.default_rng(0)
SHAPE = (7, 6, 5)
ARRAY = RNG.integers(-1024, 3072, SHAPE).astype(np.int16)
SECOND = RNG.integers(-1024, 3072, SHAPE).astype(np.int16)
BOTH = np.stack([ARRAY, SECOND], axis=-1)
COLOURS = RNG.integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
SPACING = (0.7, 1.3, 2.5)
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine(rotation: np.ndarray, spacing: tuple[float, ...] = SPACING) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation * spacing, (-11.5, 7.25, 30.125)
    return matrix


TURN = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix()
OBLIQUE = affine(TURN)
PLACES = {"straight": affine(np.eye(3)), "oblique": OBLIQUE, "mirrored": affine(TURN @ np.diag([-1, 1, 1]))}


def write_nifti(
    path: Path,
    place: np.ndarray = OBLIQUE,
    array: np.ndarray = ARRAY,
    kind: type = nibabel.Nifti1Image,
    byte_order: str = "<",
    compressed: bool | None = None,
    forms: tuple[str, ...] = ("sform", "qform"),
    **fields: Any,
) -> Path:
    """Write a file whose header then gets ``fields`` as they are, which nibabel would put right."""
    header = kind.header_class(endianness=byte_order)
    header.set_data_dtype(array.dtype.newbyteorder(byte_order))
    image = kind(array, None, header)
    image.set_qform(place, code=1)
    image.set_sform(place, code=1)
    content = image.to_bytes()
    size = header.template_dtype.itemsize
    header = kind.header_class(content[:size], check=False)
    for form in {"sform", "qform"} - set(forms):
        header[f"{form}_code"] = 0
    if "sform" not in forms:
        header["srow_x"], header["srow_y"], header["srow_z"] = np.full((3, 4), 9)  # without meaning now
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + content[size:]
    compressed = path.name.lower().endswith(".gz") if compressed is None else compressed
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


def itk_image(array: np.ndarray, place: np.ndarray) -> SimpleITK.Image:
    """An image of (x, y, z) or, with channels last, of vectors."""
    last = range(3, array.ndim)
    image = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0, *last), isVector=array.ndim > 3)
    lps = TO_LPS @ place
    image.SetSpacing(SPACING)
    image.SetOrigin(lps[:3, 3])
    image.SetDirection((lps[:3, :3] / SPACING).ravel())
    return image


def write_itk(path: Path, place: np.ndarray = OBLIQUE, array: np.ndarray = ARRAY, compressed: bool = False) -> Path:
    """By ITK, under a name in small letters, and then renamed."""
    SimpleITK.WriteImage(itk_image(array, place), path.with_suffix(path.suffix.lower()), compressed)
    return path.with_suffix(path.suffix.lower()).rename(path)


def row(values: np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in values)


def write_mhd(path: Path, place: np.ndarray, signs: tuple[int, ...] = (1, 1, 1), big: bool = False) -> Path:
    """By hand; where the spacing is negative the axis points the other way."""
    lps = TO_LPS @ place
    axes = (lps[:3, :3] / SPACING * signs).T
    lines = [
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {big}",
        f"TransformMatrix = {' '.join(map(row, axes))}\nOffset = {row(lps[:3, 3])}",
        f"ElementSpacing = {row(np.multiply(SPACING, signs))}\nDimSize = {row(SHAPE)}\nElementType = MET_SHORT",
        f"ElementDataFile = {path.stem}.RAW\n",
    ]
    path.write_text("\n".join(lines))
    path.with_suffix(".RAW").write_bytes(ARRAY.astype(">i2" if big else "<i2").tobytes("F"))
    return path


def write_nrrd(
    path: Path,
    place: np.ndarray,
    space: str = "right-anterior-superior",
    array: np.ndarray = ARRAY,
    kinds: str = "domain domain domain",
    compressed: bool = False,
    big: bool = False,
) -> Path:
    """By hand; ``kinds`` says whether the channels are the first or the last axis of the array."""
    world = place if space == "right-anterior-superior" else TO_LPS @ place
    vectors = iter(f"({','.join(f'{x:.17g}' for x in axis)})" for axis in world[:3, :3].T)
    directions = [next(vectors) if kind == "domain" else "none" for kind in kinds.split()]
    lines = [
        f"NRRD0004\ntype: short\ndimension: {array.ndim}\nspace: {space}\nsizes: {row(array.shape)}",
        f"space directions: {' '.join(directions)}\nkinds: {kinds}\nendian: {'big' if big else 'little'}",
        f"encoding: {'gzip' if compressed else 'raw'}\nspace origin: ({','.join(map(str, world[:3, 3]))})\n\n",
    ]
    content = array.astype(">i2" if big else "<i2").tobytes("F")
    path.write_bytes("\n".join(lines).encode() + (gzip.compress(content) if compressed else content))
    return path


def written_by_itk(image: SimpleITK.Image, path: Path) -> Path:
    SimpleITK.WriteImage(image, path)
    return path


def assert_is(
    path: Path,
    array: np.ndarray = ARRAY,
    place: np.ndarray | None = OBLIQUE,
    noted: int | None = 0,
    atol: float = 1e-4,
) -> list[str]:
    """The file holds this array, at this place, with ``noted`` notes."""
    with collected_notes() as notes:
        volume = read_volume(path)
    assert volume.array.shape == array.shape
    np.testing.assert_allclose(volume.array, array, atol=atol, rtol=0)
    np.testing.assert_allclose(volume.spacing, SPACING, rtol=1e-6)
    if place is None:
        assert volume.affine is None
    else:
        np.testing.assert_allclose(volume.affine, place, atol=1e-5)
    assert len(notes) == noted and all(path.name in text and "\n" not in text for text in notes)
    return notes


def refusal(read: Callable, *arguments: Any) -> str:
    with pytest.raises(CaseExcluded) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NIFTI_NAMES = ("a.nii", "a.nii.gz", "a.NII", "a.NII.GZ", "a.Nii.gz", "a.nii.GZ")
WRITERS: dict[str, tuple[str, Callable[[Path, np.ndarray], Path]]] = {
    f"{name} NIfTI-{number} {order}": (name, partial(write_nifti, kind=kind, byte_order=order))
    for name, (number, kind), order in itertools.product(
        NIFTI_NAMES, [(1, nibabel.Nifti1Image), (2, nibabel.Nifti2Image)], "<>"
    )
}
WRITERS |= {
    "gzip named .nii": ("a.nii", partial(write_nifti, compressed=True)),
    "gzip named .NII": ("a.NII", partial(write_nifti, compressed=True)),
    "plain named .nii.gz": ("a.nii.gz", partial(write_nifti, compressed=False)),
    "NIfTI by ITK": ("a.nii.gz", write_itk),
    "mhd by hand": ("a.mhd", write_mhd),
    "MHD by hand": ("a.MHD", write_mhd),
    "mhd, big endian": ("a.mhd", partial(write_mhd, big=True)),
    "nrrd RAS": ("a.nrrd", write_nrrd),
    "nrrd LPS": ("a.nrrd", partial(write_nrrd, space="left-posterior-superior")),
    "nrrd RAS gzip": ("a.NRRD", partial(write_nrrd, compressed=True)),
    "nrrd RAS big endian": ("a.nrrd", partial(write_nrrd, big=True)),
}
WRITERS |= {
    f"{name} by ITK{' compressed' if compressed else ''}": (name, partial(write_itk, compressed=compressed))
    for name in ("a.mha", "a.MHA", "a.mhd", "a.Mhd", "a.nrrd", "a.NRRD")
    for compressed in (False, True)
}
WRITERS |= {
    f"mhd with spacing of signs {signs}": ("a.mhd", partial(write_mhd, signs=signs))
    for signs in ((-1, 1, 1), (1, -1, -1), (-1, -1, -1))
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_format_gives_the_same_volume(tmp_path: Path, writer: str, place: np.ndarray) -> None:
    name, write = WRITERS[writer]
    assert_is(write(tmp_path / name, place), place=place)


KINDS = pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
ENDS = pytest.mark.parametrize("byte_order", ["<", ">"])


@KINDS
@pytest.mark.parametrize("forms", [("sform",), ("qform",), ("sform", "qform"), ()])
def test_nifti_with_either_form(tmp_path: Path, kind: type, forms: tuple[str, ...]) -> None:
    path = write_nifti(tmp_path / "a.nii", kind=kind, forms=forms)
    assert_is(path, place=OBLIQUE if forms else None)


def rows(matrix: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(("srow_x", "srow_y", "srow_z"), matrix[:3], strict=True))


def pixdim(*spacing: float) -> list[float]:
    return [1, *spacing, 1, 1, 1, 1]


WRONG_SFORMS = {
    "ones": np.diag([-1.0, -1, 1, 1]),
    "zeros": np.zeros((4, 4)),
    "NaN": np.full((4, 4), np.nan),
    "infinite": np.full((4, 4), np.inf),
    "one axis": affine(TURN, (0.7, 1.3, 5)),
}


@KINDS
@ENDS
@pytest.mark.parametrize("wrong", WRONG_SFORMS)
def test_the_qform_wins_where_pixdim_confirms_it_alone(tmp_path: Path, kind: type, byte_order: str, wrong: str) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", kind=kind, byte_order=byte_order, **rows(WRONG_SFORMS[wrong]))
    (text,) = assert_is(path, noted=1)
    assert "qform 0.7 x 1.3 x 2.5, pixdim 0.7 x 1.3 x 2.5 mm" in text and text.endswith("qform was taken")


def test_the_sform_wins_where_pixdim_confirms_it_alone(tmp_path: Path) -> None:
    (text,) = assert_is(write_nifti(tmp_path / "a.nii", quatern_b=2), noted=1)
    assert text.endswith("that of the sform was taken")


def test_the_sform_wins_over_a_qform_of_the_same_spacing(tmp_path: Path) -> None:
    assert_is(write_nifti(tmp_path / "a.nii", PLACES["straight"], **rows(OBLIQUE)))


def test_the_only_sform_wins_over_pixdim(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", forms=("sform",), pixdim=pixdim(7, 7, 7))
    (text,) = assert_is(path, noted=1)
    assert "sform 0.7 x 1.3 x 2.5, pixdim 7 x 7 x 7 mm" in text


@pytest.mark.parametrize("difference", [0, 0.004, -0.004])
def test_rounding_in_pixdim_is_no_contradiction(tmp_path: Path, difference: float) -> None:
    assert_is(write_nifti(tmp_path / "a.nii", pixdim=pixdim(*np.multiply(SPACING, 1 + difference))))


def test_a_spacing_of_0_in_pixdim_says_nothing(tmp_path: Path) -> None:
    (text,) = assert_is(write_nifti(tmp_path / "a.nii", pixdim=pixdim(0.7, 1.3, 0)), noted=1)
    assert text.endswith("that of the sform was taken")


def test_a_header_of_which_pixdim_confirms_nothing_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", quatern_b=2, pixdim=pixdim(7, 8, 9))
    message = refusal(read_volume, path)
    assert "a.nii" in message and "sform 0.7 x 1.3 x 2.5" in message and "pixdim 7 x 8 x 9" in message


@pytest.mark.parametrize(
    ("fields", "forms"),
    [
        (rows(np.full((4, 4), np.nan)), ("sform",)),
        (rows(np.zeros((4, 4))), ("sform",)),
        ({"quatern_b": 2}, ("qform",)),
        ({"pixdim": pixdim(0, 1, 1)}, ("qform",)),
        ({"pixdim": pixdim(1, 1, 0)}, ()),
        ({"pixdim": pixdim(np.nan, 1, 1)}, ()),
    ],
)
def test_a_header_without_valid_geometry_is_refused(
    tmp_path: Path, fields: dict[str, Any], forms: tuple[str, ...]
) -> None:
    assert refusal(read_volume, write_nifti(tmp_path / "a.nii", forms=forms, **fields)).startswith("a.nii ")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.NII.GZ", "a.nii"])
def test_an_identity_as_sform_beside_a_right_qform(tmp_path: Path, name: str) -> None:
    spacing = (1.3158, 1.3158, 10)
    right = affine(np.diag([-1, -1, 1]), spacing)
    path = write_nifti(tmp_path / name, right, **rows(np.diag([-1.0, -1, 1, 1])))
    with collected_notes() as notes:
        volume = read_volume(path)
    assert volume.spacing == pytest.approx(spacing) and len(notes) == 1
    np.testing.assert_allclose(volume.affine, right, atol=1e-5)


@pytest.mark.parametrize("forms", [("sform", "qform"), ()])
def test_negative_pixdim(tmp_path: Path, forms: tuple[str, ...]) -> None:
    path = write_nifti(tmp_path / "a.nii", forms=forms, pixdim=pixdim(-0.7, 1.3, -2.5))
    assert_is(path, place=OBLIQUE if forms else None)


@KINDS
@pytest.mark.parametrize(("unit", "per_mm", "name"), [(1, 1e-3, "metres"), (3, 1e3, "micrometres")])
@pytest.mark.parametrize("forms", [("sform",), ("qform",), ("sform", "qform"), ()])
def test_other_units_become_mm(
    tmp_path: Path, kind: type, unit: int, per_mm: float, name: str, forms: tuple[str, ...]
) -> None:
    place = np.diag([per_mm, per_mm, per_mm, 1]) @ OBLIQUE
    path = write_nifti(tmp_path / "a.nii", place, kind=kind, forms=forms, xyzt_units=unit | 8)
    (text,) = assert_is(path, place=OBLIQUE if forms else None, noted=1)
    assert f"from the header's {name}" in text


@KINDS
@ENDS
@pytest.mark.parametrize(("slope", "offset"), [(0.5, 3), (2, -1024), (-1, 0), (1, 0.5), (1, 0)])
def test_slopes_are_applied(tmp_path: Path, kind: type, byte_order: str, slope: float, offset: float) -> None:
    options = {"kind": kind, "byte_order": byte_order, "scl_slope": slope, "scl_inter": offset}
    assert_is(write_nifti(tmp_path / "a.nii", **options), ARRAY * slope + offset)


@pytest.mark.parametrize("slope", [0, np.nan])
def test_no_slope(tmp_path: Path, slope: float) -> None:
    assert_is(write_nifti(tmp_path / "a.nii", scl_slope=slope, scl_inter=5))


def test_values_saved_as_scaled_whole_numbers_are_within_rounding(tmp_path: Path) -> None:
    values = RNG.normal(0, 100, SHAPE)
    image = nibabel.Nifti1Image(values, OBLIQUE)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    rounding = read_volume(tmp_path / "a.nii.gz").rounding
    assert 0 < rounding < np.ptp(values) / 2**16
    assert_is(tmp_path / "a.nii.gz", values, atol=rounding)


def test_floats_have_no_rounding_under_a_slope(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", array=ARRAY.astype(np.float32), scl_slope=2)
    assert_is(path, 2 * ARRAY)
    assert read_volume(path).rounding == 0


def join(*arrays: np.ndarray) -> SimpleITK.Image:
    return SimpleITK.JoinSeries([itk_image(array, OBLIQUE) for array in arrays])


VECTORS = BOTH[:, :, :, None]
RGB = COLOURS.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
LISTED = {"array": np.moveaxis(BOTH, -1, 0), "kinds": "vector domain domain domain"}
FURTHER_AXES: dict[str, tuple[str, Callable[[Path], Path], np.ndarray]] = {
    "NIfTI of one time": ("a.nii", partial(write_nifti, array=ARRAY[..., None]), ARRAY),
    "NIfTI of one time and vector": ("a.nii", partial(write_nifti, array=ARRAY[..., None, None]), ARRAY),
    "NIfTI of channels": ("a.nii.gz", partial(write_nifti, array=BOTH), BOTH),
    "NIfTI of channels, big endian": ("a.nii", partial(write_nifti, array=BOTH, byte_order=">"), BOTH),
    "NIfTI of vectors": ("a.nii", partial(write_nifti, array=VECTORS, intent_code=1007), BOTH),
    "NIfTI of colours": ("a.nii", partial(write_nifti, array=RGB), COLOURS),
    "NIfTI of colours at one time": ("a.nii", partial(write_nifti, array=RGB[..., None]), COLOURS),
    "NRRD of vectors": ("a.nrrd", partial(write_nrrd, place=OBLIQUE, **LISTED), BOTH),
    "NRRD with a list last": (
        "a.nrrd",
        partial(write_nrrd, place=OBLIQUE, array=BOTH, kinds="domain domain domain list"),
        BOTH,
    ),
}
FURTHER_AXES |= {
    f"{name} of {kind}": (name, partial(write_itk, array=array), array)
    for name in ("a.nii.gz", "a.mha", "a.mhd", "a.nrrd", "a.NRRD")
    for kind, array in (("vectors", BOTH), ("colours", COLOURS))
}
FURTHER_AXES |= {
    f"{name} joined of {len(arrays)}": (name, partial(written_by_itk, join(*arrays)), expected)
    for name in ("a.nii", "a.mha", "a.mhd", "a.nrrd")
    for arrays, expected in (((ARRAY,), ARRAY), ((ARRAY, SECOND), BOTH))
}


@pytest.mark.parametrize("storage", FURTHER_AXES)
def test_channels_come_last_and_axes_of_length_1_go(tmp_path: Path, storage: str) -> None:
    name, write, expected = FURTHER_AXES[storage]
    assert_is(write(tmp_path / name), expected)


def test_a_first_three_axes_of_length_1_stay(tmp_path: Path) -> None:
    for path in (
        write_nifti(tmp_path / "a.nii", array=ARRAY[:1, :, :1]),
        write_itk(tmp_path / "a.mha", array=ARRAY[:1, :, :1]),
    ):
        assert_is(path, ARRAY[:1, :, :1])


@pytest.mark.parametrize("array", [ARRAY[..., 0], RGB[..., 0]], ids=["grey", "colours"])
def test_volumes_of_two_axes(tmp_path: Path, array: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(array, OBLIQUE), tmp_path / "a.nii")
    expected = COLOURS[:, :, 0] if array.dtype.names else array
    is_vector = expected.ndim > 2
    image = SimpleITK.GetImageFromArray(np.swapaxes(expected, 0, 1), is_vector)
    image.SetSpacing(SPACING[:2])
    SimpleITK.WriteImage(image, tmp_path / "a.mha")
    for path in (tmp_path / "a.nii", tmp_path / "a.mha"):
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.array, expected)
        assert volume.spacing == pytest.approx(SPACING[:2])


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_type_of_values(tmp_path: Path, dtype: str) -> None:
    array = np.arange(210).reshape(SHAPE) % 100
    for path in (
        write_nifti(tmp_path / "a.nii", array=array.astype(dtype)),
        write_itk(tmp_path / "a.mha", array=array.astype(dtype)),
        write_itk(tmp_path / "a.nrrd", array=array.astype(dtype)),
    ):
        assert_is(path, array)
        assert read_volume(path).array.dtype.newbyteorder("=") == dtype


# labels


def volume_of(values: list[float] | np.ndarray, dtype: Any = np.float64, rounding: float = 0.0) -> Volume:
    return Volume(np.array(values, dtype), SPACING, None, rounding)


def read_labels(volume: Volume, allowed: tuple[int, ...] = (0, 1, 2, 3, 4)) -> list[int]:
    found = reading.labels(volume, allowed, "the mask")
    assert found.dtype == np.uint8 and found.shape == volume.array.shape
    return found.ravel().tolist()


@pytest.mark.parametrize(
    ("stored", "highest", "least_distance"), [(np.int16, 1, 1e-11), (np.uint8, 4, 2e-3), (np.int8, 3, 1e-8)]
)
def test_labels_that_nibabel_scaled_are_rounded(
    tmp_path: Path, stored: type, highest: int, least_distance: float
) -> None:
    values = np.arange(210).reshape(SHAPE) % (highest + 1)
    image = nibabel.Nifti1Image(values.astype(np.float64), OBLIQUE)
    image.set_data_dtype(stored)
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert np.abs(volume.array - values).max() > least_distance  # or else there is nothing to round
    assert read_labels(volume) == values.ravel().tolist()


@pytest.mark.parametrize(
    ("slope", "offset", "stored"),
    [(1, 0.5, 0), (0.5, 0, 1), (0.1, 0, 5), (0.25, 0, 2), (2, 0.5, 0), (100, -99.5, 1), (2**-12, 0, 2**11)],
)
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_one_half_is_no_label_under_any_slope(
    tmp_path: Path, slope: float, offset: float, stored: int, dtype: type
) -> None:
    array = np.full(SHAPE, stored, dtype)
    path = write_nifti(tmp_path / "a.nii", array=array, scl_slope=slope, scl_inter=offset)
    assert refusal(read_labels, read_volume(path)).startswith("the mask holds label 0.5")


def test_floats_under_a_slope_are_not_rounded(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", array=np.full(SHAPE, 0.2, np.float32), scl_slope=2)
    assert "label 0.4" in refusal(read_labels, read_volume(path))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.5, "0.5"),
        (0.998, "0.998"),
        (1.002, "1.002"),
        (np.nan, "nan"),
        (np.inf, "inf"),
        (-np.inf, "-inf"),
        (-1, "-1"),
        (-0.25, "-0.25"),
        (5, "5"),
        (256, "256"),
        (70000, "70000"),
    ],
)
def test_other_floats_are_refused_unrounded(value: float, label: str, dtype: type) -> None:
    message = refusal(read_labels, volume_of([0, 1, value], dtype))
    assert re.fullmatch(rf"the mask holds label {re.escape(label)}\d*; known are 0, 1, 2, 3, 4", message)


def test_a_value_beyond_the_tolerance_is_not_reported_as_a_whole_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_labels(volume_of([0, 0.9995])) == [0, 1]
    monkeypatch.setattr(reading, "LABEL_TOLERANCE", 1e-4)
    assert "holds label 0.9995;" in refusal(read_labels, volume_of([0, 0.9995]))
    assert read_labels(volume_of([0, 0.9995], rounding=1e-3)) == [0, 1]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(-1, "i1"), (-1, "i8"), (256, "i2"), (256, "u8"), (70000, "i4"), (5, "u1"), (2**40, "i8")],
)
def test_other_whole_numbers_are_refused(value: int, dtype: str) -> None:
    message = refusal(read_labels, volume_of([0, 1, value], dtype))
    assert message == f"the mask holds label {value}; known are 0, 1, 2, 3, 4"


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", ">i2", "u2", "i4", "u4", "i8", "u8", "f4", ">f4", "f8"])
def test_labels_of_every_type(dtype: str) -> None:
    values = [0, 1, 1, 0] if dtype == "?" else [0, 1, 4, 2]
    assert read_labels(volume_of(values, dtype)) == values
    assert reading.labels(np.array(values, dtype), (0, 1, 2, 4), "the mask").tolist() == values
    assert reading.is_marked(volume_of(values, dtype)).tolist() == [value > 0 for value in values]


def test_many_unknown_labels_are_cut_short() -> None:
    message = refusal(read_labels, volume_of(np.arange(9) + 0.5))
    assert message == "the mask holds label 0.5, 1.5, 2.5, 3.5, 4.5 ...; known are 0, 1, 2, 3, 4"


# pictures

SIZE = (24, 40)
GREY = RNG.integers(0, 256, SIZE).astype(np.uint8)
RED_GREEN_BLUE = RNG.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
NUMBERS = RNG.integers(0, 5, SIZE).astype(np.uint8)
PALETTE = RNG.integers(0, 256, (256, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, SIZE).astype(np.uint16)
OPACITY = Image.fromarray(RNG.integers(0, 256, SIZE).astype(np.uint8))


def with_opacity(picture: Image.Image) -> Image.Image:
    picture.putalpha(OPACITY)
    return picture


def with_palette(numbers: np.ndarray, palette: np.ndarray) -> Image.Image:
    picture = Image.fromarray(numbers)
    picture.putpalette(palette.tobytes())
    return picture


def of_16_bits(mode: str) -> Image.Image:
    return Image.frombytes(mode, SIZE[::-1], DEEP.astype(">u2" if mode.endswith("B") else "<u2").tobytes())


def inks() -> Image.Image:
    return Image.merge(
        "CMYK", [*map(Image.fromarray, 255 - np.moveaxis(RED_GREEN_BLUE, -1, 0)), Image.new("L", SIZE[::-1])]
    )


BITS = GREY > 127
GREYS = np.repeat(GREY[..., None], 3, axis=-1)
IN_COLOUR = PALETTE[NUMBERS]
LOSSLESS = (".png", ".bmp", ".tif", ".TIFF", ".PNG", ".BMP", ".TIF")
PNG_AND_TIFF = (".png", ".tif", ".PNG", ".tiff")
PICTURES: dict[str, tuple[Callable[[], Image.Image], tuple[str, ...], np.ndarray, np.ndarray]] = {
    # what, where it can be stored, as a picture, as labels
    "1": (lambda: Image.fromarray(BITS), LOSSLESS, np.uint8(255) * BITS, BITS),
    "L": (lambda: Image.fromarray(GREY), LOSSLESS, GREY, GREY),
    "P grey": (
        lambda: with_palette(GREY, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)),
        (".png", ".tif"),
        GREYS,
        GREY,
    ),
    "P": (lambda: with_palette(NUMBERS, PALETTE), LOSSLESS, IN_COLOUR, NUMBERS),
    "PA": (lambda: with_opacity(with_palette(NUMBERS, PALETTE)), (".tif",), IN_COLOUR, NUMBERS),
    "RGB": (lambda: Image.fromarray(RED_GREEN_BLUE), LOSSLESS, RED_GREEN_BLUE, RED_GREEN_BLUE),
    "RGBA": (
        lambda: with_opacity(Image.fromarray(RED_GREEN_BLUE)),
        LOSSLESS,
        RED_GREEN_BLUE,
        RED_GREEN_BLUE,
    ),
    "LA": (lambda: with_opacity(Image.fromarray(GREY)), PNG_AND_TIFF, GREY, GREY),
    "I;16": (lambda: of_16_bits("I;16"), PNG_AND_TIFF, DEEP, DEEP),
    "I;16B": (lambda: of_16_bits("I;16B"), (".png", ".tif"), DEEP, DEEP),
    "I": (lambda: Image.fromarray(DEEP.astype(np.int32)), (".tif",), DEEP, DEEP),
    "F": (lambda: Image.fromarray(DEEP.astype(np.float32)), (".tif",), DEEP, DEEP),
    "CMYK": (inks, (".tif",), RED_GREEN_BLUE, RED_GREEN_BLUE),
}
STORAGES = [(mode, ending) for mode, (_, endings, *_) in PICTURES.items() for ending in endings]


def assert_shows(path: Path, shown: np.ndarray, labels: np.ndarray, noted: int = 0) -> None:
    with collected_notes() as notes:
        np.testing.assert_array_equal(read_picture(path), shown, strict=shown.dtype == np.uint8)
        np.testing.assert_array_equal(
            read_picture(path, as_labels=True), labels, strict=labels.dtype in (bool, np.uint8)
        )
    assert len(notes) == noted


@pytest.mark.parametrize(("mode", "ending"), STORAGES)
def test_every_storage_gives_the_same_picture(tmp_path: Path, mode: str, ending: str) -> None:
    make, _, shown, labels = PICTURES[mode]
    make().save(tmp_path / f"a{ending}")
    assert_shows(tmp_path / f"a{ending}", shown, labels)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_compressed_tiff(tmp_path: Path, mode: str, compression: str) -> None:
    make, _, shown, labels = PICTURES[mode]
    make().save(tmp_path / "a.tif", compression=compression)
    assert_shows(tmp_path / "a.tif", shown, labels)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("array", [GREY, DEEP, RED_GREEN_BLUE], ids=["grey", "16 bits", "colours"])
def test_tiff_in_both_byte_orders(tmp_path: Path, array: np.ndarray, byte_order: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=byte_order, photometric=None)
    assert_shows(tmp_path / "a.tif", array, array)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_colours(tmp_path: Path, bits: int) -> None:
    numbers = NUMBERS & np.uint8(2**bits - 1)
    with_palette(numbers, PALETTE[: 2**bits]).save(tmp_path / "a.png", bits=bits)
    assert_shows(tmp_path / "a.png", PALETTE[numbers], numbers)


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("transparent", [1, bytes([0, 100, 255, 30, 7])])
def test_a_palette_with_transparent_colours(tmp_path: Path, transparent: int | bytes) -> None:
    with_palette(NUMBERS, PALETTE).save(tmp_path / "a.png", transparency=transparent)
    assert_shows(tmp_path / "a.png", IN_COLOUR, NUMBERS)


def test_grey_as_a_palette_is_grey(tmp_path: Path) -> None:
    PICTURES["P grey"][0]().save(tmp_path / "a.png")
    np.testing.assert_array_equal(reading.grey_levels(read_picture(tmp_path / "a.png"), "a.png"), GREY)


@pytest.mark.parametrize("ending", [".jpg", ".JPEG"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_gives_what_pillow_reads(tmp_path: Path, mode: str, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    PICTURES[mode][0]().save(path)
    expected = np.asarray(Image.open(path).convert("L" if mode == "L" else "RGB"))
    assert_shows(path, expected, expected)


BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture lies in a file of this orientation."""
BLOCKS = np.kron(RNG.integers(30, 220, (3, 5)), np.ones((8, 8))).astype(np.uint8)
"""A picture that JPEG keeps but for rounding."""


def save_turned(picture: Image.Image, path: Path, orientation: int | None, **options: Any) -> Path:
    stored = picture.transpose(BACK[orientation]) if orientation in BACK else picture
    if orientation is not None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options |= {"tiffinfo": dict(exif)} if path.suffix == ".tif" else {"exif": exif}
    stored.save(path, **options)
    return path


ORIENTATIONS = pytest.mark.parametrize("orientation", [None, *range(10)])


@ORIENTATIONS
@pytest.mark.parametrize(
    ("mode", "name"),
    [(mode, "a.png") for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16")]
    + [(mode, "a.tif") for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "PA", "I;16", "I;16B", "CMYK")],
)
def test_pictures_and_masks_are_turned_upright(tmp_path: Path, mode: str, name: str, orientation: int | None) -> None:
    make, _, shown, labels = PICTURES[mode]
    path = save_turned(make(), tmp_path / name, orientation)
    assert_shows(path, shown, labels, noted=int(orientation in BACK))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_compressed_tiffs_are_turned_upright(tmp_path: Path, mode: str, orientation: int) -> None:
    make, _, shown, labels = PICTURES[mode]
    path = save_turned(make(), tmp_path / "a.tif", orientation, compression="tiff_lzw")
    assert_shows(path, shown, labels, noted=int(orientation in BACK))


@ORIENTATIONS
@pytest.mark.parametrize("picture", [Image.fromarray(BLOCKS), Image.merge("RGB", [Image.fromarray(BLOCKS)] * 3)])
def test_jpegs_are_turned_upright(tmp_path: Path, picture: Image.Image, orientation: int | None) -> None:
    path = save_turned(picture, tmp_path / "a.jpg", orientation, quality=100, subsampling=0)
    with Image.open(path) as stored:
        turned = np.asarray(ImageOps.exif_transpose(stored))
    assert_shows(path, turned, turned, noted=int(orientation in BACK))
    np.testing.assert_allclose(turned, np.asarray(picture), atol=3)


def test_the_note_says_how_a_picture_was_turned(tmp_path: Path) -> None:
    path = save_turned(Image.fromarray(GREY), tmp_path / "a.png", 6)
    with collected_notes() as notes:
        read_picture(path)
    assert notes == ["a.png: turned upright, as its EXIF orientation 6 says"]


@ORIENTATIONS
def test_the_first_picture_of_an_mpo_is_read(tmp_path: Path, orientation: int | None) -> None:
    picture = Image.fromarray(BLOCKS).convert("RGB")
    preview = ImageOps.invert(picture)
    path = save_turned(picture, tmp_path / "a.jpg", orientation, format="MPO", save_all=True, append_images=[preview])
    with Image.open(path) as opened:
        assert opened.format == "MPO" and opened.n_frames == 2
    with collected_notes() as notes:
        np.testing.assert_allclose(read_picture(path), np.asarray(picture), atol=6)
    assert len(notes) == int(orientation in BACK)


def png(colour_type: int, bits: int, content: bytes, rows: int, columns: int) -> bytes:
    """A PNG by hand, of kinds that Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    length = len(content) // rows
    lines = b"".join(b"\0" + content[start : start + length] for start in range(0, len(content), length))
    header = struct.pack(">IIBBBBB", columns, rows, bits, colour_type, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_several_channels_of_16_bits_are_refused(tmp_path: Path, colour_type: int, channels: int) -> None:
    content = bytes(range(4 * 5 * channels * 2))
    (tmp_path / "a.png").write_bytes(png(colour_type, 16, content, 4, 5))
    assert "several channels of 16 bits" in refusal(read_picture, tmp_path / "a.png")


def test_a_png_that_can_be_decoded_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    content = bytearray(png(0, 8, GREY.tobytes(), *GREY.shape))
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), GREY)
    content[content.index(b"IEND") - 5] ^= 1  # the last byte before the length of this chunk
    (tmp_path / "a.png").write_bytes(content)
    assert "checksum in b'IDAT'" in refusal(read_picture, tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_several_pages_are_refused(tmp_path: Path, name: str) -> None:
    page = Image.fromarray(GREY)
    page.save(tmp_path / name, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    assert refusal(read_picture, tmp_path / name) == f"{name} has 2 pages, one was expected"


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.nrrd", "a.png"])
def test_pipes_are_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    read = read_picture if name.endswith(".png") else read_volume
    assert refusal(read, tmp_path / name) == f"{name} is not a file, but a folder, pipe or device"


def test_pipes_behind_headers_are_not_waited_for(tmp_path: Path) -> None:
    path = write_mhd(tmp_path / "a.mhd", OBLIQUE)
    path.with_suffix(".RAW").unlink()
    os.mkfifo(path.with_suffix(".RAW"))
    assert refusal(read_volume, path) == "a.mhd has its data in a.RAW, which is not a file"
