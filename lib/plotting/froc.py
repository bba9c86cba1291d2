"""FROC figures: those of Shirokikh et al. (MICCAI 2020) from their records, and a panel for any others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from lib.comparison.published_records import FOCAL_RUNS, FOCAL_SEARCH, SMALL_LIMITS, DatasetLoss
from lib.evaluation.froc import (
    CORRECTED,
    DRAWN_UP_TO,
    DRAWS,
    PUBLISHED,
    Convention,
    DrawnCurve,
    drawn_curve,
    small_objects,
)
from lib.evaluation.records import Records
from lib.plotting.style import (
    BAND_ALPHA,
    PALETTE,
    QUIET,
    is_inverse_weighted,
    loss_colour,
    loss_label,
    new_figure,
    save_figure,
    save_pages,
)

CAMERA_READY_DRAWS = 10
DATASET_TITLES = {"luna": "LUNA16", "met": "Metastases", "lits": "LiTS", FOCAL_SEARCH: "LUNA16 subsets 6–7"}
_DATASETS = ("luna", "met", "lits")
GROUPS = (("iwdl", "dl", "iwbce", "bce"), ("iwasl", "asl", "iwfl", "fl"))
_SPREAD = "Lines: mean, bands: ±1 sd over subsamples of one trained model (not over repeated trainings)."
_DENOMINATORS = {
    PUBLISHED: "Published denominators: cases with at least one row, subsamples divided by the full number",
    CORRECTED: "Corrected denominators: all cases of the file, subsamples divided by their own number",
}


@dataclass(frozen=True)
class FrocLine:
    """One curve of a panel; ``curve`` is None where its records are missing."""

    label: str
    colour: str
    curve: DrawnCurve | None
    dashed: bool = False


def loss_line(loss: str, curve: DrawnCurve | None) -> FrocLine:
    """The line of a loss of the inverse-weighting family: solid with inverse weights, dashed without."""
    return FrocLine(loss_label(loss), loss_colour(loss), curve, dashed=not is_inverse_weighted(loss))


def draw_froc_panel(axis: Axes, lines: Sequence[FrocLine]) -> None:
    """Draw mean recall and its band against average false positives; name the lines without a curve."""
    for line in lines:
        style = {"color": line.colour, "linestyle": "--" if line.dashed else "-", "label": line.label}
        if line.curve is None:
            axis.plot([], [], **style)
            continue
        x, mean, std = line.curve.x, line.curve.mean, line.curve.std
        axis.plot(x, mean, **style)
        axis.fill_between(x, mean - std, mean + std, color=line.colour, alpha=BAND_ALPHA, linewidth=0)
    missing = [f"{line.label}: records missing" for line in lines if line.curve is None]
    axis.text(
        0.03,
        0.99,
        "\n".join(missing),
        transform=axis.transAxes,
        va="top",
        size=8,
        color=QUIET,
        style="italic",
    )
    axis.set(xlim=(0, DRAWN_UP_TO + 0.1), ylim=(0, 1.02))
    axis.xaxis.set_major_locator(FixedLocator(range(int(DRAWN_UP_TO) + 1)))
    axis.yaxis.set_major_locator(FixedLocator([0.2, 0.4, 0.6, 0.8, 1.0]))
    axis.yaxis.set_minor_locator(FixedLocator([0.1, 0.3, 0.5, 0.7, 0.9]))


def draw_published_froc(records: Mapping[DatasetLoss, Records | None], path: Path) -> None:
    """The 3 x 4 figure of small and all objects: page 1 by published denominators, page 2 by corrected."""
    save_pages([_small_and_all(records, PUBLISHED), _small_and_all(records, CORRECTED)], path)


def draw_camera_ready(records: Mapping[DatasetLoss, Records | None], path: Path) -> None:
    """The 2 x 3 figure of all objects with 10 subsamples, by the published denominators."""
    footer = _footer(records, _DATASETS, PUBLISHED, CAMERA_READY_DRAWS)
    figure = new_figure(11, 6.8, footer)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for row, losses in zip(axes, GROUPS, strict=True):
        for axis, dataset in zip(row, _DATASETS, strict=True):
            of_loss = {loss: records[dataset, loss] for loss in losses}
            draw_froc_panel(axis, _lines(of_loss, PUBLISHED, CAMERA_READY_DRAWS))
            axis.xaxis.set_minor_locator(FixedLocator([0.5, 1.5, 2.5, 3.5, 4.5, 5.5]))
        row[-1].legend(loc="lower right")
    for axis, dataset in zip(axes[0], _DATASETS, strict=True):
        axis.set_title(DATASET_TITLES[dataset], weight="bold")
    _label_outer(axes)
    save_figure(figure, path)


def draw_focal_alpha(records: Mapping[DatasetLoss, Records | None], path: Path) -> None:
    """The search for the focal loss's alpha (gamma = 2) on LUNA16, by the published denominators."""
    figure = new_figure(7, 5.6, _footer(records, (FOCAL_SEARCH,), PUBLISHED, DRAWS))
    axis = figure.subplots()
    lines = []
    for run, colour in zip(FOCAL_RUNS, PALETTE, strict=False):
        found = records[FOCAL_SEARCH, run]
        curve = drawn_curve(found, PUBLISHED) if found else None
        lines.append(FrocLine(f"α = 0.{run.rpartition('_')[2]}", colour, curve))
    draw_froc_panel(axis, lines)
    axis.set(xlabel="Average FP", ylabel="Recall", title="Focal Loss, γ = 2")
    axis.legend(loc="upper right")
    save_figure(figure, path)


