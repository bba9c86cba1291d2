"""Raw files to arrays in their native axis order, and the checks that every case must pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.datasets.index import IndexedCase
from lib.errors import CaseExcluded, SeglossError

SPACING_TOLERANCE = 1e-3
"""Largest difference of spacings, in mm, that counts as rounding."""

POSITION_TOLERANCE = 0.1
"""Largest distance of corresponding corners, in voxels, that counts as rounding."""


@dataclass(frozen=True)
class Volume:
    """``array`` with its axes as stored, x first for volumes; ``affine`` (4, 4) to RAS+ mm, None for pictures."""

    array: np.ndarray
    spacing: tuple[float, ...]
    affine: np.ndarray | None


def read_volume(path: str | Path) -> Volume:
    """Read a NIfTI or MetaImage volume: axes (x, y, z[, t]) as stored, scaled as its header says.

    Raises:
        CaseExcluded: the content cannot be understood.
        SeglossError: the file cannot be opened.
    """
    path = Path(path)
    read = _read_nifti if path.name.endswith((".nii", ".nii.gz")) else _read_with_simpleitk
    with _faults_told(path):
        volume = read(path)
    if volume.affine is not None and not np.isfinite(volume.affine).all():
        raise CaseExcluded(f"{path.name} has no valid position: its affine holds NaN or infinite values")
    if not all(length > 0 and np.isfinite(length) for length in volume.spacing):
        raise CaseExcluded(f"{path.name} has spacing {volume.spacing}")
    return volume


@contextmanager
def _faults_told(path: Path) -> Iterator[None]:
    """Tell a file that cannot be opened, which may pass, from one that cannot be understood, which stays so."""
    try:
        path.open("rb").close()
        yield
    except OSError as error:
        if error.errno is None:  # as readers raise for damaged content
            raise CaseExcluded(f"{path.name} cannot be read ({_first_line(error)})") from error
        raise SeglossError(f"{path}: cannot be read: {error.strerror}; mend that and run again") from error
    except CaseExcluded:
        raise
    except Exception as error:  # the readers raise whatever they met in a damaged file
        raise CaseExcluded(f"{path.name} cannot be read ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()


def _read_nifti(path: Path) -> Volume:
    import nibabel

    image = nibabel.load(path)
    array = np.asanyarray(image.dataobj)
    if array.dtype.names:
        raise CaseExcluded(f"{path.name} has {len(array.dtype.names)} values a voxel, 1 was expected")
    # not the header's pixdim: where it differs from the sform, the standard's word is the sform
    spacing = nibabel.affines.voxel_sizes(image.affine)[: min(array.ndim, 3)]
    return Volume(array, tuple(map(float, spacing)), np.asarray(image.affine, dtype=float))


def _read_with_simpleitk(path: Path) -> Volume:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = SimpleITK.ReadImage(str(path))
    array = SimpleITK.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise CaseExcluded(
            f"{path.name} has {image.GetNumberOfComponentsPerPixel()} values a voxel, 1 was expected"
        )
    dimensions = image.GetDimension()
    affine = np.eye(4)
    if dimensions == 3:
        direction = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        to_ras = np.diag([-1.0, -1.0, 1.0])  # ITK's world axes point to left and posterior
        affine[:3, :3], affine[:3, 3] = to_ras @ direction, to_ras @ image.GetOrigin()
    return Volume(array.transpose(), tuple(image.GetSpacing()), affine)


def read_picture(path: str | Path, as_labels: bool = False) -> np.ndarray:
    """Read a PNG, JPEG, TIFF or BMP: (height, width) or (height, width, 3), values as stored.

    Opacity is dropped. Other colour spaces and palettes become red, green and blue, but ``as_labels`` keeps a
    palette's numbers.

    Raises:
        CaseExcluded: the content cannot be understood, has several pages, or colours of 16 bits.
        SeglossError: the file cannot be opened.
    """
    from PIL import Image

    path = Path(path)
    with _faults_told(path), Image.open(path) as opened:
        if (pages := getattr(opened, "n_frames", 1)) > 1:
            raise CaseExcluded(f"{path.name} has {pages} pages, one was expected")
        if opened.tile and ";16" in str(opened.tile[0][3]) and len(opened.getbands()) > 1:
            raise CaseExcluded(
                f"{path.name} has several channels of 16 bits, which would be cut to 8; convert it"
            )
        if opened.mode == "LA":
            return np.asarray(opened)[..., 0]
        is_plain = opened.mode in ("1", "L", "I", "F", "RGB") or opened.mode.startswith("I;")
        return np.asarray(opened if is_plain or (as_labels and opened.mode == "P") else opened.convert("RGB"))


def grey_levels(picture: np.ndarray, name: str) -> np.ndarray:
    """The one channel of a picture (height, width) that may be stored as three equal ones.

    Raises:
        CaseExcluded: it has colours, or another number of axes.
    """
    if picture.ndim == 3 and picture.shape[2] == 3 and (picture == picture[..., :1]).all():
        picture = picture[..., 0]
    if picture.ndim != 2:
        raise CaseExcluded(f"{name} has shape {picture.shape} and colours; a grey picture was expected")
    return picture


def colours(picture: np.ndarray, name: str) -> np.ndarray:
    """A colour picture as channels first: (3, height, width).

    Raises:
        CaseExcluded: it has no three channels.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise CaseExcluded(f"{name} has shape {picture.shape}; a picture of three colours was expected")
    return np.moveaxis(picture, -1, 0)


