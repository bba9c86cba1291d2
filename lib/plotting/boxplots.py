"""Dice and distance of the borders of every test case: a box for each loss."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.comparison.runs import EvaluatedRun, by_part, read_table
from lib.plotting.style import (
    loss_label,
    loss_line_style,
    mark_millimetres,
    new_figure,
    page_saying,
    save_pages,
)

_MEASURES = {"dice": "Dice", "hd95": "HD95 (mm), logarithmic above 1"}
_READ = ("case", "structure", "present", "predicted", *_MEASURES)
_BOXES = (
    "Boxes: quartiles and median; whiskers: 5 to 95 %; diamonds: mean; points: the test cases, those of each seed by"
    " themselves.\nCrosses: nothing was predicted where there is something, counted below the name. HD95 is the"
    " diagonal of the image where one mask is empty, 0 where both are."
)
_LEFT_EMPTY = (
    "{} without it, rightly left empty {} of {} times: left out here, Dice 1 in the means of the tables."
)
_NOT_THERE = "{}: no test case has {}; marked in {} of {} predictions."
_NOTHING = "No run has test cases to draw."


def draw_boxplots(path: Path, runs: Sequence[EvaluatedRun], note: str) -> None:
    """A page per data set, variant and structure: Dice and HD95 of the test cases, a box for each loss.

    Of several structures one that is neither there nor predicted is not a result; a lesion that is not is a right
    answer.

    Args:
        note: what the scale of the study is evidence of.
    """
    save_pages(boxplot_figures(runs, note), path)


def boxplot_figures(runs: Sequence[EvaluatedRun], note: str) -> list[Figure]:
    pages = [page for members in by_part(runs) for page in _pages(members, note)]
    return pages or [page_saying(_NOTHING, note)]


def _pages(members: Sequence[EvaluatedRun], note: str) -> list[Figure]:
    tables = [read_table(run.folder / "surface.csv", _READ).assign(loss=run.keys["loss"]) for run in members]
    table = pd.concat(tables, ignore_index=True)
    title = f"{members[0].title}, {members[0].keys['variant']}"
    of_structure = dict(list(table.groupby("structure", sort=False)))
    seeds = ", ".join(map(str, sorted({run.keys["seed"] for run in members})))
    n = f"{members[0].title}: {table['case'].nunique()} test cases, n counts them in each seed; seeds {seeds}."
    footer = [note, _BOXES, n]
    if len(of_structure) == 1:
        return [_page(title, table, footer)]
    there = {name: rows for name, rows in of_structure.items() if rows["present"].any()}
    pages = [
        _page(f"{title}: {name}", rows[~_rightly_empty(rows)], [*footer, *_left_empty(rows)])
        for name, rows in there.items()
    ]
    missing = [
        _NOT_THERE.format(title, name, (rows["predicted"] > 0).sum(), len(rows))
        for name, rows in of_structure.items()
        if name not in there
    ]
    return [*pages, *(page_saying(why, note) for why in missing)]


def _rightly_empty(rows: pd.DataFrame) -> pd.Series:
    return (rows["present"] == 0) & (rows["predicted"] == 0)


def _left_empty(rows: pd.DataFrame) -> list[str]:
    """How many cases lack the structure, and how often that was seen; nothing if none lacks it."""
    without = rows[rows["present"] == 0]
    n = without["case"].nunique()
    cases = f"{n} case{'s' if n > 1 else ''}"
    return [_LEFT_EMPTY.format(cases, _rightly_empty(without).sum(), len(without))] if n else []


def _page(title: str, table: pd.DataFrame, footer: Sequence[str]) -> Figure:
    of_loss = dict(list(table.groupby("loss", sort=False)))
    figure = new_figure(13, 0.52 * len(of_loss) + 2, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(1, len(_MEASURES), sharey=True)
    for axis, (measure, name) in zip(panels, _MEASURES.items(), strict=True):
        _draw_boxes(axis, of_loss, measure)
        axis.set_xlabel(name)
    panels[0].set_xlim(-0.02, 1.02)
    mark_millimetres(panels[1], "x")
    panels[1].set_xlim(-0.15, 1.15 * max(table["hd95"].max(), 1))
    panels[0].set_yticks(range(len(of_loss)), [_named(loss, rows) for loss, rows in of_loss.items()])
    panels[0].set_ylim(len(of_loss) - 0.4, -0.6)
    if _empty(table).any():
        cross = Line2D([], [], color="black", marker="x", linestyle="", label="empty prediction")
        figure.legend(handles=[cross], loc="outside upper right")
    return figure


def _draw_boxes(axis: Axes, of_loss: dict[str, pd.DataFrame], measure: str) -> None:
    boxes = axis.boxplot(
        [rows[measure] for rows in of_loss.values()],
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
        colour = loss_line_style(loss, list(of_loss))["color"]
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


def _named(loss: str, rows: pd.DataFrame) -> str:
    name = f"{loss_label(loss)} (n = {len(rows)})"
    return (
        f"{name}\n{_empty(rows).sum()} of {(rows['present'] > 0).sum()} empty" if _empty(rows).any() else name
    )
