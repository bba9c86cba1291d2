"""Where per-case tables lie, and which tables follow from them. Never imports pandas."""

from pathlib import Path

from lib.errors import SeglossError
from lib.names import unfit_for_path

CASES, TRAININGS, TERMS, EXPORTS = "cases.csv", "trainings.csv", "comparison.json", "exports"
COSTS = "cost.csv"
VERDICTS = {"runs": "status", "comparisons": "verdict", "ledger": "verdict", "claims": "verdict"}
"""Tables that judge, and the column that does."""
TABLES = ("runs", "summary", "comparisons", "ranks", "rank_agreement", "ledger", "claims")
"""What follows from per-case tables, as `<table>.csv`."""


def case_sets(place: Path, output: Path) -> dict[str, Path]:
    """The per-case tables at a place, by the name of their folder.

    Args:
        place: a CSV file, a folder with a `cases.csv`, or one whose subfolders have one each.
        output: folder in which each set gets a folder of its name.

    Raises:
        SeglossError: there is none, or one lies where its own outcome would be written.
    """
    if place.is_file():
        found = [place]
    elif (place / CASES).is_file():
        found = [place / CASES]
    else:
        found = sorted(place.glob(f"*/{CASES}"))
    if not found:
        raise SeglossError(
            f"cases: {place}: no per-case table; a CSV file, a folder with a {CASES}, or one whose subfolders have one,"
            " was expected (docs/comparison.md)"
        )
    sets = {(file.absolute().parent.name if file.name == CASES else file.stem): file for file in found}
    for name, file in sets.items():
        if reason := unfit_for_path(name):
            raise SeglossError(f"cases: {name!r} has {reason}; choose another name")
        if file.resolve().parent == (output / name).resolve():
            raise SeglossError(f"cases: {file} lies where its outcome is written; copy its folder to another place")
    return sets


def costs_of_set(cases: Path) -> Path | None:
    """The table of measured costs that lies beside a `cases.csv`."""
    costs = cases.with_name(COSTS)
    return costs if cases.name == CASES and costs.is_file() else None


def files_of_set(cases: Path) -> list[Path]:
    """What decides the outcome of a set: its table, and where that is a `cases.csv` the tables and terms beside it."""
    if cases.name != CASES:
        return [cases]
    beside = [*cases.parent.glob("*.csv"), cases.parent / TERMS]
    return sorted(path for path in beside if path.is_file())