def volume_3d(volume: Volume, name: str) -> Volume:
    """The volume, without trailing axes of length 1.

    Raises:
        CaseExcluded: it is not 3D.
    """
    array = volume.array
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3:
        raise CaseExcluded(
            f"{name} is {array.ndim}D with shape {volume.array.shape}; a 3D volume was expected"
        )
    return Volume(array, volume.spacing[:3], volume.affine)


def check_same_geometry(image: Volume, other: Volume, name: str) -> None:
    """Check that ``other`` (the mask, a further channel) lies on the image's grid.

    Raises:
        CaseExcluded: shape, spacing, origin or axes differ by more than rounding.
    """
    dimensions = len(image.spacing)
    if image.array.shape[:dimensions] != other.array.shape[:dimensions]:
        raise CaseExcluded(f"image {image.array.shape} and {name} {other.array.shape} differ in shape")
    if len(other.spacing) != dimensions or not np.allclose(
        image.spacing, other.spacing, atol=SPACING_TOLERANCE
    ):
        raise CaseExcluded(f"image and {name} differ in spacing: {image.spacing} and {other.spacing} mm")
    if image.affine is not None and other.affine is not None:
        corners = np.zeros((2**dimensions, 4))
        corners[:, 3] = 1
        corners[:, :dimensions] = np.array([*np.ndindex((2,) * dimensions)]) * np.subtract(
            image.array.shape[:dimensions], 1
        )
        apart = np.abs(corners @ (image.affine - other.affine)[:3].T).max()
        if apart > POSITION_TOLERANCE * min(image.spacing):
            raise CaseExcluded(f"image and {name} differ in position or axes by up to {apart:.3g} mm")


def read_aligned(files: Mapping[str, str]) -> list[Volume]:
    """Read the 3D volumes of a case, by role, all on the grid of the first.

    Raises:
        CaseExcluded: one cannot be read, is not 3D, or lies on another grid.
    """
    volumes: list[Volume] = []
    for role, path in files.items():
        volumes.append(volume_3d(read_volume(path), role))
        check_same_geometry(volumes[0], volumes[-1], role)
    return volumes


