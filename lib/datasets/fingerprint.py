"""What the training cases of a split have in common, from which networks and grids are planned, as nnU-Net does.

Isensee et al., Nature Methods 2021, supplementary note 2; its release's ``DatasetFingerprintExtractor``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import SeglossError
from lib.files import read_json
from lib.labels import IGNORED, Labels
from lib.resampling import ANISOTROPIC
from lib.store import StoredCase

VOXELS = 10_000
"""Of the foreground of a case, drawn for the intensities."""
PERCENTILES = (0.5, 50, 99.5)


def fingerprint(cases: Sequence[StoredCase], labels: Labels) -> dict[str, Any]:
    """Spacing and shape (by axis), intensities within the structures (by channel), shares of classes, components.

    ``target_spacing``: the one that :func:`target_spacing` gives. JSON values. Without cases only that there are none.
    """
    if not cases:
        return {"cases": 0}
    spacings = [case.description["spacing"] for case in cases]
    shapes = [case.shape for case in cases]
    drawn = [_drawn(case, labels, np.random.default_rng(number)) for number, case in enumerate(cases)]
    components = [case.n_lesions for case in cases]
    return {
        "cases": len(cases),
        "median_spacing": np.median(spacings, 0).tolist(),
        "target_spacing": target_spacing(spacings, shapes),
        "spacing": {case.name: list(spacing) for case, spacing in zip(cases, spacings, strict=True)},
        "median_shape": np.median(shapes, 0).tolist(),
        "median_target_shape": _median_shape(spacings, shapes),
        "shape": {case.name: list(shape) for case, shape in zip(cases, shapes, strict=True)},
        "intensities": _intensities(np.concatenate(drawn, axis=1)),
        "class_shares": _class_shares(cases, labels),
        "components": {
            "median": float(np.median(components)),
            "largest": max(components),
            "cases_without": components.count(0),
        },
    }


def target_spacing(spacings: Sequence[Sequence[float]], shapes: Sequence[Sequence[int]]) -> list[float]:
    """The median of each axis; across slices, where images have some, the 10th percentile, as nnU-Net takes it."""
    target, size = np.median(spacings, 0), np.median(shapes, 0)
    worst = int(np.argmax(target))
    others, lengths = np.delete(target, worst), np.delete(size, worst)
    if target[worst] > ANISOTROPIC * others.max() and size[worst] * ANISOTROPIC < lengths.min():
        target[worst] = max(np.percentile(np.array(spacings)[:, worst], 10), others.max())
    return target.tolist()


def _median_shape(spacings: Sequence[Sequence[float]], shapes: Sequence[Sequence[int]]) -> list[float]:
    """Of the cases at the target spacing."""
    target = np.array(target_spacing(spacings, shapes))
    return np.median(np.array(shapes) * np.array(spacings) / target, 0).tolist()


def _drawn(case: StoredCase, labels: Labels, random: np.random.Generator) -> np.ndarray:
    """Values of voxels within the structures, (channels, up to ``VOXELS``)."""
    places = np.flatnonzero(labels.foreground(case.array("label")[...]))
    if len(places) > VOXELS:
        places = random.choice(places, VOXELS, replace=False)
    image = case.array("image")[...]
    return image.reshape(len(image), -1)[:, places]


def _intensities(values: np.ndarray) -> list[dict[str, float]]:
    if not values.size:
        return []
    return [
        {
            "mean": float(channel.mean(dtype=np.float64)),
            "sd": float(channel.std(dtype=np.float64)),
            "smallest": float(channel.min()),
            "largest": float(channel.max()),
            **{f"percentile_{p:g}": float(np.percentile(channel, p)) for p in PERCENTILES},
        }
        for channel in values
    ]


def _class_shares(cases: Sequence[StoredCase], labels: Labels) -> dict[str, float]:
    """Of the annotated voxels of all cases together."""
    counts = [case.description["class_voxels"] for case in cases]
    annotated = sum(int(np.prod(case.shape)) for case in cases) - sum(count.get(str(IGNORED), 0) for count in counts)
    return {
        name: sum(count.get(str(labels.number(name)), 0) for count in counts) / max(annotated, 1)
        for name in labels.names
    }


def read_fingerprint(path: Path) -> dict[str, Any]:
    """The fingerprint in a file.

    Raises:
        SeglossError: there was no case to make it of.
    """
    found = read_json(path)
    if not found["cases"]:
        raise SeglossError(f"{path}: of no training case; results/data/<data set>/excluded.csv says why")
    return found
