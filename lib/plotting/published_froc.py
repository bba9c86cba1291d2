"""The FROC figures of Shirokikh et al. (MICCAI 2020), from their published records."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from lib.comparison.published_records import FOCAL_RUNS, FOCAL_SEARCH, SMALL_LIMITS, DatasetLoss
from lib.config.study_schema import Look
from lib.measures.froc import (
    CORRECTED,
    DRAWS,
    PUBLISHED,
    Convention,
    drawn_curve,
    small_objects,
)
from lib.measures.records import Records
from lib.plotting.froc import FrocLine, draw_froc_panel
from lib.plotting.style import PALETTE, loss_line_style, new_figure

PublishedRecords = Mapping[DatasetLoss, Records | None]
Looks = Mapping[str, Look]
CAMERA_READY_DRAWS = 10
DATASET_TITLES = {"luna": "LUNA16", "met": "Metastases", "lits": "LiTS", FOCAL_SEARCH: "LUNA16 subsets 6–7"}
_DATASETS = ("luna", "met", "lits")
GROUPS = (("iwdl", "dl", "iwbce", "bce"), ("iwasl", "asl", "iwfl", "fl"))
_SPREAD = "Lines: mean, bands: ±1 sd over subsamples of one trained model (not over repeated trainings)."
_DENOMINATORS = {
    PUBLISHED: "Published denominators: cases with at least one row, subsamples divided by the full number",
    CORRECTED: "Corrected denominators: all cases of the file, subsamples divided by their own number",
}


def published_figures(records: PublishedRecords, looks: Looks) -> list[Figure]:
    """The 3 x 4 figure of small and all objects: page 1 by published denominators, page 2 by corrected."""
    return [_small_and_all(records, looks, convention) for convention in (PUBLISHED, CORRECTED)]


def camera_ready_figures(records: PublishedRecords, looks: Looks) -> list[Figure]:
    """The 2 x 3 figure of all objects with 10 subsamples, by the published denominators."""
    footer = _footer(records, _DATASETS, PUBLISHED, CAMERA_READY_DRAWS)
    figure = new_figure(11, 6.8, footer)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for row, losses in zip(axes, GROUPS, strict=True):
        for axis, dataset in zip(row, _DATASETS, strict=True):
            of_loss = {loss: records[dataset, loss] for loss in losses}
            draw_froc_panel(axis, _lines(of_loss, looks, PUBLISHED, CAMERA_READY_DRAWS))
            axis.xaxis.set_minor_locator(FixedLocator([0.5, 1.5, 2.5, 3.5, 4.5, 5.5]))
        row[-1].legend(loc="lower right")
    for axis, dataset in zip(axes[0], _DATASETS, strict=True):
        axis.set_title(DATASET_TITLES[dataset], weight="bold")
    _label_outer(axes)
    return [figure]


def focal_alpha_figures(records: PublishedRecords) -> list[Figure]:
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
    return [figure]


def _small_and_all(records: PublishedRecords, looks: Looks, convention: Convention) -> Figure:
    limits = ", ".join(f"{SMALL_LIMITS[dataset]} ({DATASET_TITLES[dataset]})" for dataset in _DATASETS)
    footer = _footer(records, _DATASETS, convention, DRAWS) + f" Small: diameter below {limits} voxels."
    figure = new_figure(13.5, 9.7, footer)
    figure.suptitle(_DENOMINATORS[convention].partition(":")[0], weight="bold")
    axes = figure.subplots(3, 4, sharex=True, sharey=True)
    for row, dataset in zip(axes, _DATASETS, strict=True):
        for group, losses in enumerate(GROUPS):
            of_loss = {loss: records[dataset, loss] for loss in losses}
            small = {
                loss: small_objects(found, SMALL_LIMITS[dataset]) if found else None for loss, found in of_loss.items()
            }
            draw_froc_panel(row[2 * group], _lines(small, looks, convention))
            draw_froc_panel(row[2 * group + 1], _lines(of_loss, looks, convention))
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
    of_loss: Mapping[str, Records | None], looks: Looks, convention: Convention, draws: int = DRAWS
) -> list[FrocLine]:
    styles = {loss: loss_line_style(loss, list(of_loss), looks) for loss in of_loss}
    return [
        FrocLine(
            styles[loss]["label"],
            styles[loss]["color"],
            drawn_curve(found, convention, draws) if found else None,
            styles[loss]["linestyle"],
        )
        for loss, found in of_loss.items()
    ]


def _label_outer(axes: Sequence[Sequence[Axes]]) -> None:
    for axis in axes[-1]:
        axis.set_xlabel("Average FP")
    for row in axes:
        row[0].set_ylabel("Recall")


def _footer(
    records: PublishedRecords,
    datasets: Sequence[str],
    convention: Convention,
    draws: int,
) -> str:
    cases = {dataset: len(found.cases) for (dataset, _), found in records.items() if found and dataset in datasets}
    n = ", ".join(f"{cases.get(dataset, 'no')} cases ({DATASET_TITLES[dataset]})" for dataset in datasets)
    return (
        f"Recomputed from the authors' published records: {n}; {draws} subsamples of 80 %.\n"
        f"{_DENOMINATORS[convention]}.\n{_SPREAD}"
    )
