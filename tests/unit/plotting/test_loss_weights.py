"""The weights of sums of losses over the epochs."""

import subprocess
import sys

import numpy as np
import pytest
from study_figures import line, study, texts, words

from lib import ROOT
from lib.losses.specification import resolved
from lib.plotting.loss_weights import loss_weights_figures


def test_the_corrected_rebalancing_adds_up_to_one_and_the_published_to_more() -> None:
    sums = ["gdl_boundary_rebalance", "gdl_boundary_rebalance_published", "gdl_hausdorff"]
    losses = {"ce": resolved("cross_entropy"), **{name: resolved(name) for name in sums}}
    (figure,) = loss_weights_figures(study([], losses=losses, epochs=[100]))
    corrected, published, constant = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == [*sums[:2], "GDL + Hausdorff"]
    assert line(corrected, "sum of the weights")[:, 1] == pytest.approx(np.ones(100))
    assert line(corrected, "boundary")[[0, -1]] == pytest.approx(np.array([[1, 0], [100, 0.99]]))
    assert line(published, "sum of the weights")[[0, -1], 1] == pytest.approx([1.01, 1.1])
    assert line(published, "generalized dice")[-1, 1] == pytest.approx(0.1)
    assert line(constant, "hausdorff dt")[:, 1] == pytest.approx(np.full(100, 0.1))
    assert [texts(axis) for axis in figure.axes] == [["1.00"], ["1.10"], ["1.10"]]
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["generalized dice", "boundary", "hausdorff dt", "sum of the weights"]


def test_the_longest_of_different_trainings_is_drawn() -> None:
    losses = {"mine": resolved("gdl_boundary_rebalance")}
    (same,) = loss_weights_figures(study([], losses=losses, epochs=[20]))
    (different,) = loss_weights_figures(study([], losses=losses, epochs=[10, 20]))
    for figure in (same, different):
        assert len(line(figure.axes[0], "boundary")) == 20
    assert "Of 20 epochs; shorter trainings go through the same schedules in theirs." in words(different)
    assert "shorter" not in words(same)


def test_terms_of_one_name_and_sums_of_sums() -> None:
    terms = ["dice", {"name": "dice", "squared_pred": True, "weight": 0.5}, "dice_ce"]
    results = study([], losses={"mine": resolved({"sum": terms})}, epochs=[1])
    (axis,) = loss_weights_figures(results)[0].axes
    assert axis.get_legend_handles_labels()[1] == [
        "dice",
        "dice (2)",
        "dice + cross entropy",
        "sum of the weights",
    ]
    assert line(axis, "dice (2)").tolist() == [[1, 0.5]]


def test_without_a_sum_a_page_says_so() -> None:
    (figure,) = loss_weights_figures(study([], losses={"ce": resolved("cross_entropy")}, epochs=[10]))
    assert "no weights to draw" in words(figure) and not figure.axes


def test_weights_are_drawn_without_torch() -> None:
    code = "import sys, lib.plotting.loss_weights; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
