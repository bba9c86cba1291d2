"""Predicted against true share of the voxels of every test case, a panel for each structure and loss."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.plotting.runs import Styles, cases_of, seeds_of, shares_of, styles_of, title_of
from lib.plotting.style import QUIET, mark_shares, new_figure, parts_of

MOST_ROWS, MOST_COLUMNS = 6, 8
_MANY = 200  # points of a panel: more of them are drawn as an image
_EXPLANATION = (
    "Points: test cases, those of each seed by themselves, on the dashed line where the predicted share of the voxels"
    " is the true one; axes are logarithmic, the grey bands are 0: structures that are not there, or not predicted"
    " (crosses).\nNumber above a panel: median of log2(predicted / true) over the cases that have the structure: 0"
    " without bias, +1 for twice the share, −1 for half of it, −∞ where most are not predicted."
)


def proportions_figures(results: StudyResults) -> list[Figure]:
    """Pages per data set and variant: the predicted share of the voxels against the true one, of all test cases.

    A panel for each structure (rows) and loss (columns) with the median of log2(predicted / true) over the cases that
    have the structure.
    """
    return [page for members in grouped(results.runs) for page in _pages(members, results)]


def _pages(members: Sequence[EvaluatedRun], results: StudyResults) -> list[Figure]:
    table = shares_of(members, results.primary_cut)
    styles = styles_of(results, table["loss"])
    rows = parts_of(list(dict.fromkeys(table["structure"])), MOST_ROWS)
    columns = parts_of(list(styles), MOST_COLUMNS)
    counts = f"{members[0].title}: n = {table['case'].nunique()} test cases; {seeds_of(members)}."
    footer = "\n".join([results.note, _EXPLANATION, counts])
    return [
        _page(title_of(members), table, structures, {loss: styles[loss] for loss in losses}, footer)
        for structures in rows
        for losses in columns
    ]


def _page(title: str, table: pd.DataFrame, structures: Sequence[str], styles: Styles, footer: str) -> Figure:
    figure = new_figure(max(1.55 * len(styles) + 1.3, 7.5), 1.95 * len(structures) + 1.9, footer)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.1, wspace=0, hspace=0)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(structures), len(styles), sharex="row", sharey="row", squeeze=False)
    for row, structure in zip(panels, structures, strict=True):
        of_structure = table[table["structure"] == structure]
        for axis, (loss, style) in zip(row, styles.items(), strict=True):
            rows = of_structure[of_structure["loss"] == loss]
            _draw_panel(axis, rows, of_structure, style)
            axis.set_title(_summary(rows), size=8)
        n = of_structure[of_structure["true"] > 0]["case"].nunique()
        row[0].set_ylabel(f"{fill(structure, 24)}\nin {cases_of(n)}\npredicted share", size=8)
    for head, axis, foot in zip(styles.values(), panels[0], panels[-1], strict=True):
        axis.set_title(f"{fill(head['label'], 20)}\n{axis.get_title()}", size=8)
        foot.set_xlabel("true share", size=8)
    return figure


def _draw_panel(axis: Axes, rows: pd.DataFrame, of_structure: pd.DataFrame, style: dict[str, Any]) -> None:
    """On the axes that all losses share."""
    values = [*of_structure["true"], *of_structure["predicted"]]
    mark_shares(axis, "x", values)
    mark_shares(axis, "y", values)
    axis.plot([0, 1], [0, 1], "--", color=QUIET, linewidth=0.8, zorder=1)
    missed = (rows["predicted"] == 0) & (rows["true"] > 0)
    for part, marker in ((rows[~missed], "."), (rows[missed], "x")):
        look = {"color": style["color"], "alpha": 0.5, "markersize": 4, "linestyle": ""}
        axis.plot(part["true"], part["predicted"], marker=marker, rasterized=len(part) > _MANY, **look)
    axis.set_box_aspect(1)
    axis.tick_params(labelsize=7)


def _summary(rows: pd.DataFrame) -> str:
    """The bias where the structure is there, and how often it was missed, and marked where it is not."""
    there = rows[rows["true"] > 0]
    absent = rows[rows["true"] == 0]
    lines = []
    if len(there):
        missed = (there["predicted"] == 0).sum()
        lines.append(_signed(median_log2(there)) + (f", {missed} of {len(there)} missed" if missed else ""))
    if len(absent):
        lines.append(f"absent: {(absent['predicted'] > 0).sum()} of {len(absent)} marked")
    return "\n".join(lines)


def median_log2(rows: pd.DataFrame) -> float:
    """Median of log2(predicted / true) of rows that have the structure."""
    with np.errstate(divide="ignore"):
        return float(np.median(np.log2(rows["predicted"] / rows["true"])))


def _signed(value: float) -> str:
    return "−∞" if np.isinf(value) else f"{round(value, 2) + 0:+.2f}".replace("-", "−")  # + 0: never −0
