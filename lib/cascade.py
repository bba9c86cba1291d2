"""The second stage of a cascade: the region that it looks at, what it sees, and labels of both stages together."""

from collections.abc import Sequence

import edt
import numpy as np

from lib.config.cascade import SecondStage
from lib.datasets.reading import crop_box
from lib.labels import IGNORED, Labels

ROUNDING = 1 + 1e-6
"""Of distances, which are float32."""


def region_of(label: np.ndarray, chosen: SecondStage, labels: Labels, spacing: Sequence[float]) -> np.ndarray:
    """The region of a label: the union of its structures, dilated, then its convex hull; bool (*spatial).

    A voxel belongs to the dilated region if its centre is within ``dilate_mm`` of that of a voxel of the union.
    """
    region = np.logical_or.reduce([labels.mask(label, name) for name in chosen.region])
    if not region.any():
        return region
    if chosen.dilate_mm:
        outside = (~region).astype(np.uint8)
        region = edt.edt(outside, anisotropy=tuple(spacing)) <= chosen.dilate_mm * ROUNDING
    if chosen.convex_hull:
        from skimage.morphology import convex_hull_image

        box = crop_box(region, 0)
        region[box] |= convex_hull_image(region[box])
    return region


def window_of(region: np.ndarray, chosen: SecondStage) -> tuple[slice, ...]:
    """What the second stage sees of a volume: the box of a region that is not empty, or all of it."""
    return crop_box(region, 0) if chosen.crop else tuple(slice(0, length) for length in region.shape)


def image_inside(image: np.ndarray, region: np.ndarray, chosen: SecondStage) -> np.ndarray:
    """The image (channels, *spatial) in the window of the region; 0, as beyond its edges, outside the region."""
    window = window_of(region, chosen)
    seen = image[(slice(None), *window)]
    return np.where(region[window], seen, 0) if chosen.mask else seen


def label_inside(label: np.ndarray, region: np.ndarray, chosen: SecondStage, labels: Labels) -> np.ndarray:
    """The label, uint8, that the second stage is trained with, in the window of the region.

    Its structures end where the region does. Voxels that are not annotated stay so.
    """
    window = window_of(region, chosen)
    seen, region, inside = label[(..., *window)], region[window], chosen.labels_inside(labels)
    if not labels.exclusive:
        channels = [seen[labels.names.index(name)] for name in inside.names]
        return np.stack([np.where(channel == 1, region, channel) for channel in channels])
    found = np.where(seen == IGNORED, IGNORED, 0).astype(np.uint8)
    for number, name in enumerate(inside.names[1:], start=1):
        found[labels.mask(seen, name) & region] = number
    return found


def combined(
    first: np.ndarray, inside: np.ndarray | None, region: np.ndarray, chosen: SecondStage, labels: Labels
) -> np.ndarray:
    """The label of the first stage with the structures that the second one found in the region instead of its own.

    What the first stage took for one of them is the rest of the region otherwise.

    Args:
        inside: of the second stage, in the window of the region; None where the region is empty.
    """
    of_second = chosen.labels_inside(labels)
    label, places = first.copy(), {name: labels.names.index(name) for name in of_second.structures}
    for name, number in places.items():
        if labels.exclusive:
            label[labels.mask(first, name)] = labels.names.index(of_second.names[0])
        else:
            label[number] = 0
    if inside is None:
        return label
    window = window_of(region, chosen)
    for name, number in places.items():
        found = of_second.mask(inside, name) & region[window]
        if labels.exclusive:
            label[window][found] = number
        else:
            label[number][window] = found
    return label
