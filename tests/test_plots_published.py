"""The figures of the inverse-weighting records: what they show, and the same bytes twice."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from lib.comparison.published_records import PAIRS, read_published_records
from lib.evaluation.froc import CORRECTED, PUBLISHED, DrawnCurve
from lib.evaluation.lesions import lesion_records
from lib.evaluation.records import read_records, write_records
from lib.plotting import froc
from lib.plotting.froc import (
    FrocLine,
    draw_camera_ready,
    draw_focal_alpha,
    draw_froc_panel,
    draw_published_froc,
    loss_line,
)
from lib.plotting.style import new_figure, save_figure

ROOT = Path(__file__).parents[1]


@pytest.fixture
def record_file(tmp_path):
    generator = np.random.default_rng(0)
    cases = {}
    for number in range(8):
        logit = generator.normal(size=(30, 30)) - 1.5
        target = (logit + generator.normal(size=logit.shape)) > 0.5
        cases[number] = lesion_records(target, 1 / (1 + np.exp(-logit)), logit)
    path = tmp_path / "froc_data/lits/iwdl/experiment_0/test_metrics/prc_records.json"
    write_records(path, cases)
    return path


@pytest.fixture
def records(record_file):
    one = read_records(record_file)
    return {pair: None if pair[1] == "iwfl" else one for pair in PAIRS}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would have been written."""
    figures = []
    monkeypatch.setattr(froc, "save_pages", lambda pages, path: figures.extend(pages))
    monkeypatch.setattr(froc, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def _notes(axis):
    return [text.get_text() for text in axis.texts if text.get_text()]


def _footer(figure):
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_published_figure_has_two_pages_of_twelve_panels(records, drawn):
    draw_published_froc(records, Path("unused"))
    assert [len(page.axes) for page in drawn] == [12, 12]
    for page, words in zip(drawn, ("Published denominators", "Corrected denominators"), strict=True):
        assert words in page.get_suptitle() and words in _footer(page)
        for expected in ("8 cases (LUNA16)", "50 subsamples", "one trained model", "±1 sd"):
            assert expected in _footer(page)
        assert [axis.get_title() for axis in page.axes[:4]] == ["Small objects", "All objects"] * 2
        assert [axis for axis in page.axes if axis.get_legend()] == [page.axes[5], page.axes[7]]
        for number, axis in enumerate(page.axes):
            missing = "Focal Loss + iw: records missing" in _notes(axis)
            assert missing == (number % 4 >= 2)
    published, corrected = (page.axes[0].lines[0].get_xydata() for page in drawn)
    assert not np.array_equal(published[:50], corrected[:50])


def test_camera_ready_figure(records, drawn):
    draw_camera_ready(records, Path("unused"))
    (figure,) = drawn
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:3]] == ["LUNA16", "Metastases", "LiTS"]
    assert "10 subsamples" in _footer(figure)
    curve = froc.drawn_curve(records["luna", "iwdl"], PUBLISHED, 10)
    assert np.array_equal(figure.axes[0].lines[0].get_ydata(), curve.mean)


def test_focal_search_figure(records, drawn):
    draw_focal_alpha(records | {("luna_val", "luna_fl_83"): None}, Path("unused"))
    (axis,) = drawn[0].axes
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["α = 0.25", "α = 0.50", "α = 0.75", "α = 0.83"]
    assert _notes(axis) == ["α = 0.83: records missing"]
    assert len({line.get_color() for line in axis.lines}) == 4


def test_panel_draws_line_band_and_absence():
    axis = new_figure(3, 3).subplots()
    x = np.linspace(0, 2, 5)
    curve = DrawnCurve(x, x / 4, np.full(5, 0.1))
    draw_froc_panel(axis, [loss_line("iwbce", curve), loss_line("bce", None), FrocLine("mine", "k", curve)])
    solid, absent, _ = axis.lines
    assert (solid.get_linestyle(), solid.get_color(), solid.get_label()) == ("-", "#2274A5", "BCE + iw")
    assert (absent.get_linestyle(), len(absent.get_xdata())) == ("--", 0)
    assert np.array_equal(solid.get_ydata(), x / 4)
    band = axis.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((-0.1, 0.6))
    assert _notes(axis) == ["BCE: records missing"]


def test_a_missing_data_set_is_said_in_the_footer(records, drawn):
    without = {pair: None if pair[0] == "met" else one for pair, one in records.items()}
    draw_published_froc(without, Path("unused"))
    assert "no cases (Metastases)" in _footer(drawn[0])


def test_same_input_same_bytes(records, tmp_path):
    for path in (tmp_path / "a.pdf", tmp_path / "b.pdf"):
        draw_focal_alpha(records, path)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"CreationDate" not in content
    assert b"/Type3" not in content and b"FontFile2" in content  # TrueType: text stays editable


def test_a_failed_figure_leaves_nothing(tmp_path):
    class Broken(Figure):
        def savefig(self, *_, **__):
            raise ValueError("cannot be drawn")

    with pytest.raises(ValueError):
        save_figure(Broken(), tmp_path / "figure.pdf")
    assert list(tmp_path.iterdir()) == []


def test_the_script_draws_from_some_files(record_file, tmp_path):
    targets = {name: tmp_path / f"plots/{name}.pdf" for name in ("froc", "camera_ready", "focal_alpha")}
    command = [sys.executable, ROOT / "scripts/published_figures.py", "--records", record_file]
    for name, path in targets.items():
        command += [f"--{name.replace('_', '-')}", path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "subset" not in done.stderr
    assert all(path.read_bytes().startswith(b"%PDF") for path in targets.values())
    assert len(re.findall(rb"/Type /Page\b", targets["froc"].read_bytes())) == 2


def test_conventions_differ_only_where_expected(record_file):
    """Every case of this file has a row, so the corrected axis is the published one divided by 6/8."""
    (one,) = (found for found in read_published_records([record_file]).values() if found)
    published, corrected = (froc.drawn_curve(one, convention) for convention in (PUBLISHED, CORRECTED))
    inner = published.x[published.x < 4]
    at_same_recall = np.interp(inner / 0.75, corrected.x, corrected.mean)
    assert at_same_recall == pytest.approx(published.mean[: len(inner)], abs=0.01)
