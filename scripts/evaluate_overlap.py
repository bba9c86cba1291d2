"""Evaluate a run's predictions by voxel overlap: one row per test case, cut at probability 0.5, against clean masks."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(predictions: Path, prepared: Path, cases: Path, table: Path) -> None:
    import pandas as pd

    from lib.evaluation.overlap import overlap_row
    from lib.files import write_text
    from lib.store import open_cases, open_prediction

    rows = [
        overlap_row(case.name, open_prediction(predictions, case.name)[...], case.array("label")[...])
        for case in open_cases(prepared, cases)
    ]
    write_text(table, pd.DataFrame(rows).to_csv(index=False))


if __name__ == "__main__":
    run(main)
