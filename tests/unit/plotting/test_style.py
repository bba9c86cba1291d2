"""How figures look: losses are told apart, and pages are written whole, the same bytes each time."""

import re
from itertools import chain, pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lib import ROOT
from lib.config.load import load
from lib.config.study import load_study, study_files
from lib.config.study_schema import Look
from lib.plotting.style import (
    decade_marks,
    loss_label,
    loss_line_style,
    mark_shares,
    new_figure,
    parts_of,
    save_pages,
)

STUDIES = study_files(ROOT)


@pytest.mark.parametrize("study", STUDIES)
def test_losses_that_are_drawn_together_are_distinguishable(study: str) -> None:
    """By colour and line, at every scale, whether all or only one of its variants and data sets are run."""
    file = load_study(STUDIES[study], ROOT)
    for scale in file.scales:
        configuration = load({"studies": [study], "scale": scale})
        groups: dict[tuple[str, str], list[str]] = {}
        for run in configuration.runs_of(study):
            groups.setdefault((run.dataset, run.variant), []).append(run.loss)
        for group in groups.values():
            shown = list(dict.fromkeys(group))
            for losses in (list(configuration.resolved_losses(study)), shown):
                styles = [loss_line_style(loss, losses, file.looks) for loss in shown]
                assert len({(style["color"], style["linestyle"]) for style in styles}) == len(shown)
            assert len({loss_label(loss, file.looks) for loss in shown}) == len(shown)


def test_a_look_is_what_the_study_says() -> None:
    looks = {"a": Look(label="A", colour="#123456", line=":", marker="s", emphasis=True), "b": Look(label="B")}
    a, b, c = (loss_line_style(loss, ["a", "b", "c"], looks) for loss in "abc")
    assert [a[key] for key in ("label", "color", "linestyle", "marker")] == ["A", "#123456", ":", "s"]
    assert (b["label"], c["label"]) == ("B", "c")
    assert a["linewidth"] > b["linewidth"] and a["zorder"] > b["zorder"]


def test_what_a_study_leaves_open_is_no_look_of_another_loss() -> None:
    losses = [f"loss{number}" for number in range(30)]
    chosen = loss_line_style("loss0", losses, {})
    looks = {"loss29": Look(colour=chosen["color"], line=chosen["linestyle"]), "loss28": Look(label="A loss")}
    styles = [loss_line_style(loss, losses, looks) for loss in losses]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == len(losses)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.02, 0.7, [0.02, 0.05, 0.1, 0.2, 0.5]),
        (0.002, 0.7, [0.01, 0.1]),
        (1e-6, 1, [1e-6, 1e-3, 1]),
        (0.21, 0.47, [0.3, 0.4]),
    ],
)
def test_marks_of_a_logarithmic_axis_are_few_and_round(low: float, high: float, marks: list[float]) -> None:
    assert sorted(decade_marks(low, high)) == pytest.approx(marks)


@pytest.mark.parametrize("values", [[0, 0.03, 0.4], [0, 0], [1e-7, 1], [0.5]])
def test_an_axis_of_shares_has_a_place_for_zero_and_for_all_values(values: list[float]) -> None:
    axis = new_figure(3, 2).subplots()
    mark_shares(axis, "x", values)
    low, high = axis.get_xlim()
    assert low < 0 and high > max(values) and 0 in axis.get_xticks()
    places = [axis.transData.transform((value, 0))[0] for value in sorted({0, *values})]
    assert all(there - before > 10 for before, there in pairwise(places))  # pixels
    (band,) = axis.patches
    assert band.get_x() + band.get_width() < min([value for value in values if value], default=1)


@pytest.mark.parametrize(("n", "lengths"), [(0, [0]), (3, [3]), (9, [4, 5]), (19, [5, 5, 4, 5])])
def test_things_are_parted_evenly_and_in_order(n: int, lengths: list[int]) -> None:
    parts = parts_of(list(range(n)), 5)
    assert [len(part) for part in parts] == lengths and list(chain(*parts)) == list(range(n))


def pages() -> list[Figure]:
    figures = [new_figure(3, 2, "Costs $5, not $6.") for _ in range(2)]
    for figure in figures:
        figure.subplots().plot([1, 2], label="$_")
    return figures


def test_the_same_pages_are_the_same_bytes(tmp_path: Path) -> None:
    for path in (tmp_path / "a.pdf", tmp_path / "b.pdf"):
        save_pages(pages(), path)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"CreationDate" not in content
    assert len(re.findall(rb"/Type /Page\b", content)) == 2
    assert b"/Type3" not in content and b"FontFile2" in content  # TrueType: text stays editable


def test_a_failed_page_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Figure):
        def savefig(self, *_: object, **__: object) -> None:
            raise ValueError("cannot be drawn")

    with pytest.raises(ValueError, match="cannot be drawn"):
        save_pages([*pages(), Broken()], tmp_path / "figure.pdf")
    assert list(tmp_path.iterdir()) == []
