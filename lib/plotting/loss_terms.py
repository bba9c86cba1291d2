"""The terms of sums of losses over a training, and their weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.plotting.runs import Styles, legend_of, seeds_of, styles_of, title_of
from lib.plotting.style import BAND_ALPHA, decade_marks, new_figure, page_saying, parts_of

Histories = Mapping[str, Sequence[pd.DataFrame]]
MOST_COLUMNS = 4
_TERM, _WEIGHT = "loss.", "weight."
_WIDE = 10  # times the smallest mean: from there on the axis is logarithmic
_EXPLANATION = (
    "Terms of each sum without their weights, mean over the steps of an epoch. Lines: mean over seeds; bands: ±1 sd"
    " over seeds (none for one seed)."
)
_CHANGING = "Below: weights that change over the training."
_NONE = "{}: no loss is a sum whose terms were recorded while training."


def loss_terms_figures(results: StudyResults) -> list[Figure]:
    """Pages per data set and variant: each term of sums of losses over the epochs, a line for each loss.

    Below it the weights that are not constant.
    """
    return [page for members in grouped(results.trainings) for page in _pages(members, results)]


def _pages(members: Sequence[EvaluatedRun], results: StudyResults) -> list[Figure]:
    histories: dict[str, list[pd.DataFrame]] = {}
    for run in members:
        histories.setdefault(run.keys["loss"], []).append(run.history().set_index("epoch"))
    terms = [name.removeprefix(_TERM) for name in _columns(histories) if name.startswith(_TERM)]
    if not terms:
        return [page_saying(_NONE.format(title_of(members)), results.note)]
    styles = {loss: style | {"marker": None} for loss, style in styles_of(results, histories).items()}
    footer = [results.note, _EXPLANATION, *_constant_weights(histories, styles)]
    footer += [f"{members[0].title}: {seeds_of(members)}.{_without_terms(histories, styles, results.losses)}"]
    return [_page(title_of(members), shown, histories, styles, footer) for shown in parts_of(terms, MOST_COLUMNS)]


def _columns(histories: Histories) -> list[str]:
    return list(dict.fromkeys(name for of_loss in histories.values() for history in of_loss for name in history))


def _page(title: str, terms: Sequence[str], histories: Histories, styles: Styles, footer: Sequence[str]) -> Figure:
    changing = any(_changes(history, term) for of_loss in histories.values() for history in of_loss for term in terms)
    rows, heights = (2, [3, 1]) if changing else (1, [1])
    text = "\n".join([*footer[:2], *([_CHANGING] if changing else []), *footer[2:]])
    figure = new_figure(max(3.9 * len(terms) + 2.4, 8), 4.6 + 1.3 * (rows - 1), text)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(rows, len(terms), sharex=True, squeeze=False, height_ratios=heights)
    for column, term in zip(panels.T, terms, strict=True):
        for loss, of_loss in histories.items():
            _draw_curve(column[0], of_loss, _TERM + term, styles[loss])
            if changing and any(_changes(history, term) for history in of_loss):
                _draw_curve(column[1], of_loss, _WEIGHT + term, styles[loss])
        column[0].set_title(term.replace("_", " "), loc="left", weight="bold", size=10)
        for axis in column:
            _spread(axis)
        _label_epochs(column)
    panels[0, 0].set_ylabel("value of the term")
    legend_of(figure, panels.flat)
    return figure


def _label_epochs(column: Sequence[Axes]) -> None:
    """Below the lowest panel of a column that has lines; the others are left out."""
    drawn = [axis for axis in column if axis.lines]
    for axis in column[len(drawn) :]:
        axis.axis("off")
    drawn[-1].set_xlabel("epoch")
    drawn[-1].tick_params(labelbottom=True)
    drawn[-1].xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if len(drawn) > 1:
        drawn[-1].set_ylabel("weight")


def _changes(history: pd.DataFrame, term: str) -> bool:
    return _WEIGHT + term in history and np.ptp(history[_WEIGHT + term]) > 0


def _draw_curve(axis: Axes, histories: Sequence[pd.DataFrame], column: str, style: Mapping[str, object]) -> None:
    """Mean over seeds and its band, of a loss that has the column."""
    having = [history[column].dropna() for history in histories if column in history]
    if not having:
        return
    values = pd.concat(having, axis=1).astype(float)
    mean = values.mean(axis=1)
    axis.plot(mean.index, mean, **style | ({"marker": "o"} if len(mean) == 1 else {}))
    if len(having) > 1:
        sd = values.std(axis=1, ddof=1)
        band = {"color": style["color"], "alpha": BAND_ALPHA / 2, "linewidth": 0}
        axis.fill_between(mean.index, mean - sd, mean + sd, **band)


def _spread(axis: Axes) -> None:
    """Logarithmic if the means are positive and lie far apart."""
    means = [value for line in axis.lines for value in line.get_ydata()]
    if means and min(means) > 0 and max(means) > _WIDE * min(means):
        axis.set_yscale("log")
        axis.set_ylim(min(means) / 1.3, max(means) * 1.3)
        axis.yaxis.set_major_locator(FixedLocator(decade_marks(*axis.get_ylim())))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")


def _constant_weights(histories: Histories, styles: Styles) -> list[str]:
    """Which weights other than 1 the terms keep."""
    texts = []
    for loss, (history, *_) in histories.items():
        names = [name.removeprefix(_WEIGHT) for name in history if name.startswith(_WEIGHT)]
        kept = {name: history[_WEIGHT + name].iloc[0] for name in names if not _changes(history, name)}
        parts = [f"{name.replace('_', ' ')} {weight:g}" for name, weight in kept.items() if weight != 1]
        texts += [f"{styles[loss]['label']}: {', '.join(parts)}"] if parts else []
    return [f"Constant weights other than 1: {'; '.join(texts)}."] if texts else []


def _without_terms(histories: Histories, styles: Styles, losses: Mapping[str, Any]) -> str:
    """Losses that are no sum, and sums whose terms no training recorded."""
    missing = [loss for loss, of_loss in histories.items() if not any(c.startswith(_TERM) for h in of_loss for c in h)]
    sums = [loss for loss in missing if "sum" in losses.get(loss, {})]
    parts = {"A single term": [loss for loss in missing if loss not in sums], "Terms were not recorded": sums}
    return "".join(
        f" {text}: {'; '.join(styles[loss]['label'] for loss in of_text)}."
        for text, of_text in parts.items()
        if of_text
    )
