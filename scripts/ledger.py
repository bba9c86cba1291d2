"""Join the ledgers and claims of the studies that were run, and add what was published of those that were not."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(published: Path, ledger: Path, claims: Path, studies: list[Path], recomputed: Path | None = None) -> None:
    """``studies``: folders with the tables of the studies that were run."""
    from lib import ROOT
    from lib.comparison.joined_ledger import joined_claims, joined_ledger, missing, named_tables, read_published_tables
    from lib.comparison.results import read_csv
    from lib.files import write_text

    named = named_tables(ROOT)
    tables = read_published_tables(published)
    ledgers = {folder.name: read_csv(folder / "ledger.csv") for folder in studies}
    of_claims = {folder.name: read_csv(folder / "claims.csv") for folder in studies}
    records = read_csv(recomputed) if recomputed else None
    others = {name: tables[name] for name in missing(ledgers, tables, named)}
    contents = {
        ledger: joined_ledger(ledgers, tables, named, records),
        claims: joined_claims(of_claims, others, published / "claims.yaml"),
    }
    for path, table in contents.items():
        write_text(path, table.round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
