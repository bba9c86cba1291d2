"""What searches for hyper-parameters found: their trials one by one, the settings of all, and what decided."""

import math
from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.comparison.results import FoundSearch, StudyResults
from lib.plotting.runs import seeds_of
from lib.plotting.style import PALETTE, QUIET, decade_marks, loss_label, new_figure, page_saying
from lib.search.outcome import TRIALS_FOR_IMPORTANCE
from lib.search.rungs import budget
from lib.search.space import Axis, ChoiceAxis, FloatAxis, axes

_MARKERS = "os^Dv"
_COLOURS = colormaps["viridis_r"]
_ABSENT = -0.16  # where trials lie that lack a parameter, the axis being from 0 to 1
_FAINT = 0.35
_EXPLANATION = (
    "All values are of the validation cases. Faint: trials that did not go on; star and thick line: the best of those"
    " trained to the end. None: the trial has not the parameter."
)
_TOO_FEW = (
    "How much each parameter decides is not estimated: it takes {} trials that did not diverge to say something, and"
    " this search has {}."
)
_NONE = "This study has no search at {} scale, or none as it is narrowed."


class _Place(NamedTuple):
    """An axis of the parallel coordinates: what stands below it, where trials lie (0 to 1), and its marks."""

    name: str
    positions: np.ndarray
    marks: Sequence[tuple[float, str]]


def search_figures(results: StudyResults) -> list[Figure]:
    """A page per search: its history, the importance of the parameters, and all trials in parallel coordinates."""
    pages = [_page(search, results) for search in results.searches]
    return pages or [page_saying(_NONE.format(results.scale), results.note)]


def _page(search: FoundSearch, results: StudyResults) -> Figure:
    trials, measure = search.trials(), search.settings.measure
    label = results.columns[measure].label if measure in results.columns else measure
    best = _best(trials, measure)
    first = _of_rung(trials, 0)
    places = _places(search, first, label)
    footer = [results.note, _EXPLANATION, *_description(search, best, label)]
    figure = new_figure(max(11, 1.3 * len(places) + 2), 8.6, "\n".join(footer))
    figure.suptitle(f"{search.title}: search {search.name}", x=0.01, ha="left", weight="bold")
    grid = figure.add_gridspec(3, 2, width_ratios=(3, 2), height_ratios=(0.16, 1, 1))
    history = figure.add_subplot(grid[1, 0])
    _draw_history(history, search, trials, best, results)
    history.set_ylabel(f"{label} of the validation cases")
    _draw_importance(figure.add_subplot(grid[1, 1]), search.importance(), int(first[measure].notna().sum()))
    parallel = figure.add_subplot(grid[2, :])
    colours = ScalarMappable(Normalize(*_range(first[measure])), _COLOURS)
    _draw_parallel(parallel, places, first, measure, best["number"], colours)
    figure.colorbar(colours, ax=parallel, label=f"{label} after {_epochs(search, 0)}", pad=0.01, aspect=30)
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    legend.legend(*history.get_legend_handles_labels(), loc="center left", ncols=4)
    return figure


def _of_rung(trials: pd.DataFrame, rung: int) -> pd.DataFrame:
    return trials[trials["rung"] == rung]


def _best(trials: pd.DataFrame, measure: str) -> pd.Series:
    """The row of the best trial of those trained to the end, the lowest number of equals."""
    return trials.loc[_of_rung(trials, trials["rung"].max())[measure].idxmax()]


def _epochs(search: FoundSearch, rung: int) -> str:
    epochs = search.rungs[rung].epochs
    return f"{epochs} epoch{'s' if epochs != 1 else ''}"


def _description(search: FoundSearch, best: pd.Series, label: str) -> list[str]:
    settings = search.settings
    chosen = ", ".join(f"{name} {_short(best[name])}" for name, _, _ in axes(settings.space) if best[name])
    return [
        f"{search.title}: sampler {settings.sampler.name}, seed {settings.seed}; {budget(search.rungs)}.",
        f"Best: trial {best['number']}, {label} {best[settings.measure]:.3f}; {chosen}.",
    ]


def _short(text: str) -> str:
    """A parameter as it is written in a table, a number with few digits."""
    try:
        return f"{float(text):.3g}"
    except ValueError:
        return text


def _draw_history(
    axis: Axes, search: FoundSearch, trials: pd.DataFrame, best: pd.Series, results: StudyResults
) -> None:
    """Values by the number of the trial, a colour and marker for each rung, with the base's at the same epochs."""
    measure = search.settings.measure
    for _, rows in trials.groupby("number"):
        axis.plot(rows["number"], rows[measure], color=QUIET, linewidth=0.8, zorder=1)
    for number in range(len(search.rungs)):
        rows = _of_rung(trials, number)
        look = {"color": PALETTE[number % len(PALETTE)], "marker": _MARKERS[number % len(_MARKERS)]}
        for ended, alpha in ((rows["state"] == "pruned", _FAINT), (rows["state"] == "complete", 1)):
            axis.plot(rows["number"][ended], rows[measure][ended], linestyle="", alpha=alpha, **look)
        axis.plot([], [], linestyle="", label=f"after {_epochs(search, number)}", **look)
        _draw_base(axis, search, number, look["color"], results)
    first = _of_rung(trials, 0)
    so_far = first[measure].cummax().ffill()
    axis.step(first["number"], so_far, where="post", color=PALETTE[0], label=f"best so far after {_epochs(search, 0)}")
    star = {"marker": "*", "markersize": 15, "markeredgecolor": "black", "color": "gold", "linestyle": "", "zorder": 4}
    axis.plot([best["number"]], [best[measure]], label=f"best: trial {best['number']}", **star)
    diverged = trials["number"][trials["state"] == "diverged"]
    if len(diverged):
        look = {"transform": axis.get_xaxis_transform(), "linestyle": "", "marker": "x", "color": "black"}
        axis.plot(diverged, [0.02] * len(diverged), label="diverged", **look)
    axis.set_xlabel("trial")
    axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axis.grid(axis="y", alpha=0.3)


