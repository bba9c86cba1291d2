"""Images, labels and predictions on another grid of the same extent, as nnU-Net resamples (Isensee et al., 2021)."""

from collections.abc import Sequence

import numpy as np

from lib.labels import Labels

ANISOTROPIC = 3
"""An axis whose spacing is so many times the finest one has slices: nothing is interpolated between them."""


def slice_axis(*spacings: Sequence[float]) -> int | None:
    """The axis along which the first of some grids that has slices is anisotropic; None if none has."""
    for spacing in spacings:
        coarsest = int(np.argmax(spacing))
        if spacing[coarsest] > ANISOTROPIC * min(spacing):
            return coarsest
    return None


def resample_image(image: np.ndarray, shape: Sequence[int], across: int | None = None) -> np.ndarray:
    """Resample an image cubically, smoothed first along axes that become coarser.

    Args:
        image: (channels, *spatial) float32.
        shape: of the new grid, which has the extent of the old one.
        across: the axis across slices, along which the nearest voxel is taken.

    Returns:
        (channels, *shape) float32; the image itself where the shape is its own.
    """
    if image.shape[1:] == tuple(shape):
        return image
    return np.stack([_resized(channel, shape, 3, across) for channel in image])


def resample_values(values: np.ndarray, shape: Sequence[int], across: int | None = None) -> np.ndarray:
    """Resample logits or probabilities linearly: (*spatial) or (classes, *spatial), float32."""
    dimensions = len(shape)
    if values.shape[-dimensions:] == tuple(shape):
        return values
    if values.ndim == dimensions:
        return _resized(values, shape, 1, across)
    return np.stack([_resized(of_class, shape, 1, across) for of_class in values])


def resample_label(label: np.ndarray, shape: Sequence[int], labels: Labels, across: int | None = None) -> np.ndarray:
    """Resample a label: each voxel gets the value with the largest share of it, of equal ones the smallest.

    Args:
        label: (*spatial), multi-label (classes, *spatial) uint8, 255 where nothing is annotated.
    """
    if label.shape[-len(shape) :] == tuple(shape):
        return label
    if not labels.exclusive:
        return np.stack([_largest_share(channel, shape, across) for channel in label])
    return _largest_share(label, shape, across)


def _largest_share(label: np.ndarray, shape: Sequence[int], across: int | None) -> np.ndarray:
    found, largest = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    for value in np.unique(label):
        share = _resized((label == value).astype(np.float32), shape, 1, across)
        more = share > largest
        found[more], largest[more] = value, share[more]
    return found


def _resized(values: np.ndarray, shape: Sequence[int], order: int, across: int | None) -> np.ndarray:
    """Along the slices by ``order``, then across them by the nearest voxel."""
    from skimage.transform import resize  # here: trainings and predictions on the native grid do without it

    options = {"mode": "edge", "preserve_range": True}
    along = [
        length if axis == across else new for axis, (length, new) in enumerate(zip(values.shape, shape, strict=True))
    ]
    coarser = any(new < length for new, length in zip(along, values.shape, strict=True))
    values = resize(values, along, order=order, anti_aliasing=coarser, **options)
    return resize(values, shape, order=0, anti_aliasing=False, **options).astype(np.float32, copy=False)