def read_with_mask(entry: IndexedCase, allowed: Sequence[int]) -> tuple[Volume, np.ndarray]:
    """Read the 3D ``image`` of a case and its ``label`` on the same grid, as uint8.

    Raises:
        CaseExcluded: as :func:`read_aligned`, or the mask holds a value that is not one of ``allowed``.
    """
    image, mask = read_aligned({"image": entry.files["image"][0], "mask": entry.files["label"][0]})
    return image, labels(mask.array, allowed, "the mask")


def labels(array: np.ndarray, allowed: Sequence[int], name: str) -> np.ndarray:
    """The mask as uint8.

    Raises:
        CaseExcluded: it holds a value that is not one of ``allowed``.
    """
    values = np.unique(array)
    unknown = [value for value in values.tolist() if value not in allowed]
    if unknown:
        told = ", ".join(f"{value:g}" for value in unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        raise CaseExcluded(f"{name} holds label {told}; known are {', '.join(map(str, allowed))}")
    return array.astype(np.uint8)


def crop_box(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    """Bounding box of ``mask`` with ``margin`` voxels more on each side, limited to the volume.

    Raises:
        CaseExcluded: the mask is empty.
    """
    from scipy import ndimage

    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        raise CaseExcluded("the region to crop to is empty")
    return tuple(
        slice(max(part.start - margin, 0), min(part.stop + margin, length))
        for part, length in zip(found[0], mask.shape, strict=True)
    )


def cropped_affine(affine: np.ndarray | None, box: Sequence[slice]) -> np.ndarray | None:
    """The affine of a part of the volume that ``affine`` belongs to."""
    if affine is None:
        return None
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    return moved


def window(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """Clip to [low, high] and scale what is left to [0, 1], as float32."""
    return scale_to_unit(np.clip(array, low, high))


def scale_to_unit(array: np.ndarray) -> np.ndarray:
    """Scale to [0, 1] by the smallest and the largest value, as float32.

    Raises:
        CaseExcluded: the values are not finite, or all the same.
    """
    check_varied(array)
    low, high = np.float32(array.min()), np.float32(array.max())
    scaled = array.astype(np.float32)
    scaled -= low  # in place: a CT of a thousand slices is a gigabyte
    scaled /= high - low
    return scaled


def standardise(array: np.ndarray, region: np.ndarray | None = None) -> np.ndarray:
    """Subtract the mean and divide by the standard deviation of the array, or of its ``region``, as float32.

    Raises:
        CaseExcluded: the values there are not finite, or all the same.
    """
    inside = array if region is None else array[region]
    check_varied(inside)
    scaled = array.astype(np.float32)
    scaled -= np.float32(inside.mean(dtype=float))
    scaled /= np.float32(inside.std(dtype=float))
    return scaled


def check_varied(array: np.ndarray) -> None:
    """Check that intensities tell something.

    Raises:
        CaseExcluded: the values are not finite, or all the same.
    """
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise CaseExcluded("the image holds NaN or infinite values")
    if low == high:
        raise CaseExcluded(f"the image is constant ({low:g})")


def resize(array: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize the last ``len(size)`` axes by linear interpolation between centres, without smoothing, as float32.

    What OpenCV's and PyTorch's bilinear interpolation do.
    """
    from skimage.transform import resize as skimage_resize

    leading = array.shape[: array.ndim - len(size)]
    return skimage_resize(
        array, (*leading, *size), order=1, mode="edge", anti_aliasing=False, preserve_range=True
    ).astype(np.float32)


def resize_labels(array: np.ndarray, size: Sequence[int], centred: bool = True) -> np.ndarray:
    """Resize a mask by nearest neighbours.

    ``centred=False`` is OpenCV's nearest neighbour, which several publications used: it takes the voxel at the
    lower end of each new one, and so moves the mask by up to half a new voxel against the image.
    """
    offset = 0.5 if centred else 0.0
    for axis, (old, new) in enumerate(zip(array.shape, size, strict=True)):
        nearest = np.floor((np.arange(new) + offset) * (old / new)).astype(int)
        array = array.take(np.minimum(nearest, old - 1), axis=axis)
    return array
