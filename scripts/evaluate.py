"""Evaluate a run's predictions: lesion records and Dice of the test cases, at 0.5 and at a tuned threshold."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    predictions: Path,
    prepared: Path,
    cases: list[Path],
    records: Path,
    records_tuned: Path,
    dice_table: Path,
) -> None:
    import numpy as np
    import pandas as pd

    from lib.evaluation.records import write_records
    from lib.evaluation.run import PredictedCase, evaluate_run
    from lib.files import write_text
    from lib.labels import IGNORED
    from lib.maps import foreground
    from lib.store import StoredCase, open_cases, open_prediction

    def read(case: StoredCase) -> PredictedCase:
        probability, logit = (
            open_prediction(predictions, case.name, kind)[...] for kind in ("probability", "logit")
        )
        label = case.array("label")[...]
        annotated = label != IGNORED  # elsewhere a prediction is neither right nor wrong
        logit = np.where(annotated, logit, np.finfo(logit.dtype).min)
        return PredictedCase(case.name, foreground(label), probability * annotated, logit)

    evaluation = evaluate_run(*(map(read, open_cases(prepared, part)) for part in cases))
    write_records(records, evaluation.records)
    write_records(records_tuned, evaluation.records_tuned)
    write_text(dice_table, pd.DataFrame(evaluation.dice_rows).to_csv(index=False))


if __name__ == "__main__":
    run(main)
