"""Test cases with their clean masks and what each loss predicts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.evaluation.overlap import dice
from lib.evaluation.surface import structure_masks
from lib.labels import Labels
from lib.plotting.plane import CLEAN_ONLY, Plane, comparison_legend, evenly, short
from lib.plotting.style import loss_label, new_figure, save_pages
from lib.store import StoredCase, open_cases, open_prediction

SHOWN = 4
_SEVERAL = (
    "Each voxel is predicted as its most probable class; a structure marked as another is wrongly marked."
)
_OVERLAPPING = (
    "Each structure is predicted where its probability is above 0.5; found is where all structures are right."
)
_MEAN = "mean over the structures that are there or predicted, the others left out (1 if all are)"


def draw_examples(path: Path, runs: Mapping[Path, Mapping[str, Any]], note: str) -> None:
    """A page per data set and variant: rows of test cases, a column with the clean mask and one for each loss.

    Args:
        runs: folder of predictions -> the description of its run: prepared, cases (the list of the test cases), title,
            labels, dataset, variant, loss, seed.
        note: what the scale of the study is evidence of.
    """
    save_pages(example_figures(runs, note), path)


def example_figures(runs: Mapping[Path, Mapping[str, Any]], note: str) -> list[Figure]:
    return [_page(members, note) for members in of_pages(runs)]


def of_pages(runs: Mapping[Path, Mapping[str, Any]]) -> list[dict[Path, Mapping[str, Any]]]:
    """The runs of each data set and variant."""
    parts: dict[tuple[str, str], dict[Path, Mapping[str, Any]]] = {}
    for folder, run in runs.items():
        parts.setdefault((run["dataset"], run["variant"]), {})[folder] = run
    return list(parts.values())


def _page(members: Mapping[Path, Mapping[str, Any]], note: str) -> Figure:
    first = next(iter(members.values()))
    cases = open_cases(Path(first["prepared"]), Path(first["cases"]))
    shown = [cases[place] for place in evenly(len(cases), SHOWN)]
    footer = [note, _explanation(first, len(shown), len(cases), shown[0])]
    figure = new_figure(max(1.45 * (len(members) + 1), 7.5), 1.65 * len(shown) + 1.3, "\n".join(footer))
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04, wspace=0, hspace=0)
    # the second line of the title is kept free for the legend
    figure.suptitle(f"{first['title']}, {first['variant']}\n", x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(shown), len(members) + 1, squeeze=False)
    for row, case in zip(panels, shown, strict=True):
        _draw_case(row, case, list(members), first["labels"])
    heads = ["clean mask", *(fill(loss_label(run["loss"]), 20) for run in members.values())]
    for axis, head in zip(panels[0], heads, strict=True):
        axis.set_title(head, size=9)
    tints = comparison_legend("missed", "wrongly marked", "found")
    below_title = 1 - 0.25 / figure.get_figheight()
    figure.legend(handles=tints, loc="upper left", bbox_to_anchor=(0, below_title), ncols=3)
    return figure


def _draw_case(row: Sequence[Axes], case: StoredCase, folders: Sequence[Path], labels: Labels) -> None:
    label = case.array("label")[...]
    clean, annotated = labels.foreground(label), labels.annotated(label)
    plane = Plane.of(case, clean)
    for axis in row:
        plane.draw_image(axis, case)
        plane.draw_outline(axis, clean, CLEAN_ONLY)
    for axis, folder in zip(row[1:], folders, strict=True):
        predicted = labels.decide(open_prediction(folder, case.name)[...])
        agrees = predicted == label if labels.exclusive else (predicted == label).all(0)
        plane.draw_comparison(axis, clean, labels.foreground(predicted) & annotated, clean & agrees)
        _write_below(axis, f"{_mean_dice(predicted, label, labels):.3f}")
    _write_below(row[0], short(case.name))


def _mean_dice(predicted: np.ndarray, label: np.ndarray, labels: Labels) -> float:
    """Of the structures that are there or predicted, 1 if none is."""
    pairs = [structure_masks(predicted, label, labels, name) for name in labels.structures]
    values = [dice(*pair) for pair in pairs if pair[0].any() or pair[1].any()]
    return float(np.mean(values)) if values else 1.0


def _write_below(axis: Axes, text: str) -> None:
    axis.text(0.5, -0.03, text, transform=axis.transAxes, ha="center", va="top", size=9)


def _explanation(run: Mapping[str, Any], shown: int, n: int, case: StoredCase) -> str:
    volume = len(case.shape) == 3
    where = "; slices with the largest annotated area (last axis)" if volume else ""
    of_what = "the whole volume" if volume else "the case"
    rule = f"Predictions are cut at probability 0.5; numbers: Dice of {of_what}"
    if len(run["labels"].structures) > 1:
        how = _SEVERAL if run["labels"].exclusive else _OVERLAPPING
        rule = f"{how}\nNumbers: Dice of {of_what}, {_MEAN}"
    return (
        f"{shown} of n = {n} test cases, evenly through the test part{where}; networks of seed {run['seed']}.\n"
        f"{rule}; thin outline: the clean mask."
    )
