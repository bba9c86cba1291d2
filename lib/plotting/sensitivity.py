"""Results against one number of a loss, such as the weight of a term."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lib.comparison.results import SETTING, StudyResults
from lib.plotting.catalogue import Series
from lib.plotting.runs import axis_of, legend_of, styles_of, title_of_part
from lib.plotting.style import BAND_ALPHA, new_figure, page_saying

BIAS = "proportion_bias_abs"
_EXPLANATION = (
    "Markers: mean over seeds; horizontal line: the loss that the others are compared with; bars and band: ±1 sd over"
    " seeds (none for one seed). The bias of the share is |predicted − true|, mean over cases and structures."
)
_NOTHING = "{}: no loss of a series of this figure was run."


def sensitivity_figures(
    results: StudyResults,
    series: Sequence[Mapping[str, Any]],
    compared_with: str | None = None,
    together: Collection[str] = (),
) -> list[Figure]:
    """A page per data set and variant: the primary number and the bias of shares against one number of losses.

    A row of panels for each series; the other loss that the series are compared with is a horizontal line.
    """
    runs = results.overall(results.table("runs"))
    chosen = [Series.model_validate(one) for one in series]
    other = compared_with or results.reference
    if shared := [name for name in together if name in set(runs["variant"])]:
        runs = runs.assign(variant=runs["variant"].where(~runs["variant"].isin(shared), shared[0]))
    return [_page(part, runs, results, chosen, other) for _, part in runs.groupby(SETTING, sort=False)]


def _page(
    part: pd.DataFrame, runs: pd.DataFrame, results: StudyResults, series: Sequence[Series], other: str | None
) -> Figure:
    title = title_of_part(part, runs, results)
    shown = [one for one in series if set(one.losses) & set(part["loss"])]
    if not shown:
        return page_saying(_NOTHING.format(title), results.note)
    columns = [results.primary.column, BIAS]
    seeds = ", ".join(map(str, sorted(part["seed"].unique())))
    footer = [results.note, _EXPLANATION, *_left_out(shown, part)]
    footer += [f"{title}: n = {part['test_cases'].max()} test cases; seeds {seeds}."]
    figure = new_figure(11, 3.4 * len(shown) + 1.2, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(shown), len(columns), squeeze=False, sharex="row")
    for row, one in zip(panels, shown, strict=True):
        for axis, column in zip(row, columns, strict=True):
            _draw_series(axis, part, one, column, results)
            _draw_other(axis, part, column, other, results)
            axis.set_ylabel(axis_of(results, column))
    legend_of(figure, panels.flat)
    return figure


def _left_out(series: Sequence[Series], part: pd.DataFrame) -> list[str]:
    missing = dict.fromkeys(loss for one in series for loss in one.losses if loss not in set(part["loss"]))
    return [f"Not run: {', '.join(missing)}."] if missing else []


def _draw_series(axis: Axes, part: pd.DataFrame, series: Series, column: str, results: StudyResults) -> None:
    rows = part[part["loss"].isin(series.losses)]
    numbers = rows["loss"].map({loss: series.number(results.losses[loss]) for loss in set(rows["loss"])})
    values = rows.groupby(numbers)[column].agg(["mean", "std"])
    bars = {"elinewidth": 1, "capsize": 3, "marker": "o", "color": "black"}
    axis.errorbar(values.index, values["mean"], values["std"].fillna(0), **bars)
    axis.set_xscale("log")
    axis.set_xlim(values.index.min() / 1.3, values.index.max() * 1.3)
    axis.xaxis.set_major_locator(FixedLocator(values.index))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlabel(series.label)


def _draw_other(axis: Axes, part: pd.DataFrame, column: str, other: str | None, results: StudyResults) -> None:
    values = part[column][part["loss"] == other]
    if values.empty:
        return
    style = styles_of(results, [other])[other]
    axis.axhline(values.mean(), **style | {"marker": "", "zorder": 1})
    if len(values) > 1:
        sd = np.std(values, ddof=1)
        axis.axhspan(values.mean() - sd, values.mean() + sd, color=style["color"], alpha=BAND_ALPHA / 2, linewidth=0)
