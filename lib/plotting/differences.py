"""Forest plots: how far losses and variants differ from what they are compared with, and whether that is shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.comparison.results import KEYS, StudyResults
from lib.comparison.statistics import BETTER, EQUIVALENT, LEVEL, NOT_SHOWN, WORSE
from lib.plotting.runs import axis_of, measured_column
from lib.plotting.style import PALETTE, QUIET, loss_label, new_figure, page_saying

_LOOKS = {
    BETTER: {"color": PALETTE[2], "marker": "^"},
    WORSE: {"color": PALETTE[3], "marker": "v"},
    EQUIVALENT: {"color": PALETTE[0], "marker": "s"},
    NOT_SHOWN: {"color": QUIET, "marker": "o", "markerfacecolor": "white"},
}
_EXPLANATION = (
    f"Points: mean difference, paired by case and seed; bars: {LEVEL:.0%} interval of the mean over cases and seeds, as"
    " far as it fits, whole in the text. Better, worse: the difference is clear of 0, also after adjustment for the"
    " number of comparisons; not shown: it is not, or there is a single seed, which says nothing about the next"
    " training."
)
_EQUIVALENT = "Shaded: differences below {:g} do not matter; equivalent: the interval lies within."
_NO_MARGIN = "How large a difference must be to matter is not set for this measure, so that none is called equivalent."
_NOTHING = "Nothing to compare: no loss has a seed in common with its reference, and no variant with the base."


def differences_figures(results: StudyResults) -> list[Figure]:
    """A page per data set and cut: differences of the study's primary number with intervals and verdicts.

    A panel has the losses against their reference, another the variants against the study's base, loss by loss; the
    best come first.
    """
    table = results.table("comparisons")
    table = table[table["column"] == results.primary.column]
    if table.empty:
        return [page_saying(_NOTHING, results.note)]
    several = len(table["cut"].unique()) > 1
    return [
        _page(f"{results.titles[dataset]}, {cut} cut" if several else results.titles[dataset], rows, results)
        for (dataset, cut), rows in table.groupby(["dataset", "cut"], sort=False)
    ]


def _page(title: str, table: pd.DataFrame, results: StudyResults) -> Figure:
    column = results.columns[measured_column(results.primary.column)]
    table = _named(table, results).sort_values("difference", ascending=column.better == "lower")
    of_losses = table["variant"] == table["reference_variant"]
    panels = dict([_losses(table[of_losses])] if of_losses.any() else [])
    panels |= dict([_variants(table[~of_losses])] if not of_losses.all() else [])
    meaning = _NO_MARGIN if column.margin is None else _EQUIVALENT.format(column.margin)
    footer = [results.note, f"{_EXPLANATION} {meaning}", f"{title}: {_counts(table)}."]
    heights = [0.34 * len(rows) + 0.9 for rows in panels.values()]
    figure = new_figure(11, sum(heights) + 1.6, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (name, rows) in zip(axes, panels.items(), strict=True):
        _draw(axis, rows, column.margin, _limits(rows, column.margin or 0, column.largest))
        axis.set_title(name, loc="left")
    better = {"higher": "positive", "lower": "negative"}[column.better]
    axes[-1].set_xlabel(f"difference of {axis_of(results, results.primary.column)}, {better} is better")
    found = [verdict for verdict in _LOOKS if verdict in set(table["verdict"])]
    handles = [Line2D([], [], linestyle="", markersize=8, label=verdict, **_LOOKS[verdict]) for verdict in found]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(found))
    return figure


def _named(table: pd.DataFrame, results: StudyResults) -> pd.DataFrame:
    """With what the rows are called: ``setting``, the variant and the levels of what is crossed, and the losses."""
    settings = {(*run.group, run.keys["loss"]): run.variant for run in results.runs}
    return table.assign(
        setting=[settings[keys] for keys in table[KEYS].itertuples(index=False, name=None)],
        loss=[loss_label(loss, results.looks) for loss in table["loss"]],
        reference=[loss_label(loss, results.looks) for loss in table["reference"]],
    )


def _losses(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """The title of their panel, and rows with a ``name``, which holds what the title leaves open."""
    references = table["reference"].unique()
    one = len(references) == 1
    names = table["loss"] if one else table["loss"] + " − " + table["reference"]
    if len(table["setting"].unique()) > 1:
        names = names + ", " + table["setting"]
    return f"Losses against {references[0] if one else 'their reference'}", table.assign(name=names)


def _variants(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    bases, losses = table["reference_variant"].unique(), table["loss"].unique()
    names = table["setting"] if len(bases) == 1 else table["setting"] + " − " + table["reference_variant"]
    against = f"Variants against {bases[0] if len(bases) == 1 else 'their base'}"
    if len(losses) == 1:
        return f"{against}, {losses[0]}", table.assign(name=names)
    return f"{against}, loss by loss", table.assign(name=names + ", " + table["loss"])


def _limits(table: pd.DataFrame, margin: float, largest: float | None) -> tuple[float, float]:
    """Where the axis ends: at no interval that is much wider than the others, but beyond all points."""
    reach = table[["low", "high"]].abs().max(axis=1).median()
    most = np.nanmax([1.2 * table["difference"].abs().max(), 3 * margin, 2 * reach, 1e-6])
    most = min(most, largest or np.inf)
    ends = [*table["low"].dropna(), *table["high"].dropna(), *table["difference"], -1.5 * margin, 1.5 * margin, 0]
    low, high = np.clip([min(ends), max(ends)], -most, most)
    room = 0.04 * (high - low or most)
    return low - room, high + room


def _draw(axis: Axes, rows: pd.DataFrame, margin: float | None, limits: tuple[float, float]) -> None:
    if margin is not None:
        axis.axvspan(-margin, margin, color=QUIET, alpha=0.15, linewidth=0, zorder=0)
    axis.axvline(0, color="black", linewidth=1, zorder=1)
    for place, row in enumerate(rows.to_dict("records")):
        look = _LOOKS[row["verdict"]]
        _draw_interval(axis, row["low"], row["high"], place, look["color"], limits)
        axis.plot([row["difference"]], [place], linestyle="", markersize=8, zorder=3, **look)
        axis.text(1.02, place, _in_words(row), transform=axis.get_yaxis_transform(), va="center", size=9)
    axis.set_xlim(limits)
    axis.set_yticks(range(len(rows)), rows["name"], size=9)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)


def _draw_interval(axis: Axes, low: float, high: float, place: int, colour: str, limits: tuple[float, float]) -> None:
    """A bar, with an arrow at an end that lies outside; nothing where there is a single difference."""
    if np.isnan(low):
        return
    shown = np.clip([low, high], *limits)
    look = {"color": colour, "markersize": 7, "clip_on": False, "zorder": 2}
    axis.plot(shown, [place, place], **look)
    axis.plot(shown[:1], [place], marker="<" if low < limits[0] else "|", **look)
    axis.plot(shown[1:], [place], marker=">" if high > limits[1] else "|", **look)


def _in_words(row: Mapping[str, Any]) -> str:
    interval = "" if np.isnan(row["low"]) else f" ({row['low']:+.3f} to {row['high']:+.3f})"
    return f"{row['difference']:+.3f}{interval}: {row['verdict']}".replace("-", "−")


def _counts(table: pd.DataFrame) -> str:
    """Such as ``n = 16 cases, 2 seeds``; numbers of whole runs are compared by seed alone."""
    cases, seeds = _range(table["cases"], "case"), _range(table["seeds"], "seed")
    return f"n = {cases}, {seeds}" if table["cases"].max() > 1 else f"n = {seeds}, compared by seed"


def _range(values: pd.Series, unit: str) -> str:
    low, high = values.min(), values.max()
    return f"{low if low == high else f'{low} to {high}'} {unit}{'s' if high != 1 else ''}"
