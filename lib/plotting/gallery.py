"""The best, the median and the worst test case of each run: outlines, and the sizes of what is there and predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.comparison.results import EvaluatedRun, StudyResults
from lib.labels import Labels
from lib.maps import largest_component
from lib.measures.diameters import Diameters, diameters, size
from lib.plotting.plane import CLEAN_ONLY, OTHER_ONLY, Plane, short
from lib.plotting.runs import axis_of, scores_of_cases
from lib.plotting.style import PALETTE, loss_label, new_figure, parts_of
from lib.store import StoredCase, open_prediction

ON_A_PAGE = 4  # runs
STRUCTURES = 4  # in a panel
LONGEST_SIDE = 320  # pixels of a panel
_PANEL, _LINE = 3.1, 0.15  # inches
_LETTERS = 48  # below a panel
_LINES = ("-", "--")
"""Of what is true, of what is predicted."""
_OTHERWISE = "dice"
"""The column that ranks the cases where the study's primary number is none of each case."""
_CUBE = 1000  # mm³ in ml
_TIED = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Structure:
    """One of a test case, its true mask and the predicted one (each pair in this order)."""

    name: str
    masks: tuple[np.ndarray, np.ndarray]
    spacing: Sequence[float]
    colours: tuple[str, str]

    @cached_property
    def diameters(self) -> list[Diameters | None]:
        return [diameters(mask, self.spacing) for mask in self.masks]

    @cached_property
    def sizes(self) -> list[float]:
        return [size(mask, self.spacing) for mask in self.masks]


@dataclass(frozen=True)
class Panel:
    """A test case of a run.

    ``plane``: what is shown of it, of the ``structures`` the one whose diameters are drawn is ``measured``; ``further``
    structures are not shown.
    """

    title: str
    case: StoredCase
    plane: Plane
    structures: Sequence[Structure]
    measured: Structure | None
    further: int

    @classmethod
    def of(cls, title: str, case: StoredCase, run: EvaluatedRun) -> "Panel":
        found = _structures(case, run)
        shown = _largest(found)
        measured = _measured(shown)
        return cls(title, case, _plane(case, shown, measured), shown, measured, len(found) - len(shown))

    @property
    def height(self) -> float:
        """Of the picture, in widths of it."""
        rows, columns = self.plane.cut(self.case.array("image")).shape[-2:]
        return self.plane.aspect * rows / columns

    @property
    def caption(self) -> str:
        """A line or two for each structure."""
        lines = [fill(_sizes(self.case, structure), _LETTERS) for structure in self.structures]
        if self.further:
            lines.append(f"and {self.further} smaller one{'s' if self.further > 1 else ''}")
        return "\n".join(lines or ["nothing there, nothing predicted"])

    def draw(self, axis: Axes) -> None:
        self.plane.draw_image(axis, self.case)
        for structure in self.structures:
            of_both = zip(structure.masks, structure.diameters, structure.colours, _LINES, strict=True)
            for mask, found, colour, style in of_both:
                self.plane.draw_outline(axis, mask, colour, style)
                if structure is self.measured and found and found.z == self.plane.z:
                    self.plane.draw_line(axis, found.longest_line, colour, style)
                    self.plane.draw_line(axis, found.perpendicular_line, colour, style)
        axis.set_title(self.title, size=9)
        axis.text(0.5, -0.02, self.caption, transform=axis.transAxes, ha="center", va="top", size=8)


def gallery_figures(results: StudyResults) -> list[Figure]:
    """Pages per data set and fold: a row for each run of the first seed, with its best, median and worst test case.

    The study's primary number ranks the cases, as far as each case has it, otherwise their Dice. Outlines and diameters
    are solid where they are true and dashed where they are predicted; below stand the sizes of each structure, as
    ``docs/gallery.md`` defines them.
    """
    of_datasets: dict[tuple[str, str], list[EvaluatedRun]] = {}
    for run in results.examples:
        of_datasets.setdefault((run.keys["dataset"], run.fold), []).append(run)
    return [_page(part, results) for runs in of_datasets.values() for part in parts_of(runs, ON_A_PAGE)]


def ranked(scores: Mapping[str, float], lower_is_better: bool = False) -> list[str]:
    """The cases that have a score, the best first; of equal ones by name."""
    known = {case: score for case, score in scores.items() if not np.isnan(score)}
    return sorted(known, key=lambda case: (known[case] if lower_is_better else -known[case], case))


