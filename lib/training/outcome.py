"""What a run leaves: of a training, or of weights from elsewhere in its place."""

import time
from pathlib import Path
from typing import Any

import torch

from lib.files import sha256, write_json, write_text
from lib.networks import build_network
from lib.provenance import machine, peak_memory, provenance_record
from lib.store import StoredCase
from lib.training import checkpoints
from lib.training.code import training_code
from lib.training.history import History
from lib.training.patch_overlap import PatchOverlap
from lib.training.settings import TrainingSettings

REMEDY = "give weights of the run's network, or leave the run out of `weights` to train it"


def write_outcome(
    outputs: tuple[Path, Path, Path], trained: dict[str, Any], history: History, record: dict[str, Any]
) -> None:
    """Write weights, history and provenance to the three ``outputs``."""
    weights, table, provenance = outputs
    checkpoints.save(weights, trained)
    write_text(table, history.as_csv())
    write_json(provenance, record)


def take_weights(
    outputs: tuple[Path, Path, Path], file: Path, chosen: TrainingSettings, case: StoredCase, about: dict[str, Any]
) -> None:
    """Write the outcome of a run whose weights a file gives, of a network that takes images such as that of a case.

    The history has one row, of epoch 0 and without values, in the columns that summaries and figures look for. The
    settings in the provenance are empty, as those of the training are not known.

    Raises:
        SeglossError: the file is missing, damaged, or of another network.
    """
    start = time.monotonic()
    network = build_network(chosen.network.network, case.description["channels"], chosen.network.out_channels)
    checkpoints.load_weights(file, network, REMEDY)
    overlap = PatchOverlap(bool(chosen.masks.alpha), torch.device("cpu")).dice()
    history = History([{"epoch": 0, "step": 0, **dict.fromkeys(("learning_rate", "loss", *overlap))}])
    seconds = round(time.monotonic() - start, 2)
    part = {"code": training_code(chosen), **machine("cpu"), "seconds": seconds, **peak_memory("cpu")}
    weights = {"file": file.name, "sha256": sha256(file)}
    record = about | {"weights": weights} | provenance_record({}, 1, [part])
    write_outcome(outputs, {"network": network.state_dict(), "loss": {}}, history, record)
