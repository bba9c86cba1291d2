"""The figure of a search: where its trials stand, conditional parameters, importances, and the base beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_figures import NOTE, made_run, study, texts, words
from toy_searches import BRANCHES, NUMBERS, Toy

from lib.comparison.results import FoundSearch
from lib.errors import SeglossError
from lib.plotting.search import search_figures
from lib.search.outcome import importance, trials_table
from lib.search.result import Result
from lib.search.rungs import schedule
from lib.search.settings import Search

SPACE = {
    "training.optimizer": {
        "choice": {
            "adam": {"learning_rate": {"float": [0.001, 0.1], "log": True}},
            "sgd": {"momentum": {"float": [0, 0.8]}},
        }
    },
    "sampling.batch_size": {"int": [2, 10]},
}
RATE, MOMENTUM = "training.optimizer.adam.learning_rate", "training.optimizer.sgd.momentum"
ADAM = {"sampling.batch_size": 2, "training.optimizer": "adam", RATE: 0.01}
SGD = {"sampling.batch_size": 10, "training.optimizer": "sgd", MOMENTUM: 0.2}
FIRST = {0: 0.5, 1: None, 2: 0.7, 3: 0.6}
LAST = {2: 0.72, 3: 0.9}


def found(folder: Path, search: Search, results: list[dict[int, Result]], **options: object) -> FoundSearch:
    """A search that has left its tables in a folder."""
    trials_table(search, results).to_csv(folder / "trials.csv", index=False)
    shares = pd.DataFrame(importance(search, results).items(), columns=["parameter", "importance"])
    shares.to_csv(folder / "importance.csv", index=False)
    return FoundSearch("tuned", "Slabs", folder, search, schedule(search, 9), **options)


def halved(folder: Path, **options: object) -> FoundSearch:
    """Four trials, of which one diverges and two go on."""
    search = Search.model_validate({"trials": 4, "space": SPACE, "rungs": {"epochs": [3], "factor": 2}})
    parameters = {number: ADAM if number in (0, 3) else SGD for number in FIRST}
    first = {n: Result(parameters[n], 3, None if dice is None else {"dice": dice}) for n, dice in FIRST.items()}
    last = {n: Result(parameters[n], 9, {"dice": dice}) for n, dice in LAST.items()}
    return found(folder, search, [first, last], **options)


def complete(folder: Path, toy: Toy, trials: int) -> FoundSearch:
    search = toy.search(trials=trials, sampler="random")
    return found(folder, search, [toy.results(search)])


def drawn(axis: Axes, **look: object) -> list[list[tuple[float, float]]]:
    """The points of the lines that look so."""
    lines = [line for line in axis.lines if all(getattr(line, f"get_{key}")() == value for key, value in look.items())]
    return [[*map(tuple, line.get_xydata().tolist())] for line in lines]


def legend(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.axes[-1].get_legend().get_texts()}


def test_the_history_has_every_rung_with_its_values(tmp_path: Path) -> None:
    (figure,) = search_figures(study([], searches=[halved(tmp_path)]))
    history, *_ = figure.axes
    first, last = ([point for line in drawn(history, marker=marker) for point in line] for marker in "os")
    assert first == [(0, 0.5), (2, 0.7), (3, 0.6)] and last == [(2, 0.72), (3, 0.9)]
    assert drawn(history, marker="o", alpha=0.35)[0] == [(0, 0.5)]
    assert drawn(history, marker="*") == [[(3, 0.9)]]
    assert [point[0] for point in drawn(history, marker="x")[0]] == [1]
    (best_so_far,) = drawn(history, drawstyle="steps-post")
    assert best_so_far == [(0, 0.5), (1, 0.5), (2, 0.7), (3, 0.7)]
    assert {"best: trial 3", "after 3 epochs", "after 9 epochs", "diverged"} <= legend(figure)
    assert NOTE in words(figure) and "Slabs: sampler tpe, seed 0" in words(figure)
    assert f"dice 0.900; sampling.batch_size 2, training.optimizer adam, {RATE} 0.01." in words(figure)


def test_axes_are_logarithmic_where_the_space_is_and_conditional_parameters_may_be_missing(tmp_path: Path) -> None:
    (figure,) = search_figures(study([], searches=[halved(tmp_path)]))
    parallel = figure.axes[2]
    names = [label.get_text().replace("\n", "") for label in parallel.get_xticklabels()]
    assert names == ["sampling.batch_size", "training.optimizer", RATE, MOMENTUM, "dice after3 epochs"]
    (best,) = drawn(parallel, linewidth=4)
    middle = 0.02  # of lines beside each other
    assert [height for _, height in best] == pytest.approx(
        [0 + middle, middle, 0.5 + middle, -0.16 + middle, 0.5 + middle]
    )
    (diverged,) = drawn(parallel, linestyle=":")
    assert [height for _, height in diverged[2:4]] == pytest.approx([-0.16 - middle / 3, 0.25 - middle / 3])
    assert np.isnan(diverged[4][1])
    assert len(drawn(parallel, linewidth=1.6, alpha=0.35)) == 1
    assert {"adam", "sgd", "none", "0.01", "2", "10"} <= set(texts(parallel))


def test_importances_are_bars_or_a_sentence_says_why_not(tmp_path: Path) -> None:
    (figure,) = search_figures(study([], searches=[halved(tmp_path)]))
    assert "it takes 16 trials that did not diverge" in " ".join(texts(figure.axes[1])[0].split())
    assert texts(figure.axes[1])[0].endswith("has 3.")
    search = complete(tmp_path, NUMBERS, 24)
    bars = search_figures(study([], searches=[search]))[0].axes[1]
    shares = search.importance()
    assert [bar.get_width() for bar in bars.patches] == pytest.approx(shares["importance"].tolist())
    assert [label.get_text() for label in bars.get_yticklabels()] == shares["parameter"].tolist()
    assert shares["importance"].sum() == pytest.approx(1)


def test_the_base_stands_at_the_same_epochs_as_the_trials(tmp_path: Path) -> None:
    histories = [
        pd.DataFrame({"epoch": range(1, 10), "validation_dice": (seed + np.arange(1, 10)) / 10}) for seed in (0, 1)
    ]
    runs = [made_run(tmp_path, "gdl", seed, tables={"history": table}) for seed, table in enumerate(histories)]
    (figure,) = search_figures(study(runs, searches=[halved(tmp_path, base=runs)]))
    heights = [line[0][1] for line in drawn(figure.axes[0], linestyle="--")]
    assert heights == pytest.approx([0.35, 0.95])
    assert "base, GDL after 3 epochs, seeds 0, 1" in legend(figure)
    unmeasured = [made_run(tmp_path, "ce", tables={"history": pd.DataFrame({"epoch": range(1, 10)})})]
    (figure,) = search_figures(study(runs, searches=[halved(tmp_path, base=unmeasured)]))
    assert not drawn(figure.axes[0], linestyle="--")


@pytest.mark.parametrize("cost", [None, "parameters"])
def test_choices_of_numbers_and_a_second_objective(tmp_path: Path, cost: str | None) -> None:
    search = BRANCHES.search(trials=20, sampler="random", cost=cost)
    results = BRANCHES.results(search)
    if cost:
        results = {
            n: Result(one.parameters, 1, {"dice": one.objectives["dice"], cost: 10.0 * n}) for n, one in results.items()
        }
    (figure,) = search_figures(study([], searches=[found(tmp_path, search, [results])]))
    figure.draw_without_rendering()
    parallel = figure.axes[2]
    names = [label.get_text().replace("\n", "") for label in parallel.get_xticklabels()]
    assert names[-1] == "dice after9 epochs" and ("parameters after9 epochs" in names) == bool(cost)
    heights = {round(line[1][1], 1) for line in drawn(parallel, linewidth=1.6)}
    assert heights == {0, 0.5, 1}  # batches of 2, 4 and 8


def test_a_study_without_a_search_says_so(tmp_path: Path) -> None:
    (figure,) = search_figures(study([made_run(tmp_path)], scale="paper"))
    assert "This study has no search at paper scale" in words(figure) and not figure.axes


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    search = halved(tmp_path)
    text = (tmp_path / "trials.csv").read_text()
    (tmp_path / "trials.csv").write_text(text[:-10])
    with pytest.raises(SeglossError, match=r"trials.csv: damaged"):
        search_figures(study([], searches=[search]))