def chosen(cases: Sequence[str]) -> dict[str, str]:
    """Of ranked cases the best, the median (of two the better one) and the worst, with what each of them is."""
    found: dict[str, list[str]] = {}
    for rank, place in (("best", 0), ("median", (len(cases) - 1) // 2), ("worst", -1)) if cases else ():
        found.setdefault(cases[place], []).append(rank)
    return {case: " and ".join(ranks) for case, ranks in found.items()}


def _page(runs: Sequence[EvaluatedRun], results: StudyResults) -> Figure:
    column = results.primary.column if results.primary.column in runs[0].cases else _OTHERWISE
    rows = [_panels(run, results, column) for run in runs]
    footer = "\n".join([results.note, *_explanation(runs[0], axis_of(results, column))])
    heights = [max((_PANEL * panel.height + _LINE * _lines_of(panel) for panel in row), default=0.5) for row in rows]
    figure = new_figure(3 * _PANEL + 0.8, sum(heights) + 0.5 * len(rows) + 0.16 * footer.count("\n") + 1.4, footer)
    # the second line of the title is kept free for the legend
    figure.suptitle(f"{runs[0].title}\n", x=0.01, ha="left", weight="bold")
    axes = figure.subplots(len(rows), 3, squeeze=False, height_ratios=heights)
    for of_row, run, row in zip(axes, runs, rows, strict=True):
        _write_beside(of_row[0], f"{run.variant}, {loss_label(run.keys['loss'], results.looks)}")
        for axis in of_row:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, panel in zip(of_row, row, strict=False):
            panel.draw(axis)
    _write_legend(
        figure, runs[0].labels, [structure for row in rows for panel in row for structure in panel.structures]
    )
    return figure


def _panels(run: EvaluatedRun, results: StudyResults, column: str) -> list[Panel]:
    cases = {case.name: case for case in run.test_cases()}
    measured = results.columns[column]
    scores = scores_of_cases(run, column, results.primary_cut)
    return [
        Panel.of(
            f"{rank}: {short(name)}\n{measured.label} {scores[name]:.3f} {measured.unit}".rstrip(), cases[name], run
        )
        for name, rank in chosen(ranked(scores, measured.better == "lower")).items()
    ]


def _structures(case: StoredCase, run: EvaluatedRun) -> list[Structure]:
    """Those of a case that are there or predicted, in the order of the labels."""
    labels, label = run.labels, case.array("label")[...]
    predicted = open_prediction(run.folder / "predictions", case.name)[...]
    found = []
    for name, true in labels.masks(label):
        masks = true, labels.mask(predicted, name) & labels.annotated(label, name)
        if any(mask.any() for mask in masks):
            found.append(Structure(name, masks, case.description["spacing"], _colours(labels, name)))
    return found


def _largest(structures: Sequence[Structure]) -> list[Structure]:
    """As many as are shown, in their order."""
    largest = sorted(structures, key=lambda structure: max(structure.sizes), reverse=True)[:STRUCTURES]
    return [structure for structure in structures if structure in largest]


def _colours(labels: Labels, name: str) -> tuple[str, str]:
    """Of the true and of the predicted outline: two where there is one structure, otherwise one for each structure."""
    if len(labels.structures) == 1:
        return CLEAN_ONLY, OTHER_ONLY
    return (PALETTE[labels.structures.index(name) % len(PALETTE)],) * 2


def _measured(structures: Sequence[Structure]) -> Structure | None:
    """The last one that the case has; where it has none, that is predicted."""
    there = [structure for structure in structures if structure.masks[0].any()] or structures
    return there[-1] if there else None


def _plane(case: StoredCase, structures: Sequence[Structure], measured: Structure | None) -> Plane:
    """Through the largest lesion of the structure that is measured, cut to what is there or predicted."""
    frame = np.zeros(case.shape, bool)
    for structure in structures:
        frame |= np.logical_or(*structure.masks)
    true, predicted = measured.masks if measured else (frame, frame)
    return Plane.of(case, largest_component(true if true.any() else predicted), frame, LONGEST_SIDE)


def _sizes(case: StoredCase, structure: Structure) -> str:
    """Such as ``liver: 1203 | 1190 ml, 131 × 98 | 129 × 95 mm``; no lesion has no diameters."""
    length = _length(case)
    per_unit, unit = (_CUBE, "ml") if len(case.shape) == 3 else (1, f"{length}²")
    of_both = " | ".join(_rounded(value / per_unit) for value in structure.sizes)
    lines = " | ".join(
        f"{_rounded(found.longest)} × {_rounded(found.perpendicular)}" if found else "–"
        for found in structure.diameters
    )
    return f"{structure.name}: {of_both} {unit}, {lines.replace(' ', _TIED)}{_TIED}{length}"


def _length(case: StoredCase) -> str:
    """The unit of lengths: of pictures pixels, as nothing says how large these are."""
    return "mm" if len(case.shape) == 3 or case.description["affine"] else "px"


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _lines_of(panel: Panel) -> int:
    return panel.caption.count("\n") + 1


def _write_beside(axis: Axes, text: str) -> None:
    axis.text(-0.04, 0.5, fill(text, 34), transform=axis.transAxes, rotation=90, ha="right", va="center", size=10)


def _write_legend(figure: Figure, labels: Labels, shown: Sequence[Structure]) -> None:
    colours = {structure.name: structure.colours for structure in shown}
    handles = [
        Line2D([], [], color=colour, linestyle=style, linewidth=1.2, label=f"{name}, {what}")
        for name in labels.structures
        if name in colours
        for colour, style, what in zip(colours[name], _LINES, ("true", "predicted"), strict=True)
    ]
    place = (0, 1 - 0.25 / figure.get_figheight())
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=place, ncols=max(-(-len(handles) // 2), 4))


def _explanation(run: EvaluatedRun, ranked_by: str) -> list[str]:
    cases = run.test_cases()
    volume, pixels = len(cases[0].shape) == 3, _length(cases[0]) == "px"
    several = ", the mean of the structures that are there or predicted" if len(run.labels.structures) > 1 else ""
    rank = (
        f"Of n = {len(cases)} test cases the best, the median (of two the better one) and the worst by"
        f" {ranked_by}{several}; networks of seed {run.keys['seed']}."
    )
    what = (
        f"Below: true | predicted {'volume' if volume else 'area'}, and of the largest lesion (connected part) the"
        " longest diameter × the longest at a right angle to it"
    )
    if volume:
        what += ", measured on the slice (last axis) where it is largest, as shown"
    unit = "; px: pixels of the raw picture" if pixels else ""
    shown = f" {'Slice and lines' if volume else 'Lines'}: of the structure named last that the case has."
    return [rank, f"{what}{unit}.{shown if several else ''}"]
