"""The evaluation of one run: lesion records and Dice of its test cases, at 0.5 and at a tuned threshold."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.errors import SeglossError
from lib.evaluation.lesions import lesion_records
from lib.evaluation.overlap import dice, tuned_threshold


@dataclass(frozen=True)
class PredictedCase:
    """A case's mask, and its predicted probability and logit, each averaged over windows; one shape."""

    name: str
    target: np.ndarray
    probability: np.ndarray
    logit: np.ndarray


@dataclass
class Evaluation:
    """Lesion records by case, cut at probability 0.5 and at the tuned logit, and one row of Dice per case."""

    records: dict[str, list[dict]] = field(default_factory=dict)
    records_tuned: dict[str, list[dict]] = field(default_factory=dict)
    dice_rows: list[dict[str, Any]] = field(default_factory=list)


def evaluate_run(validation: Iterable[PredictedCase], test: Iterable[PredictedCase]) -> Evaluation:
    """Evaluate the test cases; the validation cases choose the threshold and nothing else.

    The tuned logit has the largest mean Dice over the validation cases with lesions. In the tuned records
    logits are relative to it, so that 0 is the cut, as it is for the components of probability 0.5.

    Raises:
        SeglossError: no validation case has a lesion.
    """
    tuning = [case for case in validation if case.target.any()]
    if not tuning:
        raise SeglossError("no validation case has a lesion: nothing to tune the threshold on")
    threshold = tuned_threshold([case.logit for case in tuning], [case.target for case in tuning])
    result = Evaluation()
    for case in test:
        above = case.logit > threshold
        result.records[case.name] = lesion_records(case.target, case.probability, case.logit)
        result.records_tuned[case.name] = lesion_records(
            case.target, above.astype(np.float16), case.logit.astype(np.float32) - threshold
        )
        result.dice_rows.append(
            {
                "case": case.name,
                "has_lesions": bool(case.target.any()),
                "dice_05": dice(case.probability > 0.5, case.target),
                "dice_tuned": dice(above, case.target),
                "tuned_logit": threshold,
            }
        )
    return result
