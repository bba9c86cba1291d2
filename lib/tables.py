"""CSV files from outside, read without guesses. Never imports torch or pandas."""

import csv
import io
import re
from collections.abc import Collection
from pathlib import Path

from lib.errors import SeglossError
from lib.files import read_text
from lib.suggest import shortened

PUBLISHED_COLUMNS = (
    *("study", "dataset", "loss", "noise", "resampling", "network", "optimizer", "scheduler", "structure"),
    *("metric", "epochs", "value", "spread", "spread_kind", "n", "source"),
)
"""Of the tables of `published/`; factors are empty where the publication does not vary them.

``metric``: a column of `runs.csv`; ``epochs``: whether it is that of the ``last`` network, the ``mean`` over the last
epochs, or of the epoch that was ``best_test``; ``spread``: 1 sd over ``spread_kind``, ``n`` of them.
"""
COST_COLUMNS = ("dataset", "item", "seconds_per_epoch", "dice", "note", "source")
"""Of tables of published costs: what was trained, on which data set, its time and its Dice; ``note``: what is wrong."""
EPOCHS = ("last", "mean", "best_test")


def read_published(path: Path) -> list[dict[str, str]]:
    """The rows of a table of `published/`, as text, so that numbers keep their digits.

    Raises:
        SeglossError: as of :func:`read_rows`; or a value or a spread is not a number, or the last line is cut off.
    """
    rows = read_rows(path, PUBLISHED_COLUMNS)
    for number, row in enumerate(rows, 1):
        if row["epochs"] not in EPOCHS:
            expected = f"{' or '.join(EPOCHS)} was expected"
            raise SeglossError(f"{path}: row {number}: epochs: {shortened(row['epochs'])}: {expected}")
        _check_numbers(path, number, row, required=["value"], optional=["spread", "n"])
    _check_end(path)
    return rows


def read_published_costs(path: Path) -> list[dict[str, str]]:
    """The rows of a table of published costs, as text.

    Raises:
        SeglossError: as of :func:`read_published`.
    """
    rows = read_rows(path, COST_COLUMNS)
    for number, row in enumerate(rows, 1):
        _check_numbers(path, number, row, required=["seconds_per_epoch", "dice"])
    _check_end(path)
    return rows


def _check_numbers(
    path: Path, number: int, row: dict[str, str], required: Collection[str], optional: Collection[str] = ()
) -> None:
    for column in (*required, *(name for name in optional if row[name])):
        if not re.fullmatch("-?[0-9]+([.][0-9]+)?", row[column]):
            raise SeglossError(
                f"{path}: row {number}: {column}: {shortened(row[column])} is not a number; correct the table"
            )


def _check_end(path: Path) -> None:
    if not read_text(path).endswith("\n"):
        raise SeglossError(f"{path}: the last line is cut off; complete the table")


def read_rows(path: Path, columns: Collection[str]) -> list[dict[str, str]]:
    """The rows of a CSV file by column, as text; empty lines do not count.

    Raises:
        SeglossError: it cannot be read or is not UTF-8, a column of ``columns`` is missing or a duplicate, a row has
            more or fewer cells than there are columns, or quotes do not match.
    """
    try:
        reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        names = next(reader, [])
        _check_columns(path, names, columns)
        rows = []
        for cells in filter(None, reader):
            if len(cells) != len(names):
                raise SeglossError(
                    f"{path}: line {reader.line_num}: {len(names)} cells were expected, found {len(cells)}"
                    f" ({shortened(','.join(cells))}); correct the table"
                )
            if any("\0" in cell for cell in cells):
                raise SeglossError(f"{path}: line {reader.line_num}: a NUL byte; correct the table")
            rows.append(dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise SeglossError(f"{path}: line {reader.line_num}: {error}; correct the table") from error
    except UnicodeDecodeError as error:
        raise SeglossError(f"{path}: no text in UTF-8 ({error}); save it as CSV in UTF-8") from error
    return rows


def _check_columns(path: Path, names: list[str], expected: Collection[str]) -> None:
    if missing := [name for name in expected if name not in names]:
        raise SeglossError(
            f"{path}: no column {missing[0]!r}; a table with the columns {', '.join(expected)} was expected, found"
            f" {shortened(','.join(names))}"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SeglossError(f"{path}: duplicate column {twice!r}; rename one")
