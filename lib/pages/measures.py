"""What `docs/measures.md` has from the entries of measures and figures."""

from collections.abc import Iterator

from lib import ROOT
from lib.measures.catalogue import MEASURES, Column, MeasureEntry
from lib.pages.markdown import described, parameters
from lib.plotting.catalogue import FIGURES, FigureEntry
from lib.registry import Entry

PAGE = ROOT / "docs/measures.md"


def parts() -> dict[str, str]:
    """What is made of the page."""
    return {
        "measures": "\n".join(line for name, entry in MEASURES.items() for line in _measure(name, entry)),
        "figures": "\n".join(line for name, entry in FIGURES.items() for line in _figure(name, entry)),
    }


def _measure(name: str, entry: MeasureEntry) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{described(entry.implementation)}\n"
    if entry.aggregation:
        yield f"{described(entry.aggregation)}\n"
    yield "| column | what | better |"
    yield "|---|---|---|"
    for column in entry.columns:
        yield _column(column, "")
    for column in entry.of_run:
        yield _column(column, ", of a run")
    yield f"\n* Parameters: {_parameters(entry)}"
    yield f"* Source: {entry.source}\n"


def _parameters(entry: Entry) -> str:
    own = ", ".join(parameters(entry.parameters, "name"))
    meaning = " ".join((vars(entry.parameters).get("__doc__") or "").replace("``", "`").split())
    return f"{own}. {meaning}" if own else "none"


def _column(column: Column, of: str) -> str:
    return f"| `{column.name}` | {column.axis}{of} | {column.better} |"


def _figure(name: str, entry: FigureEntry) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{described(entry.implementation)}\n"
    yield f"* Parameters: {_parameters(entry)}"
    if entry.measures:
        yield f"* Needs the measures: {', '.join(entry.measures)}"
    yield f"* Source: {entry.source}\n"
