"""Dice and distance of the borders of every test case: a box for each loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.plotting.style import (
    loss_line_style,
    mark_millimetres,
    new_figure,
    page_saying,
)

_LOGARITHMIC = ", logarithmic above 1"
_BOXES = (
    "Boxes: quartiles and median; whiskers: 5 to 95 %; diamonds: mean; points: the test cases, those of each seed by"
    " themselves.\nCrosses: nothing was predicted where there is something, counted below the name. Distances are"
    " the diagonal of the image where one mask is empty, 0 where both are."
)
_LEFT_EMPTY = "{} without it, rightly left empty {} of {} times: left out here, Dice 1 in the means of the tables."
_NOT_THERE = "{}: no test case has {}; marked in {} of {} predictions."


def boxplot_figures(results: StudyResults, columns: Sequence[str]) -> list[Figure]:
    """A page per data set, variant and structure: columns of the test cases, a panel each, with a box for each loss.

    Of several structures one that is neither there nor predicted is not a result; a lesion that is not is a right
    answer.
    """
    return [page for members in grouped(results.runs) for page in _pages(members, results, columns)]


def _pages(members: Sequence[EvaluatedRun], results: StudyResults, columns: Sequence[str]) -> list[Figure]:
    tables = [run.cases[run.cases["cut"] == results.primary_cut].assign(loss=run.keys["loss"]) for run in members]
    table = pd.concat(tables, ignore_index=True)
    title = f"{members[0].title}, {members[0].variant}"
    of_structure = dict(list(table.groupby("structure", sort=False)))
    seeds = ", ".join(map(str, sorted({run.keys["seed"] for run in members})))
    n = f"{members[0].title}: {table['case'].nunique()} test cases, n counts them in each seed; seeds {seeds}."
    footer = [results.note, _BOXES, n]
    if len(of_structure) == 1:
        return [_page(title, table, footer, results, columns)]
    there = {name: rows for name, rows in of_structure.items() if rows["present"].any()}
    pages = [
        _page(f"{title}: {name}", rows[~_rightly_empty(rows)], [*footer, *_left_empty(rows)], results, columns)
        for name, rows in there.items()
    ]
    missing = [
        _NOT_THERE.format(title, name, (rows["predicted"] > 0).sum(), len(rows))
        for name, rows in of_structure.items()
        if name not in there
    ]
    return [*pages, *(page_saying(why, results.note) for why in missing)]


def _rightly_empty(rows: pd.DataFrame) -> pd.Series:
    return (rows["present"] == 0) & (rows["predicted"] == 0)


def _left_empty(rows: pd.DataFrame) -> list[str]:
    """How many cases lack the structure, and how often that was seen; nothing if none lacks it."""
    without = rows[rows["present"] == 0]
    n = without["case"].nunique()
    cases = f"{n} case{'s' if n > 1 else ''}"
    return [_LEFT_EMPTY.format(cases, _rightly_empty(without).sum(), len(without))] if n else []


def _page(
    title: str, table: pd.DataFrame, footer: Sequence[str], results: StudyResults, columns: Sequence[str]
) -> Figure:
    of_loss = dict(list(table.groupby("loss", sort=False)))
    styles = {loss: loss_line_style(loss, list(results.losses), results.looks) for loss in of_loss}
    figure = new_figure(max(6.5 * len(columns), 9), 0.52 * len(of_loss) + 2, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axis, name in zip(panels, columns, strict=True):
        column = results.columns[name]
        _draw_boxes(axis, of_loss, name, styles)
        axis.set_xlabel(column.axis + (_LOGARITHMIC if column.unit == "mm" else ""))
        if column.unit == "mm":
            mark_millimetres(axis, "x")
            axis.set_xlim(-0.15, 1.15 * max(table[name].max(), 1))
        elif column.largest and not column.signed:
            axis.set_xlim(-0.02 * column.largest, 1.02 * column.largest)
    names = [_named(styles[loss]["label"], rows) for loss, rows in of_loss.items()]
    panels[0].set_yticks(range(len(of_loss)), names)
    panels[0].set_ylim(len(of_loss) - 0.4, -0.6)
    if _empty(table).any():
        cross = Line2D([], [], color="black", marker="x", linestyle="", label="empty prediction")
        figure.legend(handles=[cross], loc="outside upper right")
    return figure


def _draw_boxes(
    axis: Axes, of_loss: Mapping[str, pd.DataFrame], measure: str, styles: Mapping[str, Mapping[str, Any]]
) -> None:
    boxes = axis.boxplot(
        [rows[measure].dropna() for rows in of_loss.values()],
        positions=range(len(of_loss)),
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        manage_ticks=False,
        patch_artist=True,
        showfliers=False,
        showmeans=True,
        medianprops={"color": "black", "linewidth": 1.8},
        meanprops={"marker": "D", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 6},
    )
    for place, (loss, rows) in enumerate(of_loss.items()):
        colour = styles[loss]["color"]
        boxes["boxes"][place].set(facecolor=colour, alpha=0.45)
        _draw_cases(axis, place, rows, measure, colour)
    axis.grid(axis="x", alpha=0.3)


def _draw_cases(axis: Axes, place: int, rows: pd.DataFrame, measure: str, colour: str) -> None:
    """Every case, next to each other as far as the box is high; a cross where nothing was predicted."""
    places = place + np.random.default_rng(0).uniform(-0.26, 0.26, len(rows))
    empty = _empty(rows).to_numpy()
    for shown, marker, alpha in ((~empty, ".", 0.4), (empty, "x", 0.9)):
        values = rows[measure].to_numpy()[shown]
        axis.plot(values, places[shown], marker, color=colour, alpha=alpha, markersize=5, zorder=2.5)


def _empty(rows: pd.DataFrame) -> pd.Series:
    return (rows["predicted"] == 0) & (rows["present"] > 0)


def _named(label: str, rows: pd.DataFrame) -> str:
    name = f"{label} (n = {len(rows)})"
    return f"{name}\n{_empty(rows).sum()} of {(rows['present'] > 0).sum()} empty" if _empty(rows).any() else name
