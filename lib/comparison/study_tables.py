"""All that follows from the per-case tables of a study."""

from pathlib import Path

import pandas as pd

from lib.comparison.case_tables import CaseTables
from lib.comparison.exports import write_exports
from lib.comparison.ledger import judged, ledger, read_claims
from lib.comparison.ranks import agreement_table, rank_table
from lib.comparison.results import KEYS, StudyResults, read_csv
from lib.comparison.sets import EXPORTS, VERDICTS
from lib.comparison.statistics import comparisons
from lib.comparison.summary import by_loss, run_rows
from lib.config.schema import FACTORS
from lib.errors import SeglossError
from lib.files import write_text
from lib.tables import PUBLISHED_COLUMNS

IDENTIFYING = {
    "runs": [*KEYS, "seed", "cut", "structure"],
    "comparisons": [*KEYS, "reference", "reference_variant", "cut", "column"],
    "ledger": ["dataset", "published_loss", *FACTORS, "structure", "metric", "our_dataset", "loss", "variant", "cut"],
    "claims": ["claim", "source", "dataset", "noise", "loss", "than", "column", "our_dataset", "our_loss", "variant"],
}
"""What tells the rows of a table with verdicts apart."""


def study_tables(results: StudyResults, published: Path) -> dict[str, pd.DataFrame]:
    """The tables of a study by name (`lib.comparison.sets.TABLES`), numbers with 6 decimals.

    Args:
        published: folder of published numbers and claims.
    """
    rows = pd.DataFrame([row for run in results.runs for row in run_rows(run, results.primary_cut)])
    losses = by_loss(rows)
    named = results.published
    compared_with = {name: getattr(results, name) for name in ("reference", "references", "base", "bases")}
    tested = comparisons(results.runs, rows, **compared_with, test=named.test if named else None)
    printed = read_csv(published / f"{named.table}.csv") if named else pd.DataFrame(columns=PUBLISHED_COLUMNS)
    ranks = rank_table(results.runs, results.primary_cut, rows)
    tables = {
        "runs": rows,
        "summary": losses,
        "comparisons": tested,
        "ranks": ranks,
        "rank_agreement": agreement_table(ranks),
        "ledger": ledger(results, losses, printed),
        "claims": judged(read_claims(published / "claims.yaml", results.name), results, tested, printed, rows),
    }
    return {name: table.round(6) for name, table in tables.items()}


def write_study(cases: CaseTables, folder: Path, published: Path, archived: Path | None = None) -> list[Path]:
    """Write the per-case tables of a study, all that follows from them, and exports for other programs, to a folder.

    Args:
        published: folder of published numbers and claims.
        archived: folder whose verdicts, where it has some, must be the same.

    Returns:
        The files and folders.

    Raises:
        SeglossError: a verdict differs.
    """
    results = cases.results()
    tables = study_tables(results, published)
    if archived:
        check_verdicts(archived, tables)
    written = cases.write(folder)
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
        written.append(folder / f"{name}.csv")
    write_exports(results, tables, folder / EXPORTS)
    return [*written, folder / EXPORTS]


def check_verdicts(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Hold verdicts against those of the same tables in a folder.

    Raises:
        SeglossError: the first that differs, or is in one of both alone.
    """
    for name, judges in VERDICTS.items():
        path = folder / f"{name}.csv"
        if path.is_file():
            archived, found = (_verdicts(path, table, name, judges) for table in (read_csv(path), tables[name]))
            for key in [*archived, *(key for key in found if key not in archived)]:
                if archived.get(key) != found.get(key):
                    place = ", ".join(filter(None, key))
                    raise SeglossError(
                        f"{path}: {place}: {judges} {archived.get(key, 'none')!r}, but recomputed"
                        f" {found.get(key, 'none')!r}; if cases, settings or code were changed on purpose, move"
                        " this table away and run again"
                    )


def _verdicts(path: Path, table: pd.DataFrame, name: str, judges: str) -> dict[tuple[str, ...], str]:
    if missing := [column for column in (*IDENTIFYING[name], judges) if column not in table]:
        raise SeglossError(f"{path}: no column {missing[0]!r}, so that it cannot be held against; move it away")
    text = table[[*IDENTIFYING[name], judges]].astype(object).fillna("").astype(str)
    return {tuple(row[:-1]): row[-1] for row in text.itertuples(index=False)}
