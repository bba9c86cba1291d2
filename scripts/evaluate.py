"""Evaluate a run's predictions: lesion records of the test cases, and Dice at 0.5 and at a tuned threshold."""

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
    import numpy as np
    import pandas as pd

    from lib.evaluation.lesions import lesion_records
    from lib.evaluation.overlap import dice, tuned_threshold
    from lib.evaluation.records import write_records
    from lib.files import write_text
    from lib.store import StoredCase, open_array

    def read(folder: Path) -> tuple:
        case = StoredCase(folder)
        probability, logit = (
            open_array(predictions / f"{case.name}.{kind}.b2nd")[...] for kind in ("probability", "logit")
        )
        return case.name, case.array("label")[...] > 0, probability, logit

    tuning = [read(folder) for folder in validation]
    threshold = tuned_threshold([logit for *_, logit in tuning], [target for _, target, *_ in tuning])
    rows, published, tuned = [], {}, {}
    for name, target, probability, logit in map(read, test):
        published[name] = lesion_records(target, probability, logit)
        tuned[name] = lesion_records(target, (logit > threshold).astype(np.float16), logit)
        rows.append(
            {
                "case": name,
                "dice_05": dice(probability > 0.5, target),
                "dice_tuned": dice(logit > threshold, target),
                "tuned_logit": threshold,
            }
        )
    write_records(records, published)
    write_records(records_tuned, tuned)
    write_text(dice_table, pd.DataFrame(rows).to_csv(index=False))


if __name__ == "__main__":
    run(main)
