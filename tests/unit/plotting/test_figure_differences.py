"""Forest plots: what stands where, by which verdict, and what is said where nothing was compared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_runs import case_row, evaluated, rows_of
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from study_figures import NOTE, study, texts, words

from lib.comparison.results import EvaluatedRun, StudyResults
from lib.comparison.statistics import comparisons
from lib.config.study_schema import Primary
from lib.plotting.differences import differences_figures
from lib.plotting.style import PALETTE, QUIET

BASE = {"ce": 0.0, "gdl": 0.2, "dice": -0.2, "gce": 0.001}
SEEDS, CASES = 4, 8


def made(
    folder: Path, variant: str, shifts: Mapping[str, float], column: str = "dice", **keys: Any
) -> list[EvaluatedRun]:
    """Runs whose cases differ between losses by a shift and a little that varies with case and seed."""
    noise = np.random.default_rng(0).normal(0, 0.002, (SEEDS, CASES))
    return [
        evaluated(
            folder,
            [case_row(f"c{case}", **{column: 0.5 + shift * (1 + noise[seed, case])}) for case in range(CASES)],
            **{"variant": variant, "loss": loss, "seed": seed, "measures": ["overlap", "surface"], **keys},
        )
        for loss, shift in shifts.items()
        for seed in range(SEEDS)
    ]


def compared(
    folder: Path, runs: list[EvaluatedRun], bases: dict[str, str] | None = None, **options: Any
) -> StudyResults:
    tables = comparisons(runs, rows_of(runs), "ce", base="base", bases=bases)
    tables.to_csv(folder / "comparisons.csv", index=False)
    return study(runs, folder=folder, reference="ce", base="base", **options)


def names(axis: Axes) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def points(axis: Axes) -> list[tuple[float, str, str]]:
    """Place, marker and colour of each row, from above."""
    rows = [line for line in axis.lines if line.get_markersize() == 8]
    return [(line.get_xdata()[0], line.get_marker(), to_hex(line.get_color()).upper()) for line in rows]


def test_losses_and_variants_stand_sorted_with_their_verdicts(tmp_path: Path) -> None:
    runs = made(tmp_path, "base", BASE) + made(tmp_path, "wide", {"ce": 0.1, "gdl": 0.1})
    (figure,) = differences_figures(compared(tmp_path, runs))
    losses, variants = figure.axes
    assert losses.get_title("left") == "Losses against CE"
    assert names(losses) == ["GDL, base", "GCE, base", "GDL, wide", "Dice Loss, base"]
    assert [place for place, _, _ in points(losses)] == pytest.approx([0.2, 0.001, 0, -0.2], abs=2e-3)
    assert points(losses)[0][1:] == ("^", PALETTE[2]) and points(losses)[-1][1:] == ("v", PALETTE[3])
    assert points(losses)[1][1:] == ("s", PALETTE[0])
    assert [text.split(": ")[1] for text in texts(losses)] == ["better", "equivalent", "equivalent", "worse"]
    assert texts(losses)[1].startswith("+0.001 (+0.001 to +0.001)") and texts(losses)[3].startswith("−0.2")
    assert variants.get_title("left") == "Variants against base, loss by loss"
    assert names(variants) == ["wide, CE", "wide, GDL"]
    assert variants.get_xlabel() == "difference of Dice, positive is better"
    band = losses.patches[0].get_extents().transformed(losses.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((-0.01, 0.01))
    for text in (NOTE, "n = 8 cases, 4 seeds", "differences below 0.01 do not matter", "better", "worse"):
        assert text in words(figure)


def test_a_variant_with_a_base_of_its_own_says_so(tmp_path: Path) -> None:
    runs = [run for name in ("base", "volumes", "unetr") for run in made(tmp_path, name, {"ce": 0.1})]
    (figure,) = differences_figures(compared(tmp_path, runs, {"unetr": "volumes"}))
    (variants,) = figure.axes
    assert variants.get_title("left") == "Variants against their base, CE"
    assert sorted(names(variants)) == ["unetr − volumes", "volumes − base"]


def test_a_row_says_where_its_interval_lies(tmp_path: Path) -> None:
    results = compared(tmp_path, made(tmp_path, "base", BASE))
    table = results.table("comparisons")
    dice = table[table["column"] == "dice"].sort_values("difference", ascending=False)
    for row, low, high in zip(range(3), dice["low"], dice["high"], strict=True):
        (axis,) = differences_figures(results)[0].axes
        bars = [line.get_xdata() for line in axis.lines if len(line.get_xdata()) == 2 and row in line.get_ydata()[:1]]
        assert any(bar == pytest.approx([low, high]) for bar in bars)


def test_an_interval_much_wider_than_the_others_leaves_the_axis(tmp_path: Path) -> None:
    results = compared(tmp_path, made(tmp_path, "base", BASE))
    table = results.table("comparisons")
    table.loc[(table["loss"] == "gce"), ["low", "high", "verdict"]] = [-0.9, 0.9, "not shown"]
    table.to_csv(tmp_path / "comparisons.csv", index=False)
    (axis,) = differences_figures(results)[0].axes
    low, high = axis.get_xlim()
    assert low > -0.5 and high < 0.5
    assert {"<", ">"} <= {line.get_marker() for line in axis.lines}
    assert ("o", QUIET) in [found[1:] for found in points(axis)]
    assert "(−0.900 to +0.900): not shown" in texts(axis)[1]


def test_of_distances_low_ones_come_first_and_nothing_is_called_equivalent(tmp_path: Path) -> None:
    runs = made(tmp_path, "base", {"ce": 0, "gdl": 2.0, "dice": -0.4}, "hd95")
    (figure,) = differences_figures(compared(tmp_path, runs, primary=Primary(column="hd95")))
    (axis,) = figure.axes
    assert names(axis) == ["Dice Loss", "GDL"] and not axis.patches
    assert [text.split(": ")[1] for text in texts(axis)] == ["better", "worse"]
    assert axis.get_xlabel() == "difference of HD95 (mm), negative is better"
    assert "is not set for this measure" in words(figure)


def test_data_sets_have_pages_of_their_own(tmp_path: Path) -> None:
    runs = made(tmp_path, "base", {"ce": 0, "gdl": 0.1})
    runs += made(tmp_path, "base", {"ce": 0, "gdl": 0.1}, dataset="isles2018")
    results = compared(tmp_path, runs, titles={"wmh2017": "WMH", "isles2018": "ISLES"})
    assert [figure.get_suptitle() for figure in differences_figures(results)] == ["WMH", "ISLES"]


def test_a_single_loss_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    (figure,) = differences_figures(compared(tmp_path, made(tmp_path, "base", {"ce": 0})))
    assert "Nothing to compare" in words(figure) and not figure.axes


def test_numbers_of_whole_runs_are_compared_by_seed(tmp_path: Path) -> None:
    results = compared(tmp_path, made(tmp_path, "base", {"ce": 0, "gdl": 0.1}))
    table = results.table("comparisons").assign(cases=1)
    table.to_csv(tmp_path / "comparisons.csv", index=False)
    (figure,) = differences_figures(results)
    assert "n = 4 seeds, compared by seed" in words(figure)
