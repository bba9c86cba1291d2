"""Maps made once per case from the whole volume: connected components, signed distances."""

import cc3d
import numpy as np

from lib.errors import SeglossError


def connected_components(label: np.ndarray) -> np.ndarray:
    """Label the connected foreground components of ``label`` > 0, in 2D (8-) or 3D (26-neighbourhood).

    Foreground values are not told apart: touching classes form one component. Returns an array of the same
    shape, 0 for background, 1..K for the components, in the smallest unsigned type that holds K.
    """
    if label.ndim not in (2, 3):
        raise SeglossError(f"connected components need a 2D or 3D label, found shape {label.shape}")
    connectivity = 8 if label.ndim == 2 else 26
    components, count = cc3d.connected_components(label > 0, connectivity=connectivity, return_N=True)
    return components.astype(np.min_scalar_type(count), copy=False)


MAPS = {"components": connected_components}
"""Name of each map -> function of the label volume."""
