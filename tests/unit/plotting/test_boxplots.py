"""Boxes of the test cases: what stands in which box, on which axis, and what is left out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from study_figures import NOTE, made_run, study, words

from lib.comparison.results import EvaluatedRun
from lib.plotting import boxplots
from lib.plotting.catalogue import FIGURES

MEASURES = ["overlap", "surface", "volume"]


def boxplot_figures(runs: Sequence[EvaluatedRun], **parameters: object) -> list[Figure]:
    chosen = FIGURES.parse({"name": "boxplots", **parameters})
    return boxplots.boxplot_figures(study(runs), **chosen.arguments())


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., EvaluatedRun]:
    """Writes a run's table of test cases."""

    def written(cases: pd.DataFrame, loss: str = "gdl", seed: int = 0) -> EvaluatedRun:
        tables = {"cases": cases}
        return made_run(tmp_path, loss, seed, variant="slices", measures=MEASURES, tables=tables)

    return written


def case_table(dice: Sequence[float], structures: Sequence[str] = ("lesion",)) -> pd.DataFrame:
    """Cases of some Dice; where it is 0 nothing was predicted and the distance is the diagonal."""
    rows = [
        {
            **{"case": f"case{number}", "structure": structure, "cut": "decided"},
            **{"present": 50, "dice": value, "nsd": value, "volume_difference": -10.0},
            **({"predicted": 40, "hd95": 5.0 + number} if value else {"predicted": 0, "hd95": 120.0}),
        }
        for number, value in enumerate(dice)
        for structure in structures
    ]
    return pd.DataFrame(rows)


def names(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_a_box_a_loss_in_the_order_of_the_runs(run: Callable) -> None:
    runs = [
        run(case_table([0, 0.2 + offset, 0.4 + offset, 0.6 + offset]), loss, seed)
        for loss, offset in (("gdl_hausdorff", 0.0), ("ce", 0.1))
        for seed in (0, 1)
    ]
    (figure,) = boxplot_figures(runs)
    figure.draw_without_rendering()
    dice, distance = figure.axes
    assert names(figure) == ["GDL + Hausdorff (n = 8)\n2 of 8 empty", "CE (n = 8)\n2 of 8 empty"]
    assert len(dice.patches) == len(distance.patches) == 2
    drawn = dice.patches[1].get_path().vertices[:, 0]
    assert (drawn.min(), drawn.max()) == pytest.approx(np.percentile([0, 0.3, 0.5, 0.7] * 2, [25, 75]))
    assert dice.patches[0].get_path().vertices[:, 1].mean() < dice.patches[1].get_path().vertices[:, 1].mean()
    assert dice.yaxis_inverted()
    means = [line.get_xdata()[0] for line in dice.lines if line.get_marker() == "D"]
    assert means == pytest.approx([0.3, 0.375])
    points = [np.sort(line.get_xdata()).tolist() for line in distance.lines if line.get_marker() == "."]
    crosses = [line.get_xdata().tolist() for line in distance.lines if line.get_marker() == "x"]
    assert points == [[6, 6, 7, 7, 8, 8]] * 2 and crosses == [[120, 120]] * 2
    for text in (NOTE, "quartiles", "5 to 95 %", "4 test cases", "seeds 0, 1", "empty prediction"):
        assert text in words(figure)


def test_points_lie_at_the_same_places_in_every_drawing(run: Callable) -> None:
    runs = [run(case_table([0.4, 0.5, 0.6]))]
    first, again = (boxplot_figures(runs)[0].axes[0].lines for _ in range(2))
    assert [line.get_ydata().tolist() for line in first] == [line.get_ydata().tolist() for line in again]


def test_axes_follow_the_unit_and_the_range_of_their_column(run: Callable) -> None:
    (figure,) = boxplot_figures([run(case_table([0.4, 0.5]))], columns=["nsd", "hd95", "volume_difference"])
    share, distance, difference = figure.axes
    assert share.get_xscale() == "linear" and share.get_xlim() == pytest.approx((-0.02, 1.02))
    assert distance.get_xscale() == "symlog" and distance.get_xlim() == pytest.approx((-0.15, 1.15 * 6))
    assert difference.get_xscale() == "linear" and difference.get_xlim()[1] < 0
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "NSD",
        "HD95 (mm), logarithmic above 1",
        "predicted minus true size (mm³, mm² in 2D)",
    ]


def test_the_cases_are_those_of_the_primary_cut(tmp_path: Path) -> None:
    tuned, cut = case_table([0.8]).assign(cut="tuned"), case_table([0.5, 0.6]).assign(cut="probability")
    tables, cuts = {"cases": pd.concat([cut, tuned])}, ("probability", "tuned")
    run = made_run(tmp_path, measures=MEASURES, cuts=cuts, tables=tables)
    (figure,) = boxplots.boxplot_figures(study([run], primary_cut="tuned"), ["dice"])
    assert names(figure) == ["GDL (n = 1)"]


def test_every_structure_has_its_page(run: Callable) -> None:
    pages = boxplot_figures([run(case_table([0.5, 0.6], ["ventricle", "wall"]))])
    assert [page.get_suptitle() for page in pages] == ["Slabs, slices: ventricle", "Slabs, slices: wall"]
    assert names(pages[0]) == ["GDL (n = 2)"]
    assert not pages[0].legends


def test_lesion_free_cases_are_no_empty_predictions(run: Callable) -> None:
    cases = case_table([0.5, 0.0]).assign(present=[50, 0], dice=[0.5, 1.0], hd95=[4.0, 0.0])
    (figure,) = boxplot_figures([run(cases)])
    assert names(figure) == ["GDL (n = 2)"]
    assert figure.axes[1].get_xlim()[0] < 0


def test_cases_without_one_of_several_structures_are_left_out_where_it_is_left_empty(run: Callable) -> None:
    empty = {"present": 0, "dice": 1.0, "hd95": 0.0, "predicted": 0}
    cases = case_table([0.5, 0.6, 0.7], ["ventricle", "wall", "none"])
    cases.loc[cases["structure"] == "none", list(empty)] = list(empty.values())
    cases.loc[[4, 7], list(empty)] = list(empty.values())  # the wall of the last two cases
    marked = cases.copy()
    marked.loc[7, ["dice", "hd95", "predicted"]] = [0.0, 120.0, 30]
    marked.loc[8, ["dice", "hd95", "predicted"]] = [0.0, 120.0, 30]
    ventricle, wall, none = boxplot_figures([run(cases, "gdl"), run(marked, "ce")])
    assert names(ventricle) == ["GDL (n = 3)", "CE (n = 3)"]
    assert names(wall) == ["GDL (n = 1)", "CE (n = 2)"]
    points = [line.get_xdata().tolist() for line in wall.axes[0].lines if line.get_marker() == "."]
    assert points == [[0.5], [0.5, 0.0]]
    assert "2 cases without it, rightly left empty 3 of 4 times" in words(wall)
    assert "without it" not in words(ventricle)
    assert "Slabs, slices: no test case has none; marked in 1 of 6 predictions." in words(none)
    assert not none.axes
