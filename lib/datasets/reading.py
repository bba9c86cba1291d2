"""The checks that every case must pass, and what preparations share: cropping, scaling, resizing."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lib.datasets.index import IndexedCase
from lib.datasets.readers import Volume, dimensions_text, read_volume
from lib.errors import CaseExcluded

SPACING_TOLERANCE = 1e-3
"""Largest difference of spacings, in mm, that counts as rounding."""

POSITION_TOLERANCE = 0.1
"""Largest distance of corresponding corners, in voxels, that counts as rounding."""

SLAB = 2**24
"""Voxels that are looked at together."""

LARGE_OFFSET = 1000
"""Times the spread of values: an offset of which float32 leaves too few digits for them."""

LABEL_TOLERANCE = 1e-3
"""Largest distance of a label from a whole number that counts as rounding, where the file does not say another."""


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


def check_3d(volume: Volume, name: str) -> None:
    """Check that a volume has three axes and one channel.

    Raises:
        CaseExcluded: it has not.
    """
    if volume.array.ndim != 3:
        raise CaseExcluded(f"{name} is {volume.array.ndim}D with shape {volume.array.shape}; a 3D volume was expected")


def check_same_geometry(image: Volume, other: Volume, name: str) -> None:
    """Check that ``other`` (the mask, a further channel) lies on the image's grid.

    Raises:
        CaseExcluded: shape, spacing, origin or axes differ by more than rounding.
    """
    dimensions = len(image.spacing)
    if image.array.shape[:dimensions] != other.array.shape[:dimensions]:
        raise CaseExcluded(f"image {image.array.shape} and {name} {other.array.shape} differ in shape")
    if len(other.spacing) != dimensions or not np.allclose(image.spacing, other.spacing, atol=SPACING_TOLERANCE):
        raise CaseExcluded(
            f"image and {name} differ in spacing: {dimensions_text(image.spacing)} and"
            f" {dimensions_text(other.spacing)} mm"
        )
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
        volumes.append(read_volume(path))
        check_3d(volumes[-1], role)
        check_same_geometry(volumes[0], volumes[-1], role)
    return volumes


def read_with_mask(entry: IndexedCase, allowed: Sequence[int]) -> tuple[Volume, np.ndarray]:
    """Read the 3D ``image`` of a case and its ``label`` on the same grid, as uint8.

    Raises:
        CaseExcluded: as :func:`read_aligned`, or the mask holds a value that is not one of ``allowed``.
    """
    image, mask = read_aligned({"image": entry.files["image"][0], "mask": entry.files["label"][0]})
    return image, labels(mask, allowed, "the mask")


def labels(mask: Volume | np.ndarray, allowed: Sequence[int], name: str) -> np.ndarray:
    """The mask as uint8; values that are whole numbers but for rounding in the file are rounded.

    Raises:
        CaseExcluded: it has a value that is not one of ``allowed``.
    """
    array, rounding = (mask.array, mask.rounding) if isinstance(mask, Volume) else (mask, 0.0)
    found, unknown = np.empty(array.shape, np.uint8), set()
    n_slabs = max(
        1, min(array.shape[-1], array.size // SLAB)
    )  # so that little memory is needed in addition to the mask
    slabs = (np.array_split(whole, n_slabs, axis=-1) for whole in (array, found))
    for part, result in zip(*slabs, strict=True):
        values, fractions = _rounded(part, rounding)
        unknown |= {*fractions, *(value for value in _values_of(values) if value not in allowed)}
        np.copyto(result, values, casting="unsafe")
    if unknown:
        values = ", ".join(map(_exact, sorted(unknown)[:5])) + (" ..." if len(unknown) > 5 else "")
        raise CaseExcluded(f"{name} holds label {values}; known are {', '.join(map(str, allowed))}")
    return found


def _exact(value: np.number) -> str:
    """All digits, so that no message shows the value that was expected."""
    return np.format_float_positional(value, trim="-") if isinstance(value, np.floating) else str(value)


def _rounded(array: np.ndarray, rounding: float) -> tuple[np.ndarray, list[np.floating]]:
    """An array of whole numbers, with 0 in place of what is none, and some of the latter."""
    if array.dtype.kind != "f":
        return array, []
    whole = np.rint(array)
    with np.errstate(invalid="ignore"):  # of infinite values
        distance = np.abs(array - whole)
    near = (distance <= max(rounding, LABEL_TOLERANCE)) & (distance < 0.5)
    return np.where(near, whole, 0), list(np.unique(array[~near])[:6])


def is_marked(mask: Volume) -> np.ndarray:
    """Where a mask of two values lies above 0 by more than rounding in the file."""
    return mask.array > (max(mask.rounding, LABEL_TOLERANCE) if mask.array.dtype.kind == "f" else 0)


def _values_of(array: np.ndarray) -> list[np.number]:
    """The values of whole numbers, ascending; those of bytes, which are the rule, by counting."""
    if array.size and array.min() >= 0 and array.max() <= 255:
        return list(np.flatnonzero(np.bincount(array.astype(np.uint8).ravel(), minlength=256)))
    return list(np.unique(array))


def joined(mask: np.ndarray, classes: Collection[int] | None) -> np.ndarray:
    """The mask with some classes as one, 1, and all others as background; the mask itself for None."""
    return mask if classes is None else np.isin(mask, list(classes)).astype(np.uint8)


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


def scaled_affine(affine: np.ndarray | None, factors: Sequence[float]) -> np.ndarray | None:
    """The affine of voxels ``factors`` times as long by axis, of the same extent.

    New voxel i has its centre at old voxel (i + 0.5) * factor - 0.5.
    """
    if affine is None:
        return None
    to_old_voxels = np.diag([*factors, 1.0])
    to_old_voxels[:3, 3] = np.array(factors) / 2 - 0.5
    return affine @ to_old_voxels


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
    deviation = np.float32(inside.std(dtype=float))
    scaled = _centred(array, inside.mean(dtype=float), deviation)
    scaled /= deviation
    return scaled


def _centred(array: np.ndarray, offset: float, spread: float) -> np.ndarray:
    """The array minus an offset as float32."""
    if array.dtype == np.float64 and abs(offset) > LARGE_OFFSET * spread:
        return np.subtract(array, offset, out=np.empty(array.shape, np.float32), casting="unsafe")
    scaled = array.astype(np.float32)
    scaled -= np.float32(offset)
    return scaled


def check_varied(array: np.ndarray) -> None:
    """Check that intensities vary.

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
    """Resize a mask by nearest neighbours, along its last axes.

    ``centred=False`` is OpenCV's nearest neighbour, which several publications used: it takes the voxel at the
    lower end of each new one, and so moves the mask by up to half a new voxel against the image.
    """
    offset = 0.5 if centred else 0.0
    for axis, new in enumerate(size, start=-len(size)):
        old = array.shape[axis]
        nearest = np.floor((np.arange(new) + offset) * (old / new)).astype(int)
        array = array.take(np.minimum(nearest, old - 1), axis=axis)
    return array
