"""Checkpoints: the state of a run between two steps, on disk whole or not at all."""

import io
import logging
import pickle
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.errors import SeglossError
from lib.files import atomic_path
from lib.suggest import shortened

log = logging.getLogger(__name__)
_CORES = ("numpy.core", "numpy._core")
_SCALAR = np.float64(0).__reduce__()[0]
_NUMBERS = [np.dtype, np.dtypes.Float64DType, *((_SCALAR, f"{core}.multiarray.scalar") for core in _CORES)]
"""What a NumPy number is read by, such as the score in the checkpoints of SegLossBias; it runs no code of the file."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` beside ``path`` and rename it; equal states give equal bytes.

    Raises:
        SeglossError: the disk is full or the folder cannot be written; what ``path`` held before stays.
    """
    buffer = io.BytesIO()  # so that a full disk is an OSError with its reason
    torch.save(state, buffer)
    with atomic_path(path) as beside:
        beside.write_bytes(buffer.getbuffer())


RETRAIN = "delete it and train the run again"
_NESTED = ("network", "state_dict", "model_state_dict")
_PREFIXES = ("module.", "model.")


def load_weights(path: Path, network: nn.Module, remedy: str = RETRAIN) -> None:
    """Load weights into their network: of a finished run, or from elsewhere.

    The latter are a state dict, by itself or within the checkpoint of a training, also of a network that was wrapped
    (``module.`` or ``model.`` before each name). Code in the file is not run.

    Raises:
        SeglossError: the file is missing, damaged, or of another network; the message ends with ``remedy``.
    """
    expected = network.state_dict()
    try:
        state = _state_of(_read(path), expected)
        if lacking := [name for name in expected if name not in state and not name.endswith("num_batches_tracked")]:
            raise KeyError(f"it has no {lacking[0]!r}, but {shortened(next(iter(state), None))} and others")
        network.load_state_dict(state)
    except Exception as error:  # torch raises whatever it met in a damaged file
        reason = " ".join(str(error.args[0] if isinstance(error, KeyError) else error).split())
        raise SeglossError(f"{path}: not the weights of this network ({reason[:300]}); {remedy}") from error


def _state_of(saved: dict[str, Any], expected: Collection[str]) -> Mapping[str, Any]:
    """The network's state in what was saved, by the names that the network has."""
    state = next((saved[key] for key in _NESTED if isinstance(saved.get(key), Mapping)), saved)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state) and not all(name.startswith(prefix) for name in expected):
            state = {name.removeprefix(prefix): values for name, values in state.items()}
    return state


def _read(path: Path) -> dict[str, Any]:
    """What was saved, without running code that the file may hold."""
    try:
        with torch.serialization.safe_globals(_NUMBERS):
            state = torch.load(_verified(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's message advises to run the code in the file
        raise TypeError("it holds something other than tensors and numbers and is not loaded") from None
    if not isinstance(state, dict):
        raise TypeError(f"a mapping was expected, found {type(state).__name__}")
    return state


def _verified(path: Path) -> io.BytesIO:
    """The content of a file, its checksums verified, which torch does not; a file from before torch 1.6 has none.

    torch gets an archive that is made anew of the verified parts: it reads more of a directory than has checksums.
    """
    if not zipfile.is_zipfile(path):
        return io.BytesIO(path.read_bytes())
    verified = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(verified, "w") as copy:
        for part in archive.namelist():
            copy.writestr(part, archive.read(part))
    verified.seek(0)
    return verified


def load(path: Path, is_own: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Read the checkpoint at ``path`` if ``is_own`` says that it is of this run, otherwise return None."""
    if not path.exists():
        return None
    try:
        state = _read(path)
    except Exception as error:  # torch raises whatever it met in a damaged file
        reason = SeglossError(str(error)[:300])  # in one line
        log.warning("checkpoint %s cannot be read (%s): starting from the beginning", path, reason)
        return None
    if not is_own(state):
        log.info("checkpoint %s belongs to other settings, code or data: starting from the beginning", path)
        return None
    return state
