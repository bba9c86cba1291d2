"""What is measured of whole cases while a network is trained."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lib.inference import predict_case
from lib.measures.catalogue import MEASURES, monitored
from lib.measures.evaluation import case_rows, segmentation_of
from lib.store import StoredCase
from lib.training.history import History, Row
from lib.training.settings import Measured, TrainingSettings


class Monitor:
    """Measures parts of the split after the epochs in which the settings ask for it.

    Args:
        measures: by part, what is called with the network and returns its measures.
    """

    def __init__(
        self, settings: TrainingSettings, measures: Mapping[str, Callable[[nn.Module], Mapping[str, float]]]
    ) -> None:
        self.training, self.measures = settings.training, dict(measures)
        measures = settings.measured.measures if settings.measured else ()
        self.names = monitored(map(MEASURES.parse, measures))

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
    """The columns of the measures that are monitored: of all cases and their structures."""
    measures = [MEASURES.parse(name) for name in measured.measures]
    labels, found = measured.labels, []
    for case in cases:
        image, label, spacing = (
            case.array("image")[...],
            case.array("label")[...],
            case.description["spacing"],
        )
        _, logit = predict_case(network, image, spacing, measured, device)
        stored = {"labels": labels.decide(logit)}
        for structure in labels.structures:
            keys = {"case": case.name, "structure": structure}
            found.append((keys, segmentation_of(stored, label, spacing, labels, structure)))
    rows = case_rows(found, measures, "")
    names = [case.name for case in cases]
    numbers = {name: float(np.mean([row[name] for row in rows])) for name in monitored(measures) if name in rows[0]}
    for measure in measures:
        numbers |= MEASURES.entry_of(measure).of_rows(rows, names, **measure.for_dataset(""))
    return {name: numbers[name] for name in monitored(measures)}
