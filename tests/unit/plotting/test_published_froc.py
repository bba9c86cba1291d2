"""The figures of the inverse-weighting publication, from its records: what they show."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from study_figures import words

from lib import ROOT
from lib.comparison.published_records import PAIRS, STUDY, DatasetLoss
from lib.config.study import load_study, study_files
from lib.measures.froc import CORRECTED, PUBLISHED, drawn_curve
from lib.measures.lesions import lesion_records
from lib.measures.records import Records, read_records
from lib.plotting.published_froc import camera_ready_figures, focal_alpha_figures, published_figures

PRINTED = ROOT / "published/inverse_weighting.csv"
LOOKS = load_study(study_files(ROOT)[STUDY], ROOT).looks


@pytest.fixture
def record_file(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    cases = {}
    for number in range(8):
        logit = generator.normal(size=(30, 30)) - 1.5
        target = (logit + generator.normal(size=logit.shape)) > 0.5
        cases[str(number)] = lesion_records(target, 1 / (1 + np.exp(-logit)), logit)
    path = tmp_path / "froc_data/lits/iwdl/experiment_0/test_metrics/prc_records.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(cases))
    return path


@pytest.fixture
def records(record_file: Path) -> dict[DatasetLoss, Records | None]:
    one = read_records(record_file)
    return {pair: None if pair[1] == "iwfl" else one for pair in PAIRS}


def notes(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts if text.get_text()]


def test_published_figure_has_two_pages_of_twelve_panels(records: dict) -> None:
    pages = published_figures(records, LOOKS)
    assert [len(page.axes) for page in pages] == [12, 12]
    for page, denominators in zip(pages, ("Published denominators", "Corrected denominators"), strict=True):
        assert denominators in page.get_suptitle() and denominators in words(page)
        for expected in ("8 cases (LUNA16)", "50 subsamples", "one trained model", "±1 sd"):
            assert expected in words(page)
        assert [axis.get_title() for axis in page.axes[:4]] == ["Small objects", "All objects"] * 2
        assert [axis for axis in page.axes if axis.get_legend()] == [page.axes[5], page.axes[7]]
        for number, axis in enumerate(page.axes):
            missing = "Focal Loss + iw: records missing" in notes(axis)
            assert missing == (number % 4 >= 2)
    published, corrected = (page.axes[0].lines[0].get_xydata() for page in pages)
    assert not np.array_equal(published[:50], corrected[:50])


def test_camera_ready_figure(records: dict) -> None:
    (figure,) = camera_ready_figures(records, LOOKS)
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:3]] == ["LUNA16", "Metastases", "LiTS"]
    assert "10 subsamples" in words(figure)
    curve = drawn_curve(records["luna", "iwdl"], PUBLISHED, 10)
    assert np.array_equal(figure.axes[0].lines[0].get_ydata(), curve.mean)


def test_focal_search_figure(records: dict) -> None:
    (figure,) = focal_alpha_figures(records | {("luna_val", "luna_fl_83"): None})
    (axis,) = figure.axes
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["α = 0.25", "α = 0.50", "α = 0.75", "α = 0.83"]
    assert notes(axis) == ["α = 0.83: records missing"]
    assert len({line.get_color() for line in axis.lines}) == 4


def test_a_missing_data_set_is_said_in_the_footer(records: dict) -> None:
    without = {pair: None if pair[0] == "met" else one for pair, one in records.items()}
    assert "no cases (Metastases)" in words(camera_ready_figures(without, LOOKS)[0])


def test_the_script_draws_from_some_files(record_file: Path, tmp_path: Path) -> None:
    targets = {name: tmp_path / f"plots/{name}.pdf" for name in ("froc", "camera_ready", "focal_alpha")}
    command = [sys.executable, ROOT / "scripts/recompute.py", "--records", record_file]
    command += ["--printed", PRINTED, "--table", tmp_path / "table.csv"]
    for name, path in targets.items():
        command += [f"--{name.replace('_', '-')}", path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "subset" not in done.stderr
    assert all(path.read_bytes().startswith(b"%PDF") for path in targets.values())
    assert len(re.findall(rb"/Type /Page\b", targets["froc"].read_bytes())) == 2
    assert (pd.read_csv(tmp_path / "table.csv")["status"] == "recomputed").sum() == 2  # all and small objects


def test_conventions_differ_only_where_expected(record_file: Path) -> None:
    """Every case of this file has a row, so the corrected axis is the published one divided by 6/8."""
    one = read_records(record_file)
    published, corrected = (drawn_curve(one, convention) for convention in (PUBLISHED, CORRECTED))
    inner = published.x[published.x < 4]
    at_same_recall = np.interp(inner / 0.75, corrected.x, corrected.mean)
    assert at_same_recall == pytest.approx(published.mean[: len(inner)], abs=0.01)
