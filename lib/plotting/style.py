"""The one style of all figures, in force once this module is imported."""

import logging
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, NullLocator

from lib.files import atomic_path

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
LOSS_COLOURS = {
    "bce": "#2274A5",
    "asl": "#E83F6F",
    "fl": "#32936F",
    "dl": "#FFBF00",
    "gdl": "#7A4EAB",
    "wce": "#8A5A44",
}
PALETTE = ("#0173B2", "#DE8F05", "#029E73", "#D55E00", "#CC78BC", "#CA9161", "#949494", "#56B4E9")
"""Distinguishable with colour-vision deficiencies, for whatever has no colour of its own."""
DASHES = ("-", "--", "-.", ":")
_LOSS_LABELS = {
    "bce": "BCE",
    "asl": "ASL",
    "fl": "Focal Loss",
    "dl": "Dice Loss",
    "gdl": "GDL",
    "wce": "WCE",
    "t_loss": "T-Loss",
    "t_loss_nu1": "T-Loss, ν̃ from 1",
    "t_loss_nu2": "T-Loss, ν̃ from 2",
    "t_loss_nu5": "T-Loss, ν̃ from 5",
    "t_loss_released": "T-Loss (released)",
    "gce": "GCE",
    "mae": "MAE",
    "rce": "RCE",
    "sce": "SCE",
    "ngce": "NGCE",
    "nce_rce": "NCE + RCE",
    "ngce_mae": "NGCE + MAE",
    "ngce_rce": "NGCE + RCE",
    "ce": "CE",
    "dice": "Dice Loss",
    "focal": "Focal Loss",
    "boundary": "Boundary Loss",
    "boundary_2d": "Boundary Loss, 2D maps",
    "boundary_classes": "Boundary Loss, all classes",
    "gdl_boundary_constant": "GDL + boundary, constant",
    "gdl_boundary_increase": "GDL + boundary, increase",
    "gdl_boundary_rebalance": "GDL + boundary, rebalance",
    "gdl_boundary_rebalance_2d": "GDL + boundary, rebalance, 2D maps",
    "gdl_boundary_rebalance_published": "GDL + boundary, rebalance, published",
    "gdl_hausdorff": "GDL + Hausdorff",
}
_LINES = {
    "t_loss": ("#000000", "-", "o"),
    "t_loss_nu1": ("#D55E00", "--", "s"),
    "t_loss_nu2": ("#0173B2", "-.", "^"),
    "t_loss_nu5": ("#029E73", ":", "D"),
    "t_loss_released": ("#666666", "-", "o"),
    "gce": ("#0173B2", "-", "s"),
    "mae": ("#DE8F05", "--", "^"),
    "rce": ("#D55E00", "-.", "v"),
    "sce": ("#029E73", "-", "D"),
    "ngce": ("#56B4E9", "--", "P"),
    "nce_rce": ("#CC78BC", "-", "X"),
    "ngce_mae": ("#949494", "-.", "<"),
    "ngce_rce": ("#8A5A44", "--", ">"),
    "ce": ("#7A4EAB", ":", "*"),
    "dice": ("#FFBF00", "-", "h"),
    "focal": ("#949494", "-.", ">"),
    "boundary": ("#8A5A44", ":", "<"),
    "boundary_2d": ("#CA9161", "--", "p"),
    "boundary_classes": ("#882255", "-.", "H"),
    "gdl": ("#000000", "--", "o"),
    "gdl_boundary_constant": ("#56B4E9", "-", "s"),
    "gdl_boundary_increase": ("#0173B2", "--", "^"),
    "gdl_boundary_rebalance": ("#D55E00", "-", "D"),
    "gdl_boundary_rebalance_2d": ("#DE8F05", "--", "v"),
    "gdl_boundary_rebalance_published": ("#CC78BC", "-.", "P"),
    "gdl_hausdorff": ("#029E73", "-", "X"),
}
"""Colour, dashes and marker: distinguishable by two of them even where colours are not."""
_STANDS_OUT = "t_loss"


def is_inverse_weighted(loss: str) -> bool:
    """Whether ``loss`` is the inverse-weighted form, such as ``iwdl``, of a loss of :data:`LOSS_COLOURS`."""
    return loss.removeprefix("iw") in LOSS_COLOURS and loss.startswith("iw")


def loss_colour(loss: str) -> str:
    """The colour of a loss of the inverse-weighting family, the same with and without weights."""
    return LOSS_COLOURS[loss.removeprefix("iw")]


def loss_label(loss: str) -> str:
    """The legend text of a loss, its own name if it has no other."""
    if is_inverse_weighted(loss):
        return f"{_LOSS_LABELS[loss.removeprefix('iw')]} + iw"
    return _LOSS_LABELS.get(loss, loss)


def loss_line_style(loss: str, losses: Sequence[str]) -> dict[str, Any]:
    """How to plot a loss among many; one without a look of its own takes one by its place among ``losses``."""
    among_weighted = any(map(is_inverse_weighted, losses))
    if loss.removeprefix("iw") in LOSS_COLOURS and (among_weighted or loss not in _LINES):
        colour, dashes, marker = loss_colour(loss), "-" if is_inverse_weighted(loss) else "--", "o"
    elif loss in _LINES:
        colour, dashes, marker = _LINES[loss]
    else:
        place = list(losses).index(loss)
        colour, dashes, marker = PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)], "d"
    prominent = loss == _STANDS_OUT
    return {
        "label": loss_label(loss),
        "color": colour,
        "linestyle": dashes,
        "marker": marker,
        "linewidth": 3 if prominent else 1.5,
        "zorder": 3 if prominent else 2,
    }


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


def save_figure(figure: Figure, path: Path) -> None:
    """Write one figure as PDF, whole or not at all; the same figure gives the same bytes."""
    save_pages([figure], path)


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
