"""What noise has done to the masks of a training part: realised strengths, and examples of each kind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.labels import NOISE_KINDS
from lib.maps import foreground
from lib.plotting.plane import CLEAN_ONLY, OTHER_ONLY, Plane, comparison_legend, evenly, short
from lib.plotting.style import PALETTE, QUIET, new_figure, save_pages
from lib.store import NoisyCase, StoredCase

EXAMPLES = 4
BINS = 40
_MEASURES = {
    "dice": "Dice of the noisy mask with the clean one",
    "strength": "realised strength: changed voxels / voxels of the clean mask",
}


def draw_noise_sheet(path: Path, title: str, cases: Sequence[NoisyCase], table: pd.DataFrame) -> None:
    """Write two pages: Dice and strength by kind; examples of each kind, evenly over the Dice that it came to.

    Args:
        title: names the data set and the noise.
        cases: the training cases with their noisy masks.
        table: what noise did to each of them, as `scripts/make_noise.py` writes it.
    """
    save_pages(noise_sheet_figures(title, cases, table), path)


def noise_sheet_figures(title: str, cases: Sequence[NoisyCase], table: pd.DataFrame) -> list[Figure]:
    noisy = table[table["kind"].isin(NOISE_KINDS)]
    pages = [_distributions(title, noisy, len(table))]
    return [*pages, _contact_sheet(title, cases, noisy)] if len(noisy) else pages


def _distributions(title: str, noisy: pd.DataFrame, n: int) -> Figure:
    figure = new_figure(11, 6.6, f"{_counts(noisy, n)}\nLines: medians.")
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(NOISE_KINDS), len(_MEASURES), sharex="col")
    for column, (measure, text) in zip(panels.T, _MEASURES.items(), strict=True):
        values = noisy[measure].dropna()
        high = 1.0 if measure == "dice" else max(1.02 * values.max() if len(values) else 0, 1.0)
        for axis, kind, colour in zip(column, NOISE_KINDS, PALETTE, strict=False):
            of_kind = values[noisy["kind"] == kind]
            _histogram(axis, of_kind, np.linspace(0, high, BINS + 1), colour)
            axis.set_ylabel(f"{kind}\ncases" if measure == "dice" else "")
        column[-1].set_xlabel(text)
    return figure


def _histogram(axis: Axes, values: pd.Series, edges: np.ndarray, colour: str) -> None:
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_xlim(edges[0], edges[-1])
    if values.empty:
        axis.set_yticks([])
        axis.text(0.5, 0.5, "no case", transform=axis.transAxes, ha="center", color=QUIET)
        return
    axis.hist(values, bins=edges, color=colour, alpha=0.7)
    axis.axvline(values.median(), color="black", linewidth=1.5)
    axis.set_title(f"n = {len(values)}, median {values.median():.2f}", loc="right", size=10)


def _counts(noisy: pd.DataFrame, n: int) -> str:
    of_kind = noisy["kind"].value_counts()
    kinds = ", ".join(f"{kind} {of_kind.get(kind, 0)}" for kind in NOISE_KINDS)
    summary = f"{len(noisy)} of n = {n} training cases are noisy ({len(noisy) / max(n, 1):.0%}): {kinds}"
    unchanged, apart = (noisy["dice"] == 1).sum(), (noisy["dice"] == 0).sum()
    faults = [f"{unchanged} came out unchanged"] * bool(unchanged)
    faults += [f"{apart} share no voxel with the clean mask"] * bool(apart)
    return "; ".join([summary, *faults]) + "."


def _contact_sheet(title: str, cases: Sequence[NoisyCase], noisy: pd.DataFrame) -> Figure:
    by_name = {case.name: case for case in cases}
    volume = len(cases[0].shape) == 3
    where = "; slices with the largest change (last axis), Dice of the whole volume" if volume else ""
    footer = f"Examples of each kind, evenly over their Dice with the clean mask (the number){where}; cut to the masks."
    figure = new_figure(15, 5.6, footer)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04, wspace=0, hspace=0)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    grid = figure.add_gridspec(len(NOISE_KINDS), 4 * EXAMPLES, width_ratios=[0.12, 1, 1, 1] * EXAMPLES)
    for row, kind in enumerate(NOISE_KINDS):
        name = figure.add_subplot(grid[row, 0])
        name.axis("off")
        of_kind = noisy[noisy["kind"] == kind].sort_values("dice")
        chosen = of_kind.iloc[evenly(len(of_kind), EXAMPLES)]
        name.text(0, 0.5, kind if len(chosen) else f"{kind}: no case", rotation=90, va="center", ha="center")
        for number, case in enumerate(chosen.itertuples()):
            panels = [figure.add_subplot(grid[row, 4 * number + 1 + column]) for column in range(3)]
            _draw_example(panels, by_name[case.case])
            panels[1].set_title(f"{short(case.case)}: {case.dice:.2f}", size=9)
    outlines = [
        Line2D([], [], color=CLEAN_ONLY, label="clean mask"),
        Line2D([], [], color=OTHER_ONLY, label="noisy mask"),
    ]
    tints = comparison_legend("removed", "added", "kept")
    figure.legend(handles=[*outlines, *tints], loc="outside upper right", ncols=5)
    return figure


def _draw_example(panels: Sequence[Axes], case: NoisyCase) -> None:
    clean, noisy = _foreground(case.clean), _foreground(case)
    plane = Plane.of(case, clean ^ noisy, clean | noisy)
    for axis in panels:
        plane.draw_image(axis, case)
    plane.draw_outline(panels[0], clean, CLEAN_ONLY)
    plane.draw_outline(panels[1], noisy, OTHER_ONLY)
    plane.draw_comparison(panels[2], clean, noisy)


def _foreground(case: StoredCase) -> np.ndarray:
    """Where any structure is (*spatial)."""
    mask = foreground(case.array("label")[...])
    return mask.any(0) if mask.ndim > len(case.shape) else mask
