"""Bias of the predicted share of the voxels against the true size of a structure, a line for each loss."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.plotting.runs import Styles, cases_of, legend_of, seeds_of, shares_of, styles_of, title_of
from lib.plotting.style import QUIET, decade_marks, mark_shares, new_figure, page_saying, parts_of

MOST_BINS, SMALLEST_BIN = 6, 8  # regions of a bin
COLUMNS, ROWS = 3, 3
_BIAS = "(predicted − true) / true share"
_EXPLANATION = (
    "Bias: (predicted − true) / true share of the voxels, linear from −1 (not predicted) to 1 (twice the share), then"
    " logarithmic. Markers: median in bins of the true share with as many regions (a structure of a case) each, losses"
    " side by side; bars: quartiles, cases of each seed by themselves."
)
_ABSENT = "Where the structure is not there: mean predicted share over cases and seeds, logarithmic, grey band: 0."
_POWERS = [10.0**power for power in range(1, 6)]
_NOWHERE = "{}: no test case has any structure, and none was predicted."


def bias_by_size_figures(results: StudyResults) -> list[Figure]:
    """Pages per data set and variant: relative bias of the predicted share against the true share, by loss.

    First of all structures, with the mean predicted share where a structure is not there; then, of several, of each.
    Markers are medians and bars quartiles over the cases in bins of the true share.
    """
    return [page for members in grouped(results.runs) for page in _pages(members, results)]


def _pages(members: Sequence[EvaluatedRun], results: StudyResults) -> list[Figure]:
    table = shares_of(members, results.primary_cut)
    place = {name: number for number, name in enumerate(dict.fromkeys(table["structure"]))}
    table = table.sort_values("structure", key=lambda names: names.map(place), kind="stable")
    styles, title = styles_of(results, table["loss"]), title_of(members)
    there, absent = table[table["true"] > 0], table[table["true"] == 0]
    regions = there.groupby("structure", sort=False)["case"].nunique()
    counts = (
        f"{members[0].title}: n = {table['case'].nunique()} test cases, {regions.sum()} regions; {seeds_of(members)}."
    )
    common = [results.note, _EXPLANATION]
    if there.empty and not (absent["predicted"] > 0).any():
        return [page_saying(_NOWHERE.format(title), results.note)]
    pages = [_overview(title, there, absent, styles, [*common, *([_ABSENT] if len(absent) else []), counts])]
    if len(regions) > 1:
        for structures in parts_of(list(regions.index), COLUMNS * ROWS):
            pages.append(_of_structures(title, there, structures, styles, [*common, counts]))
    return pages


def _overview(title: str, there: pd.DataFrame, absent: pd.DataFrame, styles: Styles, footer: Sequence[str]) -> Figure:
    parts = [draw for draw, rows in ((_draw_bias, there), (_draw_absent, absent)) if len(rows)]
    height = absent["structure"].nunique() * min(0.13 * len(styles) + 0.2, 0.45)
    width = max(5.2 * len(parts) + 3, 0.11 * len(title) + 2.6)  # the legend stands at the right of the title
    figure = new_figure(width, max(4.8, height + 1.8), "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(1, len(parts), squeeze=False)[0]
    for axis, draw in zip(panels, parts, strict=True):
        draw(axis, there if draw is _draw_bias else absent, styles)
    if len(there):
        structures = there["structure"].nunique()
        panels[0].set_title("all structures" if structures > 1 else there["structure"].iloc[0], loc="left")
        panels[0].set_ylabel(_BIAS)
        _mark_bias(panels[:1])
    legend_of(figure, panels)
    return figure


def _of_structures(
    title: str, there: pd.DataFrame, structures: Sequence[str], styles: Styles, footer: Sequence[str]
) -> Figure:
    columns = min(COLUMNS, len(structures))
    rows = -(-len(structures) // columns)
    figure = new_figure(3.8 * columns + 2.4, 3.1 * rows + 1.4, "\n".join(footer))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, structure in zip(panels.flat, structures, strict=False):
        regions = there[there["structure"] == structure]
        _draw_bias(axis, regions, styles)
        name = fill(f"{structure} (in {cases_of(regions['case'].nunique())})", 38)
        axis.set_title(name, loc="left", size=10)
    _mark_bias(panels.flat[: len(structures)])
    for axis in panels.flat[len(structures) :]:
        axis.axis("off")
    for axis in panels[:, 0]:
        axis.set_ylabel(_BIAS, size=9)
    legend_of(figure, panels.flat)
    return figure


def _draw_bias(axis: Axes, there: pd.DataFrame, styles: Styles) -> None:
    """Of rows that have the structure."""
    bins = _bins(there)
    place = np.searchsorted(bins[1:-1], there["true"], side="right")
    bias = (there["predicted"] - there["true"]) / there["true"]
    rows = pd.DataFrame({"loss": there["loss"], "bin": place, "true": there["true"], "bias": bias})
    centres = rows.groupby("bin")["true"].median()
    gap = np.log(centres).diff().min() if len(centres) > 1 else 1.0
    for number, (loss, style) in enumerate(styles.items()):
        low, middle, high = (rows[rows["loss"] == loss].groupby("bin")["bias"].quantile(q) for q in (0.25, 0.5, 0.75))
        aside = min(0.06 * len(styles), 0.7) * gap * (number - (len(styles) - 1) / 2) / max(len(styles) - 1, 1)
        at = centres[middle.index] * np.exp(aside)
        axis.errorbar(at, middle, [middle - low, high - middle], elinewidth=0.9, markersize=5, **style)
    axis.axhline(0, color=QUIET, linewidth=0.8, zorder=1)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(decade_marks(*axis.get_xlim(), (1, 2, 3, 5))))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("true share of the voxels")


def _bins(there: pd.DataFrame) -> np.ndarray:
    """Edges of bins with as many regions each, the same for all losses and seeds."""
    sizes = there.drop_duplicates(["case", "structure"])["true"]
    n = min(max(len(sizes) // SMALLEST_BIN, 1), MOST_BINS)
    return np.quantile(sizes, np.linspace(0, 1, n + 1))


def _mark_bias(panels: Sequence[Axes]) -> None:
    """On all panels alike; what is not predicted lies at -1, at the lower end."""
    highest = max(axis.dataLim.ymax for axis in panels)
    for axis in panels:
        axis.set_yscale("symlog", linthresh=1)
        axis.set_ylim(-1.15, max(1.3 * highest, 1.1))
        axis.yaxis.set_major_locator(FixedLocator([-1, -0.5, 0, 0.5, 1, *([2, 5] if highest < 10 else []), *_POWERS]))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")


def _draw_absent(axis: Axes, absent: pd.DataFrame, styles: Styles) -> None:
    """Mean predicted share of each structure and loss, of rows without the structure."""
    means = absent.groupby(["loss", "structure"], sort=False)["predicted"].mean()
    structures = list(dict.fromkeys(absent["structure"]))
    for number, (loss, style) in enumerate(styles.items()):
        aside = 0.7 * (number - (len(styles) - 1) / 2) / len(styles)
        places = np.arange(len(structures)) + aside
        axis.plot(means[loss].reindex(structures), places, **style | {"linestyle": "", "markersize": 6})
    mark_shares(axis, "x", means)
    n = absent.groupby("structure")["case"].nunique()
    names = [f"{fill(name, 24)}\n({cases_of(n[name])})" for name in structures]
    axis.set_yticks(range(len(structures)), names, size=9)
    axis.set_ylim(len(structures) - 0.4, -0.6)
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel("mean predicted share")
    axis.set_title("where it is not there", loc="left")
