"""Maps made once per case from the whole volume: connected components, their cells, signed distances."""

from collections.abc import Callable, Sequence

import cc3d
import edt
import numpy as np

from lib.errors import SeglossError
from lib.labels import BINARY, Labels

foreground = BINARY.foreground  # of every label with a background


def connected_components(
    label: np.ndarray, spacing: Sequence[float] | None = None, labels: Labels = BINARY
) -> np.ndarray:
    """Label the connected components of the foreground, in 2D (8-) or 3D (26-neighbourhood).

    Structures are not distinguished: touching ones form one component. Returns an array (*spatial), 0 for
    background, 1..K for the components, in the smallest unsigned type that holds K. Spacing plays no part.
    """
    dimensions = _dimensions(label, labels)
    components, count = label_components(labels.foreground(label), 8 if dimensions == 2 else 26)
    return components.astype(np.min_scalar_type(count), copy=False)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The connected component (26 neighbours, 8 in 2D) with most voxels, of equal ones the first; bool (*spatial).

    An empty mask stays empty.
    """
    components = connected_components(mask)
    return (components == 1 + np.bincount(components.ravel())[1:].argmax()) if mask.any() else mask


def label_components(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, int]:
    """Number the connected components of a mask from 1, in memory order.

    Args:
        mask: bool, 2D or 3D.
        connectivity: 4 or 8 neighbours in 2D; 6, 18 or 26 in 3D.

    Returns:
        The number of each voxel's component, 0 outside the mask, and how many there are.

    Raises:
        SeglossError: the mask is not bool; the labelling does not cover it, which is a defect of cc3d.
    """
    if mask.dtype != bool:
        raise SeglossError(f"components: a mask of bool was expected (`label > 0`), found {mask.dtype}")
    # never bool: of such a 2D mask cc3d 4.1.1 labels voxels outside of it; a copy, as it takes no view of an array
    components, count = cc3d.connected_components(np.array(mask, np.uint8), connectivity=connectivity, return_N=True)
    if components.max(initial=0) != count or not np.array_equal(components > 0, mask):
        raise SeglossError(
            f"connected components of a mask of shape {mask.shape}: cc3d's labels do not cover the mask; install the"
            " pinned version (envs/requirements.txt) or report this shape"
        )
    return components, count


def published_distance(label: np.ndarray, spacing: Sequence[float], labels: Labels = BINARY) -> np.ndarray:
    """Signed distance to the border of each class in mm, as the boundary loss's code makes it in 3D.

    Outside a class, the distance to its nearest voxel; inside, 1 minus the distance to the nearest voxel
    outside (Kervadec et al., MIDL 2019, code release). The 1 is meant as one voxel but is 1 mm: with a spacing
    below 1 the border voxels of the foreground become positive. A class that is absent, or fills the volume,
    has no border: 0 everywhere.

    Returns:
        float32, positive outside: of the foreground alone (*spatial) for binary labels, else (classes, *spatial).
    """
    return _of_classes(label, labels, lambda mask: _signed_distance(mask, spacing, inner_border=1.0))


def signed_distance(label: np.ndarray, spacing: Sequence[float], labels: Labels = BINARY) -> np.ndarray:
    """Signed distance between voxel centres in mm, symmetric: the corrected form of :func:`published_distance`.

    Outside a class, the distance to its nearest voxel; inside, minus the distance to the nearest voxel outside.
    The sign is right at every spacing, and the map of a class's complement is the map with the other sign.
    Returns and guards as :func:`published_distance`.
    """
    return _of_classes(label, labels, lambda mask: _signed_distance(mask, spacing, inner_border=0.0))


def published_distance_2d(label: np.ndarray, spacing: Sequence[float], labels: Labels = BINARY) -> np.ndarray:
    """:func:`published_distance` of each slice (last axis) by itself, truncated to whole numbers.

    So does the boundary loss's 2D data loader, whose result takes the integer type of the mask. A slice without
    a border is 0 everywhere.
    """
    maps = _by_slice(published_distance, label, spacing, labels)
    return np.trunc(maps, out=maps)


def signed_distance_2d(label: np.ndarray, spacing: Sequence[float], labels: Labels = BINARY) -> np.ndarray:
    """:func:`signed_distance` of each slice (last axis) by itself; one without a border is 0 everywhere."""
    return _by_slice(signed_distance, label, spacing, labels)


def _by_slice(
    distance: Callable[..., np.ndarray], label: np.ndarray, spacing: Sequence[float], labels: Labels
) -> np.ndarray:
    if _dimensions(label, labels) == 2:
        return distance(label, spacing, labels)
    slices = (distance(label[..., z], spacing[:2], labels) for z in range(label.shape[-1]))
    return np.stack([*slices], axis=-1)


def _of_classes(label: np.ndarray, labels: Labels, distance: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    dimensions = _dimensions(label, labels)
    if labels.binary:
        return distance(labels.foreground(label) if labels.background else label == 1)
    maps = np.empty((len(labels.names), *label.shape[-dimensions:]), np.float32)
    for number, name in enumerate(labels.names):
        maps[number] = distance(labels.mask(label, name))
    return maps


def _signed_distance(mask: np.ndarray, spacing: Sequence[float], inner_border: float) -> np.ndarray:
    """``inner_border`` minus the distance inside, the plain distance outside."""
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, np.float32)
    # of two labels, one transform gives each voxel its distance to the other
    distance = edt.edt(mask.astype(np.uint8) + np.uint8(1), anisotropy=tuple(spacing))
    return np.subtract(np.float32(inner_border), distance, out=distance, where=mask)


def voronoi_cells(label: np.ndarray, spacing: Sequence[float], labels: Labels = BINARY) -> np.ndarray:
    """Number, from ``connected_components``, of the component that lies nearest to each voxel in mm.

    Returns an array (*spatial) of the components' type; 0 everywhere where there is no component.
    """
    # slow to import, and the Snakefile, which every job of a cluster reads anew, needs the names of MAPS alone
    from scipy import ndimage

    components = connected_components(label, spacing, labels)
    if not components.any():
        return components
    nearest = ndimage.distance_transform_edt(
        components == 0, sampling=tuple(spacing), return_distances=False, return_indices=True
    )
    return components[tuple(nearest)]


def _dimensions(label: np.ndarray, labels: Labels) -> int:
    """2 or 3, the axes of a label in space."""
    dimensions = label.ndim - (not labels.exclusive)
    if dimensions not in (2, 3):
        raise SeglossError(f"a map needs a 2D or 3D label, found shape {label.shape}")
    return dimensions


MAPS = {
    "components": connected_components,
    "published_distance": published_distance,
    "published_distance_2d": published_distance_2d,
    "signed_distance": signed_distance,
    "signed_distance_2d": signed_distance_2d,
    "voronoi": voronoi_cells,
}
"""Name of each map -> function of the label volume, its spacing in mm and what its values mean."""
