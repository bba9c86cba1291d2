"""Measure a run's predictions of the test cases: the table of its cases, or that of a measure with its own."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(settings: dict, predictions: Path, prepared: Path, cases: list[Path], table: Path) -> None:
    import pandas as pd

    from lib.files import write_text
    from lib.measures.catalogue import MEASURES
    from lib.measures.evaluation import case_rows, detail_rows, segmentations, thresholds
    from lib.measures.settings import EvaluationSettings
    from lib.store import open_cases

    chosen = EvaluationSettings.model_validate(settings)
    of_part = {path.stem: open_cases(prepared, path) for path in cases}
    validation = of_part.get("validation", [])
    entries = [MEASURES.entry_of(measure) for measure in chosen.measures]
    cuts = chosen.cuts if any(entry.by_cut for entry in entries) else chosen.cuts[:1]
    found = segmentations(
        of_part["test"],
        predictions,
        chosen.labels,
        {cut: thresholds(cut, validation, predictions, chosen.labels) for cut in cuts},
        {kind for entry in entries for kind in entry.reads},
    )
    if table.stem == "cases":
        rows = pd.DataFrame(case_rows(found, chosen.measures, chosen.dataset))
    else:
        rows = pd.DataFrame(detail_rows(found, *chosen.measures, chosen.dataset))
    write_text(table, rows.to_csv(index=False))


if __name__ == "__main__":
    run(main)
