"""The figures of per-case tables alone, without images, predictions or histories."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lib.comparison.case_tables import CaseTables
from lib.comparison.results import StudyResults
from lib.files import atomic_path
from lib.measures.catalogue import MEASURES
from lib.plotting.catalogue import FIGURES, StudyNames
from lib.plotting.style import save_pages

log = logging.getLogger(__name__)


def draw_figures(cases: CaseTables, folder: Path, plots: Path) -> None:
    """Draw every figure for which the tables suffice, ``<figure>.pdf``, in place of what is in ``plots``.

    Parameters are the defaults, as tables do not say which a study chose.

    Args:
        folder: of all tables that follow from the cases.
    """
    results, rows = cases.results(), cases.tables["cases"]
    titles = {**dict(zip(rows["dataset"], rows["dataset"], strict=True)), **results.titles}
    results = replace(results, folder=folder, titles=titles, losses=dict.fromkeys(rows["loss"]))
    drawn = [*drawable(cases, results)]
    with atomic_path(plots) as unfinished:
        unfinished.mkdir()
        for name in drawn:
            save_pages(FIGURES[name].loaded(results, **FIGURES.parse(name).arguments()), unfinished / f"{name}.pdf")
    left_out = ", ".join(name for name in FIGURES if name not in drawn)
    log.info("%s: %d figures; the tables do not suffice for %s", plots, len(drawn), left_out)


def drawable(cases: CaseTables, results: StudyResults) -> Iterator[str]:
    """Names of the figures whose files are among the tables, with rows, and whose measures have all their columns."""
    rows = cases.tables["cases"]
    known = StudyNames(set(rows), set(rows["cut"]), dict.fromkeys(rows["loss"]), set(rows["variant"]))
    files = {f"{name}.csv" for name in cases.tables}
    for name, entry in FIGURES.items():
        if (
            not (entry.predictions or entry.of_searches or entry.specifications)
            and set(entry.of_runs) <= files
            and all((results.folder / f"{name}.csv").is_file() and len(results.table(name)) for name in entry.tables)
            and all(_is_whole(measure, cases) for measure in entry.measures)
            and not FIGURES.parse(name).unknown(known)
        ):
            yield name


def _is_whole(measure: str, cases: CaseTables) -> bool:
    """Whether the tables have all columns of a measure."""
    entry = MEASURES[measure]
    return entry.table in cases.tables and {column.name for column in entry.columns} <= set(cases.tables[entry.table])
