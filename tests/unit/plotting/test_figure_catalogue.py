"""The figures that a study may choose: entries that can be drawn, by a script that knows no study."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lib import ROOT
from lib.config.study import load_study, study_files
from lib.errors import SeglossError
from lib.measures.catalogue import MEASURES
from lib.plotting.catalogue import FIGURES

STUDY = """
title: t
publication: p
measures: [overlap, surface, froc, proportion]
cuts: [probability]
losses: {ce: cross_entropy, mine: dice, sum: {sum: [cross_entropy, {name: proportion_l1, weight: 0.1}]}}
demo: {datasets: [phantom_lesions]}
figures: [%s]
"""
PLOTTING = sorted((ROOT / "lib/plotting").glob("*.py"))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_function_of_results_and_its_parameters(name: str) -> None:
    entry, chosen = FIGURES[name], FIGURES.parse(name)
    results, *parameters = inspect.signature(entry.loaded).parameters
    assert results == "results" and set(parameters) == chosen.arguments().keys()
    assert FIGURES.parse(chosen.model_dump()) == chosen
    assert set(entry.measures) <= MEASURES.keys() and entry.source
    assert set(entry.tables) <= {"runs", "summary", "comparisons", "ledger", "cost"}
    assert set(entry.of_runs) <= {"history.csv", "noise", *(f"{m.table}.csv" for m in MEASURES.values())}


@pytest.mark.parametrize(
    "path", [path for path in PLOTTING if path.stem != "published_froc"], ids=lambda path: path.stem
)
def test_no_figure_knows_a_study_or_its_losses(path: Path) -> None:
    files = study_files(ROOT)
    losses = {loss for study, file in files.items() for loss in load_study(file, ROOT).losses}
    columns = {column.name for entry in MEASURES.values() for column in (*entry.columns, *entry.of_run)}
    texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    assert texts & ({*files, *losses} - columns) == set()


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("{name: boxplots, columns: [hd59]}", "boxplots: columns: unknown name 'hd59'; did you mean 'hd95'? allowed:"),
        ("{name: boxplots, columns: [dice_pooled]}", "boxplots: columns: unknown name 'dice_pooled'"),  # of runs
        ("{name: boxplots, columns: [ece]}", "boxplots: columns: unknown name 'ece'"),  # not measured
        ("froc_tuned", "froc_tuned: cut: unknown name 'tuned'; allowed: probability"),
        ("{name: froc, panels: [[ce, mime]]}", "froc: panels: unknown name 'mime'; did you mean 'mine'?"),
        ("{name: distances, losses: [cee]}", "distances: losses: unknown name 'cee'"),
        ("{name: examples, score: dicee}", "examples: score: unknown name 'dicee'; did you mean 'dice'?"),
        ("{name: radar, variants: [bose]}", "radar: variants: unknown name 'bose'; did you mean 'base'? allowed: base"),
        ("{name: sensitivity, together: [base, other]}", "sensitivity: together: unknown name 'other'"),
        ("{name: sensitivity, compared_with: see}", "sensitivity: compared_with: unknown name 'see'"),
        (
            "{name: sensitivity, series: [{label: a, term: proportion_l1, losses: [sum, summ]}]}",
            "sensitivity: series a: unknown name 'summ'; did you mean 'sum'?",
        ),
        (
            "{name: sensitivity, series: [{label: a, term: proportion_l1, losses: [sum, mine]}]}",
            "sensitivity: series a: mine: has no term 'proportion_l1'; it is no sum",
        ),
    ],
)
def test_what_a_figure_names_must_be_the_studys(tmp_path: Path, figure: str, message: str) -> None:
    path = tmp_path / "studies/mine.yaml"
    path.parent.mkdir()
    path.write_text(STUDY % figure)
    with pytest.raises(SeglossError) as refused:
        load_study(path, tmp_path)
    assert str(refused.value).startswith("studies/mine.yaml: figures: " + message), refused.value


def test_a_faulty_loss_is_refused_for_itself_and_not_for_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "studies/mine.yaml"
    path.parent.mkdir()
    figure = "{name: sensitivity, series: [{label: a, term: proportion_l1, losses: [sum]}]}"
    path.write_text(STUDY.replace("weight: 0.1", "weight: x") % figure)
    with pytest.raises(SeglossError, match=r"studies/mine.yaml: losses.sum: .*weight"):
        load_study(path, tmp_path)
    path.write_text(STUDY % figure)
    assert load_study(path, tmp_path).figures[0].name == "sensitivity"


def plot(study: str, output: Path, **figure: object) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "scripts/plot.py", "--configuration", json.dumps({"studies": [study]})]
    command += ["--study", study, "--figure", json.dumps(figure), "--output", output]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")


def test_the_script_draws_a_figure_or_says_in_a_line_why_not(tmp_path: Path) -> None:
    done = plot("boundary", tmp_path / "figure.pdf", name="loss_weights")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    refused = plot("boundary", tmp_path / "refused.pdf", name="boxplots")
    assert refused.returncode == 1 and not (tmp_path / "refused.pdf").exists()
    (message,) = refused.stderr.splitlines()
    assert message.endswith("cases.csv: cannot be read (No such file or directory); run the workflow again")
