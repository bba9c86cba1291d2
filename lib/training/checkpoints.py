"""Checkpoints: the state of a run at the end of an epoch, on disk whole or not at all."""

import io
import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lib.errors import SeglossError
from lib.files import atomic_path

UNREADABLE = (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)

log = logging.getLogger(__name__)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` beside ``path`` and rename it; equal states give equal bytes.

    Raises:
        SeglossError: the disk is full or the folder cannot be written; what ``path`` held before stays.
    """
    buffer = io.BytesIO()  # so that a full disk is an OSError with its reason
    torch.save(state, buffer)
    with atomic_path(path) as beside:
        beside.write_bytes(buffer.getbuffer())


def load_weights(path: Path, network: nn.Module) -> None:
    """Load the weights of a finished run into its network.

    Raises:
        SeglossError: the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["network"])
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise SeglossError(
            f"{path}: not the weights of this network ({error}); train the run again"
        ) from error


def load(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """Read the checkpoint at ``path`` if it is one of the same settings and data, otherwise return None."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        log.warning("checkpoint %s cannot be read (%s): starting from the beginning", path, error)
        return None
    if state.get("fingerprint") != fingerprint:
        log.info("checkpoint %s belongs to other settings, code or data: starting from the beginning", path)
        return None
    return state
