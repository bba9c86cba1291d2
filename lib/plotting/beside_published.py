"""Published numbers with ours next to them, row by row."""

from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.plotting.style import PALETTE, QUIET, loss_label, new_figure, page_saying, save_pages

_OURS = PALETTE[0]
_NUMBERS = ["published", "published_sd", "ours", "ours_sd"]
_EXPLANATION = (
    "Bars: ±1 sd, of ours over seeds (none for one seed), of the published numbers as printed. At the right end: ours"
    " minus published."
)
_ROWS = "Rows: what was published; below it what was run: its loss where it has another name, its variant."
_CHOSEN_ON_TEST = "epoch chosen on the test cases"
_NO_TEST_RESULT = (
    f"Where the remark begins with “{_CHOSEN_ON_TEST}”, ours is not a test result but what the publication reports: its"
    " code chose the epoch in the same way."
)
_LONGEST_LINE = 46  # characters of a remark
_NONE_RUN = "None of the published experiments was run here: the published numbers stand alone."
_NOTHING = "Nothing published fits the data sets that were run."


def draw_beside_published(path: Path, table: pd.DataFrame, note: str) -> None:
    """A page per data set, a panel per metric: each published number with its spread, and ours.

    Args:
        table: columns dataset, title, published_loss, loss, variant, metric, published, published_sd, ours, ours_sd,
            seeds, status (``run`` or ``not run``) and remark.
        note: what the scale of the study is evidence of.
    """
    save_pages(beside_published_figures(table, note), path)


def beside_published_figures(table: pd.DataFrame, note: str) -> list[Figure]:
    if table.empty:
        return [page_saying(_NOTHING, note)]
    numbers = table[_NUMBERS].apply(pd.to_numeric, errors="coerce")
    table = table.assign(**numbers, remark=table["remark"].fillna(""))
    return [_page(title, rows, note) for title, rows in table.groupby("title", sort=False)]


def _page(title: str, table: pd.DataFrame, note: str) -> Figure:
    of_metric = dict(list(table.groupby("metric", sort=False)))
    run = (table["status"] == "run").any()
    heights = [_row_height(rows) * len(rows) + 0.8 for rows in of_metric.values()]
    footer = [note, _EXPLANATION, _ROWS if run else _NONE_RUN]
    footer += [_NO_TEST_RESULT] if table["remark"].str.startswith(_CHOSEN_ON_TEST).any() else []
    figure = new_figure(11, sum(heights) + 1, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(of_metric), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (metric, rows) in zip(panels, of_metric.items(), strict=True):
        _draw_panel(axis, rows)
        axis.set_xlabel(metric)
    look = {"linestyle": "", "markersize": 7}
    published = Line2D([], [], color=QUIET, marker="D", label="published", **look)
    ours = Line2D([], [], color=_OURS, marker="o", label="ours", **look)
    figure.legend(handles=[published, ours] if run else [published], loc="outside upper right", ncols=2)
    return figure


def _row_height(rows: pd.DataFrame) -> float:
    """In inches, as the longest text at the right end needs it."""
    lines = [_right_end(row).count("\n") + 1 for row in rows.to_dict("records")]
    return max(0.48, 0.16 * max(lines) + 0.1)


def _draw_panel(axis: Axes, rows: pd.DataFrame) -> None:
    for place, row in enumerate(rows.to_dict("records")):
        apart = 0.13 if row["status"] == "run" else 0
        _draw_number(axis, row["published"], row["published_sd"], place - apart, QUIET, "D")
        if row["status"] == "run":
            _draw_number(axis, row["ours"], row["ours_sd"], place + apart, _OURS, "o")
        axis.text(
            1.02,
            place,
            _right_end(row),
            transform=axis.get_yaxis_transform(),
            va="center",
            size=9,
            color="black" if row["status"] == "run" else QUIET,
        )
    axis.set_yticks(range(len(rows)), [_named(row) for row in rows.to_dict("records")], size=9)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.grid(axis="x", alpha=0.3)


def _draw_number(axis: Axes, value: float, sd: float, place: float, colour: str, marker: str) -> None:
    if pd.notna(value):
        bar = None if pd.isna(sd) else [sd]
        axis.errorbar(
            [value], [place], xerr=bar, color=colour, marker=marker, markersize=7, capsize=3, linestyle=""
        )


def _named(row: dict[str, Any]) -> str:
    """What was published, and below it what was run where it is called otherwise."""
    published = loss_label(row["published_loss"])
    if row["status"] != "run":
        return published
    ours = loss_label(row["loss"])
    run = row["variant"] if ours == published else f"{ours}; {row['variant']}"
    return f"{published}\n{run}"


def _right_end(row: dict[str, Any]) -> str:
    if row["status"] != "run":
        return "not run"
    seeds = f"{row['seeds']:g} seed{'s' if row['seeds'] != 1 else ''}"
    difference = row["ours"] - row["published"]
    shown = f"{difference:+.3f}" if pd.notna(difference) else "nothing to compare"
    return f"{shown} ({seeds})\n{fill(row['remark'], _LONGEST_LINE)}".rstrip()
