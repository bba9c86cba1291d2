"""Dice and distances over the epochs of the trainings: lines, bands, kept networks, and what was not measured."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_figures import NOTE, line, made_run, study, words

from lib.comparison.results import EvaluatedRun, joined
from lib.plotting.over_epochs import over_epochs_figures


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., EvaluatedRun]:
    """Writes a run's history of four epochs."""

    def written(
        loss: str = "gdl", seed: int = 0, variant: str = "slices", **columns: Sequence[float | None]
    ) -> EvaluatedRun:
        history = pd.DataFrame({"epoch": [1, 2, 3, 4], **columns})
        return made_run(tmp_path, loss, seed, variant=variant, tables={"history": history})

    return written


def test_lines_are_means_over_seeds_of_the_epochs_that_measured(run: Callable) -> None:
    runs = [
        run(loss, seed, test_dice=[None, 0.2, None, 0.4 + seed / 5], test_hd95=[None, 80, None, 3 + seed])
        for loss in ("gdl", "ce")
        for seed in (0, 1)
    ]
    (figure,) = over_epochs_figures(study(runs))
    dice, distance = figure.axes
    assert line(dice, "GDL") == pytest.approx(np.array([[2, 0.2], [4, 0.5]]))
    assert line(distance, "CE") == pytest.approx(np.array([[2, 80], [4, 3.5]]))
    band = dice.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(0.5 + np.std([0.4, 0.6], ddof=1))
    assert len(dice.collections) == len(distance.collections) == 2
    assert "test cases" in dice.get_ylabel() and "(mm)" in distance.get_ylabel()
    assert (dice.get_yscale(), distance.get_yscale()) == ("linear", "symlog")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["GDL", "CE"]
    for text in (NOTE, "±1 sd over seeds", "Slabs, slices", "seeds 0, 1."):
        assert text in words(figure)


def test_the_kept_networks_are_marked(run: Callable) -> None:
    dice = [0.1, 0.2, 0.3, 0.4]
    runs = [run("gdl", seed, test_dice=dice, selected=np.eye(4, dtype=int)[1 + seed]) for seed in (0, 1)]
    (figure,) = over_epochs_figures(study([*runs, run("ce", test_dice=dice)]))
    marked = {line.get_label(): line.get_markevery() for line in figure.axes[0].lines}
    assert marked == {"GDL": [1, 2], "CE": [3]}


def test_one_seed_has_no_band_and_close_distances_a_linear_axis(run: Callable) -> None:
    (figure,) = over_epochs_figures(study([run(test_dice=[0.1] * 4, test_hd95=[9, 8, 6, 5])]))
    assert not any(axis.collections for axis in figure.axes)
    assert figure.axes[1].get_yscale() == "linear"


def test_validation_cases_where_no_test_cases_were_measured(run: Callable) -> None:
    nothing = [None] * 4
    runs = [run(test_dice=nothing, validation_dice=[0.1, 0.2, 0.3, 0.4]), run("ce")]
    (figure,) = over_epochs_figures(study(runs))
    (axis,) = figure.axes
    assert axis.get_ylabel() == "Dice of the validation cases"
    assert line(axis, "GDL")[:, 1] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert "test cases were not looked at" in words(figure) and "Not measured: CE." in words(figure)


def test_the_part_with_most_measured_epochs_is_drawn_and_hides_no_network(run: Callable) -> None:
    last = [None, None, None, 0.4]
    kept = {"selected": [0, 1, 0, 0]}
    validation = {"validation_dice": [0.1, 0.3, 0.2, 0.2], "validation_hd95": [9, 8, 7, 7]}
    both = [run(loss, test_dice=last, test_hd95=last, **validation, **kept) for loss in ("gdl", "ce")]
    (figure,) = over_epochs_figures(study(both))
    assert figure.axes[0].get_ylabel() == "Dice of the validation cases"
    assert [line.get_markevery() for line in figure.axes[0].lines] == [[1], [1]]
    assert "test cases, measured in no more epochs, are not drawn" in words(figure)
    assert "not measured on these" not in words(figure) and "Hollow" not in words(figure)


def test_a_single_epoch_is_a_point_hollow_where_it_is_not_the_kept_one(run: Callable) -> None:
    last = [None, None, None, 0.4]
    runs = [run("gdl", test_dice=last, selected=[0, 1, 0, 0]), run("ce", test_dice=last)]
    (figure,) = over_epochs_figures(study(runs))
    figure.draw_without_rendering()
    (axis,) = figure.axes
    looks = {line.get_label(): (line.get_markevery(), line.get_markerfacecolor()) for line in axis.lines}
    assert looks["GDL"] == ([0], "white") and looks["CE"][0] == [0] and looks["CE"][1] != "white"
    shown = [tick for tick in axis.get_xticks() if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    assert shown == [4] and axis.get_xlim() == (3.5, 4.5)
    assert "1 of 2 kept networks are of epochs that were not measured" in words(figure)
    assert "Hollow" in words(figure)


def test_a_page_for_each_fold(run: Callable) -> None:
    folds = [replace(run(), fold=f"fold-{number}") for number in (0, 1)]
    first, second = over_epochs_figures(study(joined(folds)))
    assert "Slabs, slices, fold-0" in words(first) and "Slabs, slices, fold-1" in words(second)


def test_a_page_for_each_variant_even_where_nothing_was_measured(run: Callable) -> None:
    first, second = over_epochs_figures(study([run(), run(variant="volumes", test_dice=[0.1] * 4)]))
    assert "Slabs, slices: neither test nor validation" in words(first) and not first.axes
    assert "Slabs, volumes" in words(second)
