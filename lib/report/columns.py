"""How numbers of each column are written."""

import math
from collections.abc import Iterable, Sequence

from lib.config.study_schema import OVER_EPOCHS
from lib.measures.catalogue import MEASURES, Column

MISSING = "–"
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def known_columns() -> dict[str, Column]:
    """Every column of every measure, those of plugins included."""
    return {
        column.name: column for entry in MEASURES.values() for column in (*entry.columns, *entry.of_run) if column.name
    }


def column_of(name: str) -> Column:
    """A column by its name in tables; one that no measure knows has its name as label."""
    known = known_columns()
    suffix = next((suffix for suffix in OVER_EPOCHS if name.endswith(suffix)), "")
    base = known.get(name.removesuffix(suffix))
    if base is None:
        return Column(name, name)
    when = {"": "", OVER_EPOCHS[0]: ", mean of the last epochs", OVER_EPOCHS[1]: ", best epoch"}[suffix]
    return Column(name, f"{base.label}{when}", base.better, base.unit, base.largest, base.signed, base.margin)


def directed(names: Iterable[str]) -> list[Column]:
    """Those of which high or low values are better."""
    return [column for column in map(column_of, names) if column.better]


def written(value: float | None, column: Column | None = None, signed: bool = False) -> str:
    """A number as the page shows it: shares with three decimals, others with three digits, a dash for none."""
    if value is None or math.isnan(value):
        return MISSING
    if column is not None and column.largest == 1:
        decimals = 3 if abs(value) >= 0.01 or value == 0 else 4
    else:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 or value == 0 else 4
    text = f"{value:+,.{decimals}f}" if signed and value else f"{value:,.{decimals}f}"
    return text.replace("-", "−")


def interval(low: float, high: float, column: Column | None = None, signed: bool = True) -> str:
    """``low to high``, or a dash where it is not known."""
    if math.isnan(low) or math.isnan(high):
        return MISSING
    return f"{written(low, column, signed)} to {written(high, column, signed)}"


def percent(share: float) -> str:
    """A share in percent, never rounded to 0 or 100 where it is not."""
    if math.isnan(share):
        return MISSING
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def whole(value: float) -> str:
    """A rank or a count, with a decimal only where it has one."""
    return MISSING if math.isnan(value) else f"{value:g}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names, which may have commas, the last of many as their number."""
    shown = "; ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def counted(number: float, noun: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{whole(number)} {noun}{'' if number == 1 else 's'}"


def spanned(numbers: Sequence[int], noun: str) -> str:
    """``12 cases``, or ``8 to 12 cases``."""
    low, high = min(numbers), max(numbers)
    return counted(high, noun) if low == high else f"{low} to {counted(high, noun)}"


def between(numbers: Sequence[float], column: Column | None = None) -> str:
    """``1.2``, or ``1.2 to 1.4``."""
    low, high = written(min(numbers), column), written(max(numbers), column)
    return low if low == high else f"{low} to {high}"
