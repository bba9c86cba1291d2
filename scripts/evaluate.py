"""Evaluate a run's predictions: lesion records and Dice of the test cases, at 0.5 and at a tuned threshold."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    predictions: Path,
    validation: list[Path],
    test: list[Path],
    records: Path,
    records_tuned: Path,
    dice_table: Path,
) -> None:
    import pandas as pd

    from lib.evaluation.records import write_records
    from lib.evaluation.run import PredictedCase, evaluate_run
    from lib.files import write_text
    from lib.store import StoredCase, open_array

    def read(folder: Path) -> PredictedCase:
        case = StoredCase(folder)
        probability, logit = (
            open_array(predictions / f"{case.name}.{kind}.b2nd")[...] for kind in ("probability", "logit")
        )
        return PredictedCase(case.name, case.array("label")[...] > 0, probability, logit)

    evaluation = evaluate_run(map(read, validation), map(read, test))
    write_records(records, evaluation.records)
    write_records(records_tuned, evaluation.records_tuned)
    write_text(dice_table, pd.DataFrame(evaluation.dice_rows).to_csv(index=False))


if __name__ == "__main__":
    run(main)
