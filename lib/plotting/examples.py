"""Test cases with their clean masks and what each loss predicts."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.labels import Labels
from lib.measures.overlap import dice
from lib.plotting.plane import CLEAN_ONLY, Plane, comparison_legend, evenly, short
from lib.plotting.runs import scores_of_cases
from lib.plotting.style import loss_label, new_figure
from lib.store import StoredCase, open_prediction

SHOWN = 4
_SEVERAL = "Each voxel is predicted as its most probable class; a structure marked as another is wrongly marked."
_OVERLAPPING = (
    "Each structure is predicted where its probability is above 0.5; found is where all structures are right."
)
_MEAN = "mean over the structures that are there or predicted, the others left out ({})"


def example_figures(results: StudyResults, score: str | None = None) -> list[Figure]:
    """A page per data set and variant: rows of test cases, a column with the clean mask and one for each loss.

    Below each prediction stands its Dice, or its ``score``.
    """
    return [_page(members, results, score) for members in grouped(results.examples)]


def _page(members: Sequence[EvaluatedRun], results: StudyResults, score: str | None) -> Figure:
    first = members[0]
    cases = first.test_cases()
    shown = [cases[place] for place in evenly(len(cases), SHOWN)]
    name = results.columns[score].axis if score else None
    footer = [results.note, _explanation(first, len(shown), len(cases), shown[0], name)]
    figure = new_figure(max(1.45 * (len(members) + 1), 7.5), 1.65 * len(shown) + 1.3, "\n".join(footer))
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04, wspace=0, hspace=0)
    # the second line of the title is kept free for the legend
    figure.suptitle(f"{first.title}, {first.variant}\n", x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(shown), len(members) + 1, squeeze=False)
    for row, case in zip(panels, shown, strict=True):
        _draw_case(row, case, members)
        for axis, run in zip(row[1:], members, strict=True):
            _write_below(axis, f"{_score(run, case, score, results.primary_cut):.3f}")
    heads = ["clean mask", *(fill(loss_label(run.keys["loss"], results.looks), 20) for run in members)]
    for axis, head in zip(panels[0], heads, strict=True):
        axis.set_title(head, size=9)
    tints = comparison_legend("missed", "wrongly marked", "found")
    below_title = 1 - 0.25 / figure.get_figheight()
    figure.legend(handles=tints, loc="upper left", bbox_to_anchor=(0, below_title), ncols=3)
    return figure


def _draw_case(row: Sequence[Axes], case: StoredCase, members: Sequence[EvaluatedRun]) -> None:
    labels = members[0].labels
    label = case.array("label")[...]
    clean, annotated = labels.foreground(label), labels.annotated(label)
    plane = Plane.of(case, clean)
    for axis in row:
        plane.draw_image(axis, case)
        plane.draw_outline(axis, clean, CLEAN_ONLY)
    for axis, run in zip(row[1:], members, strict=True):
        predicted = open_prediction(run.folder / "predictions", case.name)[...]
        agrees = predicted == label if labels.exclusive else (predicted == label).all(0)
        plane.draw_comparison(axis, clean, labels.foreground(predicted) & annotated, clean & agrees)
    _write_below(row[0], short(case.name))


def _score(run: EvaluatedRun, case: StoredCase, column: str | None, cut: str) -> float:
    """Of the structures that are there or predicted, where all are absent of them all; the Dice without a column."""
    if column is None:
        return _mean_dice(
            open_prediction(run.folder / "predictions", case.name)[...], case.array("label")[...], run.labels
        )
    return scores_of_cases(run, column, cut)[case.name]


def _mean_dice(predicted: np.ndarray, label: np.ndarray, labels: Labels) -> float:
    """Of the structures that are there or predicted, 1 if none is."""
    pairs = [
        (labels.mask(predicted, name) & labels.annotated(label, name), labels.mask(label, name))
        for name in labels.structures
    ]
    values = [dice(*pair) for pair in pairs if pair[0].any() or pair[1].any()]
    return float(np.mean(values)) if values else 1.0


def _write_below(axis: Axes, text: str) -> None:
    axis.text(0.5, -0.03, text, transform=axis.transAxes, ha="center", va="top", size=9)


def _explanation(run: EvaluatedRun, shown: int, n: int, case: StoredCase, score: str | None) -> str:
    volume = len(case.shape) == 3
    where = "; slices with the largest annotated area (last axis)" if volume else ""
    of_what = "the whole volume" if volume else "the case"
    rule = f"Predicted is what is more probable than not; numbers: {score or 'Dice'} of {of_what}"
    if len(run.labels.structures) > 1:
        how = _SEVERAL if run.labels.exclusive else _OVERLAPPING
        mean = _MEAN.format("of all of them if none is" if score else "1 if all are")
        rule = f"{how}\nNumbers: {score or 'Dice'} of {of_what}, {mean}"
    return (
        f"{shown} of n = {n} test cases, evenly through the test part{where}; networks of seed {run.keys['seed']}.\n"
        f"{rule}; thin outline: the clean mask."
    )
