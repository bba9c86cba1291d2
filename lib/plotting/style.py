"""The one style of all figures, in force once this module is imported."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import floor, log10
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from lib.config.study_schema import Look
from lib.files import atomic_path
from lib.looks import loss_label

mpl.use("Agg")
logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports every font it embeds
mpl.rcParams.update(
    {
        "pdf.fonttype": 42,  # text stays text, editable and searchable
        "svg.fonttype": "none",
        "savefig.dpi": 200,
        "font.size": 11,
        "axes.titlesize": 12,
        "axes.labelsize": 11,
        "axes.linewidth": 1,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "legend.handlelength": 2.4,
    }
)

BAND_ALPHA = 0.2
QUIET = "#666666"
PALETTE = ("#0173B2", "#DE8F05", "#029E73", "#D55E00", "#CC78BC", "#CA9161", "#949494", "#56B4E9")
"""Distinguishable with colour-vision deficiencies, for whatever has no colour of its own."""
DASHES = ("-", "--", "-.", ":")
_PAIRS = [
    (PALETTE[number % len(PALETTE)], DASHES[(number + number // len(PALETTE)) % len(DASHES)])
    for number in range(len(PALETTE) * len(DASHES))
]
"""Every colour with every line, neighbours differing in both."""


def loss_line_style(loss: str, losses: Sequence[str], looks: Mapping[str, Look]) -> dict[str, Any]:
    """How to plot a loss; what the study leaves open follows from its place among such ``losses``.

    It is no look that the study gives to another of them.
    """
    look = looks.get(loss, Look())
    given = {name: (looks[name].colour, looks[name].line) for name in losses if name in looks}
    incomplete = [name for name in losses if None in given.get(name, (None,))]
    free = [pair for pair in _PAIRS if pair not in given.values()]
    colour, line = free[incomplete.index(loss) % len(free)] if loss in incomplete else given[loss]
    return {
        "label": loss_label(loss, looks),
        "color": look.colour or colour,
        "linestyle": look.line or line,
        "marker": look.marker or ("o" if look.colour else "d"),
        "linewidth": 3 if look.emphasis else 1.5,
        "zorder": 3 if look.emphasis else 2,
    }


def parts_of(things: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """Things in order, in as few parts of about the same length as have no more than ``most`` each."""
    n = max(-(-len(things) // most), 1)
    edges = [round(place * len(things) / n) for place in range(n + 1)]
    return [things[start:stop] for start, stop in pairwise(edges)]


LETTERS_PER_INCH = 16
"""Of small print, so that no line leaves a figure."""


def new_figure(width: float, height: float, footer: str = "") -> Figure:
    """A figure of ``width`` x ``height`` inches that arranges its own panels, with small print below them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    if footer:
        footer = "\n".join(fill(line, int(width * LETTERS_PER_INCH)) for line in footer.splitlines())
        lines = footer.count("\n") + 1
        reserved = (0.16 * lines + 0.08) / height
        figure.get_layout_engine().set(rect=(0, reserved, 1, 1 - reserved))
        figure.text(0.01, 0.06 / height, footer, size=8, color=QUIET, va="bottom", linespacing=1.35)
    return figure


def page_saying(why: str, note: str) -> Figure:
    """What stands in place of a figure that has nothing to show."""
    figure = new_figure(9, 1.6, note)
    figure.text(0.01, 0.6, fill(why, 85), va="center")
    return figure


def mark_millimetres(axis: Axes, direction: str) -> None:
    """An axis (``x`` or ``y``) of distances in mm, linear up to 1 and logarithmic beyond."""
    axis.set(**{f"{direction}scale": "symlog"})
    scaled = {"x": axis.xaxis, "y": axis.yaxis}[direction]
    scaled.set_major_locator(FixedLocator([0, *(n * 10**power for power in range(4) for n in (1, 2, 5))]))
    scaled.set_minor_locator(NullLocator())
    scaled.set_major_formatter("{x:g}")


def decade_marks(low: float, high: float, steps: Sequence[int] = (1, 2, 5)) -> list[float]:
    """A few round numbers between two on a logarithmic axis, within a decade more of its ``steps``, or any that fit."""
    first, last = floor(log10(low)), floor(log10(high))
    powers = range(last, first - 1, -max(1, (last - first) // 2))
    marks = [step * 10.0**power for power in powers for step in (steps if last - first < 2 else (1,))]
    inside = [mark for mark in marks if low <= mark <= high]
    return (
        inside
        if len(inside) > 1
        else [mark for mark in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= mark <= high]
    )


def mark_shares(axis: Axes, direction: str, values: Iterable[float]) -> None:
    """A logarithmic axis (``x`` or ``y``) of shares, which shows ``values`` and has a grey band for 0 at its end."""
    positive = [value for value in values if value > 0] or [0.1]
    low, high = 10.0 ** floor(log10(min(positive))), max(positive)
    getattr(axis, f"set_{direction}scale")("symlog", linthresh=low, linscale=0.6)
    axis.set(**{f"{direction}lim": (-0.45 * low, 1.5 * high)})
    scaled, band = {"x": (axis.xaxis, axis.axvspan), "y": (axis.yaxis, axis.axhspan)}[direction]
    lowest, steps = (low, (1, 5)) if high < 10 * low else (low if high < 100 * low else 3 * low, (1,))
    scaled.set_major_locator(FixedLocator([0, *decade_marks(lowest, 1.5 * high, steps)]))
    scaled.set_minor_locator(NullLocator())
    scaled.set_major_formatter("{x:g}")
    band(-low, 0.4 * low, color=QUIET, alpha=0.12, linewidth=0, zorder=0)


def save_pages(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as the pages of one PDF, whole or not at all; the same figures give the same bytes."""
    with atomic_path(path) as temporary, PdfPages(temporary, metadata={"CreationDate": None}) as pages:
        for figure in figures:
            _show_dollars(figure)
            pages.savefig(figure)


def _show_dollars(figure: Figure) -> None:
    """Names and titles of the user's are not mathematics; labels of ticks, which Matplotlib writes, may be."""
    for text in figure.findobj(Text):
        if "$" in text.get_text() and "mathdefault" not in text.get_text():
            text.set_parse_math(False)
