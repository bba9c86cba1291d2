"""Published numbers with ours beside them: bars, names, verdicts and remarks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_figures import NOTE, study, texts, words, write_table

from lib.comparison.ledger import COLUMNS, INSIDE, LOWER, NOT_COMPARABLE, NOT_RUN
from lib.plotting.ledger import ledger_figures


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[[pd.DataFrame], list[Figure]]:
    """The pages of a table."""

    def pages(table: pd.DataFrame) -> list[Figure]:
        write_table(tmp_path, "ledger", table)
        return ledger_figures(study([], folder=tmp_path))

    return pages


def published_table() -> pd.DataFrame:
    """Three numbers of one data set with ours, the last of which is none, and one that was not run."""
    wmh = {"title": "WMH", "noise": "clean", "variant": "slices", "seeds": 2, "attempt": "reduced"}
    slices, rows = {"label": "Dice per slice"}, {"label": "HD as printed"}
    gdl, both = {"published_loss": "gdl", "loss": "gdl"}, {"published_loss": "boundary", "loss": "mine"}
    inside, outside = {"verdict": INSIDE, "ours": 0.72, "ours_sd": 0.02}, {"verdict": LOWER, "ours": 0.7}
    reached = [
        {**wmh, **slices, **gdl, **inside, "published": 0.7, "spread": 0.01, "difference": 0.02},
        {**wmh, **slices, **both, **outside, "published": 0.75, "difference": -0.05},
        {**wmh, **rows, **gdl, "published": 1.045, "spread": 0.014, "verdict": NOT_COMPARABLE},
    ]
    missing = {"published_loss": "boundary", "published": 0.569, "spread": 0.0, "verdict": NOT_RUN}
    table = pd.DataFrame([*reached, {"title": "ISLES", **slices, **missing, "noise": "clean"}])
    return table.assign(remark=["nothing predicted: 0.500", None, None, None]).reindex(columns=COLUMNS)


def bars(axis: Axes) -> dict[str, list[tuple[float, float]]]:
    """Values and half lengths of their bars, by what marks them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for container in axis.containers:
        marker, _, bar = container.lines
        half = float(np.ptp(bar[0].get_segments()[0][:, 0])) / 2 if bar else 0.0
        found.setdefault(marker.get_marker(), []).append((marker.get_xdata()[0], pytest.approx(half)))
    return found


def names(axis: Axes) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_ours_stand_beside_published_numbers(drawn: Callable) -> None:
    wmh, isles = drawn(published_table())
    dice, rows = wmh.axes
    assert bars(dice) == {"D": [(0.7, 0.01), (0.75, 0)], "o": [(0.72, 0.02), (0.7, 0)]}
    assert texts(dice) == [
        "+0.020 (2 seeds): reproduced, reduced\nnothing predicted: 0.500",
        "-0.050 (2 seeds): lower, reduced",
    ]
    assert names(dice) == ["GDL\nslices", "Boundary Loss\nmine; slices"]
    assert bars(rows) == {"D": [(1.045, 0.014)]} and texts(rows) == ["nothing to compare (2 seeds)"]
    assert [axis.get_xlabel() for axis in wmh.axes] == ["Dice per slice", "HD as printed"]
    assert (wmh.get_suptitle(), isles.get_suptitle()) == ("WMH", "ISLES")
    assert NOTE in words(wmh) and words(wmh).endswith("published ours")


def test_remarks_are_shown_whole_and_ours_of_a_chosen_epoch_is_distinguished(drawn: Callable) -> None:
    remark = "epoch chosen on the test cases, as published; last: 0.651; predicting nothing: 0.500"
    wmh, isles = drawn(published_table().assign(remark=[remark, None, None, None]))
    wmh.draw_without_rendering()
    (shown, *_) = wmh.axes[0].texts
    assert " ".join(shown.get_text().split("\n")[1:]) == remark
    assert all(text.get_window_extent().x1 < wmh.bbox.x1 for axis in wmh.axes for text in axis.texts)
    assert "ours is not a test result" in words(wmh) and "not a test result" not in words(isles)


def test_published_numbers_stand_alone_where_nothing_was_run(drawn: Callable) -> None:
    table = published_table()
    (figure,) = drawn(table[table["verdict"] == NOT_RUN])
    (axis,) = figure.axes
    assert bars(axis) == {"D": [(0.569, 0)]} and texts(axis) == ["not run"] and names(axis) == ["Boundary Loss"]
    assert "stand alone" in words(figure) and words(figure).endswith("published")


def test_rows_of_one_loss_say_their_structure_and_noise(drawn: Callable) -> None:
    row = published_table().iloc[[-1]]
    rows = [
        row.assign(structure="wall"),
        row.assign(noise="alpha0.7-beta0.5-released"),
        row.assign(noise=None),
    ]
    (figure,) = drawn(pd.concat(rows))
    assert names(figure.axes[0]) == [
        "Boundary Loss, wall",
        "Boundary Loss, noise 0.7 / 0.5 released",
        "Boundary Loss",
    ]


def test_nothing_published_fits(drawn: Callable) -> None:
    (figure,) = drawn(published_table().iloc[:0])
    assert "Nothing published fits" in words(figure) and not figure.axes


def test_levels_that_most_rows_have_go_without_saying(drawn: Callable) -> None:
    table = published_table()[:2].assign(network="res_unet", optimizer=["adam", "sgd"], scheduler="step")
    table = pd.concat([table, table.assign(optimizer="adam", network="unetr")[:1]])
    (page,) = drawn(table)
    published = [name.split("\n")[0] for name in names(page.axes[0])]
    assert published == ["GDL", "Boundary Loss, sgd", "GDL, unetr"]
