"""Shapes that 3D phantoms have in common: smooth fields, lesions, vessels."""

from itertools import pairwise

import numpy as np
from scipy import ndimage


def smooth_noise(
    shape: tuple[int, ...], spacing: np.ndarray, millimetres: float, rng: np.random.Generator
) -> np.ndarray:
    """Gaussian random field of unit variance with the given correlation length."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), millimetres / spacing, mode="wrap")
    return (field - field.mean()) / field.std()


def centred_grid(shape: tuple[int, ...], spacing: np.ndarray) -> np.ndarray:
    """Coordinates in mm from the volume's centre, (3, *shape)."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def place_lesions(volumes: np.ndarray, brain: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Place lesions of ``volumes`` (mm3) in the brain, none touching another; label them 1..count.

    A lesion is the wanted number of voxels with the smallest distance in a randomly turned, stretched and
    dented ellipsoid's own measure; one that finds no free place after 30 tries is left out.
    """
    lesions = np.zeros(brain.shape, np.int32)
    free = brain.copy()
    for number, volume in enumerate(volumes, start=1):
        for _ in range(30):
            voxels = lesion_voxels(volume, np.argwhere(free), brain.shape, spacing, rng)
            if free[voxels].all():
                lesions[voxels] = number
                box = tuple(slice(max(v.min() - 2, 0), v.max() + 3) for v in voxels)
                grown = ndimage.binary_dilation(lesions[box] == number, np.ones((3, 3, 3)))
                free[box] &= ~grown
                break
    return lesions


def lesion_voxels(
    volume: float, places: np.ndarray, shape: tuple[int, ...], spacing: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    wanted = max(1, round(volume / spacing.prod()))
    centre = places[rng.integers(len(places))]
    reach = np.ceil(1.8 * (3 * volume / (4 * np.pi)) ** (1 / 3) / spacing).astype(int) + 1
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, shape)
    offsets = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij")) - centre[:, None, None, None]
    turned = np.einsum("ij,jxyz->ixyz", _rotation(rng), offsets * spacing[:, None, None, None])
    stretch = rng.uniform(0.7, 1.4, size=3)[:, None, None, None]
    measure = np.sqrt(((turned / stretch) ** 2).sum(0))
    measure *= 1 + 0.15 * smooth_noise(measure.shape, spacing, 2.0, rng) if wanted > 30 else 1
    nearest = np.argsort(measure, axis=None, kind="stable")[:wanted]
    return tuple(index + start for index, start in zip(np.unravel_index(nearest, measure.shape), low, strict=True))


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.diag(r))


def vessel_path(start: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> list[tuple[int, ...]]:
    direction = rng.standard_normal(3)
    points = [start * spacing]
    for _ in range(rng.integers(15, 40)):
        direction = direction / np.linalg.norm(direction) + 0.3 * rng.standard_normal(3)
        points.append(points[-1] + direction / np.linalg.norm(direction))
    between = [np.linspace(a, b, 3) for a, b in pairwise(points)]
    voxels = np.round(np.concatenate(between) / spacing).astype(int)
    return list(dict.fromkeys(map(tuple, voxels)))
