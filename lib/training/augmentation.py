"""Augmentation of one training sample, a pure function of a random generator. Without torch.

The steps, what they do and their probabilities are those of T-Loss's code release (Gonzalez-Jimenez et al., MICCAI
2023), whose steps are batchgenerators 0.21's. ``rotate`` and ``elastic`` are additions.

Maps of signed distances (mm) move with the sample. ``mirror`` keeps them exact, ``turn`` where the spacing of the
plane is equal. Otherwise ``turn`` and ``rotate`` change lengths, of image and label too, by at most the ratio of the
two spacings, and distances are wrong by at most that factor. Interpolation adds an error of about the diagonal of a
voxel, of a pixel for the steps in the plane; parts thinner than two voxels may vanish from the label, not from the
map.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import ndimage

from lib.arrays import limited_to_background
from lib.registry import Parameters
from lib.training.catalogue import AUGMENTATIONS

Sample = dict[str, np.ndarray]
"""``image`` (C, *spatial) float32; every other entry, label and maps, (1 or K, *spatial)."""

Change = Callable[[np.ndarray], np.ndarray]
Warp = Callable[..., np.ndarray]
"""Resamples one channel at fixed places; takes ``order``, ``mode`` and ``cval`` as ``scipy.ndimage`` does."""


def augment(sample: Sample, steps: Sequence[Parameters], rng: np.random.Generator) -> Sample:
    """Take ``steps``, each the parameters of an entry of ``AUGMENTATIONS``, in their order.

    Shapes and types are kept. Nothing is changed in place; what is returned may share memory with ``sample``.
    """
    for step in steps:
        sample = AUGMENTATIONS.entry_of(step).loaded(sample, rng, **step.arguments())
    return sample


def mirror(sample: Sample, rng: np.random.Generator, *, probability: float) -> Sample:
    """Mirror along each axis with ``probability``."""
    axes = [axis for axis in range(1, sample["image"].ndim) if rng.random() < probability]
    return {name: np.flip(values, axes) for name, values in sample.items()}


def turn(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    angles: Sequence[int],
) -> Sample:
    """Turn the plane of the first two axes by one of ``angles`` (degrees); by 180 where it is not square."""
    if rng.random() >= probability:
        return sample
    angle = rng.choice(angles)
    _, height, width, *_ = sample["image"].shape
    quarters = angle // 90 if height == width else 2
    return {name: np.rot90(values, quarters, axes=(1, 2)) for name, values in sample.items()}


def zoom(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
) -> Sample:
    """Multiply the coordinates about the centre by a factor of ``range``: below 1 enlarges what is shown.

    Half of the factors lie below 1. Distances are divided by the factor, which is exact but for the interpolation;
    of ``published_distance`` the 1 mm inside is divided as well, an error of |1 - 1 / factor| mm there. (The
    release's centre lies half a voxel further.)
    """
    if rng.random() >= probability:
        return sample
    factor = _factor_around_1(range, rng)
    centre = _centre(sample)
    scale, offset = np.full(len(centre), factor), centre * (1 - factor)
    return _warped(sample, partial(ndimage.affine_transform, matrix=scale, offset=offset), factor)


def rotate(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
) -> Sample:
    """Rotate the plane of the first two axes about its centre by an angle of ``range`` (degrees), as ``turn`` does."""
    if rng.random() >= probability:
        return sample
    angle = np.deg2rad(rng.uniform(*range))
    centre = _centre(sample)
    matrix = np.eye(len(centre))
    matrix[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return _warped(sample, partial(ndimage.affine_transform, matrix=matrix, offset=centre - matrix @ centre))


def elastic(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
    smoothness: float,
) -> Sample:
    """Displace along the first two axes, along each by noise that a Gaussian of sigma ``smoothness`` (voxels) smoothed.

    The root mean square along an axis (voxels) is drawn from ``range``; well below ``smoothness`` nothing folds.
    Distances keep their values; they are wrong by at most the largest strain times the distance, or twice the largest
    displacement if that is less. (Thick slices that moved by voxels along the third axis would be sheared apart.)
    """
    if rng.random() >= probability:
        return sample
    shape = sample["image"].shape[1:]
    deviation = rng.uniform(*range)
    coordinates = np.indices(shape, dtype=float)
    for along_axis in coordinates[:2]:
        smooth = ndimage.gaussian_filter(rng.normal(size=shape), smoothness)
        along_axis += deviation * smooth / np.sqrt(np.mean(smooth**2))
    return _warped(sample, partial(ndimage.map_coordinates, coordinates=coordinates))


def _centre(sample: Sample) -> np.ndarray:
    return (np.array(sample["image"].shape[1:]) - 1) / 2


def _warped(sample: Sample, warp: Warp, factor: float = 1.0) -> Sample:
    """Take every entry from other places; ``factor``: of the lengths there to those here.

    The image is interpolated by cubic splines, arrays of 0 and 1 linearly and cut at 0.5; others, such as labels of
    more classes and component numbers, take the nearest voxel. Outside is 0. For maps of real numbers see
    ``_warped_distances``.
    """

    def warped(name: str, values: np.ndarray) -> np.ndarray:
        if name == "image":
            return _channel_by_channel(values, warp, order=3)
        if values.dtype.kind == "f":
            return _warped_distances(values, warp) / factor
        if values.min() >= 0 and values.max() <= 1:
            share = _channel_by_channel(values.astype(np.float32), warp, order=1)
            return (share >= 0.5).astype(values.dtype)
        return _channel_by_channel(values, warp, order=0)

    return {name: warped(name, values) for name, values in sample.items()}


def _warped_distances(values: np.ndarray, warp: Warp) -> np.ndarray:
    """Interpolate linearly; outside, where the label is 0, continue as ``lib.arrays.cut_distance`` does."""
    warped = _channel_by_channel(values, warp, order=1, mode="nearest")
    outside = warp(np.zeros(values.shape[1:], np.uint8), order=0, mode="constant", cval=1) > 0
    return np.where(outside, limited_to_background(warped), warped)


def _channel_by_channel(values: np.ndarray, warp: Warp, order: int, mode: str = "constant") -> np.ndarray:
    return np.stack([warp(channel, order=order, mode=mode) for channel in values])


def noise(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
) -> Sample:
    """Add Gaussian noise whose standard deviation is drawn from ``range``.

    The release draws it as a variance and then takes it for the standard deviation.
    """
    if rng.random() >= probability:
        return sample
    image = sample["image"]
    added = rng.normal(0, rng.uniform(*range), image.shape)
    return {**sample, "image": image + added.astype(image.dtype)}


def blur(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    per_channel: float,
    range: Sequence[float],
) -> Sample:
    """Blur channels, each with probability ``per_channel``, by a Gaussian of sigma (voxels) from ``range``."""

    def change(channel: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(channel, rng.uniform(*range))

    return _with_changed_channels(sample, rng, probability, change, per_channel)


def brightness(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
) -> Sample:
    """Multiply each channel by a factor of its own from ``range``."""

    def change(channel: np.ndarray) -> np.ndarray:
        return channel * rng.uniform(*range)

    return _with_changed_channels(sample, rng, probability, change)


def contrast(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
) -> Sample:
    """Multiply each channel's distance from its mean by a factor of ``range``, half of them below 1.

    What leaves the values that the channel had is cut off.
    """

    def change(channel: np.ndarray) -> np.ndarray:
        mean = channel.mean()
        stretched = mean + (channel - mean) * _factor_around_1(range, rng)
        return stretched.clip(channel.min(), channel.max())

    return _with_changed_channels(sample, rng, probability, change)


def low_resolution(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    per_channel: float,
    range: Sequence[float],
) -> Sample:
    """Shrink channels, each with probability ``per_channel``, by a factor of ``range`` and enlarge them again.

    Shrinking takes the nearest voxel, enlarging cubic splines, cut to the values of the small channel.
    """

    def change(channel: np.ndarray) -> np.ndarray:
        small_shape = np.round(np.array(channel.shape) * rng.uniform(*range)).clip(1)
        small = _resized(channel, small_shape, order=0)
        return _resized(small, channel.shape, order=3).clip(small.min(), small.max())

    return _with_changed_channels(sample, rng, probability, change, per_channel)


def _resized(channel: np.ndarray, shape: Sequence[int], order: int) -> np.ndarray:
    factors = np.divide(shape, channel.shape)
    return ndimage.zoom(channel, factors, order=order, mode="nearest", grid_mode=True)


def gamma(
    sample: Sample,
    rng: np.random.Generator,
    *,
    probability: float,
    range: Sequence[float],
    invert: bool,
) -> Sample:
    """Raise each channel, scaled to 0..1, to a power from ``range``, half of them below 1.

    Mean and standard deviation of the channel are kept (batchgenerators 0.21 also scales the mean by the ratio of the
    standard deviations). ``invert``: of the negated image.
    """
    sign = -1 if invert else 1

    def change(channel: np.ndarray) -> np.ndarray:
        extent = np.ptp(channel)
        if not extent:
            return channel
        signed = sign * channel
        bent = ((signed - signed.min()) / extent) ** _factor_around_1(range, rng)
        return channel.mean() + sign * (bent - bent.mean()) / bent.std() * channel.std()

    return _with_changed_channels(sample, rng, probability, change)


def _with_changed_channels(
    sample: Sample, rng: np.random.Generator, probability: float, change: Change, per_channel: float = 1.0
) -> Sample:
    """With ``probability`` change channels of the image, each with probability ``per_channel``."""
    if rng.random() >= probability:
        return sample
    channels = [change(channel) if rng.random() < per_channel else channel for channel in sample["image"]]
    return {**sample, "image": np.stack(channels)}


def _factor_around_1(range: Sequence[float], rng: np.random.Generator) -> float:
    """Uniform below 1 in half of the draws and above 1 in the others, where the range has both sides.

    Of a range that ends at 1, every other factor is exactly 1.
    """
    low, high = range
    below = high < 1 or (low < 1 and rng.random() < 0.5)
    return rng.uniform(low, min(high, 1)) if below else rng.uniform(max(low, 1), high)
