"""Terms of sums over the epochs: which loss has a line where, and what becomes of weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_figures import NOTE, line, made_run, study, words

from lib.comparison.results import EvaluatedRun
from lib.losses.specification import resolved
from lib.plotting.loss_terms import loss_terms_figures

Terms = Mapping[str, tuple[Sequence[float], float | Sequence[float]]]


def run(folder: Path, loss: str, terms: Terms, seed: int = 0) -> EvaluatedRun:
    """A history of three epochs, of each term its values and its weight."""
    columns = {"epoch": [1, 2, 3], "step": [10, 20, 30], "loss": [3.0, 2.0, 1.0]}
    for name, (values, weight) in terms.items():
        columns |= {f"loss.{name}": values, f"weight.{name}": weight}
    return made_run(folder, loss, seed, tables={"history": pd.DataFrame(columns)})


def test_a_panel_for_each_term_with_the_mean_over_seeds(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "mine", {"pixels": ([3, 2, 1 + seed], 1), "regions": ([1, -1, 0], 0.5)}, seed) for seed in (0, 1)
    ]
    runs += [run(tmp_path, "gdl", {"pixels": ([6, 5, 4], 1)}), run(tmp_path, "ce", {})]
    (figure,) = loss_terms_figures(study(runs))
    pixels, regions = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["pixels", "regions"]
    assert line(pixels, "mine") == pytest.approx(np.array([[1, 3], [2, 2], [3, 1.5]]))
    assert line(pixels, "GDL")[:, 1].tolist() == [6, 5, 4]
    assert regions.get_legend_handles_labels()[1] == ["mine"]
    band = pixels.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(1.5 - np.std([1, 2], ddof=1)) and len(pixels.collections) == 1
    texts = (NOTE, "Slabs, base", "seeds 0, 1. A single term: CE.", "Constant weights other than 1: mine: regions 0.5.")
    assert all(text in words(figure) for text in texts), words(figure)


def test_a_sum_without_recorded_terms_is_no_single_term(tmp_path: Path) -> None:
    runs = [run(tmp_path, "mine", {"pixels": ([3, 2, 1], 1)}), run(tmp_path, "gdl", {}), run(tmp_path, "ce", {})]
    results = replace(study(runs), losses={"gdl": resolved({"sum": ["dice", "cross_entropy"]})})
    (figure,) = loss_terms_figures(results)
    assert "A single term: CE. Terms were not recorded: GDL." in words(figure)


def test_weights_that_change_stand_below(tmp_path: Path) -> None:
    terms = {"pixels": ([3, 2, 1], 1), "regions": ([1, 1, 1], [0.1, 0.5, 2.5])}
    (figure,) = loss_terms_figures(study([run(tmp_path, "mine", terms), run(tmp_path, "ce", {})]))
    *_, below_pixels, below_regions = figure.axes
    assert line(below_regions, "mine")[:, 1].tolist() == [0.1, 0.5, 2.5] and below_regions.get_ylabel() == "weight"
    assert below_regions.get_yscale() == "log"
    assert not below_pixels.axison and figure.axes[0].get_xlabel() == "epoch"
    assert "weights that change" in words(figure) and "Constant" not in words(figure)


def test_positive_terms_that_span_much_are_logarithmic(tmp_path: Path) -> None:
    terms = {"wide": ([100, 10, 1], 1), "signed": ([100, -1, 1], 1), "narrow": ([3, 2, 1], 1)}
    (figure,) = loss_terms_figures(study([run(tmp_path, "mine", terms)]))
    assert [axis.get_yscale() for axis in figure.axes] == ["log", "linear", "linear"]


def test_many_terms_get_pages_and_none_a_line(tmp_path: Path) -> None:
    terms = {f"term{number}": ([3, 2, 1], 1) for number in range(5)}
    pages = loss_terms_figures(study([run(tmp_path, "mine", terms)]))
    assert [len(page.axes) for page in pages] == [2, 3]
    (page,) = loss_terms_figures(study([run(tmp_path, "ce", {})]))
    assert "no loss is a sum" in words(page) and not page.axes
