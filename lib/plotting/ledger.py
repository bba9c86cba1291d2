"""Published numbers with ours next to them, row by row."""

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.comparison.ledger import NOT_RUN
from lib.comparison.results import StudyResults
from lib.config.schema import FACTORS
from lib.config.study_schema import Look
from lib.plotting.noise_response import noise_label
from lib.plotting.style import PALETTE, QUIET, loss_label, new_figure, page_saying

_OURS = PALETTE[0]
_EXPLANATION = (
    "Bars: ±1 sd, of ours over seeds (none for one seed), of the published numbers as printed. At the right end: ours"
    " minus published; reproduced: the published mean lies where one of such trainings would lie with a probability of"
    " 95 %; otherwise ours is higher or lower."
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


def ledger_figures(results: StudyResults) -> list[Figure]:
    """A page per data set, a panel per metric: each published number with its spread, and ours."""
    table = results.table("ledger")
    if table.empty:
        return [page_saying(_NOTHING, results.note)]
    table = table.assign(remark=table["remark"].astype(object).fillna(""))
    return [_page(title, rows, results) for title, rows in table.groupby("title", sort=False)]


def _page(title: str, table: pd.DataFrame, results: StudyResults) -> Figure:
    of_metric = dict(list(table.groupby("label", sort=False)))
    run = (table["verdict"] != NOT_RUN).any()
    heights = [_row_height(rows) * len(rows) + 0.8 for rows in of_metric.values()]
    footer = [results.note, _EXPLANATION, _ROWS if run else _NONE_RUN]
    footer += [_NO_TEST_RESULT] if table["remark"].str.startswith(_CHOSEN_ON_TEST).any() else []
    figure = new_figure(11, sum(heights) + 1, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(of_metric), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (metric, rows) in zip(panels, of_metric.items(), strict=True):
        _draw_panel(axis, rows, results.looks)
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


def _draw_panel(axis: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    factors = [name for name in FACTORS if name != "noise" and rows[name].notna().any()]
    usual = {name: rows[name].mode()[0] for name in factors}
    names = [
        _named(row, looks, [row[name] for name in factors if row[name] != usual[name]])
        for row in rows.to_dict("records")
    ]
    for place, row in enumerate(rows.to_dict("records")):
        run = row["verdict"] != NOT_RUN
        apart = 0.13 if run else 0
        _draw_number(axis, row["published"], row["spread"], place - apart, QUIET, "D")
        if run:
            _draw_number(axis, row["ours"], row["ours_sd"], place + apart, _OURS, "o")
        axis.text(
            1.02,
            place,
            _right_end(row),
            transform=axis.get_yaxis_transform(),
            va="center",
            size=9,
            color="black" if run else QUIET,
        )
    axis.set_yticks(range(len(rows)), names, size=9)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.grid(axis="x", alpha=0.3)


def _draw_number(axis: Axes, value: float, sd: float, place: float, colour: str, marker: str) -> None:
    if pd.notna(value):
        bar = None if pd.isna(sd) else [sd]
        axis.errorbar([value], [place], xerr=bar, color=colour, marker=marker, markersize=7, capsize=3, linestyle="")


def _named(row: Mapping[str, Any], looks: Mapping[str, Look], unusual: Iterable[str]) -> str:
    """What was published, with the levels that most other rows have not, and below it what was run where it is called
    otherwise."""
    noise = "" if row["noise"] == "clean" or pd.isna(row["noise"]) else f", noise {noise_label(row['noise'])}"
    structure = "" if pd.isna(row["structure"]) else f", {row['structure']}"
    published = ", ".join([loss_label(row["published_loss"], looks), *unusual]) + structure + noise
    if row["verdict"] == NOT_RUN:
        return published
    same = row["loss"] == row["published_loss"]
    ours = row["variant"] if same else f"{loss_label(row['loss'], looks)}; {row['variant']}"
    return f"{published}\n{ours}"


def _right_end(row: Mapping[str, Any]) -> str:
    if row["verdict"] == NOT_RUN:
        return NOT_RUN
    seeds = f"{row['seeds']:g} seed{'s' if row['seeds'] != 1 else ''}"
    if pd.isna(row["difference"]):
        return f"nothing to compare ({seeds})"
    text = f"{row['difference']:+.3f} ({seeds}): {row['verdict']}, {row['attempt']}"
    return f"{text}\n{fill(row['remark'], _LONGEST_LINE)}".rstrip()
