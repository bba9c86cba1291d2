"""Hold a study's measures against MONAI's on its own predictions, and report where they differ."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, table: Path) -> None:
    import pandas as pd

    from lib.config.load import load
    from lib.evaluation.agreement import COLUMNS, case_agreement, report
    from lib.files import write_text
    from lib.paths import Paths
    from lib.store import open_cases, open_prediction

    loaded = load(configuration)
    paths = Paths(loaded.workflow.folders)
    rows = []
    for checked in loaded.checked_of(study):
        predictions = Path(paths.run(checked.id, "predictions"))
        prepared, part = (
            Path(paths.prepared(checked.dataset)),
            Path(paths.part(checked.dataset, checked.split, "test")),
        )
        tolerance = checked.settings.evaluation.surface_tolerance
        for case in open_cases(prepared, part):
            label, spacing = case.array("label")[...], case.description["spacing"]
            predicted = checked.labels.decide(open_prediction(predictions, case.name)[...])
            compared = case_agreement(case.name, predicted, label, spacing, checked.labels, tolerance)
            rows += [{"run": checked.id, **row} for row in compared]
    agreement = pd.DataFrame(rows, columns=["run", *COLUMNS])
    report(agreement)
    write_text(table, agreement.round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
