"""Size of a structure, and the two diameters of its largest lesion, as a radiologist measures them on a slice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from lib.maps import largest_component
from lib.measures.arrays import MASKS, check_arrays

_CORNERS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)]) - 0.5


@dataclass(frozen=True)
class Diameters:
    """The longest diameter of a lesion and the longest one perpendicular to it, in mm.

    Attributes:
        z: the slice (last axis) that they are measured on, None of pictures.
        longest_line, perpendicular_line: their ends (2, 2), in voxels along the first two axes; the centre of the first
            voxel is 0.
    """

    longest: float
    perpendicular: float
    z: int | None
    longest_line: np.ndarray
    perpendicular_line: np.ndarray


def size(mask: np.ndarray, spacing: Sequence[float]) -> float:
    """Of a mask (*spatial): mm³, mm² in 2D; ``spacing`` in mm."""
    check_arrays("size", MASKS, mask)
    return float(np.count_nonzero(mask) * math.prod(spacing))


def diameters(mask: np.ndarray, spacing: Sequence[float]) -> Diameters | None:
    """Those of the largest lesion of a mask, None of an empty one.

    The lesion is the :func:`largest_component`; of a volume it is measured on the slice of the last axis where it is
    largest, there on its largest part. The longest diameter joins the two points of its outline that are farthest
    apart, as in RECIST 1.1 (Eisenhauer et al., European Journal of Cancer 2009); the other one is the longest chord at
    a right angle to it, as in the criteria of the WHO (1979). The outline is that of the convex hull, and voxels are
    taken whole, from edge to edge: one of 1 x 1 mm has a diameter of 1.41 mm. Of equal pairs the first counts.

    Args:
        mask: bool (*spatial), 2D or 3D.
        spacing: mm along each axis.
    """
    check_arrays("diameters", MASKS, mask)
    if not mask.any():
        return None
    lesion, z = largest_component(mask), None
    if mask.ndim == 3:
        z = int(lesion.sum(axis=(0, 1)).argmax())
        lesion = largest_component(lesion[..., z])
    scale = np.array(spacing[:2], dtype=float)
    outline = _outline(lesion, scale)
    apart = squareform(pdist(outline))
    first, last = np.unravel_index(apart.argmax(), apart.shape)
    lines = outline[[first, last]], _longest_chord(outline, first, last)
    longest, perpendicular = (float(np.linalg.norm(line[1] - line[0])) for line in lines)
    return Diameters(longest, perpendicular, z, lines[0] / scale, lines[1] / scale)


def _outline(lesion: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of a lesion's voxels, in order around it: (n, 2) in mm."""
    corners = (np.argwhere(lesion)[:, None] + _CORNERS).reshape(-1, 2) * scale
    return corners[ConvexHull(corners).vertices]


def _longest_chord(outline: np.ndarray, first: int, last: int) -> np.ndarray:
    """Of the chords at a right angle to the line between two corners that are farthest apart: its ends (2, 2).

    The two corners are the outermost ones in the direction of their line and part the outline in two sides. Between
    corners the length of a chord changes linearly, so that a longest one begins at a corner.
    """
    along = (outline[last] - outline[first]) / np.linalg.norm(outline[last] - outline[first])
    turned = (outline - outline[first]) @ np.column_stack([along, (-along[1], along[0])])
    places = np.sort(turned[:, 0])
    heights = []
    for begin, end in ((first, last), (last, first)):
        side = np.roll(turned, -begin, axis=0)[: (end - begin) % len(turned) + 1]
        side = side[side[:, 0].argsort(kind="stable")]
        heights.append(np.interp(places, side[:, 0], side[:, 1]))
    longest = np.abs(heights[0] - heights[1]).argmax()
    return np.array(
        [outline[first] + places[longest] * along + side[longest] * np.array([-along[1], along[0]]) for side in heights]
    )
