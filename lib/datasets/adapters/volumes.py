"""What the data sets of the boundary loss share (Kervadec et al., MIDL 2019 and MedIA 2021): scaling and resizing."""

import random
from collections.abc import Mapping

import numpy as np

from lib.datasets import reading
from lib.datasets.adapters import splits
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.datasets.readers import Volume

IN_PLANE = (256, 256)


def drawn_from_sorted(raw: RawFiles, patterns: Mapping[str, str], count: int, of: int) -> Index:
    """Index whose ``published`` split holds out ``count`` of the sorted cases (``of`` in full), drawn with seed 0.

    The publication selected its epoch on them and reported them; here they are ``test``, and ``validation`` is
    empty. In ``holdout`` as many of the others become ``validation``. The draw counts incomplete cases too, so
    that it stays the published one.
    """
    complete, incomplete = raw.cases(patterns)
    cases = sorted([*complete, *incomplete])
    drawn = random.Random(0).sample(cases, splits.in_proportion(count, of, len(cases)))
    published = splits.held_out(cases, drawn)
    return Index(
        {case: IndexedCase(case, files) for case, files in complete.items()},
        {"published": published, "holdout": splits.with_validation(published, len(drawn))},
        incomplete,
    )


def resize_labels_in_plane(array: np.ndarray) -> np.ndarray:
    """Resize the slices of a mask to 256x256 by nearest neighbours between centres (skimage's order 0)."""
    return reading.resize_labels(array, (*IN_PLANE, array.shape[2]))


def resized_geometry(volume: Volume) -> tuple[tuple[float, ...], np.ndarray | None]:
    """Spacing in mm and affine of the volume's grid after its slices were resized to 256x256."""
    factors = np.array([*(np.array(volume.array.shape[:2]) / IN_PLANE), 1.0])
    return tuple((volume.spacing * factors).tolist()), reading.scaled_affine(volume.affine, factors)
