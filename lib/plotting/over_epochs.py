"""Dice and distance of the borders of the test cases while networks were trained, over epochs."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.plotting.style import (
    BAND_ALPHA,
    loss_label,
    loss_line_style,
    mark_millimetres,
    new_figure,
    page_saying,
)

Histories = Mapping[str, Sequence[pd.DataFrame]]
_MEASURES = {"dice": "Dice", "hd95": "HD95 (mm)"}
_WIDE = 10  # times the smallest distance: from there on the axis is logarithmic
_LINES = (
    "Lines: mean over seeds; bands: ±1 sd over seeds (none for one seed); markers: the epochs whose networks were"
    " kept, one a seed."
)
_PARTS = ("test", "validation")
_WATCHED = "Means over the {} cases and their structures"
_NOT_LOOKED_AT = "test cases were not looked at while training"
_NO_MORE = "{} cases, measured in no more epochs, are not drawn"
_ALONE = "Hollow: the only epoch that was measured."
_OUTSIDE = "{} of {} kept networks are of epochs that were not measured on these cases and are not shown."
_NOT_MEASURED = "{}: neither test nor validation cases were looked at while training."
_NO_RUN = "There is no run to draw."


def over_epochs_figures(results: StudyResults) -> list[Figure]:
    """A page per data set and variant: what was measured while training, over epochs, a line for each loss."""
    pages = [_page(members, results) for members in grouped(results.trainings)]
    return pages or [page_saying(_NO_RUN, results.note)]


def _page(members: Sequence[EvaluatedRun], results: StudyResults) -> Figure:
    title = f"{members[0].title}, {members[0].variant}"
    histories: dict[str, list[pd.DataFrame]] = {}
    for run in members:
        histories.setdefault(run.keys["loss"], []).append(run.history())
    epochs = {part: _n_measured(histories, part) for part in _PARTS}
    watched = max(epochs, key=epochs.get)
    if not epochs[watched]:
        return page_saying(_NOT_MEASURED.format(title), results.note)
    measures = _measures(histories, watched)
    footer = [results.note, _watched_cases(watched, epochs), _LINES, *_hidden(histories, watched)]
    labels = {loss: loss_label(loss, results.looks) for loss in histories}
    footer += [_counts(members, histories, watched, labels)]
    figure = new_figure(5.2 * len(measures) + 3.4, 5.2, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axis, measure in zip(panels, measures, strict=True):
        for loss, of_loss in histories.items():
            if measured := _with(of_loss, f"{watched}_{measure}"):
                style = loss_line_style(loss, list(results.losses), results.looks)
                _draw_line(axis, measured, f"{watched}_{measure}", style)
        axis.set_ylabel(f"{_MEASURES[measure]} of the {watched} cases")
        if measure == "hd95":
            _spread_distances(axis)
        _count_epochs(axis)
        axis.set_ylim(bottom=max(0, axis.get_ylim()[0]))
    handles = {}
    for axis in panels:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    order = [label for label in labels.values() if label in handles]
    figure.legend([handles[label] for label in order], order, loc="outside right upper", handlelength=4)
    return figure


def _n_measured(histories: Histories, part: str) -> int:
    """Epochs of all runs in which cases of the part were measured."""
    return sum(len(_epochs(history, part)) for of_loss in histories.values() for history in of_loss)


def _epochs(history: pd.DataFrame, part: str) -> pd.Series:
    """Those in which cases of the part were measured."""
    columns = [f"{part}_{name}" for name in _MEASURES]
    return history["epoch"][history.reindex(columns=columns).notna().any(axis=1)]


def _watched_cases(watched: str, epochs: Mapping[str, int]) -> str:
    (other,) = (part for part in _PARTS if part != watched)
    text = _WATCHED.format(watched)
    if epochs[other]:
        return f"{text}; {_NO_MORE.format(other)}."
    return f"{text}; {_NOT_LOOKED_AT}." if other == "test" else f"{text}."


def _hidden(histories: Histories, watched: str) -> list[str]:
    """What markers do not show of themselves: single epochs, and kept networks beyond the measured epochs."""
    n = outside = alone = 0
    for of_loss in histories.values():
        epochs = {epoch for history in of_loss for epoch in _epochs(history, watched)}
        missed = [_kept(history) not in epochs for history in of_loss if epochs]
        n, outside = n + len(missed), outside + sum(missed)
        alone += len(epochs) == 1 and all(missed)
    return [*([_ALONE] if alone else []), *([_OUTSIDE.format(outside, n)] if outside else [])]


def _measures(histories: Histories, watched: str) -> list[str]:
    everything = [history for of_loss in histories.values() for history in of_loss]
    return [name for name in _MEASURES if _with(everything, f"{watched}_{name}")]


def _with(histories: Sequence[pd.DataFrame], column: str) -> list[pd.DataFrame]:
    """The histories that measured it."""
    return [history for history in histories if column in history and history[column].notna().any()]


def _count_epochs(axis: Axes) -> None:
    """Whole numbers, a little more than what was measured."""
    drawn = [epoch for line in axis.lines for epoch in line.get_xdata()]
    margin = max(0.04 * (max(drawn) - min(drawn)), 0.5)
    axis.set_xlim(min(drawn) - margin, max(drawn) + margin)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def _draw_line(axis: Axes, histories: Sequence[pd.DataFrame], column: str, style: Mapping[str, object]) -> None:
    """Mean over seeds and its band, marked where networks were kept; a single epoch is marked in any case."""
    values = pd.concat([history.set_index("epoch")[column] for history in histories], axis=1)
    values = values.astype(float).dropna(how="all")
    mean = values.mean(axis=1)
    kept = mean.index.isin([_kept(history) for history in histories]).nonzero()[0]
    look = {**style, "markevery": kept.tolist(), "markersize": 7}
    if len(mean) == 1 and not len(kept):
        look |= {"markevery": [0], "markerfacecolor": "white"}
    axis.plot(mean.index, mean, **look)
    if len(histories) > 1:
        sd = values.std(axis=1, ddof=1)
        band = {"color": style["color"], "alpha": BAND_ALPHA / 2, "linewidth": 0}
        axis.fill_between(mean.index, mean - sd, mean + sd, **band)


def _kept(history: pd.DataFrame) -> int:
    """The epoch whose network was kept: the last one if none was selected."""
    selected = history["epoch"][history["selected"] == 1] if "selected" in history else history["epoch"]
    return selected.iloc[-1]


def _spread_distances(axis: Axes) -> None:
    """Logarithmic if the means lie far apart."""
    means = [value for line in axis.lines for value in line.get_ydata()]
    if max(means) > _WIDE * min(means):
        mark_millimetres(axis, "y")


def _counts(members: Sequence[EvaluatedRun], histories: Histories, watched: str, labels: Mapping[str, str]) -> str:
    seeds = ", ".join(map(str, sorted({run.keys["seed"] for run in members})))
    text = f"{members[0].title}: seeds {seeds}."
    columns = [f"{watched}_{name}" for name in _MEASURES]
    without = [loss for loss, of_loss in histories.items() if not any(_with(of_loss, c) for c in columns)]
    return f"{text} Not measured: {'; '.join(labels[loss] for loss in without)}." if without else text
