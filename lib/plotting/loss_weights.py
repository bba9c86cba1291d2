"""The weights of the terms of sums of losses over a training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.comparison.results import StudyResults
from lib.losses.schedule import weight_at
from lib.plotting.style import DASHES, PALETTE, QUIET, loss_label, new_figure, page_saying

_COLUMNS = 3
_SUM = "sum of the weights"
_EXPLANATION = (
    "Weights of the terms of each sum of losses in the epochs of the training; the number is their sum in the last"
    " epoch."
)
_SHORTER = "Of {} epochs; shorter trainings go through the same schedules in theirs."
_NO_SUM = "No loss of these runs is a sum: there are no weights to draw."


def loss_weights_figures(results: StudyResults) -> list[Figure]:
    """A panel for each loss that is a sum: the weights of its terms over the longest training, and their sum."""
    losses, epochs, note = results.losses, results.epochs, results.note
    longest = max(epochs)
    sums = {
        loss: _weights(specification["sum"], longest)
        for loss, specification in losses.items()
        if "sum" in specification
    }
    if not sums:
        return [page_saying(_NO_SUM, note)]
    columns = min(_COLUMNS, len(sums))
    rows = -(-len(sums) // columns)
    footer = [note, _EXPLANATION, *([_SHORTER.format(longest)] if min(epochs) < longest else [])]
    figure = new_figure(max(3.9 * columns + 2.8, 9), 2.5 * rows + 0.9, "\n".join(footer))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    terms = list(dict.fromkeys(term for weights in sums.values() for term in weights))
    looks = {
        term: {"color": PALETTE[place % len(PALETTE)], "linestyle": DASHES[place % len(DASHES)]}
        for place, term in enumerate(terms)
    }
    for axis, (loss, weights) in zip(panels.flat, sums.items(), strict=False):
        _draw_panel(axis, weights, looks)
        axis.set_title(loss_label(loss, results.looks), loc="left", weight="bold", size=10)
    for axis in panels.flat[len(sums) :]:
        axis.axis("off")
    _label_outer(panels, len(sums))
    handles = {}
    for axis in panels.flat:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    shown = [*terms, _SUM]
    figure.legend([handles[name] for name in shown], shown, loc="outside right upper", handlelength=4)
    return [figure]


def _weights(terms: Sequence[Mapping[str, Any]], epochs: int) -> dict[str, np.ndarray]:
    """The weight in each epoch of each term, by its name; names that come again are numbered."""
    names = [_name(term["loss"]) for term in terms]
    weights = {}
    for place, (name, term) in enumerate(zip(names, terms, strict=True)):
        before = names[:place].count(name)
        values = [weight_at(term["weight"], epoch, epochs) for epoch in range(epochs)]
        weights[f"{name} ({before + 1})" if before else name] = np.array(values)
    return weights


def _name(loss: Mapping[str, Any]) -> str:
    if "sum" in loss:
        return " + ".join(_name(term["loss"]) for term in loss["sum"])
    return loss["name"].replace("_", " ")


def _draw_panel(axis: Axes, weights: Mapping[str, np.ndarray], looks: Mapping[str, Mapping[str, str]]) -> None:
    total = sum(weights.values())
    epochs = np.arange(1, len(total) + 1)
    marker = "o" if len(total) == 1 else None
    for term, values in weights.items():
        axis.plot(epochs, values, label=term, marker=marker, **looks[term])
    axis.plot(epochs, total, color=QUIET, linewidth=0.9, marker=marker, label=_SUM, zorder=1)
    axis.annotate(
        f"{total[-1]:.2f}",
        (epochs[-1], total[-1]),
        (4, 0),
        textcoords="offset points",
        va="center",
        color=QUIET,
        size=9,
        annotation_clip=False,
    )
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _label_outer(panels: np.ndarray, shown: int) -> None:
    columns = panels.shape[1]
    for place, axis in enumerate(panels.flat[:shown]):
        if place % columns == 0:
            axis.set_ylabel("weight")
        if place + columns >= shown:
            axis.set_xlabel("epoch")
            axis.tick_params(labelbottom=True)
