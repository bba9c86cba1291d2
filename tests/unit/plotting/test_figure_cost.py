"""The figure of costs: points, axes, labels that keep apart, and the published panel."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from study_figures import NOTE, made_run, study, texts, words, write_table

from lib.comparison.costs import COLUMNS
from lib.comparison.results import StudyResults
from lib.plotting.cost import cost_figures, spread_apart

CONDITIONS = {"threads": 1, "precision": "float32", "steps_timed": 10, "cases_timed": 2, "torch": "2.13.0"}


def measured(item: str, loss: str, mean: float, **changes: Any) -> dict[str, Any]:
    costs = {"parameters": 2e6, "multiply_adds": 3e9, "seconds_per_epoch": 40.0, "seconds_per_case": 0.5}
    row = {"kind": "measured", "dataset": "slabs", "item": item, "loss": loss, "seed": 0, **costs}
    row |= {"host_memory_mb": 100.0, "device": "A processor", "batch_size": 4, "patch_size": "8x8", **CONDITIONS}
    return row | {"column": "dice", "mean": mean, "low": mean - 0.1, "high": mean + 0.2} | changes


PUBLISHED = [
    {"kind": "published", "dataset": "lits", "item": name, "seconds_per_epoch": seconds, "mean": dice, "note": note}
    | {"source": "A figure"}
    for name, seconds, dice, note in (("Base", 5130, 0.957, None), ("Attention", 11430, 0.9355, "mislabelled"))
]
ROWS = [
    measured("base", "dice", 0.8),
    measured("base", "gdl", 0.82, parameters=2e6),
    measured("wide", "dice", 0.7, parameters=8e6, seconds_per_epoch=160.0, batch_size=2),
]


def results(folder: Path, rows: list[dict[str, Any]]) -> StudyResults:
    write_table(folder, "cost", pd.DataFrame(rows).reindex(columns=COLUMNS))
    return study([made_run(folder, loss) for loss in ("dice", "gdl")], folder=folder)


def points(axis: Any) -> list[tuple[float, float]]:
    return [tuple(container.lines[0].get_xydata()[0]) for container in axis.containers]


def test_the_number_of_the_study_stands_against_each_cost(tmp_path: Path) -> None:
    (figure,) = cost_figures(results(tmp_path, ROWS))
    figure.draw_without_rendering()
    epochs, cases, parameters, multiply_adds, memory, published = figure.axes
    assert points(epochs) == [(40, 0.8), (40, 0.82), (160, 0.7)]
    assert points(cases)[0] == (0.5, 0.8) and points(memory)[0] == (100, 0.8)
    assert points(parameters)[2] == pytest.approx((8, 0.7)) and points(multiply_adds)[0] == pytest.approx((3, 0.8))
    (bar,) = epochs.containers[0].lines[2][0].get_segments()
    assert bar[:, 1] == pytest.approx([0.7, 1.0])
    assert all(axis.get_xscale() == "log" for axis in figure.axes[:5]) and not published.axison
    assert texts(epochs) == ["base, Dice Loss", "base, GDL", "wide"]
    assert epochs.get_xlabel() == "training, seconds per epoch" and epochs.get_ylabel() == "Dice"
    for text in (NOTE, "Measured on A processor, 1 thread;", "batch 4, patch 8 × 8; batch 2, patch 8 × 8 (wide)"):
        assert text in words(figure)
    assert "(10 timed" in words(figure) and "2 test cases" in words(figure) and "of the processor" in words(figure)


def test_losses_of_one_variant_are_named_alone_without_a_legend(tmp_path: Path) -> None:
    (figure,) = cost_figures(results(tmp_path, ROWS[:2]))
    assert texts(figure.axes[0]) == ["Dice Loss", "GDL"] and not figure.legends


def test_published_costs_have_a_panel_of_their_own_and_their_faults_are_stated(tmp_path: Path) -> None:
    (figure,) = cost_figures(results(tmp_path, [*ROWS, *PUBLISHED]))
    published = figure.axes[-1]
    assert points(published) == [(5130, 0.957), (11430, 0.9355)]
    assert published.get_xlabel() == "published: seconds per epoch, unknown hardware"
    assert "Published: A figure. Inconsistent: Attention: mislabelled." in words(figure)
    assert "batch 4, patch" in words(figure)  # whole numbers, though published rows have none


def test_on_a_gpu_its_memory_is_drawn_and_its_clock_named(tmp_path: Path) -> None:
    (figure,) = cost_figures(results(tmp_path, [row | {"device_memory_mb": 4000.0} for row in ROWS]))
    assert figure.axes[4].get_xlabel() == "peak memory of the training on the GPU (MB)"
    assert points(figure.axes[4])[0] == (4000, 0.8) and "of the clock" in words(figure)


def test_a_run_whose_number_is_missing_has_no_point(tmp_path: Path) -> None:
    nothing = {"mean": np.nan, "low": np.nan, "high": np.nan}
    (figure,) = cost_figures(results(tmp_path, [*ROWS, measured("lost", "dice", 0.5) | nothing]))
    assert len(points(figure.axes[0])) == 3 and "lost" not in " ".join(texts(figure.axes[0]))


def test_without_a_cost_it_says_so(tmp_path: Path) -> None:
    (figure,) = cost_figures(results(tmp_path, PUBLISHED))
    assert "no run whose costs were measured" in words(figure)


def test_labels_of_a_crowded_panel_do_not_overlap(tmp_path: Path) -> None:
    rows = [measured(f"variant {number}", "dice", 0.8 + number / 1e4) for number in range(18)]
    (figure,) = cost_figures(results(tmp_path, rows))
    figure.draw_without_rendering()
    # of an annotation without the line that leads to it
    boxes = sorted(map(Text.get_window_extent, figure.axes[0].texts), key=lambda box: box.y0)
    assert all(above.y0 >= below.y1 - 1 for below, above in pairwise(boxes))
    assert boxes[-1].x1 < figure.axes[1].get_window_extent().x0


@pytest.mark.parametrize(
    ("places", "apart", "expected"),
    [
        ([0.2, 0.9], 0.1, [0.2, 0.9]),  # far enough
        ([0.5, 0.5, 0.5], 0.1, [0.4, 0.5, 0.6]),
        ([0.9, 0.2, 0.92], 0.2, [0.8, 0.2, 1.0]),  # not beyond the end, in the given order
        ([0.1, 0.1, 0.1], 0.8, [0.0, 0.5, 1.0]),  # too many
        ([0.3], 0.5, [0.3]),
    ],
)
def test_places_are_moved_as_little_as_keeps_them_apart(places: list, apart: float, expected: list) -> None:
    assert spread_apart(np.array(places), apart) == pytest.approx(expected)
