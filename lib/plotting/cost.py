"""What a study judges by against what it costs: time, parameters, multiply-adds, memory."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.optimize import isotonic_regression

from lib.comparison.costs import MEASURED
from lib.comparison.results import StudyResults
from lib.plotting.runs import Styles, axis_of, legend_of, styles_of
from lib.plotting.style import QUIET, decade_marks, new_figure, page_saying

_LINE, _SMALL = 0.155, 8  # inches, and points, of a label
_LETTERS = 28  # of a line beside a panel
_EXPLANATION = (
    "Points: mean over seeds and test cases; bars: its 95 % interval over both (with one seed over cases alone), which"
    " says nothing about differences, as all see the same cases (comparisons.csv). Costs were measured in jobs of their"
    " own; variants that only differ in optimizer or scheduler were not measured and are not shown."
)
_CLOCKS = {
    False: "Seconds: of the processor, of all threads of the process.",
    True: "Seconds: of the clock, the GPU being waited for.",
}
_MEANING = (
    "An epoch: the median step ({} timed, the first left out), with data loading, loss and optimizer, times the steps"
    " of an epoch, without validation. A case: mean over {} test cases, from reading the image on. Multiply-adds: one"
    " forward pass of one training patch, of convolutions and matrix products. Memory: peak of the training beyond what"
    " the imports hold."
)
_NOTHING = "There is no run whose costs were measured."


class _Cost(NamedTuple):
    column: str
    label: str
    factor: float = 1


_PANELS = (
    _Cost("seconds_per_epoch", "training, seconds per epoch"),
    _Cost("seconds_per_case", "inference, seconds per case"),
    _Cost("parameters", "parameters (millions)", 1e-6),
    _Cost("multiply_adds", "multiply-adds of a patch (billions)", 1e-9),
)
_MEMORY = {
    False: _Cost("host_memory_mb", "peak memory of the training (MB)"),
    True: _Cost("device_memory_mb", "peak memory of the training on the GPU (MB)"),
}


def cost_figures(results: StudyResults) -> list[Figure]:
    """A page per data set: the number by which the study judges against each cost, on logarithmic axes.

    The last panel holds what was published, where the study names a table of published costs: it is of other hardware.
    """
    table = results.table("cost")
    measured, published = table[table["kind"] == MEASURED], table[table["kind"] != MEASURED]
    pages = [
        _page(results.titles[dataset], rows, published, results)
        for dataset, rows in measured.groupby("dataset", sort=False)
    ]
    return pages or [page_saying(_NOTHING, results.note)]


def _page(title: str, rows: pd.DataFrame, published: pd.DataFrame, results: StudyResults) -> Figure:
    on_gpu = bool(rows["device_memory_mb"].notna().all())
    costs = [*_PANELS, _MEMORY[on_gpu]]
    styles = styles_of(results, rows["loss"])
    footer = [results.note, _EXPLANATION, f"{_CLOCKS[on_gpu]} {_meaning(rows)}", _conditions(rows)]
    footer += _about(published)
    height = _LINE * max(len(rows), len(published), 14)
    figure = new_figure(14, 3 * (height + 0.75) + 0.19 * len(footer) + 0.8, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    *panels, last = figure.subplots(3, 2).flat
    for axis, cost in zip(panels, costs, strict=True):
        _draw(axis, rows, cost, _names(rows, styles), styles, height)
        axis.set_ylabel(fill(axis_of(results, results.primary.column), _LETTERS))
    if published.empty:
        last.axis("off")
    else:
        seconds = _Cost("seconds_per_epoch", "published: seconds per epoch, unknown hardware")
        _draw(last, published.assign(low=np.nan, high=np.nan), seconds, published["item"], {}, height)
        last.set_ylabel("Dice, published")
    if len(styles) > 1 and len(set(rows["item"])) > 1:
        legend_of(figure, panels[:1], loc="outside upper right", ncols=len(styles))
    return figure


def _names(rows: pd.DataFrame, styles: Styles) -> Sequence[str]:
    """The variant of each row, with its loss where the variant has several, which stands alone where all have one."""
    several = rows.groupby("item")["loss"].transform("nunique") > 1
    labels = rows["loss"].map(lambda loss: styles[loss]["label"])
    if several.all() and len(set(rows["item"])) == 1:
        return labels.tolist()
    return rows["item"].where(~several, rows["item"] + ", " + labels).tolist()


def _draw(axis: Axes, rows: pd.DataFrame, cost: _Cost, names: Sequence[str], styles: Styles, height: float) -> None:
    """Points with bars, and beside the panel, ``height`` inches high, their names with lines that lead to them."""
    shown = rows[cost.column].notna() & rows["mean"].notna()
    names = [name for name, is_shown in zip(names, shown, strict=True) if is_shown]
    rows = rows[shown]
    x, y = rows[cost.column].to_numpy(float) * cost.factor, rows["mean"].to_numpy(float)
    bars = np.nan_to_num([y - rows["low"], rows["high"] - y])
    for place, loss in enumerate(rows["loss"]):
        look = {"label": "published", "color": QUIET, "marker": "D"} | dict(styles.get(loss, {}))
        look |= {"linestyle": "", "linewidth": 1, "elinewidth": 1, "markersize": 6}
        axis.errorbar(x[place], y[place], bars[:, [place]], **look)
    _mark_costs(axis, x)
    axis.set_xlabel(cost.label)
    low, high = axis.get_ylim()
    if len(y) and y.min() >= 0 and y.max() <= 1:  # intervals of few seeds go far beyond
        low, high = max(low, -0.03), min(high, 1.03)
    axis.set_ylim(low, high)
    places = low + (high - low) * spread_apart((y - low) / (high - low), _LINE / height)
    for name, point, place in zip(names, zip(x, y, strict=True), places, strict=True):
        axis.annotate(
            name,
            point,
            (1.06, place),
            textcoords=axis.get_yaxis_transform(),
            size=_SMALL,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.5, "alpha": 0.6, "shrinkB": 3},
        )


def spread_apart(places: np.ndarray, apart: float) -> np.ndarray:
    """Places from 0 to 1 moved, in their order, as little as lets them lie ``apart`` or, where many, evenly."""
    order = np.argsort(places, kind="stable")
    apart = min(apart, 1 / max(len(places) - 1, 1))
    steps = apart * np.arange(len(places))
    rising = isotonic_regression(places[order] - steps).x
    moved = np.empty_like(places)
    moved[order] = np.clip(rising, 0, 1 - steps[-1]) + steps
    return moved


def _mark_costs(axis: Axes, values: np.ndarray) -> None:
    """A logarithmic axis that shows some values, with a few round numbers."""
    low, high = values.min() / 1.2, values.max() * 1.2
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    axis.xaxis.set_major_locator(FixedLocator(decade_marks(low, high)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.grid(axis="x", alpha=0.3)


def _meaning(rows: pd.DataFrame) -> str:
    return _MEANING.format(*(_listed(rows[name]) for name in ("steps_timed", "cases_timed")))


def _conditions(rows: pd.DataFrame) -> str:
    """Where and how the costs were measured; of batches and patches the rarer ones with their variants."""
    sizes = "batch " + rows["batch_size"].map(_number) + ", patch " + rows["patch_size"].str.replace("x", " × ")
    common, *others = sizes.value_counts().index
    named = [f"{size} ({', '.join(dict.fromkeys(rows['item'][sizes == size]))})" for size in others]
    threads = _listed(rows["threads"])
    machine = f"{_listed(rows['device'])}, {threads} thread{'s' if threads != '1' else ''}"
    computed = f"{_listed(rows['precision'])}, torch {_listed(rows['torch'])}"
    return f"Measured on {machine}; {computed}; {'; '.join([common, *named])}."


def _listed(values: pd.Series) -> str:
    return " or ".join(dict.fromkeys(map(_number, values)))


def _number(value: object) -> str:
    """Whole numbers without a point, which a table gives them where other rows have none."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _about(published: pd.DataFrame) -> list[str]:
    """Where the published numbers are from, and what is wrong with them."""
    if published.empty:
        return []
    notes: Mapping[str, str] = published.dropna(subset="note").set_index("item")["note"].to_dict()
    faults = "; ".join(f"{item}: {note}" for item, note in notes.items())
    source = "; ".join(dict.fromkeys(published["source"]))
    return [f"Published: {source}.{f' Inconsistent: {faults}.' if faults else ''}"]
