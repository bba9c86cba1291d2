"""What is measured of whole cases while a network is trained."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.evaluation.overlap import MEASURED, overlap_row, pooled_dice
from lib.evaluation.surface import surface_rows
from lib.inference import predict_volume
from lib.labels import Labels
from lib.store import StoredCase
from lib.training.history import History, Row
from lib.training.settings import Measured, TrainingSettings

CaseRow = dict[str, Any]
ANY_TOLERANCE = 1.0  # of the normalised surface Dice, which is not recorded here


class Monitor:
    """Measures parts of the split after the epochs in which the settings ask for it.

    Args:
        measures: by part, what is called with the network and returns its measures.
    """

    def __init__(
        self, settings: TrainingSettings, measures: Mapping[str, Callable[[nn.Module], Mapping[str, float]]]
    ) -> None:
        self.training, self.measures = settings.training, dict(measures)
        self.names = MEASURED[settings.measured.metrics] if settings.measured else ()

    def measure(self, network: nn.Module, epoch: int) -> Row:
        """Columns of the history, None where this epoch, counted from 0, is not measured."""
        row: Row = {}
        for part, measure in self.measures.items():
            due = epoch >= self.training.epochs - self.training.measured[part]
            values = measure(network) if due else {}
            row |= {f"{part}_{name}": values.get(name) for name in self.names}
        return row

    def values(self, history: History) -> list[float]:
        """What ``training.monitor`` has measured, by epoch."""
        monitor = self.training.monitor
        return [row[f"{monitor.part}_{monitor.measure}"] for row in history.rows]


def measure_cases(
    cases: Sequence[StoredCase],
    measured: Measured,
    device: torch.device,
    network: nn.Module,
) -> dict[str, float]:
    """The measures ``MEASURED[measured.metrics]`` of the network, means over the cases and their structures."""
    rows = []
    for case in cases:
        image, label = case.array("image")[...], case.array("label")[...]
        _, logit = predict_volume(
            network,
            image,
            measured.inference.patch_size,
            measured.inference.stride,
            device,
            measured.labels.exclusive,
        )
        rows += (
            _surface(case, logit, label, measured.labels)
            if measured.metrics == "surface"
            else _overlap(case, logit, label)
        )
    return {
        name: pooled_dice(rows) if name == "dice_pooled" else float(np.mean([row[name] for row in rows]))
        for name in MEASURED[measured.metrics]
    }


def _overlap(case: StoredCase, logit: np.ndarray, label: np.ndarray) -> list[CaseRow]:
    return [overlap_row(case.name, logit, label)]


def _surface(case: StoredCase, logit: np.ndarray, label: np.ndarray, labels: Labels) -> list[CaseRow]:
    spacing = case.description["spacing"]
    return surface_rows(case.name, labels.decide(logit), label, spacing, labels, ANY_TOLERANCE)
