"""Files of lesion-wise records: one JSON object, case id -> rows of ``lib.measures.lesions``."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib.errors import SeglossError
from lib.files import read_json
from lib.suggest import shortened

COLUMNS = {
    "obj": str,
    "is_tum": bool,
    "diameter": float,
    "hit_dice": float,
    "hit_max": float,
    "hit_median": float,
    "hit_q95": float,
    "hit_logit": float,
    "hit_stat": float,
    "hit_obj": str,
    "self_stat": float,
    "self_logit": float,
}


@dataclass(frozen=True)
class Records:
    """``table``: one row per lesion or predicted component, columns ``case`` and :data:`COLUMNS`.
    ``cases``: every case of the file, those without a row included."""

    table: pd.DataFrame
    cases: tuple[str, ...]

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]], cases: Iterable[str]) -> "Records":
        """Of rows with a ``case`` and :data:`COLUMNS`; a KeyError names what they lack."""
        found, names = [*rows], ["case", *COLUMNS]
        table = pd.DataFrame(found)[names] if found else pd.DataFrame(columns=names)
        return cls(table.astype({"case": str, **COLUMNS}), tuple(cases))


def read_records(path: Path) -> Records:
    """Read and check a record file; ``Infinity`` is a number in it, ``NaN`` is not.

    Raises:
        SeglossError: unreadable, truncated or invalid JSON, no case, or a row with a missing or wrong value.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise SeglossError(f"{path}: expected a JSON object of at least one case id with its list of rows")
    for case, rows in content.items():
        _check(rows, f"{path}: case {case}")
    return Records.of_rows(({"case": case, **row} for case, rows in content.items() for row in rows), content)


def _check(rows: Any, where: str) -> None:
    if not isinstance(rows, list):
        raise SeglossError(f"{where}: expected a list of rows, found {type(rows).__name__}; make the file again")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise SeglossError(f"{where}, row {number}: expected an object with the keys {', '.join(COLUMNS)}")
        for key, kind in COLUMNS.items():
            if key not in row:
                raise SeglossError(f"{where}, row {number}: key '{key}' is missing; make the file again")
            if not _is(row[key], kind):
                raise SeglossError(
                    f"{where}, row {number}: key '{key}' is {shortened(row[key])}, expected a {kind.__name__}; "
                    "make the file again"
                )


def _is(value: Any, kind: type) -> bool:
    if kind is not float:
        return type(value) is kind
    if type(value) is int:
        return abs(value) <= sys.float_info.max
    return type(value) is float and value == value  # NaN differs from itself
