"""Dice against the noise of the training masks: doses, lines, published numbers, and which Dice it is."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_figures import NOTE, line, made_run, rows_of_all, study, words, write_table

from lib.comparison.ledger import COLUMNS
from lib.comparison.results import EvaluatedRun
from lib.config.study_schema import Primary, Published
from lib.plotting.noise_response import noise_label, noise_response_figures

MILD, STRONG = "alpha0.3-beta0.5-released", "alpha0.7-beta0.7-released"
DOSES = {"clean": 0.0, MILD: 0.1, STRONG: 0.3}
MASKS = "the masks themselves"
Rows = list[dict[str, object]]


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., list[EvaluatedRun]]:
    """Two seeds a loss and noise; each run lies in a folder of its own and has no table."""

    def made(losses: Sequence[str] = ("t_loss", "gce"), doses: dict[str, float] = DOSES, **options: object):
        given = {"dataset": "skin", "title": "Skin"} | options
        return [
            made_run(
                tmp_path,
                loss,
                seed,
                noise=noise,
                levels={"noise": noise, **given.get("levels", {})},
                **{name: value for name, value in given.items() if name != "levels"},
            )
            for loss in losses
            for noise in doses
            for seed in (0, 1)
        ]

    return made


def rows_of(runs: Sequence[EvaluatedRun], doses: dict[str, float] = DOSES, **numbers: object) -> pd.DataFrame:
    """Dice falls with the dose and is 0.1 higher for seed 1."""
    rows = []
    for run in runs:
        dose = doses[run.keys["noise"]]
        dice = 0.9 - dose + 0.1 * run.keys["seed"]
        rows.append(rows_of_all(run, masks_dice=1 - dose, dice_pooled=dice, dice=dice / 2, **numbers))
    return pd.DataFrame(rows)


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Figure]:
    """The figure of some runs and their rows."""

    def figure(
        runs: Sequence[EvaluatedRun], rows: pd.DataFrame, ledger: Rows = (), column: str = "dice_pooled", **options
    ) -> Figure:
        write_table(tmp_path, "runs", rows)
        write_table(tmp_path, "ledger", pd.DataFrame(ledger).reindex(columns=COLUMNS))
        primary = Primary(column=column)
        (page,) = noise_response_figures(study(runs, folder=tmp_path, primary=primary, **options))
        page.draw_without_rendering()
        return page

    return figure


def labels(axis: Axes) -> list[str]:
    return axis.get_legend_handles_labels()[1]


def test_means_stand_at_their_dose(runs: Callable, drawn: Callable) -> None:
    members = runs()
    rows = rows_of(members)
    of_a_structure = rows.assign(structure="wall", dice_pooled=0.1)
    figure = drawn(members, pd.concat([rows, of_a_structure, rows.assign(cut="tuned", dice_pooled=0.2)]))
    (axis,) = figure.axes
    points = line(axis, "GCE")
    assert points[:, 1] == pytest.approx([0.95, 0.85, 0.65])
    assert points[:, 0] == pytest.approx([0, 0.1, 0.3], abs=0.01)
    assert (points[:, 0] > line(axis, "T-Loss")[:, 0]).all()
    bar = axis.containers[0].lines[2][0].get_segments()[0]
    assert bar[:, 1] == pytest.approx(0.95 + np.array([-1, 1]) * np.std([0.9, 1.0], ddof=1))
    assert [label.get_text() for label in axis.get_xticklabels()] == ["clean", "0.3 / 0.5", "0.7 / 0.7"]
    assert axis.get_xticks() == pytest.approx([0, 0.1, 0.3])
    assert "(released)" in axis.get_xlabel()
    assert axis.get_ylabel() == "test Dice of all voxels together"
    assert line(axis, MASKS)[:, 1] == pytest.approx(1 - line(axis, MASKS)[:, 0])
    for text in (NOTE, "n = 7 test cases", "seeds 0, 1", "±1 sd", "Dashed grey", MASKS):
        assert text in words(figure)
    assert "collapsed" not in words(figure)


def test_one_seed_has_no_bars_and_collapsed_and_poor_runs_are_counted(runs: Callable, drawn: Callable) -> None:
    members = runs(["gce"])
    rows = rows_of(members)
    figure = drawn(members[::2], rows[rows["seed"] == 0].assign(status="collapsed"))
    (start, end) = figure.axes[0].containers[0].lines[2][0].get_segments()[0]
    assert start == pytest.approx(end)
    assert "; of the runs 3 of 3 collapsed, all counted in the means." in words(figure)
    poor = drawn(members, rows.assign(status=["learnt", "poor", "collapsed", "poor", "learnt", "poor"]))
    assert "; of the runs 1 of 6 collapsed, 3 of 6 poor, all counted in the means." in words(poor)


def test_published_numbers_stand_beside_ours(runs: Callable, drawn: Callable) -> None:
    """The ledger has the published name of the data set, and names of losses and variants as they were run."""
    common = {
        "dataset": "isic",
        "variant": "base",
        "resampling": "native",
        "network": "unet",
        "optimizer": "adam",
        "scheduler": "constant",
    }
    gce = {**common, "loss": "gce", "metric": "dice_pooled", "spread": 0.02, "source": "Table 1"}
    ledger = [
        {**gce, "noise": "clean", "published": 0.8},
        {**gce, "noise": STRONG, "published": 0.7},
        {**gce, "noise": STRONG, "published": 0.1, "structure": "wall"},
        {**gce, "noise": STRONG, "published": 0.2, "variant": "slow"},
        {**gce, "noise": STRONG, "published": -2.4, "metric": "nu"},
        {**gce, "noise": MILD, "published": 0.3, "dataset": "other", "source": "Table 2"},
        {**gce, "noise": MILD, "published": 0.3, "loss": None, "variant": None},  # not run
    ]
    members = [*runs(), *runs(dataset="lung", title="Lung")]
    published = Published(table="t", datasets={"skin": "isic"})
    figure = drawn(members, rows_of(members), ledger, published=published)
    ours, printed, lung, nothing = figure.axes
    assert line(printed, "GCE")[:, 1] == pytest.approx([0.8, 0.7])
    assert line(printed, "GCE")[:, 0] == pytest.approx([0, 0.3], abs=0.01)
    assert "T-Loss" not in labels(printed)
    assert ours.get_ylim() == printed.get_ylim() and ours.get_xlim() == printed.get_xlim()
    assert [axis.get_title(loc="left") for axis in (ours, printed)] == ["Skin: own runs", "Skin: published"]
    assert lung.get_title(loc="left") == "Lung: own runs" and not nothing.axison
    assert "Published: Table 1;" in words(figure)


@pytest.mark.parametrize(("noise", "dose"), [("clean", 0.0), (STRONG, 0.3)])
def test_one_level_is_a_figure_too(runs: Callable, drawn: Callable, noise: str, dose: float) -> None:
    members = runs(doses={noise: dose})
    (axis,) = drawn(members, rows_of(members)).axes
    assert line(axis, "GCE").shape == (1, 2)
    assert (MASKS in labels(axis)) == (dose > 0)
    low, high = axis.get_ylim()
    mean, sd = line(axis, "GCE")[0, 1], 0.0707
    assert mean - 0.1 < low < mean - sd and mean + sd < high < mean + 0.1


def test_lines_join_noise_of_one_form_alone(runs: Callable, drawn: Callable) -> None:
    doses = {"clean": 0, MILD.removesuffix("-released"): 0.1, MILD: 0.15, STRONG: 0.3}
    members = runs(["gce"], doses)
    (axis,) = drawn(members, rows_of(members, doses)).axes
    joined = [container.lines[0].get_xdata().tolist() for container in axis.containers]
    assert joined == [pytest.approx([0, 0.1]), pytest.approx([0, 0.15, 0.3])]
    assert [label.get_text().strip() for label in axis.get_xticklabels()] == [
        "clean",
        "0.3 / 0.5 corrected",
        "0.3 / 0.5 released",
        "0.7 / 0.7 released",
    ]


def test_names_of_close_levels_stand_in_rows_and_do_not_touch(runs: Callable, drawn: Callable) -> None:
    grid = [f"alpha{a}-beta{b}-released" for a in (0.3, 0.5, 0.7) for b in (0.5, 0.7)]
    doses = dict(zip(["clean", *grid], [0, 0.086, 0.118, 0.14, 0.197, 0.2, 0.276], strict=True))
    members = runs([f"loss{number}" for number in range(9)], doses)
    (axis,) = drawn(members, rows_of(members, doses)).axes
    boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
    texts = [label.get_text() for label in axis.get_xticklabels()]
    assert texts[4:6] == ["0.5 / 0.7", "\n0.7 / 0.5"]
    one_row = [box for box, text in zip(boxes, texts, strict=True) if not text.startswith("\n")]
    assert all(left.x1 < right.x0 for left, right in pairwise(one_row))


def test_variants_and_what_is_crossed_besides_noise_stand_apart(runs: Callable, drawn: Callable) -> None:
    def titles(members: list[EvaluatedRun]) -> list[str]:
        return [axis.get_title(loc="left") for axis in drawn(members, rows_of(members)).axes]

    assert titles([*runs(variant="fast"), *runs(variant="slow")]) == ["Skin, fast", "Skin, slow"]
    networks = [run for name in ("a", "b") for run in runs(network=name, levels={"network": name})]
    assert titles(networks) == ["Skin, a", "Skin, b"]


def test_the_primary_number_is_drawn_with_its_cut(runs: Callable, drawn: Callable) -> None:
    members = runs(cuts=("tuned", "probability"))
    (axis,) = drawn(members, rows_of(members), column="dice").axes
    assert axis.get_ylabel() == "test Dice, tuned cut"
    assert line(axis, "GCE")[:, 1] == pytest.approx([0.475, 0.425, 0.325])


@pytest.mark.parametrize(
    ("ending", "what"),
    [("_epochs", "mean over the last epochs"), ("_best_epoch", "epoch with the best Dice per slice")],
)
def test_numbers_over_epochs_are_drawn_where_every_run_has_them(
    runs: Callable, drawn: Callable, ending: str, what: str
) -> None:
    members, column = runs(), f"dice_pooled{ending}"
    rows = rows_of(members)
    (axis,) = drawn(members, rows.assign(**{column: 0.5}), column=column).axes
    assert axis.get_ylabel().replace("\n", " ") == f"test Dice of all voxels together, {what}"
    assert axis.yaxis.label.get_window_extent().height < axis.bbox.height
    assert line(axis, "GCE")[:, 1] == pytest.approx([0.5] * 3)
    in_some = rows.assign(**{column: np.where(rows["loss"] == "gce", 0.5, np.nan)})
    for without in (rows, rows.assign(**{column: np.nan}), in_some):
        (axis,) = drawn(members, without, column=column).axes
        assert axis.get_ylabel() == "test Dice of all voxels together"
        assert line(axis, "GCE")[:, 1] == pytest.approx([0.95, 0.85, 0.65])


def test_masks_have_no_place_beside_distances(runs: Callable, drawn: Callable) -> None:
    members = runs(measures=["overlap", "surface"])
    figure = drawn(members, rows_of(members, hd95=30.0), column="hd95")
    (axis,) = figure.axes
    assert axis.get_ylabel() == "test HD95 (mm)" and axis.get_ylim()[0] > 25
    assert MASKS not in labels(axis) and "Dashed grey" not in words(figure)


@pytest.mark.parametrize(
    ("noise", "label"),
    [
        ("clean", "clean"),
        ("mine", "mine"),
        (STRONG, "0.7 / 0.7 released"),
        ("alpha0.5-beta0.25", "0.5 / 0.25 corrected"),
        ("alpha0.5-beta1e-05-dilate-erode-seed3", "0.5 / 1e-05 corrected, dilate, erode, seed3"),
    ],
)
def test_noise_is_described_by_its_name(noise: str, label: str) -> None:
    assert noise_label(noise) == label
