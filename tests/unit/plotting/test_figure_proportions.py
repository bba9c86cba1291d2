"""Predicted against true shares of test cases: what stands where, and what numbers say of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from study_figures import NOTE, made_run, study, words

from lib.comparison.results import EvaluatedRun
from lib.plotting.proportions import proportions_figures

MEASURES = ["overlap", "proportion"]


def shares(structure: str, true: Sequence[float], predicted: Sequence[float]) -> pd.DataFrame:
    """Rows of cases of 1,000 voxels."""
    rows = {"case": [f"case{number}" for number in range(len(true))], "structure": structure, "cut": "decided"}
    counts = {"present": np.multiply(true, 1000), "predicted": np.multiply(predicted, 1000)}
    return pd.DataFrame({**rows, **counts, "proportion": true, "proportion_predicted": predicted})


def run(folder: Path, loss: str, *tables: pd.DataFrame, seed: int = 0, **options: object) -> EvaluatedRun:
    return made_run(folder, loss, seed, measures=MEASURES, tables={"cases": pd.concat(tables)}, **options)


def points(axis: Axes, marker: str) -> list[list[float]]:
    (line,) = (line for line in axis.lines if line.get_marker() == marker)
    return line.get_xydata().tolist()


def test_a_panel_for_each_structure_and_loss_with_the_cases_of_all_seeds(tmp_path: Path) -> None:
    wall = shares("wall", [0.2, 0.2], [0.2, 0.1999])
    runs = [
        run(tmp_path, "dice", shares("core", [0.1, 0.2, 0], [0.2, 0.1 * 2**seed, 0.01]), wall, seed=seed)
        for seed in (0, 1)
    ]
    runs.append(run(tmp_path, "ce", shares("core", [0.1, 0.2, 0], [0, 0.1, 0]), wall))
    (figure,) = proportions_figures(study(runs))
    figure.draw_without_rendering()
    dice, ce, wall_of_dice, _ = figure.axes
    # log2: 1 and -1 of the first seed, 1 and 0 of the second
    assert dice.get_title() == "Dice Loss\n+0.50\nabsent: 2 of 2 marked"
    assert points(dice, ".") == [[0.1, 0.2], [0.2, 0.1], [0, 0.01], [0.1, 0.2], [0.2, 0.2], [0, 0.01]]
    assert ce.get_title() == "CE\n−∞, 1 of 2 missed\nabsent: 0 of 1 marked"
    assert points(ce, "x") == [[0.1, 0]] and points(ce, ".") == [[0.2, 0.1], [0, 0]]
    assert wall_of_dice.get_title() == "+0.00"
    assert "core\nin 2 cases" in dice.get_ylabel() and "wall\nin 2 cases" in wall_of_dice.get_ylabel()
    for text in (NOTE, "Slabs, base", "n = 3 test cases; seeds 0, 1.", "log2(predicted / true)"):
        assert text in words(figure)


def test_axes_of_a_structure_are_shared_and_show_zero_and_every_case(tmp_path: Path) -> None:
    runs = [run(tmp_path, "ce", shares("core", [0.02], [0])), run(tmp_path, "dice", shares("core", [0.02], [0.7]))]
    (figure,) = proportions_figures(study(runs))
    first, second = figure.axes
    assert first.get_xlim() == first.get_ylim() == second.get_xlim() == second.get_ylim()
    low, high = first.get_xlim()
    assert low < 0 and high > 0.7
    for axis in figure.axes:
        assert axis.get_xscale() == axis.get_yscale() == "symlog"
        assert axis.transData.transform((0, 0))[0] < axis.transData.transform((0.01, 0))[0]


def test_structures_that_no_case_has_stay(tmp_path: Path) -> None:
    runs = [run(tmp_path, "ce", shares("core", [0, 0], [0, 0.1]), shares("nowhere", [0, 0], [0, 0]))]
    (figure,) = proportions_figures(study(runs))
    core, nowhere = figure.axes
    assert core.get_title() == "CE\nabsent: 1 of 2 marked" and nowhere.get_title() == "absent: 0 of 2 marked"
    assert points(nowhere, ".") == [[0, 0], [0, 0]]


def test_many_structures_and_losses_get_pages(tmp_path: Path) -> None:
    tables = [shares(f"structure {number}", [0.1], [0.1]) for number in range(7)]
    pages = proportions_figures(study(run(tmp_path, f"loss{number}", *tables) for number in range(9)))
    assert [len(page.axes) for page in pages] == [4 * 4, 4 * 5, 3 * 4, 3 * 5]


def test_each_data_set_and_variant_has_its_page_and_the_primary_cut_decides(tmp_path: Path) -> None:
    tuned = shares("core", [0.1], [0.4]).assign(cut="tuned")
    cut = {"cuts": ("decided", "tuned")}
    runs = [run(tmp_path, "ce", shares("core", [0.1], [0.2]), tuned, variant=name, **cut) for name in ("a", "b")]
    first, second = proportions_figures(study(runs, primary_cut="tuned"))
    assert "Slabs, a" in words(first) and "Slabs, b" in words(second)
    assert first.axes[0].get_title() == "CE\n+2.00"
