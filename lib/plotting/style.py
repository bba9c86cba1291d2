"""The one style of all figures, in force once this module is imported."""

import logging
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

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
"""Told apart with colour-vision deficiencies, for whatever has no colour of its own."""
_LOSS_LABELS = {
    "bce": "BCE",
    "asl": "ASL",
    "fl": "Focal Loss",
    "dl": "Dice Loss",
    "gdl": "GDL",
    "wce": "WCE",
}


def is_inverse_weighted(loss: str) -> bool:
    """Whether ``loss`` is the inverse-weighted form, such as ``iwdl``, of a loss of :data:`LOSS_COLOURS`."""
    return loss.removeprefix("iw") in LOSS_COLOURS and loss.startswith("iw")


def loss_colour(loss: str) -> str:
    """The colour of a loss of the inverse-weighting family, the same with and without weights."""
    return LOSS_COLOURS[loss.removeprefix("iw")]


def loss_label(loss: str) -> str:
    """The legend text of a loss of the inverse-weighting family."""
    return _LOSS_LABELS[loss.removeprefix("iw")] + (" + iw" if is_inverse_weighted(loss) else "")


def new_figure(width: float, height: float, footer: str = "") -> Figure:
    """A figure of ``width`` x ``height`` inches that arranges its own panels, with small print below them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    if footer:
        lines = footer.count("\n") + 1
        reserved = (0.16 * lines + 0.08) / height
        figure.get_layout_engine().set(rect=(0, reserved, 1, 1 - reserved))
        figure.text(0.01, 0.06 / height, footer, size=8, color=QUIET, va="bottom", linespacing=1.35)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write one figure as PDF, whole or not at all; the same figure gives the same bytes."""
    save_pages([figure], path)


def save_pages(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as the pages of one PDF, whole or not at all; the same figures give the same bytes."""
    with atomic_path(path) as beside, PdfPages(beside, metadata={"CreationDate": None}) as pages:
        for figure in figures:
            pages.savefig(figure)
