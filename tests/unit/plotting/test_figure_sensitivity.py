"""Results against one number of losses: where the points stand, and what a series may name."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_figures import NOTE, made_run, rows_of_all, study, words, write_table

from lib.comparison.results import StudyResults
from lib.losses.specification import resolved
from lib.plotting.catalogue import FIGURES, Series, StudyNames
from lib.plotting.sensitivity import sensitivity_figures


def summed(weight: float, temperature: float) -> dict[str, Any]:
    return resolved({"sum": ["cross_entropy", {"name": "proportion_l1", "weight": weight, "temperature": temperature}]})


LOSSES = {"ce": resolved("cross_entropy"), "low": summed(0.1, 10), "middle": summed(1, 10), "sharp": summed(1, 20)}
ALPHA = {"label": "alpha", "term": "proportion_l1", "losses": ["middle", "low"]}
TEMPERATURE = {"label": "T", "term": "proportion_l1", "key": "temperature", "losses": ["middle", "sharp"]}
DICE = {"ce": 0.5, "low": 0.6, "middle": 0.8, "sharp": 0.7}


def results(folder: Path, dice: dict[str, float], **options: Any) -> StudyResults:
    """Of two seeds, the second with a Dice that is larger by 0.1; the bias is a tenth."""
    runs = [made_run(folder, loss, seed, measures=["overlap", "proportion"]) for loss in dice for seed in (0, 1)]
    values = [dice[run.keys["loss"]] + run.keys["seed"] / 10 for run in runs]
    rows = [rows_of_all(run, dice=x, proportion_bias_abs=x / 10) for run, x in zip(runs, values, strict=True)]
    write_table(folder, "runs", pd.DataFrame(rows))
    return study(runs, **{"folder": folder, "losses": LOSSES, "reference": "ce", **options})


def test_means_over_seeds_stand_at_the_numbers_of_the_losses(tmp_path: Path) -> None:
    (figure,) = sensitivity_figures(results(tmp_path, DICE), [ALPHA, TEMPERATURE])
    figure.draw_without_rendering()
    dice, bias, by_temperature, _ = figure.axes
    (container,) = dice.containers
    marker, _, (bars,) = container.lines
    assert marker.get_xydata() == pytest.approx(np.array([[0.1, 0.65], [1, 0.85]]))
    assert np.ptp(bars.get_segments()[0][:, 1]) / 2 == pytest.approx(np.std([0.6, 0.7], ddof=1))
    assert bias.containers[0].lines[0].get_xydata() == pytest.approx(np.array([[0.1, 0.065], [1, 0.085]]))
    assert by_temperature.containers[0].lines[0].get_xdata().tolist() == [10, 20]
    horizontal = [line.get_ydata() for line in dice.lines if line.get_label() == "CE"]
    assert horizontal == [pytest.approx([0.55, 0.55])]
    assert all(axis.get_xscale() == "log" for axis in figure.axes)
    assert [axis.get_xlabel() for axis in figure.axes] == ["alpha", "alpha", "T", "T"]
    assert [axis.get_ylabel() for axis in figure.axes[:2]] == ["Dice", "bias of the share"]
    for text in (NOTE, "seeds 0, 1", "n = 7 test cases", "±1 sd over seeds"):
        assert text in words(figure)


def test_what_was_not_run_is_said(tmp_path: Path) -> None:
    part = {name: DICE[name] for name in ("ce", "low")}
    (figure,) = sensitivity_figures(results(tmp_path, part), [ALPHA, TEMPERATURE], compared_with="middle")
    dice, _ = figure.axes
    assert len(dice.containers) == 1 and "Not run: middle." in words(figure) and not figure.legends
    (page,) = sensitivity_figures(results(tmp_path, {"ce": 0.5}), [ALPHA])
    assert "Slabs: no loss of a series of this figure was run." in words(page)


def test_variants_that_differ_in_their_losses_alone_share_a_page(tmp_path: Path) -> None:
    of_study = results(tmp_path, DICE)
    runs = of_study.table("runs")
    write_table(tmp_path, "runs", runs.assign(variant=["base"] * 4 + ["more"] * 4))
    (figure,) = sensitivity_figures(of_study, [ALPHA], together=["base", "more"])
    assert figure.axes[0].containers[0].lines[0].get_xdata().tolist() == [0.1, 1]
    assert len(sensitivity_figures(of_study, [ALPHA])) == 2


@pytest.mark.parametrize(
    ("key", "term", "loss", "message"),
    [
        ("weight", "proportion_kl", "low", "has no term 'proportion_kl'; did you mean 'proportion_l1'?"),
        ("weight", "proportion_l1", "ce", "has no term 'proportion_l1'; it is no sum"),
        ("temperatur", "proportion_l1", "low", "proportion_l1 has no 'temperatur'; did you mean 'temperature'?"),
        ("weight", "proportion_l1", "zero", "weight of proportion_l1 is 0.0; a number above 0 was expected"),
        ("weight", "proportion_l1", "ramp", "weight of proportion_l1 is {'schedule'"),
    ],
)
def test_a_series_needs_a_number_of_each_of_its_losses(key: str, term: str, loss: str, message: str) -> None:
    ramp = {"schedule": "linear", "start": 0.1, "stop": 1}
    losses = {
        **{"ce": "cross_entropy", "low": {"sum": ["cross_entropy", "proportion_l1"]}},
        **{
            name: {"sum": ["cross_entropy", {"name": "proportion_l1", "weight": weight}]}
            for name, weight in (("zero", 0), ("ramp", ramp))
        },
    }
    series = {"label": "alpha", "term": term, "key": key, "losses": [loss]}
    figure = FIGURES.parse({"name": "sensitivity", "series": [series]})
    fault = figure.unknown(StudyNames([], [], losses, []))
    assert fault.startswith(f"series alpha: {loss}: {message}"), fault
    with pytest.raises(ValueError, match=r"proportion|temperatur"):
        Series(**series).number(resolved(losses[loss]))


def test_terms_that_come_again_have_their_number() -> None:
    terms = [{"name": "dice", "weight": 0.25}, {"name": "dice", "weight": 0.75}]
    series = Series(label="alpha", term="dice_2", losses=["mine"])
    assert series.number(resolved({"sum": terms})) == 0.75
