"""What a trial of a search leaves. Never imports torch, numpy or Optuna."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """Of a trial, or of a rung of one; as JSON between jobs: ``Result(**json.loads(...))``.

    Attributes:
        parameters: it was trained with.
        epochs: it was trained for.
        objectives: their values, of validation cases; None, or one that is None or not finite: it diverged.
    """

    parameters: dict[str, Any]
    epochs: int
    objectives: dict[str, float | None] | None = None

    @property
    def diverged(self) -> bool:
        return self.objectives is None or not all(
            value is not None and math.isfinite(value) for value in self.objectives.values()
        )
