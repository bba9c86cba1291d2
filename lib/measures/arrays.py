"""Checks of the arrays that measures get."""

from typing import Any

import numpy as np

from lib.errors import SeglossError

MASKS, CLASSES, VALUES = "b", "biu", "biuf"
"""Kinds of dtypes."""
_KINDS = {
    MASKS: "bool masks (`label == class`, or `label > 0`)",
    CLASSES: "a class per voxel as integers",
    VALUES: "numbers",
}


def check_arrays(where: str, kind: str, *arrays: np.ndarray) -> None:
    """Check that all are arrays of a kind and of one shape.

    Labels in the place of masks, or shapes that broadcast, would give wrong numbers without a word.

    Raises:
        SeglossError: they are not; ``where`` begins the message.
    """
    fits = all(isinstance(array, np.ndarray) and array.dtype.kind in kind for array in arrays)
    if not fits or len({array.shape for array in arrays}) > 1:
        found = " and ".join(map(_dtype_and_shape, arrays))
        raise SeglossError(f"{where}: expected {_KINDS[kind]}, NumPy arrays of one shape, found {found}")


def _dtype_and_shape(array: Any) -> str:
    return f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else repr(type(array))