def _draw_base(axis: Axes, search: FoundSearch, rung: int, colour: str, results: StudyResults) -> None:
    """The mean of the runs whose settings the search changes, after as many epochs; nothing if they did not measure."""
    values = search.of_base(search.rungs[rung].epochs)
    if values:
        loss = loss_label(search.base[0].keys["loss"], results.looks)
        label = f"{search.base[0].variant}, {loss} after {_epochs(search, rung)}, {seeds_of(search.base)}"
        axis.axhline(np.mean(values), color=colour, linestyle="--", linewidth=1.2, label=label, zorder=1)


def _draw_importance(axis: Axes, importance: pd.DataFrame, finished: int) -> None:
    if importance.empty:
        axis.axis("off")
        axis.text(0.05, 0.6, fill(_TOO_FEW.format(TRIALS_FOR_IMPORTANCE, finished), 44), va="center", size=10)
        return
    axis.barh(range(len(importance)), importance["importance"], color=PALETTE[0])
    axis.set_yticks(range(len(importance)), importance["parameter"], size=8)
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("importance (PED-ANOVA), in sum 1")


def _places(search: FoundSearch, rows: pd.DataFrame, label: str) -> list[_Place]:
    """An axis for each parameter, for the cost if there is one, and for the measure; of the rows of the first rung."""
    names = {name: name for name in search.settings.objectives} | {search.settings.measure: label}
    return [
        *(_of_parameter(name, axis, rows[name]) for name, axis, _ in axes(search.settings.space)),
        *(_of_objective(f"{shown} after\n{_epochs(search, 0)}", rows[name]) for name, shown in reversed(names.items())),
    ]


def _of_parameter(name: str, axis: Axis, values: pd.Series) -> _Place:
    """Trials without the parameter lie below the axis."""
    name = name.replace(".", ".\n")
    if isinstance(axis, ChoiceAxis):
        labels = [str(label) for label in axis.options]
        spread = {label: place / max(len(labels) - 1, 1) for place, label in enumerate(labels)}
        place = _Place(name, values.map(spread).to_numpy(float), [(spread[label], label) for label in labels])
    else:
        ends = axis.float if isinstance(axis, FloatAxis) else axis.int
        marks = decade_marks(*ends) if axis.log else MaxNLocator(4, integer=axis.size < math.inf).tick_values(*ends)
        place = _of_numbers(name, pd.to_numeric(values), ends, marks, axis.log)
    absent = np.isnan(place.positions)
    marks = [*([(_ABSENT, "none")] if absent.any() else []), *place.marks]
    return place._replace(positions=np.where(absent, _ABSENT, place.positions), marks=marks)


def _of_objective(name: str, values: pd.Series) -> _Place:
    ends = _range(values)
    return _of_numbers(name, values, ends, MaxNLocator(5).tick_values(*ends))


def _of_numbers(
    name: str, values: pd.Series, ends: tuple[float, float], marks: Iterable[float], log: bool = False
) -> _Place:
    inside = [mark for mark in marks if ends[0] <= mark <= ends[1]]
    positions, places = (_between(np.asarray(numbers, float), ends, log) for numbers in (values, inside))
    return _Place(name, positions, [*zip(places, map("{:g}".format, inside), strict=True)])


def _range(values: pd.Series) -> tuple[float, float]:
    """The smallest and the largest of some values, apart."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _between(values: np.ndarray, ends: tuple[float, float], log: bool = False) -> np.ndarray:
    """Where values lie, 0 at the lower and 1 at the upper end."""
    scale = np.log if log else np.asarray
    low, high = scale(ends)
    return (scale(values) - low) / (high - low)


def _draw_parallel(
    axis: Axes, places: Sequence[_Place], rows: pd.DataFrame, measure: str, best: int, colours: ScalarMappable
) -> None:
    """A line for each trial; those of equal choices lie next to each other."""
    aside = np.linspace(-0.02, 0.02, len(rows))
    for number, row in enumerate(rows.to_dict("records")):
        line = [place.positions[number] + aside[number] for place in places]
        look = {"linewidth": 1.6, "alpha": _FAINT if row["state"] == "pruned" else 1, "zorder": 2}
        if row["state"] == "diverged":  # without a value
            look = {"linewidth": 1, "alpha": _FAINT, "linestyle": ":"}
        if row["number"] == best:
            look = {"linewidth": 4, "zorder": 3}
        axis.plot(line, color="black" if row["state"] == "diverged" else colours.to_rgba(row[measure]), **look)
    beside = {"xytext": (-5, 0), "textcoords": "offset points", "ha": "right", "va": "center", "size": 8, "zorder": 4}
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    for number, place in enumerate(places):
        axis.plot([number, number], [0, 1], color="black", linewidth=1, zorder=1)
        for position, text in place.marks:
            axis.plot([number], [position], marker="_", color="black", zorder=4)
            axis.annotate(text, (number, position), bbox=box, **beside)
    axis.set_xticks(range(len(places)), [place.name for place in places], size=8)
    axis.set_xlim(-0.6, len(places) - 0.8)
    axis.set_ylim(_ABSENT - 0.06, 1.06)
    axis.yaxis.set_visible(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(axis="x", length=0)
