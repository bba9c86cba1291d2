"""Weights of a sum's terms as functions of training progress. Never imports torch.

A resumed training computes the same weights: no state is kept. Progress t of an epoch e, counted from 0, of E is e/E.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lib.errors import SeglossError
from lib.fields import Fraction, Number, Section


class Linear(Section):
    """From ``start`` to ``stop``, which is reached when ``over`` of the training is done, and kept.

    Two terms with opposite schedules rebalance; a convex rebalancing is one whose weights add up to 1 at both ends.
    """

    schedule: Literal["linear"]
    start: Number
    stop: Number
    over: Fraction = 1.0

    def at(self, epoch: int, epochs: int) -> float:
        progress = min(epoch / (self.over * epochs), 1.0)
        return self.start + (self.stop - self.start) * progress


class Steps(Section):
    """``start`` times ``factor`` after every part ``every`` of the training, never beyond ``stop`` (the cap)."""

    schedule: Literal["steps"]
    start: Number
    factor: Annotated[Number, Field(gt=0)]
    every: Fraction
    stop: Number

    @model_validator(mode="after")
    def _stop_lies_ahead(self) -> "Steps":
        if (self.stop < self.start) == (self.factor >= 1) and self.stop != self.start:
            raise ValueError(f"steps by {self.factor:g} from start {self.start:g} do not lead to stop {self.stop:g}")
        return self

    def at(self, epoch: int, epochs: int) -> float:
        n_steps = int(epoch / (self.every * epochs) + 1e-9)  # 0.3 / 0.1 is a little less than 3
        limit = min if self.factor >= 1 else max
        return limit(self.start * self.factor**n_steps, self.stop)


SCHEDULES = {"linear": Linear, "steps": Steps}


def weight_at(weight: float | Mapping[str, Any], epoch: int, epochs: int) -> float:
    """The weight in ``epoch``, counted from 0, of ``epochs``."""
    if not 0 <= epoch < epochs:
        raise SeglossError(f"epoch {epoch} of {epochs}: 0 to {epochs - 1} was expected")
    if not isinstance(weight, Mapping):
        return float(weight)
    return SCHEDULES[weight["schedule"]](**weight).at(epoch, epochs)
