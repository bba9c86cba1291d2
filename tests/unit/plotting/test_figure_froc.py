"""FROC curves of a study's runs: panels, spread over seeds, and what stands beside the losses' names."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_figures import NOTE, made_run, rows_of_all, study, texts, words, write_table

from lib.comparison.results import EvaluatedRun
from lib.config.study_schema import Look
from lib.measures.froc import DrawnCurve
from lib.plotting.catalogue import FIGURES
from lib.plotting.froc import FrocLine, draw_froc_panel, froc_figures
from lib.plotting.style import new_figure

CASES = ("a", "b", "c")
CUTS = ("probability", "tuned")
MEASURES = ["overlap", {"name": "froc", "small_diameter": {"slabs": 5}}]
LOOKS = {"good": Look(colour="#123456", line=":", label="Good Loss")}


def lesion_rows(found: Sequence[bool], wrong: int) -> list[dict[str, object]]:
    """A large lesion in case a and a small one in b, some found, and small wrong components in a; c has nothing."""
    same = {"hit_max": 0.9, "hit_median": 0.9, "hit_q95": 0.9, "hit_stat": 0.9, "self_stat": 0.9}
    rows = []
    for case, diameter, hit in zip(CASES, (10, 3), found, strict=False):
        lesion = {"obj": "tum_1", "is_tum": True, "hit_obj": "pred_1" if hit else "pred_0"}
        reached = {"hit_dice": 0.5 * hit, "hit_logit": 3.0 if hit else -np.inf, "self_logit": np.inf}
        rows.append({"case": case, "diameter": diameter, **lesion, **reached, **same})
    component = {"is_tum": False, "hit_obj": "tum_0", "hit_dice": 0.0, "hit_logit": -np.inf, "self_logit": 4.0}
    return rows + [
        {"case": "a", "obj": f"pred_{number + 2}", "diameter": 2, **component, **same} for number in range(wrong)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., EvaluatedRun]:
    """Writes a run's lesions, found or not; with the tuned cut all are found, and nothing is wrong."""

    def written(
        loss: str, seed: int, found: Sequence[bool] = (True, True), wrong: int = 0, **options: object
    ) -> EvaluatedRun:
        rows = {"probability": lesion_rows(found, wrong), "tuned": lesion_rows((True, True), 0)}
        keyed = [{"structure": "lesion", "cut": cut, **row} for cut in CUTS for row in rows[cut]]
        cases = [{"case": case, "structure": "lesion", "cut": cut} for cut in CUTS for case in CASES]
        tables = {"cases": pd.DataFrame(cases), "lesions": pd.DataFrame(keyed)}
        return made_run(tmp_path, loss, seed, measures=MEASURES, cuts=CUTS, tables=tables, **options)

    return written


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Figure]:
    """The figure of some runs; object Dice is 0.4, that of cases with the tuned cut 0.6."""

    def figure(runs: Sequence[EvaluatedRun], name: str = "froc", **parameters: object) -> Figure:
        rows = [rows_of_all(run, object_dice=0.4, dice_present=0.5) for run in runs]
        rows[0]["status"] = "poor"
        tuned = [{**row, "cut": "tuned", "dice_present": 0.6, "object_dice": 0.7} for row in rows]
        write_table(tmp_path, "runs", pd.DataFrame([*rows, *tuned]))
        chosen = FIGURES.parse({"name": name, **parameters})
        (page,) = froc_figures(study(runs, folder=tmp_path, looks=LOOKS), **chosen.arguments())
        page.draw_without_rendering()
        return page

    return figure


def labels(axis: Axes) -> list[str]:
    return [line.get_label() for line in axis.lines]


