"""Which epoch's network is the outcome of a training. Never imports torch."""

from collections.abc import Sequence
from typing import Any

from lib.training.history import History


def best_epoch(values: Sequence[float]) -> int:
    """Number, from 0, of the first epoch with the largest value."""
    return max(range(len(values)), key=lambda epoch: (values[epoch], -epoch))


class BestNetwork:
    """The weights of the best epoch so far; None before the first."""

    def __init__(self) -> None:
        self.weights: dict[str, Any] | None = None

    def after_epoch(self, values: Sequence[float], history: History, network: Any) -> None:
        """Mark the best epoch in the column ``selected``, and keep the network if that is the last one."""
        best = best_epoch(values)
        for number, row in enumerate(history.rows):
            row["selected"] = int(number == best)
        if best == len(history.rows) - 1:
            self.weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
