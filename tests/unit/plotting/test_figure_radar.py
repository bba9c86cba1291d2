"""Radar charts of own runs and published numbers: axes, rings, lines, and what is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_figures import NOTE, line, made_run, rows_of_all, study, texts, words, write_table

from lib.comparison.ledger import COLUMNS
from lib.comparison.results import StudyResults
from lib.config.study_schema import Published
from lib.plotting.radar import radar_figures, ring_scale


def results(
    folder: Path,
    own: Mapping[tuple[str, str], Sequence[float]],
    printed: Mapping[tuple[str, str], float],
    *,
    metric: str = "dice",
    **options: Any,
) -> StudyResults:
    """A study of numbers by data set and loss, ours of each seed."""
    runs = [
        (made_run(folder, loss, seed, dataset=dataset, title=dataset.title()), value)
        for (dataset, loss), values in own.items()
        for seed, value in enumerate(values)
    ]
    table = pd.DataFrame([rows_of_all(run, dice=value, dice_pooled=value + 0.1) for run, value in runs])
    rows = [
        {"dataset": dataset, "title": dataset.title(), "published_loss": loss, "published": value}
        for (dataset, loss), value in printed.items()
    ]
    ledger = pd.DataFrame(rows).assign(metric=metric, source="A table").reindex(columns=COLUMNS)
    write_table(folder, "runs", table)
    write_table(folder, "ledger", ledger)
    return study([run for run, _ in runs], folder=folder, **options)


def charts(results: StudyResults, **parameters: Any) -> tuple[Figure, Axes, Axes]:
    (figure,) = radar_figures(results, **parameters)
    figure.draw_without_rendering()
    return figure, *figure.axes


FOUR = ("heart", "liver", "lung", "brain")


def test_each_axis_has_its_own_scale_whose_values_stand_at_the_rings(tmp_path: Path) -> None:
    own = {(name, loss): [value, value + 0.02] for name in FOUR for loss, value in (("ce", 0.5), ("dice", 0.52))}
    own[("liver", "ce")] = [0.2]
    published = {(name, "ce"): 0.7 for name in FOUR}
    figure, ours, theirs = charts(results(tmp_path, own, published))
    assert ours.name == theirs.name == "polar"
    # heart: 0.51 and 0.53, rings from 0.51 by 0.01; liver: 0.2 and 0.53, rings from 0.2 by 0.2
    angles, radii = line(ours, "CE").T
    assert angles == pytest.approx([0, np.pi / 2, np.pi, 3 * np.pi / 2, 2 * np.pi])
    assert radii == pytest.approx([1, 1, 1, 1, 1])
    assert line(ours, "Dice Loss")[:2, 1] == pytest.approx([3, 1 + 0.33 / 0.2])
    assert texts(ours)[:4] == ["Heart", "Liver", "Lung", "Brain"]
    assert texts(ours)[4:12] == ["0.51", "0.52", "0.53", "0.54", "0.2", "0.4", "0.6", "0.8"]
    assert texts(theirs)[4:8] == ["0.70", "0.71", "0.72", "0.73"]
    for text in (NOTE, "mean over seeds, 2 seeds in all", "Numbers: Dice.", "Published: A table."):
        assert text in words(figure)


def test_what_is_missing_breaks_lines_and_is_said(tmp_path: Path) -> None:
    own = {(name, "ce"): [0.5] for name in FOUR}
    published = {(name, loss): 0.7 for name in (*FOUR[1:], "skin") for loss in ("ce", "dice") if name != "lung"}
    published[("lung", "ce")] = 0.7
    _, ours, theirs = charts(results(tmp_path, own, published))
    places = ["Heart", "Liver", "Lung", "Brain", "Skin"]
    assert texts(ours)[:5] == [*places[:4], "Skin\n(not run)"]
    assert texts(theirs)[:5] == ["Heart\n(nothing published)", *places[1:]]
    assert np.isnan(line(ours, "CE")[:, 1]).tolist() == [False, False, False, False, True, False]
    assert np.isnan(line(theirs, "Dice Loss")[:, 1]).tolist() == [True, False, True, False, False, True]
    assert np.isnan(line(theirs, "CE")[:, 1]).tolist() == [True, False, False, False, False, True]


def test_less_than_three_data_sets_are_points_on_one_scale(tmp_path: Path) -> None:
    own = {("heart", "ce"): [0.5, 0.7], ("liver", "ce"): [0.4], ("liver", "dice"): [0.8]}
    published = {(name, "ce"): 0.7 for name in ("heart", "lung", "brain", "skin")}
    _, ours, theirs = charts(results(tmp_path, own, published))
    assert (ours.name, theirs.name) == ("rectilinear", "polar")
    assert line(ours, "CE")[:, 0] == pytest.approx([0.6, 0.4]) and line(ours, "Dice Loss")[:, 0] == pytest.approx([0.8])
    names = [label.get_text() for label in ours.get_yticklabels()]
    assert names == ["Heart", "Liver", "Lung\n(not run)", "Brain\n(not run)", "Skin\n(not run)"]
    assert texts(theirs)[:4] == ["Heart", "Lung", "Brain", "Skin"]  # no place for what is not compared by axis
    assert ours.get_xlabel() == "Dice"


def test_ours_is_of_the_column_and_has_the_name_that_was_published(tmp_path: Path) -> None:
    names = Published(table="a_table", datasets={"heart": "organ"})
    own, published = {("heart", "ce"): [0.5], ("liver", "ce"): [0.4]}, {("organ", "mine"): 0.7}
    figure, ours, theirs = charts(results(tmp_path, own, published, metric="dice_pooled", published=names))
    assert line(ours, "CE")[:, 0] == pytest.approx([0.6, 0.4])
    assert line(theirs, "mine")[:, 0].tolist() == [0.7]
    assert "Dice of all voxels together (Heart); Dice (Liver)" in words(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CE", "mine"]


def test_nothing_published(tmp_path: Path) -> None:
    own = {(name, "ce"): [0.5] for name in FOUR}
    figure, ours, theirs = charts(results(tmp_path, own, {}))
    assert ours.name == "polar" and not theirs.lines[:-3] and "Published" not in words(figure)
    assert all("nothing published" in label.get_text() for label in theirs.get_yticklabels())


def test_variants_are_chosen_as_far_as_any_was_run(tmp_path: Path) -> None:
    of_study = results(tmp_path, {("heart", "ce"): [0.5], ("liver", "ce"): [0.4]}, {})
    table = of_study.table("runs").assign(variant=["a", "b"])
    write_table(tmp_path, "runs", table)
    for variants, shown in ((["b", "x"], [0.4]), (["x"], [0.5, 0.4]), ([], [0.5, 0.4])):
        _, ours, _ = charts(of_study, variants=variants)
        assert line(ours, "CE")[:, 0].tolist() == shown


@pytest.mark.parametrize(
    ("values", "start", "step"),
    [
        ([0.52, 0.545], 0.52, 0.01),
        ([0.905, 0.935], 0.91, 0.01),  # the smallest lies within the first ring
        ([0.611, 0.649], 0.62, 0.01),
        ([0.5], 0.5, 0.01),
        ([0, 1], 0, 0.5),
        ([3.2, 41], 0, 20),
        ([0.2, 0.53], 0.2, 0.2),  # the smallest would lie at the centre of rings from 0.3
    ],
)
def test_rings_are_round_numbers_that_hold_all_values(values: list[float], start: float, step: float) -> None:
    assert ring_scale(values) == pytest.approx((start, step))
    assert start - step < min(values) and max(values) <= start + 3 * step
