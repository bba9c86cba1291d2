"""How figures look: losses are told apart, and pages are written whole, the same bytes each time."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lib import ROOT
from lib.config.load import load
from lib.config.study import load_study, study_files
from lib.config.study_schema import Look
from lib.plotting.style import loss_label, loss_line_style, new_figure, save_pages

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
