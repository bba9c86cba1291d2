"""Bias of shares by size: medians and quartiles in bins, and what is predicted where a structure is not there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from study_figures import NOTE, made_run, study, words

from lib.comparison.results import EvaluatedRun
from lib.plotting.bias_by_size import bias_by_size_figures


def shares(structure: str, true: Sequence[float], predicted: Sequence[float]) -> pd.DataFrame:
    rows = {"case": [f"case{number}" for number in range(len(true))], "structure": structure, "cut": "decided"}
    return pd.DataFrame({**rows, "proportion": true, "proportion_predicted": predicted})


def run(folder: Path, loss: str, *tables: pd.DataFrame, seed: int = 0) -> EvaluatedRun:
    measures = ["overlap", "proportion"]
    return made_run(folder, loss, seed, measures=measures, tables={"cases": pd.concat(tables)})


def bars(axis: Axes) -> list[list[list[float]]]:
    """Of each loss, the lower end, the marker and the upper end in each bin."""
    found = []
    for container in axis.containers:
        marker, _, (bar,) = container.lines
        ends = [segment[:, 1] for segment in bar.get_segments()]
        found.append([[low, y, high] for (low, high), y in zip(ends, marker.get_ydata(), strict=True)])
    return found


def test_medians_and_quartiles_over_the_cases_in_bins_of_the_true_share(tmp_path: Path) -> None:
    true = np.geomspace(0.01, 0.1, 16)
    errors = np.array([-1, -0.5, 0, 0.5, 1, 2, 3, 100])
    predicted = true * (1 + np.tile(errors, 2) * np.repeat([1, 0], 8))
    (figure,) = bias_by_size_figures(study([run(tmp_path, "dice", shares("core", true, predicted))]))
    (axis,) = figure.axes
    expected = [np.percentile(errors, [25, 50, 75]), [0, 0, 0]]
    assert np.array(bars(axis)[0]) == pytest.approx(np.array(expected), abs=1e-9)
    assert axis.containers[0].lines[0].get_xdata() == pytest.approx([np.median(true[:8]), np.median(true[8:])])
    assert axis.get_yscale() == "symlog" and axis.get_ylim()[0] < -1 and axis.get_ylim()[1] > 2.25
    assert axis.get_title(loc="left") == "core"
    for text in (NOTE, "Slabs, base", "16 test cases, 16 regions; seeds 0.", "quartiles", "Dice Loss"):
        assert text in words(figure)


def test_bins_are_the_same_for_all_losses_and_cases_of_seeds_count_by_themselves(tmp_path: Path) -> None:
    true = [0.1, 0.2, 0.4]
    runs = [run(tmp_path, "dice", shares("core", true, np.multiply(true, 1 + seed)), seed=seed) for seed in (0, 1)]
    runs.append(run(tmp_path, "ce", shares("core", true, [0, 0, 0])))
    (figure,) = bias_by_size_figures(study(runs))
    dice, ce = bars(figure.axes[0])
    assert dice == [[0, 0.5, 1]] and ce == [[-1, -1, -1]]
    places = [container.lines[0].get_xdata()[0] for container in figure.axes[0].containers]
    assert places[0] < 0.2 < places[1] and places[0] * places[1] == pytest.approx(0.2**2)


def test_the_mean_predicted_share_where_the_structure_is_not_there(tmp_path: Path) -> None:
    core = shares("core", [0.1, 0, 0], [0.1, 0.02, 0.04])
    runs = [run(tmp_path, "dice", core), run(tmp_path, "ce", core.assign(proportion_predicted=[0.1, 0, 0]))]
    (figure,) = bias_by_size_figures(study(runs))
    _, absent = figure.axes
    assert [line.get_xdata().tolist() for line in absent.lines if line.get_marker() != "None"] == [[0.03], [0]]
    assert [label.get_text() for label in absent.get_yticklabels()] == ["core\n(2 cases)"]
    assert absent.get_xscale() == "symlog" and absent.get_xlim()[0] < 0


def test_several_structures_have_panels_with_one_scale(tmp_path: Path) -> None:
    tables = [shares(f"structure {number}", [0.1], [0.1 * 10**number]) for number in range(3)]
    together, apart = bias_by_size_figures(study([run(tmp_path, "ce", *tables)]))
    assert together.axes[0].get_title(loc="left") == "all structures"
    assert np.array(bars(together.axes[0])) == pytest.approx(np.array([[[4.5 - 0, 9, 54]]]))
    assert [axis.get_title(loc="left") for axis in apart.axes] == [f"structure {n} (in 1 case)" for n in range(3)]
    assert [bars(axis)[0][0][1] for axis in apart.axes] == pytest.approx([0, 9, 99])
    assert len({axis.get_ylim() for axis in apart.axes}) == 1 and apart.axes[0].get_ylim()[1] > 99


def test_nothing_there_and_nothing_predicted(tmp_path: Path) -> None:
    nothing, marked = (run(tmp_path, loss, shares("core", [0, 0], [0, p])) for loss, p in (("ce", 0), ("dice", 0.1)))
    (page,) = bias_by_size_figures(study([nothing]))
    assert "no test case has any structure" in words(page) and not page.axes
    (page,) = bias_by_size_figures(study([marked]))
    (absent,) = page.axes
    assert absent.lines[0].get_xdata().tolist() == [0.05]


def test_many_structures_get_pages(tmp_path: Path) -> None:
    tables = [shares(f"structure {number}", [0.1], [0.1]) for number in range(10)]
    _, first, second = bias_by_size_figures(study([run(tmp_path, "ce", *tables)]))
    assert [sum(axis.axison for axis in page.axes) for page in (first, second)] == [5, 5]
