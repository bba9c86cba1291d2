"""Evaluate a run's predictions: overlap and distances between surfaces, one row per test case and structure."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(predictions: Path, prepared: Path, cases: Path, labels: dict, tolerance: float, table: Path) -> None:
    import pandas as pd

    from lib.evaluation.surface import surface_rows
    from lib.files import write_text
    from lib.labels import Labels
    from lib.store import open_cases, open_prediction

    meaning, rows = Labels(**labels), []
    for case in open_cases(prepared, cases):
        label = case.array("label")[...]
        predicted = meaning.decide(open_prediction(predictions, case.name)[...])
        rows += surface_rows(case.name, predicted, label, case.description["spacing"], meaning, tolerance)
    write_text(table, pd.DataFrame(rows).to_csv(index=False))


if __name__ == "__main__":
    run(main)