def _small_and_all(records: Mapping[DatasetLoss, Records | None], convention: Convention) -> Figure:
    limits = ", ".join(f"{SMALL_LIMITS[dataset]} ({DATASET_TITLES[dataset]})" for dataset in _DATASETS)
    footer = _footer(records, _DATASETS, convention, DRAWS) + f" Small: diameter below {limits} voxels."
    figure = new_figure(13.5, 9.7, footer)
    figure.suptitle(_DENOMINATORS[convention].partition(":")[0], weight="bold")
    axes = figure.subplots(3, 4, sharex=True, sharey=True)
    for row, dataset in zip(axes, _DATASETS, strict=True):
        for group, losses in enumerate(GROUPS):
            of_loss = {loss: records[dataset, loss] for loss in losses}
            small = {
                loss: small_objects(found, SMALL_LIMITS[dataset]) if found else None
                for loss, found in of_loss.items()
            }
            draw_froc_panel(row[2 * group], _lines(small, convention))
            draw_froc_panel(row[2 * group + 1], _lines(of_loss, convention))
        row[-1].text(
            1.04,
            0.5,
            DATASET_TITLES[dataset],
            transform=row[-1].transAxes,
            rotation=-90,
            va="center",
            weight="bold",
        )
    for column, axis in enumerate(axes[0]):
        axis.set_title("All objects" if column % 2 else "Small objects")
    for axis in axes[1, 1::2]:
        axis.legend(loc="lower right")
    _label_outer(axes)
    return figure


def _lines(
    of_loss: Mapping[str, Records | None], convention: Convention, draws: int = DRAWS
) -> list[FrocLine]:
    return [
        loss_line(loss, drawn_curve(found, convention, draws) if found else None)
        for loss, found in of_loss.items()
    ]


def _label_outer(axes: Sequence[Sequence[Axes]]) -> None:
    for axis in axes[-1]:
        axis.set_xlabel("Average FP")
    for row in axes:
        row[0].set_ylabel("Recall")


def _footer(
    records: Mapping[DatasetLoss, Records | None],
    datasets: Sequence[str],
    convention: Convention,
    draws: int,
) -> str:
    cases = {
        dataset: len(found.cases) for (dataset, _), found in records.items() if found and dataset in datasets
    }
    n = ", ".join(f"{cases.get(dataset, 'no')} cases ({DATASET_TITLES[dataset]})" for dataset in datasets)
    return (
        f"Recomputed from the authors' published records: {n}; {draws} subsamples of 80 %.\n"
        f"{_DENOMINATORS[convention]}.\n{_SPREAD}"
    )
