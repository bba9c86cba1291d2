"""3D phantoms of an abdomen on CT: a large organ with tumours in it, among organs that look like it.

Imitated: the window of HU in which livers are looked at; a liver of an eighth to a fifth of the body, dented, in
contact with its neighbours; spleen, kidneys and bowel of similar intensity, which only shape and place distinguish;
bright vessels in the liver; tumours darker than the liver by four to seven standard deviations of the noise, of
log-normal volumes; cases without tumours.

Not imitated: real anatomy and its variants, phases of contrast, necrosis and bright rims, several scanners, surgery.
A ranking of losses or networks on phantoms is a check of the machinery, no evidence about patients.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lib.datasets.index import Index, IndexedCase, numbered
from lib.datasets.phantoms.shapes import centred_grid, place_lesions, smooth_noise, vessel_path
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.store import Case

EXTENT = ((200.0, 230.0), (160.0, 190.0), (110.0, 140.0))  # mm, of each side of the volume
WINDOW = (-150.0, 250.0)  # HU, to 0..1
AIR, FAT, MUSCLE, LIVER = -1000.0, -90.0, 55.0, 105.0
ORGANS = {"spleen": (0.55, -0.1, 0.24, 115.0), "kidney": (-0.42, 0.5, 0.17, 150.0), "bowel": (0.15, -0.35, 0.28, 70.0)}
"""Place on the first two axes and radius, in halves of the body, and HU."""
VESSEL, TUMOUR_CONTRAST = 60.0, (-120.0, -70.0)
LOG_VOLUME_MEAN, LOG_VOLUME_SD = 9.2, 0.9  # ln mm3: tumours around 10 ml
NOISE, POINT_SPREAD = 18.0, 3.0  # HU; mm, standard deviation


def index(raw: RawFiles, parameters: dict) -> Index:
    """The cases of the demo scale; there are no raw files."""
    return numbered("abdomen_", **parameters["cases"])


def preparation(parameters: dict) -> Preparation:
    """None: phantoms are made as networks see them."""
    return Preparation()


def prepare(case: str, entry: IndexedCase, parameters: dict) -> Case:
    """Generate the phantom ``case``, the same for the same id and parameters; 1 is liver, 2 tumour.

    ``seed``; ``tumour_free_fraction`` of the cases; ``tumours_per_case``, a mean; ``volumes`` of tumours, mm3 from and
    to; ``spacings``, of which one is drawn, mm.
    """
    rng = np.random.default_rng([parameters["seed"], zlib.crc32(case.encode())])
    spacings = parameters["spacings"]
    spacing = np.array(spacings[rng.integers(len(spacings))])
    shape = tuple(round(rng.uniform(*side) / length) for side, length in zip(EXTENT, spacing, strict=True))
    liver, scene = _anatomy(shape, spacing, rng)
    free = rng.random() < parameters["tumour_free_fraction"]
    count = 0 if free else 1 + rng.poisson(parameters["tumours_per_case"] - 1)
    inside = ndimage.distance_transform_edt(liver, sampling=spacing) > spacing.max()
    tumours = place_lesions(_volumes(count, parameters["volumes"], rng), inside, spacing, rng)
    scene += np.concatenate([[0.0], rng.uniform(*TUMOUR_CONTRAST, size=count)])[tumours]
    scene += VESSEL * _vessels(liver & (tumours == 0), spacing, rng)
    return Case(
        image=_acquire(scene, spacing, rng)[None],
        label=liver.astype(np.uint8) + (tumours > 0),
        spacing=tuple(spacing),
        patient=case,
    )


def _anatomy(shape: tuple[int, ...], spacing: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The mask of the liver, and HU of the abdomen without vessels and tumours."""
    half = np.array(shape) * spacing / 2
    x, y, z = centred_grid(shape, spacing) / half[:, None, None, None]
    wall = np.hypot(x, y) + 0.02 * smooth_noise(shape, spacing, 15.0, rng)
    body, cavity = wall < 0.93, wall < 0.8
    scene = np.where(cavity | (wall > 0.88), FAT, MUSCLE) + 10 * smooth_noise(shape, spacing, 8.0, rng)
    for place in ORGANS.values():
        organ = _blob(place[:2], place[2], (x, y, z), spacing, rng) & cavity
        scene[organ] = place[3] + rng.normal(0, 8)
    size = rng.uniform(0.5, 0.6)
    liver = _blob((-0.35, -0.1), size, (x * 0.85, y, z * 0.75), spacing, rng) & cavity
    scene[liver] = LIVER + rng.normal(0, 8)
    return liver, np.where(body, scene, AIR)


def _blob(
    place: Sequence[float],
    radius: float,
    grid: tuple[np.ndarray, ...],
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """The largest part of a dented ball around a place that moves a little."""
    dx, dy, dz = rng.uniform(-0.06, 0.06, size=3)
    x, y, z = grid
    distance = np.sqrt((x - place[0] - dx) ** 2 + (y - place[1] - dy) ** 2 + (z - dz) ** 2)
    parts, _ = ndimage.label(distance + 0.07 * smooth_noise(x.shape, spacing, 14.0, rng) < radius)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (parts == sizes.argmax()) & (parts > 0)


def _volumes(count: int, limits: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Log-normal volumes in mm3, cut to the limits, largest first."""
    return np.sort(rng.lognormal(LOG_VOLUME_MEAN, LOG_VOLUME_SD, size=count).clip(*limits))[::-1]


def _vessels(allowed: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where curved vessels run, bool."""
    vessels, places = np.zeros(allowed.shape, bool), np.argwhere(allowed)
    for _ in range(rng.integers(4, 8)):
        start = places[rng.integers(len(places))]
        for voxel in vessel_path(start, spacing / 4, rng):  # steps of 4 mm
            if all(0 <= v < n for v, n in zip(voxel, allowed.shape, strict=True)):
                vessels[voxel] = True
    return vessels & allowed


def _acquire(scene: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur by the point-spread function, noise, the window to 0..1."""
    blurred = ndimage.gaussian_filter(scene, POINT_SPREAD / spacing)
    low, high = WINDOW
    noisy = blurred + rng.normal(0, NOISE, size=scene.shape)
    return ((noisy.clip(low, high) - low) / (high - low)).astype(np.float32)
