"""What the distance maps of a test case are like, and how far from the border the errors of each loss lie."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from lib.comparison.results import EvaluatedRun, StudyResults, grouped
from lib.labels import Labels
from lib.maps import largest_component, signed_distance, signed_distance_2d
from lib.plotting.plane import CLEAN_ONLY, LONGEST_SIDE, Plane, comparison_legend, short
from lib.plotting.style import loss_label, new_figure, page_saying
from lib.store import StoredCase, open_prediction

MOST_LOSSES = 5
SMALLEST_CUT = 48  # voxels
_MARGIN = 0.3  # around a component, of its size
_PANEL = 1.75  # inches
_NOTHING = "{}: no test case has anything to show."
_MAPS = {
    "signed distance,\nwhole volume": signed_distance,
    "signed distance,\nslice by slice": signed_distance_2d,
}
_MAP_OF_PICTURE = {"signed distance": signed_distance}


@dataclass(frozen=True)
class Shown:
    """A class of a test case: its true mask and signed distances in mm to its border, those in 3D first."""

    case: StoredCase
    labels: Labels
    structure: str
    mask: np.ndarray
    annotated: np.ndarray
    maps: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, case: StoredCase, labels: Labels, structure: str) -> "Shown":
        label = case.array("label")[...]
        mask = labels.mask(label, structure)
        made = _MAPS if mask.ndim == 3 else _MAP_OF_PICTURE
        spacing = case.description["spacing"]
        maps = {name: distance(mask.astype(np.uint8), spacing) for name, distance in made.items()}
        return cls(case, labels, structure, mask, labels.annotated(label, structure), maps)


def distance_figures(results: StudyResults, losses: Sequence[str]) -> list[Figure]:
    """A page per data set and variant: slices of one test case with its distance maps and the errors of some losses."""
    return [_page(members, results, losses) for members in grouped(results.examples)]


def slices_through(component: np.ndarray, mask: np.ndarray) -> dict[str, int | None]:
    """Slices (last axis) to show of a mask: the component's fullest, one at its edge, the nearest empty one.

    Those that there are not are left out; a picture is a single slice.
    """
    if mask.ndim == 2:
        return {"": None}
    areas = component.sum(axis=(0, 1))
    ends = np.flatnonzero(areas)[[0, -1]]
    empty = np.flatnonzero(~mask.any(axis=(0, 1)))
    shown = {"fullest slice": int(areas.argmax()), "slice at its edge": int(ends[areas[ends].argmin()])}
    if shown["fullest slice"] == shown["slice at its edge"]:
        del shown["slice at its edge"]
    if len(empty):
        shown["nothing there"] = int(empty[np.maximum(ends[0] - empty, empty - ends[1]).argmin()])
    return shown


def cut_around(component: np.ndarray) -> tuple[slice, slice]:
    """A square around all slices of a component with a margin, at least ``SMALLEST_CUT`` wide where the image is."""
    outline = component.any(axis=-1) if component.ndim == 3 else component
    places = np.argwhere(outline)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    wanted = max(SMALLEST_CUT, int((high - low).max() * (1 + 2 * _MARGIN)))
    side = np.minimum(wanted, outline.shape)
    start = np.clip((low + high - side) // 2, 0, outline.shape - side)
    return slice(start[0], start[0] + side[0]), slice(start[1], start[1] + side[1])


def _page(members: Sequence[EvaluatedRun], results: StudyResults, losses: Sequence[str]) -> Figure:
    first, labels, note = members[0], members[0].labels, results.note
    title = f"{first.title}, {first.variant}"
    cases = first.test_cases()
    if not (structure := _first_structure(cases, labels)):
        return page_saying(_NOTHING.format(title), note)
    shown = Shown.of(max(cases, key=lambda case: _size(case, labels, structure)), labels, structure)
    what = (
        f"Case {short(shown.case.name)}, of n = {len(cases)} test cases the one with most"
        f" {_called(structure, labels)}, cut to its largest component; networks of seed {first.keys['seed']}."
        " Thin outline: the true mask."
    )
    footer = "\n".join([note, what, *_explanation(volume=shown.mask.ndim == 3)])
    folders = {loss_label(loss, results.looks): folder for loss, folder in _chosen(members, losses).items()}
    return _drawn(title, footer, shown, _planes(shown), folders)


def _first_structure(cases: Sequence[StoredCase], labels: Labels) -> str | None:
    """The first structure that a case has."""
    there = (name for name in labels.structures if any(_size(case, labels, name) for case in cases))
    return next(there, None)


def _called(structure: str, labels: Labels) -> str:
    return "foreground" if labels.one_structure else f"{structure} (class {labels.number(structure)})"


def _chosen(members: Sequence[EvaluatedRun], preferred: Sequence[str]) -> dict[str, Path]:
    """The losses to show, the preferred ones first, with the predictions of each one's first run."""
    folders: dict[str, Path] = {}
    for run in members:
        folders.setdefault(run.keys["loss"], run.folder / "predictions")
    order = [loss for loss in preferred if loss in folders]
    order += [loss for loss in folders if loss not in preferred]
    return {loss: folders[loss] for loss in order[:MOST_LOSSES]}


def _size(case: StoredCase, labels: Labels, structure: str) -> int:
    """Voxels of a structure."""
    return case.description["class_voxels"].get(str(labels.number(structure)), 0)


