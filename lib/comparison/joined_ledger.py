"""The ledgers and claims of all studies in one table each, with the published numbers of those that were not run."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from lib.comparison.ledger import (
    CLAIM_COLUMNS,
    COLUMNS,
    EXACT,
    HIGHER,
    INSIDE,
    LOWER,
    NOT_RUN,
    how_had,
    judged,
    read_claims,
    standing_for,
)
from lib.comparison.published_records import PRINTED_METRICS, STUDY
from lib.comparison.results import StudyResults, read_csv
from lib.config.study import load_study, study_files
from lib.config.study_schema import Published
from lib.errors import SeglossError
from lib.measures.catalogue import MEASURES, Column, columns_of
from lib.tables import PUBLISHED_COLUMNS

PRINTED = [
    *("study", "dataset", "title", "published_loss", "noise", "structure", "metric", "label"),
    *("published", "spread", "spread_kind", "n", "source"),
]
PUBLISHED_ONLY, NOT_CALLED = "published only", "study not in this call"


def joined_ledger(
    ledgers: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    named: Mapping[str, Published],
    recomputed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every published number of all studies, with the columns of :func:`lib.comparison.ledger.ledger` and ``study``.

    Args:
        ledgers: of the studies that were run.
        published: tables of `published/` by name.
        named: by study, what its file says of its table.
        recomputed: the table of :func:`lib.comparison.published_records.published_table`. Its numbers are rows with the
            attempt ``exact digits``, ``reproduced`` where all that is printed of the loss agrees to its last digit,
            instead of the row that was not run.
    """
    tables = [table.assign(study=study) for study, table in ledgers.items()]
    for name in missing(ledgers, published, named):
        study = next((study for study, of_study in named.items() if of_study.table == name), None)
        tables.append(_not_run(study or name, published[name], named.get(study or name)))
    joined = pd.concat([table.reindex(columns=["study", *COLUMNS]) for table in tables if len(table)])
    joined = joined.reset_index(drop=True)
    return joined if recomputed is None else _with_exact_digits(joined, recomputed)


def missing(
    ledgers: Mapping[str, pd.DataFrame], published: Mapping[str, Any], named: Mapping[str, Published]
) -> list[str]:
    """The published tables of no study that was run."""
    of_run = {named[study].table for study in ledgers if study in named}
    return [name for name in published if name not in of_run]


def joined_claims(
    claims: Mapping[str, pd.DataFrame], published: Mapping[str, pd.DataFrame], file: Path
) -> pd.DataFrame:
    """Every published claim, with the columns of :func:`lib.comparison.ledger.judged` and ``study``.

    Args:
        claims: tables of the studies that were run.
        published: tables of `published/` of the others.
        file: `published/claims.yaml`.
    """
    nothing = {"results": StudyResults([]), "comparisons": pd.DataFrame(), "per_run": pd.DataFrame()}
    others = {name: judged(read_claims(file, name), published=table, **nothing) for name, table in published.items()}
    tables = [table.assign(study=study) for study, table in (claims | others).items() if len(table)]
    return pd.concat(tables, ignore_index=True).reindex(columns=["study", *CLAIM_COLUMNS])


def named_tables(root: Path) -> dict[str, Published]:
    """What the study files below ``root`` say of their published tables, by study; a file with faults, such as one that
    somebody is writing, is no matter of other studies."""
    named = {}
    for name, path in study_files(root).items():
        with suppress(SeglossError):
            named[name] = load_study(path, root).published
    return {name: published for name, published in named.items() if published}


def read_published_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of published numbers in `published/`, by name; those of costs have other columns."""
    tables = {path.stem: read_csv(path) for path in sorted(folder.glob("*.csv"))}
    return {name: table for name, table in tables.items() if {*PUBLISHED_COLUMNS} <= {*table}}


def _not_run(study: str, published: pd.DataFrame, named: Published | None) -> pd.DataFrame:
    reasons = {
        name: NOT_CALLED + how_had(standing_for(name, named)) if named else PUBLISHED_ONLY
        for name in published["dataset"].unique()
    }
    known = columns_of(map(MEASURES.parse, MEASURES))
    return published.rename(columns={"loss": "published_loss", "value": "published"}).assign(
        study=study,
        title=published["dataset"],
        label=[known.get(name, Column(name, name)).axis for name in published["metric"]],
        verdict=NOT_RUN,
        reason=published["dataset"].map(reasons),
    )


def _with_exact_digits(ledger: pd.DataFrame, recomputed: pd.DataFrame) -> pd.DataFrame:
    of_all = recomputed[recomputed["objects"] == "all"]
    records = {(row["dataset"], row["loss"]): row for row in of_all.to_dict("records")}
    rows, done = [], set()
    for row in ledger.to_dict("records"):
        record = records.get((row["dataset"], row["published_loss"]))
        number = (row["dataset"], row["published_loss"], row["metric"])
        of_records = record is not None and row["study"] == STUDY and row["metric"] in PRINTED_METRICS
        if of_records and record["status"] != "recomputed":
            row["reason"] = "not among the authors' records"
        elif of_records and number not in done:
            done.add(number)
            rows.append(_exact(row, record))
        if row["verdict"] != NOT_RUN or number not in done:
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=ledger.columns)


def _exact(row: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a published number with what the authors' records come to."""
    name = PRINTED_METRICS[row["metric"]]
    ours = record[f"{name}_mean"]
    apart = HIGHER if ours > row["published"] else LOWER
    return {
        **{column: row[column] for column in PRINTED},
        **{"our_dataset": row["dataset"], "loss": row["published_loss"], "variant": "authors' records"},
        **{"ours": ours, "ours_sd": record[f"{name}_std"], "difference": ours - row["published"]},
        **{"verdict": INSIDE if record["agrees_with_print"] == "yes" else apart, "attempt": EXACT},
    }
