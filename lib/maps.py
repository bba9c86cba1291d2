"""Maps made once per case from the whole volume: connected components, their cells, signed distances."""

from collections.abc import Sequence

import cc3d
import edt
import numpy as np
from scipy import ndimage

from lib.errors import SeglossError


def connected_components(label: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Label the connected foreground components of ``label`` > 0, in 2D (8-) or 3D (26-neighbourhood).

    Foreground values are not told apart: touching classes form one component. Returns an array of the same
    shape, 0 for background, 1..K for the components, in the smallest unsigned type that holds K. The spacing
    plays no part.
    """
    _check_dimensions(label)
    connectivity = 8 if label.ndim == 2 else 26
    components, count = cc3d.connected_components(label > 0, connectivity=connectivity, return_N=True)
    return components.astype(np.min_scalar_type(count), copy=False)


def published_distance(label: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Signed distance to the border of ``label`` > 0 in mm, as the boundary loss's code makes it.

    Outside, the distance to the nearest foreground voxel; inside, 1 minus the distance to the nearest
    background voxel (Kervadec et al., MIDL 2019, code release). The 1 is meant as one voxel but is 1 mm: with
    a spacing below 1 the border voxels of the foreground become positive. An empty or full mask
    has no border: 0 everywhere.

    Returns:
        float32 of the same shape, positive outside.
    """
    _check_dimensions(label)
    foreground = np.ascontiguousarray(label > 0)
    if foreground.all() or not foreground.any():
        return np.zeros(label.shape, np.float32)
    outside, inside = (edt.edt(mask, anisotropy=tuple(spacing)) for mask in (~foreground, foreground))
    return np.where(foreground, 1 - inside, outside)


def voronoi_cells(label: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Number, from ``connected_components``, of the component that lies nearest to each voxel in mm.

    Returns an array of the same shape and of the components' type; 0 everywhere where there is no component.
    """
    components = connected_components(label)
    if not components.any():
        return components
    nearest = ndimage.distance_transform_edt(
        components == 0, sampling=tuple(spacing), return_distances=False, return_indices=True
    )
    return components[tuple(nearest)]


def _check_dimensions(label: np.ndarray) -> None:
    if label.ndim not in (2, 3):
        raise SeglossError(f"a map needs a 2D or 3D label, found shape {label.shape}")


MAPS = {
    "components": connected_components,
    "published_distance": published_distance,
    "voronoi": voronoi_cells,
}
"""Name of each map -> function of the label volume and its spacing in mm."""