def _planes(shown: Shown) -> dict[str, Plane]:
    """What is shown, by what it is called: the same part of each slice."""
    component = largest_component(shown.mask)
    box = cut_around(component)
    step = -(-max(component[box].shape[:2]) // LONGEST_SIDE)
    whole = Plane.of(shown.case, component)
    slices = slices_through(component, shown.mask)
    return {
        name if z is None else f"{name}\n(z = {z})": replace(whole, z=z, box=box, step=step)
        for name, z in slices.items()
    }


def _drawn(title: str, footer: str, shown: Shown, planes: Mapping[str, Plane], folders: Mapping[str, Path]) -> Figure:
    heads = ["true mask", *shown.maps, *(fill(label, 20) for label in folders)]
    figure = _empty_page(title, footer, len(heads), shown, planes.values())
    grid = figure.add_gridspec(len(planes) + 1, len(heads), height_ratios=[1] * len(planes) + [0.06])
    predictions = [
        shown.labels.mask(open_prediction(folder, shown.case.name)[...], shown.structure) for folder in folders.values()
    ]
    scale = _scale(shown, planes.values())
    for number, (name, plane) in enumerate(planes.items()):
        row = [figure.add_subplot(grid[number, column]) for column in range(len(heads))]
        _draw_row(row, shown, plane, predictions, scale)
        _write_beside(row[0], name)
        for axis, head in zip(row, heads, strict=True):
            axis.set_title(head if number == 0 else "", size=9)
    _draw_scale(figure.add_subplot(grid[-1, 1 : 1 + len(shown.maps)]), row[1].images[0])
    return figure


def _empty_page(title: str, footer: str, columns: int, shown: Shown, planes: Iterable[Plane]) -> Figure:
    heights = [plane.aspect * height / width for plane in planes for height, width in [plane.cut(shown.mask).shape]]
    height = sum(_PANEL * height + 0.2 for height in heights) + 0.16 * footer.count("\n") + 2.1
    figure = new_figure(max(_PANEL * columns + 0.4, 10), height, footer)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04, wspace=0, hspace=0)
    # the second line of the title is kept free for the legend
    figure.suptitle(f"{title}\n", x=0.01, ha="left", weight="bold")
    tints = comparison_legend("missed", "wrongly marked", "found")
    figure.legend(handles=tints, loc="upper left", bbox_to_anchor=(0, 1 - 0.25 / height), ncols=3)
    return figure


def _scale(shown: Shown, planes: Iterable[Plane]) -> TwoSlopeNorm:
    """From the lowest to the highest distance shown, 0 in the middle."""
    values = np.concatenate([plane.cut(made).ravel() for plane in planes for made in shown.maps.values()])
    return TwoSlopeNorm(0, min(values.min(), -1e-3), max(values.max(), 1e-3))


def _draw_scale(axis: Axes, drawn: AxesImage) -> None:
    low, high = drawn.norm.vmin, drawn.norm.vmax
    ticks = {*MaxNLocator(3).tick_values(low, 0), *MaxNLocator(3).tick_values(0, high)}
    bar = axis.figure.colorbar(drawn, cax=axis, orientation="horizontal")
    bar.set_ticks(sorted(tick for tick in ticks if low <= tick <= high))
    bar.set_label("mm", size=9)
    bar.ax.tick_params(labelsize=8)


def _draw_row(
    row: Sequence[Axes], shown: Shown, plane: Plane, predictions: Sequence[np.ndarray], scale: TwoSlopeNorm
) -> None:
    image, maps, errors = row[0], row[1 : 1 + len(shown.maps)], row[1 + len(shown.maps) :]
    for axis in (image, *errors):
        plane.draw_image(axis, shown.case)
        plane.draw_outline(axis, shown.mask, CLEAN_ONLY)
    for axis, distance in zip(maps, shown.maps.values(), strict=True):
        _draw_map(axis, plane, plane.cut(distance), scale)
    for axis, predicted in zip(errors, predictions, strict=True):
        plane.draw_comparison(axis, shown.mask, predicted & shown.annotated)
        axis.text(
            0.5,
            -0.03,
            _farthest(shown, plane, predicted),
            transform=axis.transAxes,
            ha="center",
            va="top",
            size=9,
        )


def _draw_map(axis: Axes, plane: Plane, distance: np.ndarray, scale: TwoSlopeNorm) -> None:
    axis.imshow(distance, cmap="RdBu_r", norm=scale, aspect=plane.aspect, interpolation="none")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, linewidth=0.5)
    if distance.any():
        axis.contour(distance, levels=[0], colors="black", linewidths=0.9)
    else:
        axis.text(0.5, 0.5, "0 everywhere", transform=axis.transAxes, ha="center", va="center", size=9)


def _farthest(shown: Shown, plane: Plane, predicted: np.ndarray) -> str:
    """Of the slice's wrong voxels, also outside the cut."""
    here = ... if plane.z is None else (..., plane.z)
    wrong = (predicted[here] ^ shown.mask[here]) & shown.annotated[here]
    distance = next(iter(shown.maps.values()))[here]
    return f"{np.abs(distance[wrong]).max():.1f} mm" if wrong.any() else "no error"


def _write_beside(axis: Axes, text: str) -> None:
    axis.text(-0.05, 0.5, text, transform=axis.transAxes, rotation=90, ha="right", va="center", size=9)


def _explanation(volume: bool) -> list[str]:
    made = "; of the whole volume with its spacing, or of each slice by itself" if volume else ""
    dimensions, where = (" in 3D", "slice") if volume else ("", "case")
    return [
        f"Maps: signed distance to the border of the mask in mm{made}; black line: 0; both sides of 0 have a scale of"
        " their own.",
        f"Numbers: distance{dimensions} of the {where}'s farthest wrong voxel to the true border, outside the cut too.",
    ]
