"""A data set at a glance: sizes of lesions, spacings and shapes, and overlays of its cases."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lib.datasets.plan import by_axis
from lib.labels import IGNORED, Labels
from lib.maps import connected_components
from lib.plotting.plane import Plane, contrasted
from lib.plotting.style import PALETTE, QUIET, new_figure, save_pages
from lib.store import StoredCase

COLUMNS, ROWS = 6, 4
MOST_OVERLAYS = 96
LONGEST_SIDE = 512  # pixels of an overlay
FOOTER_WIDTH = 190  # characters
VALUES_WIDTH = 120
UNBROKEN = "\u00a0"
LINE_HEIGHT = 0.19  # inches
_WHICH_SLICE = " on the slice with the largest annotated area (last axis)"


def draw_data_report(
    path: Path,
    title: str,
    cases: Sequence[StoredCase],
    labels: Labels,
    usage: Sequence[str],
    fingerprint: Mapping[str, Any],
    split: str,
) -> None:
    """Write the pages: histograms, then overlays of up to 96 cases, evenly drawn.

    Below the histograms stand the ``fingerprint`` of the training cases of a ``split``, and ``usage`` of the files.
    """
    if not cases:
        why = fill(f"{title}: {'; '.join(usage)}; excluded.csv lists all reasons", FOOTER_WIDTH)
        save_pages([new_figure(11.5, 2, why)], path)
        return
    chosen = [cases[i] for i in np.unique(np.linspace(0, len(cases) - 1, MOST_OVERLAYS).round().astype(int))]
    per_page = COLUMNS * ROWS
    lines = dict(_fingerprint_lines(fingerprint, split))
    pages = [_histograms(title, cases, labels, usage, lines)]
    for first in range(0, len(chosen), per_page):
        shown = chosen[first : first + per_page]
        footer = (
            f"{title}: cases {first + 1} to {first + len(shown)} of {len(chosen)} shown, {len(cases)} in all;"
            f" outlines of the classes{_WHICH_SLICE if len(shown[0].shape) == 3 else ''}"
        )
        pages.append(_overlays(shown, labels, footer))
    save_pages(pages, path)


def _histograms(
    title: str, cases: Sequence[StoredCase], labels: Labels, usage: Sequence[str], lines: Mapping[str, str]
) -> Figure:
    diameters = np.concatenate([_diameters(case, labels) for case in cases])
    spacing = np.array([case.description["spacing"] for case in cases])
    shape = np.array([case.shape for case in cases])
    components = f"{len(diameters)} connected components of the foreground"
    footer = "\n".join(fill(line, FOOTER_WIDTH) for line in (f"{title}: {usage[0]}; {components}", *usage[1:]))
    names = "\n".join(name + "\n" * text.count("\n") for name, text in lines.items())
    height = LINE_HEIGHT * (names.count("\n") + 2)
    figure = new_figure(11.5, 7.0 + height, footer)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    grid = figure.add_gridspec(3, 2, height_ratios=[3.3, 3.3, height])
    sizes, counts, spacings, shapes = (figure.add_subplot(grid[row, column]) for row in (0, 1) for column in (0, 1))
    block = figure.add_subplot(grid[2, :])
    block.axis("off")
    for place, text, colour in ((0, names, QUIET), (0.25, "\n".join(lines.values()), "black")):
        block.text(place, 1, text, size=9, color=colour, va="top", linespacing=1.4, transform=block.transAxes)
    if diameters.size:
        low, high = diameters.min(), diameters.max() * 1.001
        sizes.hist(diameters, bins=np.geomspace(low, max(high, low * 1.1), 40), color=PALETTE[0])
        sizes.set_xscale("log")
        sizes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        sizes.xaxis.set_major_formatter("{x:g}")
        sizes.xaxis.set_minor_formatter(NullFormatter())
    unit = "mm" if spacing.shape[1] == 3 else "pixels of the raw picture"
    sizes.set(xlabel=f"diameter of a component as a ball or disc ({unit})", ylabel="components")
    lesions = np.array([case.n_lesions for case in cases])
    counts.hist(lesions, bins=_bins(lesions), color=PALETTE[0])
    counts.set(xlabel="lesions (components) of a case", ylabel="cases")
    counts.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes, values, text in ((spacings, spacing, f"spacing ({unit})"), (shapes, shape, "length (voxels)")):
        axes.hist(
            list(values.T),
            bins=25,
            label=[f"axis {axis}" for axis in range(values.shape[1])],
            color=PALETTE[: values.shape[1]],
        )
        axes.set(xlabel=text, ylabel="cases")
        axes.margins(y=0.35)  # the legend has room above the bars
        axes.legend()
    return figure


def _fingerprint_lines(found: Mapping[str, Any], split: str) -> Iterator[tuple[str, str]]:
    """What the training cases of a split have in common: what it is, and its values in one line or several."""
    yield "training cases", f"{found['cases']} of split {split}"
    if not found["cases"]:
        return
    spacing, shape = by_axis(found["median_spacing"]), by_axis(found["median_shape"])
    if len(found["median_shape"]) == 3:
        yield "median spacing", f"{spacing} mm; target spacing of a plan: {by_axis(found['target_spacing'])} mm"
        yield "median shape", f"{shape} voxels; at the target spacing: {by_axis(found['median_target_shape'])} voxels"
    else:
        yield "median spacing", f"{spacing} pixels of the raw picture"
        yield "median shape", f"{shape} pixels"
    components = found["components"]
    counts = f"median {components['median']:g}, at most {components['largest']}"
    yield "components of a case", f"{counts}; cases without any: {components['cases_without']}"
    shares = (f"{name} {100 * share:.3g} %".replace(" ", UNBROKEN) for name, share in found["class_shares"].items())
    yield "classes by voxels", fill(", ".join(shares), VALUES_WIDTH)
    channels = (
        f"channel {number}: percentiles 0.5, 50, 99.5 at {of['percentile_0.5']:.4g}, {of['percentile_50']:.4g},"
        f" {of['percentile_99.5']:.4g}; mean {of['mean']:.4g}, standard deviation {of['sd']:.4g}"
        for number, of in enumerate(found["intensities"])
    )
    yield "prepared intensities of structures", "\n".join(channels) or "none"


def _bins(counts: np.ndarray) -> np.ndarray:
    """Edges between whole numbers."""
    step = max(1, int(np.ceil((counts.max() + 1) / 40)))
    return np.arange(0, counts.max() + 1 + step, step) - 0.5


def _diameters(case: StoredCase, labels: Labels) -> np.ndarray:
    """Diameter in mm (pixels in 2D) of the ball (disc) as large as each component."""
    components = connected_components(case.array("label")[...], None, labels)
    size = np.bincount(components.ravel())[1:] * float(np.prod(case.description["spacing"]))
    return (6 * size / np.pi) ** (1 / 3) if components.ndim == 3 else (4 * size / np.pi) ** 0.5


def _overlays(cases: Sequence[StoredCase], labels: Labels, footer: str) -> Figure:
    rows = -(-len(cases) // COLUMNS)
    figure = new_figure(15, 2.7 * rows + 0.5, footer)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, case in zip(axes, cases, strict=False):
        _overlay(axis, case, labels)
    if len(labels.structures) > 1:
        handles = [
            figure.axes[0].plot([], [], color=PALETTE[k % len(PALETTE)], label=name)[0]
            for k, name in enumerate(labels.structures)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=6)
    return figure


def _overlay(axis: Axes, case: StoredCase, labels: Labels) -> None:
    image, label, aspect = _shown(case, labels)
    scaled = contrasted(image)
    axis.imshow(scaled, cmap=None if scaled.ndim == 3 else "gray", aspect=aspect, interpolation="nearest")
    for number, (_, mask) in enumerate(labels.masks(label)):
        if mask.any() and not mask.all():
            colour = PALETTE[number % len(PALETTE)] if len(labels.structures) > 1 else "#E83F6F"
            axis.contour(mask, levels=[0.5], colors=[colour], linewidths=0.8)
    if not (annotated := labels.annotated(label)).all():
        axis.contourf(~annotated, levels=[0.5, 1.5], colors=[QUIET], alpha=0.4)
    axis.set_title(case.name if len(case.name) < 24 else f"...{case.name[-20:]}", size=8)


def _shown(case: StoredCase, labels: Labels) -> tuple[np.ndarray, np.ndarray, float]:
    """Image (rows, columns[, colours]), label and the pixels' height over width."""
    label = case.array("label")[...]
    plane = Plane.of(case, labels.foreground(label), longest_side=LONGEST_SIDE)
    image = plane.cut(case.array("image"))
    coloured = len(case.shape) == 2 and len(image) == 3
    return np.moveaxis(image, 0, -1) if coloured else image[0], plane.cut(label), plane.aspect


def case_table(
    cases: Sequence[StoredCase], splits: dict[str, dict[str, Sequence[str]]], labels: Labels
) -> pd.DataFrame:
    """One row per usable case: patient, part in each split, geometry, voxels of each class, checksums."""
    part_of = {name: {case: part for part, ids in parts.items() for case in ids} for name, parts in splits.items()}
    rows = []
    for case in cases:
        description = case.description
        rows.append(
            {
                "case": case.name,
                "patient": description["patient"],
                **{f"split {name}": parts.get(case.name, "") for name, parts in part_of.items()},
                "channels": description["channels"],
                "shape": "x".join(map(str, description["shape"])),
                "spacing": "x".join(f"{length:.4g}" for length in description["spacing"]),
                "lesions": description["n_lesions"],
                **{
                    f"voxels {name}": description["class_voxels"].get(str(labels.number(name)), 0)
                    for name in labels.names
                },
                "voxels not annotated": description["class_voxels"].get(str(IGNORED), 0),
                "notes": "; ".join(description.get("notes", ())),
                "sha256 image": description["sha256"]["image"],
                "sha256 label": description["sha256"]["label"],
            }
        )
    return pd.DataFrame(rows)
