"""Raw files to arrays: the same data in another format, or under a name in other letters, give the same arrays.

What a file says against itself is settled here, by the rules of `docs/files.md`, and put down as a note on the case.
"""

import gzip
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.datasets.file_notes import note
from lib.datasets.itk_headers import RATIO, check_itk_file
from lib.errors import CaseExcluded, SeglossError

SPACING_ROUNDING = 0.01
"""Relative difference of two spacings in one header that counts as rounding."""
MM_PER_UNIT = {1: 1000.0, 3: 0.001}
"""Codes of NIfTI's units of space other than mm: metres and micrometres."""


@dataclass(frozen=True)
class Volume:
    """``array`` with its axes as stored, x first for volumes, channels last; the affine (4, 4) leads to RAS+ mm.

    The affine is None where the position is not known, as for pictures. A value may differ by ``rounding`` from the one
    that was saved, where the file stores scaled whole numbers.
    """

    array: np.ndarray
    spacing: tuple[float, ...]
    affine: np.ndarray | None
    rounding: float = 0.0


def read_volume(path: str | Path) -> Volume:
    """Read a NIfTI, MetaImage or NRRD volume: axes (x, y, z[, channels]) as stored, values scaled as its header says.

    Further axes of length 1 are dropped, so that ITK's vectors (x, y, z, 1, channels) have their channels last too.

    Raises:
        CaseExcluded: the content cannot be understood, or contradicts itself.
        SeglossError: the file cannot be opened.
    """
    path = Path(path)
    ending = path.suffix.lower()
    is_nifti = path.name.lower().endswith((".nii", ".nii.gz"))
    if not is_nifti and ending not in _SIMPLEITK_READERS:
        raise CaseExcluded(
            f"{path.name} is not a volume of a known kind: .nii, .nii.gz, {', '.join(_SIMPLEITK_READERS)}"
        )
    with _one_line_errors(path):
        volume = _read_nifti(path) if is_nifti else _read_with_simpleitk(path, _SIMPLEITK_READERS[ending])
    if volume.array.dtype.kind not in "buif":
        raise CaseExcluded(f"{path.name} has values of type {volume.array.dtype}; real numbers were expected")
    if not all(length > 0 and np.isfinite(length) for length in volume.spacing):
        raise CaseExcluded(f"{path.name} has spacing {dimensions_text(volume.spacing)} mm")
    if volume.affine is not None and not np.isfinite(volume.affine).all():
        raise CaseExcluded(f"{path.name} has no valid position: its affine has NaN or infinite values")
    return volume


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    """Separate a file that cannot be opened, which may pass, from one that cannot be understood, which stays so."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise CaseExcluded(f"{path.name} is not a file, but a folder, pipe or device")
        path.open("rb").close()
        yield
    except OSError as error:
        if error.errno is None:  # as readers raise for damaged content
            raise CaseExcluded(f"{path.name} cannot be read ({_one_line(error)})") from error
        raise SeglossError(f"{path}: cannot be read: {error.strerror}; make it readable and run again") from error
    except (CaseExcluded, MemoryError):  # the latter may pass too
        raise
    except Exception as error:  # the readers raise whatever they met in a damaged file
        raise CaseExcluded(f"{path.name} cannot be read ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())


def dimensions_text(lengths: Any) -> str:
    """Lengths as `1 x 1 x 2.5`."""
    return " x ".join(f"{float(length):.7g}" for length in lengths)


def _read_nifti(path: Path) -> Volume:
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    # by content: nibabel goes by the name, and looks for mixed-case endings under another one
    with gzip.open(path) if compressed else path.open("rb") as stream:
        kind = _nifti_class(stream)
        raw = kind.header_class.from_fileobj(stream, check=False)  # nibabel corrects what it finds odd
        stream.seek(0)
        image = kind.from_stream(stream)
        _check_size(path, image, raw["bitpix"], compressed)
        array = np.asanyarray(image.dataobj)
        while stream.read(2**20):  # to the end, where gzip has its checksum
            pass
    if array.dtype.names:  # colours, as records of their components
        array = np.stack([array[name] for name in array.dtype.names], axis=-1)
    n_axes = min(len(image.shape), 3)
    pixdim = np.abs(raw["pixdim"][1 : n_axes + 1].astype(float))
    spacing, affine = _nifti_geometry(image.header, pixdim, path.name)
    scaling = image.dataobj.slope, image.dataobj.inter
    is_scaled = image.get_data_dtype().kind in "iu" and scaling != (1, 0)
    return Volume(_without_further_axes(array), spacing, affine, abs(float(scaling[0])) / 2 if is_scaled else 0.0)


def _check_size(path: Path, image: Any, bitpix: int, compressed: bool) -> None:
    """Check, before they are read, that the file can have the data that its header announces."""
    kind, found = image.get_data_dtype(), path.stat().st_size
    if image.dataobj.offset < image.header.single_vox_offset:
        raise CaseExcluded(
            f"{path.name} has its data inside its header (vox_offset {image.dataobj.offset}); correct it"
        )
    expected = image.dataobj.offset + math.prod(image.shape) * kind.itemsize
    if expected > (RATIO * found if compressed else found):
        raise CaseExcluded(f"{path.name} cannot be read (by its header it has {expected} bytes, found {found})")
    # a wrong bitpix alone does no harm, and the length of uncompressed data shows that the type is right
    if bitpix not in (0, 8 * kind.itemsize) and (compressed or expected != found):
        raise CaseExcluded(
            f"{path.name} has a header that contradicts itself: type {kind} with {bitpix} bits; correct it"
        )


def _without_further_axes(array: np.ndarray) -> np.ndarray:
    return array.reshape(*array.shape[:3], *(length for length in array.shape[3:] if length > 1))


def _nifti_geometry(header: Any, pixdim: np.ndarray, name: str) -> tuple[tuple[float, ...], np.ndarray | None]:
    """Spacing and affine of the sform, else of the qform; where the two differ, of the one that pixdim confirms.

    Raises:
        CaseExcluded: pixdim confirms neither.
    """
    scale = MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    if scale != 1:
        note(f"{name}: spacing converted to mm from the header's {'metres' if scale > 1 else 'micrometres'}")
    forms = _nifti_forms(header)
    if not pixdim.all():  # which the qform needs
        forms.pop("qform", None)
    if not forms:
        return tuple(scale * pixdim), None
    spacings = {form: np.linalg.norm(affine[:3, : len(pixdim)], axis=0) for form, affine in forms.items()}
    confirmed = [form for form, spacing in spacings.items() if _same_spacing(spacing, pixdim)]
    form = next(iter(confirmed or forms))
    if len(confirmed) < len(forms):
        given = {**spacings, "pixdim": pixdim}
        values = ", ".join(f"{key} {dimensions_text(spacing)}" for key, spacing in given.items())
        if len(forms) > 1 and not confirmed:
            raise CaseExcluded(f"{name} has a header that contradicts itself: spacing {values} mm; correct it")
        note(f"{name}: the header gives several spacings ({values} mm); that of the {form} was taken")
    return tuple(map(float, scale * spacings[form])), np.diag([scale, scale, scale, 1.0]) @ forms[form]


def _same_spacing(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=SPACING_ROUNDING, atol=0))


def _nifti_forms(header: Any) -> dict[str, np.ndarray]:
    """The affines that the header gives, the preferred one first."""
    forms = {}
    if header["sform_code"] > 0:
        forms["sform"] = header.get_sform()
    if header["qform_code"] > 0:
        try:
            forms["qform"] = header.get_qform()
        except ValueError:  # no rotation
            forms["qform"] = np.full((4, 4), np.nan)
    return forms


def _nifti_class(stream: Any) -> type:
    """NIfTI-1 or -2 by the size of the header, in either byte order; the stream is left at its beginning."""
    import nibabel

    size = stream.read(4)
    stream.seek(0)
    is_second = int.from_bytes(size, "little") == 540 or int.from_bytes(size, "big") == 540
    return nibabel.Nifti2Image if is_second else nibabel.Nifti1Image


_SIMPLEITK_READERS = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO"}
"""Named, as ITK looks for some endings in small letters only."""


def _read_with_simpleitk(path: Path, reader: str) -> Volume:
    import SimpleITK

    check_itk_file(path)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = SimpleITK.ReadImage(str(path), imageIO=reader)
    array = SimpleITK.GetArrayFromImage(image)
    n_axes = image.GetDimension()
    channels = range(n_axes, array.ndim)  # of an image of vectors; others have none
    array = array.transpose(*reversed(range(n_axes)), *channels)
    spacing = image.GetSpacing()[:3]
    affine = None
    if n_axes > 2:
        direction = np.reshape(image.GetDirection(), (n_axes, n_axes))[:3, :3] * spacing
        to_ras = np.diag([-1.0, -1.0, 1.0])  # ITK's world axes point to left and posterior
        lengths = np.linalg.norm(direction, axis=0)
        if not _same_spacing(lengths, np.array(spacing)):
            raise CaseExcluded(
                f"{path.name} has a header that contradicts itself: spacing {dimensions_text(spacing)} mm, but by its"
                f" direction {dimensions_text(lengths)} mm; correct it"
            )
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = to_ras @ direction, to_ras @ image.GetOrigin()[:3]
    return Volume(_without_further_axes(array), tuple(spacing), affine)


def read_picture(path: str | Path, as_labels: bool = False) -> np.ndarray:
    """Read a PNG, JPEG, TIFF or BMP as viewers show it: (height, width) or (height, width, 3), values as stored.

    It is turned upright as its EXIF orientation says. Opacity is dropped. One bit is 0 or 255. Other colour spaces and
    palettes become red, green and blue. But ``as_labels`` keeps a palette's numbers, and one bit as bool.

    Raises:
        CaseExcluded: the content cannot be understood, has several pages, or colours of 16 bits.
        SeglossError: the file cannot be opened.
    """
    from PIL import Image

    path = Path(path)
    # by a stream: the rows of a TIFF that it maps into memory and turns by 90 degrees Pillow 13.0 mixes up
    with _one_line_errors(path), path.open("rb") as stream, Image.open(stream) as opened:
        _check_tiff(opened, path.name)
        if opened.format == "PNG":
            with Image.open(path) as unread:
                unread.verify()  # the checksums, which decoding passes over
        pages = getattr(opened, "n_frames", 1)
        if pages > 1 and opened.format != "MPO":  # MPO: a JPEG with previews behind it
            raise CaseExcluded(f"{path.name} has {pages} pages, one was expected")
        if opened.tile and ";16" in str(opened.tile[0][3]) and len(opened.getbands()) > 1:
            raise CaseExcluded(f"{path.name} has several channels of 16 bits, which would be cut to 8; convert it")
        return _values(_upright(opened, path.name), as_labels)


def _check_tiff(picture: Any, name: str) -> None:
    """Check that Pillow reads the values of a TIFF as they are stored.

    Raises:
        CaseExcluded: it does not: several channels of 16 bits, signed bytes, unsigned 32 bits, inverted 16 bits.
    """
    if picture.format != "TIFF":
        return
    tags = picture.tag_v2
    bits, kind = max(tags.get(258, (1,))), tags.get(339, (1,))[0]  # BitsPerSample, SampleFormat
    is_inverted = tags.get(262) == 0 and bits == 16  # PhotometricInterpretation
    if (bits > 8 and tags.get(277, 1) > 1) or (bits, kind) in ((8, 2), (32, 1)) or is_inverted:
        raise CaseExcluded(
            f"{name} has {tags.get(277, 1)} channel(s) of {bits} bits in a form that would be changed; convert it to 8"
            " bits, or to one channel of 16"
        )


def _upright(picture: Any, name: str) -> Any:
    from PIL import ExifTags, ImageOps

    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation not in range(2, 9):
        return picture
    note(f"{name}: turned upright, as its EXIF orientation {orientation} says")
    return ImageOps.exif_transpose(picture)


def _values(picture: Any, as_labels: bool) -> np.ndarray:
    if picture.mode == "1" and not as_labels:
        return np.asarray(picture.convert("L"))
    if picture.mode in ("LA", "PA") and (picture.mode == "LA" or as_labels):
        return np.asarray(picture)[..., 0]
    is_plain = picture.mode in ("1", "L", "I", "F", "RGB") or picture.mode.startswith("I;")
    return np.asarray(picture if is_plain or (as_labels and picture.mode == "P") else picture.convert("RGB"))
