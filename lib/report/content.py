"""What a page is made of: sections with tables and charts, each with the files that its numbers come from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from lib.measures.catalogue import Column
from lib.report.columns import ARROWS, written
from lib.report.studies import File, StudyTables


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what it is sorted by (NaN: last), a CSS class, the length of its bar (0 to 1), small print, and
    what to type for it."""

    text: str
    value: float = math.nan
    kind: str = ""
    bar: float = math.nan
    more: Sequence[str] = ()
    code: str = ""


@dataclass(frozen=True)
class Heading:
    """Of a column; ``number``: set to the right and sorted as numbers; ``extra``: hidden until asked for; ``wide``: of
    sentences."""

    text: str
    number: bool = False
    title: str = ""
    extra: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Row:
    """The first cell is the row's heading; ``keys``: by which rows are filtered."""

    cells: Sequence[Cell]
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """``filters``: names of keys of rows, with their labels; a search by the first cell stands beside them."""

    caption: str
    headings: Sequence[Heading]
    rows: Sequence[Row]
    filters: Mapping[str, str] = field(default_factory=dict)

    def choices(self, key: str) -> list[str]:
        return sorted({row.keys[key] for row in self.rows})

    @property
    def has_extra(self) -> bool:
        return any(heading.extra for heading in self.headings)


@dataclass(frozen=True)
class Chart:
    """A drawing with its caption, and the samples of its lines."""

    drawing: Markup
    caption: str
    key: Sequence[tuple[str, Markup]] = ()


@dataclass(frozen=True)
class Part:
    """Part of a section with a heading; ``folded``: opened on request."""

    heading: str = ""
    id: str = ""
    texts: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """``empty``: what is said where there is nothing to show."""

    id: str
    title: str
    texts: Sequence[str]
    parts: Sequence[Part]
    files: Sequence[File] = ()
    empty: str = ""


def number(value: float, column: Column | None = None, signed: bool = False, kind: str = "") -> Cell:
    return Cell(written(value, column, signed), value, kind)


def loss_cell(study: StudyTables, loss: str, kind: str = "", more: Sequence[str] = ()) -> Cell:
    """A loss by its label, and by its name in the study file where that is another one."""
    label = study.label(loss)
    return Cell(label, kind=f"loss {kind}".strip(), more=more, code=loss if label != loss else "")


def heading_of(column: Column, extra: bool = False) -> Heading:
    """Of a measure, with an arrow that says which values are better."""
    better = f"{column.better} is better" if column.better else ""
    return Heading(f"{column.axis} {ARROWS[column.better]}".strip(), True, better, extra)
