"""3D phantoms in which lesions of very different sizes compete for a loss's attention.

Imitated, from the 30 multiple-sclerosis lesion masks and 3 FLAIR volumes of open_ms_data (Lesjak et al. 2018):
lesion volumes are log-normal with the masks' mean and spread (ln mm3: 2.89, 1.62) before they are cut to a
range; lesions are brighter than the brain by about 2 standard deviations of its intensity, small ones less by the
partial-volume effect (blur by the point-spread function); two tissues and dark fluid spaces; structures as
bright as lesions that only shape and surroundings distinguish (vessels, patches of cortex, plexus in the
fluid) and faint spots; a smooth multiplicative bias field; Rician noise; anisotropic spacing; cases without
lesions.

Not imitated: real anatomy and where lesions prefer to lie in it, confluent lesions (components never touch),
rater disagreement and resampling debris in the masks, several scanners, motion. A ranking of losses on
phantoms is a check of the machinery, no evidence about patients.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lib.datasets.index import Index, IndexedCase, numbered
from lib.datasets.phantoms.shapes import centred_grid, lesion_voxels, place_lesions, smooth_noise, vessel_path
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.store import Case

LOG_VOLUME_MEAN, LOG_VOLUME_SD = 2.89, 1.62
EXTENT = (56.0, 68.0)  # mm, of each side of the volume

WHITE, GREY, FLUID = 90.0, 80.0, 30.0  # tissue intensities
LESION_CONTRAST = (28.0, 50.0)
SPOT_CONTRAST = (8.0, 18.0)
VESSEL_CONTRAST = (40.0, 80.0)  # thin: the point-spread function takes half of it
CORTEX_CONTRAST = (20.0, 45.0)
CORTEX_DEPTH = 2.5  # mm
POINT_SPREAD = 0.7  # mm, standard deviation
NOISE = 4.0
BIAS = 0.08


def index(raw: RawFiles, parameters: dict) -> Index:
    """The cases of the demo scale; there are no raw files."""
    return numbered("phantom_", **parameters["cases"])


def preparation(parameters: dict) -> Preparation:
    """None: phantoms are made as networks see them."""
    return Preparation()


def prepare(case: str, entry: IndexedCase, parameters: dict) -> Case:
    """Generate the phantom ``case``, the same for the same id and parameters.

    ``seed``; ``lesion_free_fraction`` of the cases; ``lesions_per_case``, a mean; ``volumes`` of lesions, mm3 from and
    to; ``spacings``, of which one is drawn, mm.
    """
    rng = np.random.default_rng([parameters["seed"], zlib.crc32(case.encode())])
    spacings = parameters["spacings"]
    spacing = np.array(spacings[rng.integers(len(spacings))])
    shape = tuple(np.round(rng.uniform(*EXTENT, size=3) / spacing).astype(int))
    brain, tissue, cortex, fluid = _anatomy(shape, spacing, rng)
    mean = parameters["lesions_per_case"]
    count = 0 if rng.random() < parameters["lesion_free_fraction"] else 1 + rng.poisson(mean - 1)
    volumes = _lesion_volumes(count, parameters["volumes"], rng)
    lesions = place_lesions(volumes, brain & ~cortex & ~fluid, spacing, rng)
    contrasts = np.concatenate([[0.0], rng.uniform(*LESION_CONTRAST, size=count)])
    scene = tissue + contrasts[lesions]
    healthy = lesions == 0
    scene += _vessels_and_spots(brain & ~fluid & healthy, spacing, rng)
    scene += _patches(cortex & healthy, 4.0, CORTEX_CONTRAST, spacing, rng)
    scene += _patches(fluid, 2.0, (WHITE - FLUID, WHITE - FLUID + LESION_CONTRAST[1]), spacing, rng)
    return Case(
        image=_acquire(scene, spacing, rng)[None],
        label=(lesions > 0).astype(np.uint8),
        spacing=tuple(spacing),
        patient=case,
    )


def _anatomy(
    shape: tuple[int, ...], spacing: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Masks and intensities: brain, tissue intensity, cortex, fluid."""
    half = np.array(shape) * spacing / 2
    radius = np.sqrt(((centred_grid(shape, spacing) / half[:, None, None, None]) ** 2).sum(0))
    folds = smooth_noise(shape, spacing, 3.0, rng)
    brain = radius + 0.05 * folds < 0.88
    grey = (radius + 0.06 * folds > 0.72) | (smooth_noise(shape, spacing, 5.0, rng) > 1.4)
    fluid = (smooth_noise(shape, spacing, 4.0, rng) > 1.6) & (radius < 0.5)
    tissue = np.where(grey, GREY, WHITE) + 3.0 * smooth_noise(shape, spacing, 2.0, rng)
    tissue = np.where(fluid, FLUID, tissue)
    cortex = brain & (ndimage.distance_transform_edt(brain, sampling=spacing) < CORTEX_DEPTH)
    return brain, np.where(brain, tissue, 0.0), cortex, fluid & brain


def _lesion_volumes(count: int, limits: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Log-normal volumes in mm3, redrawn outside the range, largest first."""
    volumes = rng.lognormal(LOG_VOLUME_MEAN, LOG_VOLUME_SD, size=count)
    while (outside := (volumes < limits[0]) | (volumes > limits[1])).any():
        volumes[outside] = rng.lognormal(LOG_VOLUME_MEAN, LOG_VOLUME_SD, size=outside.sum())
    return np.sort(volumes)[::-1]


def _vessels_and_spots(allowed: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast of thin curved vessels and of faint spots."""
    bright = np.zeros(allowed.shape)
    places = np.argwhere(allowed)
    for _ in range(rng.integers(5, 11)):
        contrast = rng.uniform(*VESSEL_CONTRAST)
        for voxel in vessel_path(places[rng.integers(len(places))], spacing, rng):
            if all(0 <= v < n for v, n in zip(voxel, allowed.shape, strict=True)):
                bright[voxel] = max(bright[voxel], contrast)
    for _ in range(rng.integers(6, 16)):
        volume = float(np.clip(rng.lognormal(2.0, 1.0), 1, 60))
        voxels = lesion_voxels(volume, places, allowed.shape, spacing, rng)
        bright[voxels] = np.maximum(bright[voxels], rng.uniform(*SPOT_CONTRAST))
    return bright * allowed


def _patches(
    region: np.ndarray,
    millimetres: float,
    contrast: tuple[float, float],
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Contrast of bright patches of the given extent that cover about a tenth of ``region``."""
    patches = region & (smooth_noise(region.shape, spacing, millimetres, rng) > 1.3)
    return rng.uniform(*contrast) * patches


def _acquire(scene: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur by the point-spread function, bias field, Rician noise; scaled so that white matter is near 1."""
    blurred = ndimage.gaussian_filter(scene, POINT_SPREAD / spacing)
    biased = blurred * np.exp(BIAS * smooth_noise(scene.shape, spacing, 20.0, rng))
    real, imaginary = rng.normal(0, NOISE, size=(2, *scene.shape))
    return (np.hypot(biased + real, imaginary) / WHITE).astype(np.float32)
