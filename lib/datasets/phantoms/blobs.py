"""2D phantoms for the study of noisy masks: one dark lesion on a grey picture.

Imitated, by eye, from dermoscopic photographs (ISIC 2017): a single lesion on 4 to 30 % of the picture with an
elongated and dented outline, off centre; contrast to the skin that differs between pictures and fades more slowly on
one side of the lesion than on the other; mottled pigment and skin; hairs over everything; freckles as dark as the
lesion that are not annotated; light that falls off towards the corners; blur and noise. From chest X-rays (Shenzhen)
only that there is one channel, whose brightness differs between pictures. So no grey level separates lesions from the
rest of a set: shape and surroundings have to.

Not imitated: colour, lungs and the shadows that cross them, lesions that the frame cuts or that fill it, rulers,
bubbles and black corners, several sources, raters who disagree or draw generously: masks are exact, so that all noise
in them is what a study adds. A ranking of losses on phantoms is a check of the machinery, no evidence about patients.
"""

import zlib

import numpy as np
from scipy import ndimage

from lib.datasets.index import Index, IndexedCase, numbered
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.store import Case

SIDE = 96  # pixels
SHARE = (0.04, 0.30)  # of the picture, the lesion's area
MARGIN = 4  # pixels between the lesion and the frame, at least
ELONGATION = (1.0, 1.7)
DENTS = 0.16  # of the radius, standard deviation of the lowest harmonic
HARMONICS = np.arange(2, 9)

SKIN = (0.60, 0.85)
CONTRAST = (0.14, 0.34)
EDGE = (0.03, 0.34)  # of the radius, over which the contrast fades: where sharpest, where widest at most
SPOT_RADIUS = (1.5, 4.0)  # pixels
HAIR_OPACITY = (0.25, 0.6)
VIGNETTE = (0.0, 0.45)  # of the light, lost in the farthest corner
BIAS = 0.08
POINT_SPREAD = 0.7  # pixels, standard deviation
NOISE = (0.015, 0.04)

DIRECTIONS = np.linspace(0, 2 * np.pi, 360, endpoint=False)
PIXELS = np.indices((SIDE, SIDE), dtype=float)


def index(raw: RawFiles, parameters: dict) -> Index:
    """The cases of the demo scale; there are no raw files."""
    return numbered("blob_", **parameters["cases"])


def preparation(parameters: dict) -> Preparation:
    """Of images in [0, 1]: none."""
    return Preparation((("by_type_if_whole",),))


def prepare(case: str, entry: IndexedCase, parameters: dict) -> Case:
    """Generate the phantom ``case``: the same for the same id and ``parameters["seed"]``."""
    rng = np.random.default_rng([parameters["seed"], zlib.crc32(case.encode())])
    outline, centre = _outline_and_centre(rng)
    reach, direction = _polar(outline, centre)
    lesion = reach < 1
    contrast = rng.uniform(*CONTRAST)
    pigment = np.maximum(_pigment(reach, direction, rng), _spots(lesion, rng))
    scene = _skin(rng) - contrast * pigment
    image = _photograph(scene * _hairs(rng), rng)
    return Case(image=image[None], label=lesion.astype(np.uint8), spacing=(1.0, 1.0), patient=case)


def _mottles(pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian random field of unit variance with the given correlation length."""
    field = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), pixels, mode="wrap")
    return (field - field.mean()) / field.std()


def _outline_and_centre(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Radius in each of ``DIRECTIONS`` and place (row, column); outlines too long for the frame are redrawn."""
    while True:
        outline = _outline(rng)
        points = outline * np.stack([np.sin(DIRECTIONS), np.cos(DIRECTIONS)])
        low, high = MARGIN - points.min(axis=1), SIDE - 1 - MARGIN - points.max(axis=1)
        if (low <= high).all():
            return outline, low + (high - low) * rng.beta(2, 2, size=2)


def _outline(rng: np.random.Generator) -> np.ndarray:
    """Radius in pixels, in each of ``DIRECTIONS``, of a turned and dented ellipse of the wanted area."""
    turned = DIRECTIONS - rng.uniform(0, np.pi)
    ellipse = 1 / np.hypot(np.cos(turned), rng.uniform(*ELONGATION) * np.sin(turned))
    waves = np.cos(np.outer(DIRECTIONS, HARMONICS) + rng.uniform(0, 2 * np.pi, size=HARMONICS.size))
    radius = ellipse * np.exp(waves @ rng.normal(0, 2 * DENTS / HARMONICS))
    return radius * np.sqrt(rng.uniform(*SHARE) * SIDE**2 / (np.pi * (radius**2).mean()))


def _polar(outline: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel: distance from the centre in units of the outline's radius there, direction in radians."""
    rows, columns = PIXELS - centre[:, None, None]
    direction = np.arctan2(rows, columns)
    return np.hypot(rows, columns) / np.interp(direction, DIRECTIONS, outline, period=2 * np.pi), direction


def _pigment(reach: np.ndarray, direction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darkness of the lesion, about 1 inside; its edge is sharpest on one side."""
    turned = direction - rng.uniform(0, 2 * np.pi)
    edge = EDGE[0] + (rng.uniform(*EDGE) - EDGE[0]) * (1 + np.cos(turned)) / 2
    body = 1 / (1 + np.exp((reach - 1) / edge))
    return body * (1 + 0.15 * _mottles(1.5, rng) + 0.2 * _mottles(6, rng))


def _spots(lesion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darkness of freckles that keep clear of the lesion."""
    clear = np.argwhere(ndimage.distance_transform_edt(~lesion) > SPOT_RADIUS[1] + 2)
    centres = rng.choice(clear, size=rng.integers(3, 10))[..., None, None]
    distance = np.sqrt(((PIXELS - centres) ** 2).sum(axis=1))
    radius = rng.uniform(*SPOT_RADIUS, size=(len(centres), 1, 1))
    return np.exp(-((distance / radius) ** 4)).max(axis=0)


def _skin(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(*SKIN) + 0.015 * _mottles(1.5, rng) + 0.03 * _mottles(8, rng)


def _hairs(rng: np.random.Generator) -> np.ndarray:
    """Share of the light that passes thin curves from one point of the picture to another."""
    light = np.ones((SIDE, SIDE))
    along = np.linspace(0, 1, 4 * SIDE)[:, None]
    for _ in range(rng.poisson(4)):
        root, tip = rng.uniform(0, SIDE - 1, size=(2, 2))
        bend = np.clip(rng.normal((root + tip) / 2, SIDE / 5), 0, SIDE - 1)
        curve = (1 - along) ** 2 * root + 2 * along * (1 - along) * bend + along**2 * tip
        light[tuple(curve.round().astype(int).T)] = 1 - rng.uniform(*HAIR_OPACITY)
    return light


def _photograph(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shading, blur by the point-spread function and noise."""
    brightest = rng.uniform(SIDE / 3, 2 * SIDE / 3, size=(2, 1, 1))
    distance = ((PIXELS - brightest) ** 2).sum(axis=0)
    shading = 1 - rng.uniform(*VIGNETTE) * distance / distance.max()
    shaded = scene * shading * np.exp(BIAS * _mottles(24, rng))
    noise = rng.normal(0, rng.uniform(*NOISE), size=scene.shape)
    return np.clip(ndimage.gaussian_filter(shaded, POINT_SPREAD) + noise, 0, 1).astype(np.float32)
