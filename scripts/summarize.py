"""Gather the evaluated runs of a study in tables: runs, losses, their differences and ranks, what was published."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, published: Path, tables: list[Path]) -> None:
    import pandas as pd

    from lib.comparison.ledger import judged, ledger, read_claims
    from lib.comparison.ranks import rank_table
    from lib.comparison.results import StudyResults, read_csv
    from lib.comparison.statistics import comparisons
    from lib.comparison.summary import by_loss, run_rows
    from lib.files import write_text
    from lib.tables import PUBLISHED_COLUMNS

    results = StudyResults.of_study(configuration, study)
    rows = pd.DataFrame([row for run in results.runs for row in run_rows(run, results.primary_cut)])
    losses = by_loss(rows)
    named = results.published
    compared_with = {name: getattr(results, name) for name in ("reference", "references", "base", "bases")}
    tested = comparisons(results.runs, rows, **compared_with, test=named.test if named else None)
    printed = read_csv(published / f"{named.table}.csv") if named else pd.DataFrame(columns=PUBLISHED_COLUMNS)
    contents = {
        "runs": rows,
        "summary": losses,
        "comparisons": tested,
        "ranks": rank_table(results.runs, results.primary_cut, rows),
        "ledger": ledger(results, losses, printed),
        "claims": judged(read_claims(published / "claims.yaml", study), results, tested, printed, rows),
    }
    for path in tables:
        write_text(path, contents[path.stem].round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
