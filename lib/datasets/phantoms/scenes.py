"""2D colour phantoms for the study of region proportions: structures of very different sizes.

Imitated from fundus photographs and street scenes: structures whose median shares of the picture go from 0.3 to 0.001,
of which the small ones are missing from some pictures; sizes that differ between pictures; colours that overlap,
because contrasts are faint, the light is uneven and every picture has noise, so that some pixels cannot be decided; a
rim that is not annotated. With ``overlapping`` structures each has a mask of its own (multi-label); otherwise the
smaller one hides the larger.

Not imitated: what structures look like, where they lie, annotations that are wrong. A ranking of losses on phantoms is
a check of the machinery, no evidence about patients.
"""

import zlib
from typing import Any

import numpy as np
from scipy import ndimage

from lib.datasets.index import Index, IndexedCase, numbered
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.labels import IGNORED
from lib.store import Case

SIDE = 96  # pixels
RIM = 4  # pixels, not annotated
STRUCTURES = ("field", "island", "blot", "spot")
SHARES = (0.30, 0.06, 0.012, 0.001)  # of the picture, medians
SPREAD = 0.45  # standard deviation of the logarithm of a share
MISSING = (0.0, 0.1, 0.2, 0.3)  # of the pictures
LENGTHS = (14.0, 7.0, 3.5, 2.5)  # pixels over which an outline bends
COLOURS = np.array([[0.08, -0.05, -0.03], [-0.06, 0.07, 0.0], [0.06, 0.07, -0.06], [0.4, 0.5, 0.6]])
"""Of a structure, added to what it lies on."""
SKIN = np.array([0.55, 0.40, 0.30])
NOISE = (0.04, 0.07)
UNEVEN = 0.06


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """The cases of the demo scale; there are no raw files."""
    return numbered("scene_", **parameters["cases"])


def preparation(parameters: dict[str, Any]) -> Preparation:
    """Of images in [0, 1]: none."""
    return Preparation((("by_type_if_whole",),))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Generate the phantom ``case``: the same for the same id and ``parameters["seed"]``."""
    rng = np.random.default_rng([parameters["seed"], zlib.crc32(case.encode())])
    masks = [_mask(*shape, rng) for shape in zip(SHARES, MISSING, LENGTHS, strict=True)]
    image = _photograph(masks, rng)
    if parameters["overlapping"]:
        label = np.stack(masks).astype(np.uint8)
    else:
        label = np.zeros((SIDE, SIDE), np.uint8)
        for number, mask in enumerate(masks, start=1):
            label[mask] = number
    inside = (slice(RIM, -RIM), slice(RIM, -RIM))
    annotated = np.full_like(label, IGNORED)
    annotated[(..., *inside)] = label[(..., *inside)]
    return Case(image=image, label=annotated, spacing=(1.0, 1.0), patient=case)


def _field(length: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian random field of unit variance with the given correlation length (pixels)."""
    field = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), length, mode="wrap")
    return (field - field.mean()) / field.std()


def _mask(share: float, missing: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Where a smooth random field is highest, on a share of the picture that is drawn around ``share``."""
    field = _field(length, rng)
    drawn = min(share * np.exp(SPREAD * rng.standard_normal()), 0.6)
    shown = rng.random() >= missing
    return field > np.quantile(field, 1 - drawn) if shown else np.zeros((SIDE, SIDE), bool)


def _photograph(masks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """(3, height, width) in [0, 1]: colours of the structures on skin, uneven light, blur, and noise."""
    scene = np.broadcast_to(SKIN[:, None, None], (3, SIDE, SIDE)).copy()
    for mask, colour in zip(masks, COLOURS, strict=True):
        strength = rng.uniform(0.6, 1.2)
        scene += strength * colour[:, None, None] * ndimage.gaussian_filter(mask.astype(float), 0.7)
    light = np.exp(UNEVEN * _field(24.0, rng))
    noise = rng.normal(0, rng.uniform(*NOISE), scene.shape)
    return np.clip(scene * light + noise, 0, 1).astype(np.float32)