@pytest.mark.parametrize(
    ("name", "end", "recall", "sd", "dice", "text"),
    [
        ("froc", 2 / 3, 0.75, np.std([1, 0.5], ddof=1), 0.4, "2 lesions; seeds 0, 1."),
        ("froc_small", 2 / 3, 0.5, np.std([1, 0], ddof=1), 0.4, "1 lesions below 5 voxels of diameter; seeds 0, 1."),
        ("froc_tuned", 0, 1, 0, 0.6, "best mean Dice on the validation cases"),
    ],
)
def test_curves_are_means_over_seeds(
    run: Callable, drawn: Callable, name: str, end: float, recall: float, sd: float, dice: float, text: str
) -> None:
    runs = [run("good", 0, wrong=2), run("good", 1, found=(True, False), wrong=1), run("bad", 0, (False, False))]
    figure = drawn(runs, name)
    (axis,) = figure.axes
    assert labels(axis) == [f"Good Loss ({dice:.2f}) 1 of 2 poor", f"bad ({dice:.2f})"]
    good, bad = axis.lines
    assert good.get_xdata()[-1] == pytest.approx(end, abs=0.01) and good.get_ydata()[-1] == pytest.approx(recall)
    assert (good.get_color(), good.get_linestyle()) == ("#123456", ":")
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() - recall == pytest.approx(sd)
    assert bad.get_ydata()[-1] == (1 if name == "froc_tuned" else 0)
    assert axis.get_legend().get_title().get_text() == f"loss ({'Dice' if name == 'froc_tuned' else 'object Dice'})"
    for expected in (NOTE, "±1 sd over seeds", "Slabs: n = 3 test cases", text):
        assert expected in words(figure)


def test_small_lesions_are_those_below_the_median_without_a_limit(run: Callable, drawn: Callable) -> None:
    figure = drawn([run("good", 0, dataset="others")], "froc_small")
    assert "1 lesions below 6.5 voxels of diameter" in words(figure)


def test_a_study_may_group_losses_in_panels(run: Callable, drawn: Callable) -> None:
    runs = [run(loss, 0) for loss in ("a", "b", "c", "d")]
    names = [[label.partition(" ")[0] for label in labels(axis)] for axis in drawn(runs).axes]
    assert names == [["a", "b", "c", "d"]]
    figure = drawn(runs, panels=[["c", "a"], ["not_run"], ["d"]])
    names = [[label.partition(" ")[0] for label in labels(axis)] for axis in figure.axes]
    assert names == [["c", "a"], ["d"], ["b"]]
    colours = {line.get_label()[0]: line.get_color() for axis in figure.axes for line in axis.lines}
    assert len(set(colours.values())) == 4


def test_what_is_small_and_how_it_was_cut_are_both_said(run: Callable, drawn: Callable) -> None:
    (axis,) = (figure := drawn([run("good", 0)], "froc_small", cut="tuned")).axes
    assert axis.get_title(loc="left") == "Slabs, small lesions, tuned cut"
    for text in ("best mean Dice on the validation cases", "below the stated diameter", "1 lesions below 5 voxels"):
        assert text in words(figure)


def test_a_row_for_each_variant_that_its_title_names(run: Callable, drawn: Callable) -> None:
    figure = drawn([run("a", 0), run("b", 0), run("a", 0, variant="slow")], panels=[["b"]])
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "Slabs, base, all lesions",
        "",
        "Slabs, slow, all lesions",
        "",
    ]
    assert [len(axis.lines) for axis in figure.axes] == [1, 1, 0, 1]
    assert "Slabs, base: n = 3" in words(figure) and "Slabs, slow: n = 3" in words(figure)


def test_a_panel_draws_line_band_and_absence() -> None:
    axis = new_figure(3, 3).subplots()
    x = np.linspace(0, 2, 5)
    curve = DrawnCurve(x, x / 4, np.full(5, 0.1))
    draw_froc_panel(axis, [FrocLine("A", "#2274A5", curve), FrocLine("B", "#2274A5", None, "--")])
    solid, absent = axis.lines
    assert (solid.get_linestyle(), solid.get_color(), solid.get_label()) == ("-", "#2274A5", "A")
    assert (absent.get_linestyle(), len(absent.get_xdata())) == ("--", 0)
    assert np.array_equal(solid.get_ydata(), x / 4)
    band = axis.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((-0.1, 0.6))
    assert texts(axis) == ["B: records missing"]
