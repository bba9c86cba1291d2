"""The table of costs: one row a loss, the study's number with its interval, and the published rows."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated, rows_of
from scipy import stats

from lib import ROOT
from lib.comparison.costs import COLUMNS, CONDITIONS, COSTS, archived_costs, cost_table
from lib.comparison.results import EvaluatedRun, StudyResults, read_csv
from lib.config.load import load
from lib.config.study_schema import Primary
from lib.errors import SeglossError
from lib.files import write_json
from lib.measures.catalogue import DECIDED
from lib.tables import read_published_costs

PRINTED = ROOT / "published/liver_benchmark_cost.csv"
DICE = {("gdl", 0): (0.5, 0.7), ("gdl", 1): (0.6, 0.9), ("ce", 0): (0.8, 0.4)}


def cost(**changes: object) -> dict[str, Any]:
    """A `cost.json`."""
    numbers = {name: 10.0**place for place, name in enumerate(COSTS)} | {"device_memory_mb": None}
    return {**numbers, "conditions": dict.fromkeys(CONDITIONS, "x"), **changes}


def results(folder: Path, **options: object) -> StudyResults:
    runs = []
    for (loss, seed), values in DICE.items():
        rows = [case_row(f"case{number}", dice=value) for number, value in enumerate(values)]
        runs.append(evaluated(folder, rows, loss=loss, seed=seed))
    rows_of(runs).to_csv(folder / "runs.csv", index=False)
    costed = [runs[0], runs[2]]
    for number, run in enumerate(costed):
        write_json(run.folder / "cost.json", cost(parameters=number + 5))
    return StudyResults(runs, folder=folder, primary_cut=DECIDED, costed=costed, **options)


def test_a_row_for_each_loss_with_its_mean_over_all_seeds_and_cases(tmp_path: Path) -> None:
    table = cost_table(results(tmp_path))
    assert table.columns.tolist() == COLUMNS
    gdl, ce = table.to_dict("records")
    assert (gdl["loss"], gdl["parameters"], gdl["seed"], gdl["seeds"]) == ("gdl", 5, 0, 2)
    assert (ce["loss"], ce["parameters"], ce["seeds"]) == ("ce", 6, 1)
    assert gdl["column"] == "dice" and gdl["mean"] == pytest.approx(np.mean([0.5, 0.7, 0.6, 0.9]))
    assert gdl["low"] < gdl["mean"] < gdl["high"]
    interval = stats.t.interval(0.95, 1, loc=0.6, scale=stats.sem([0.8, 0.4]))  # one seed: cases alone
    assert (ce["low"], ce["high"]) == pytest.approx(interval)
    assert table["kind"].tolist() == ["measured"] * 2 and table["item"].tolist() == ["base"] * 2


def test_a_number_of_whole_runs_varies_over_seeds_alone(tmp_path: Path) -> None:
    of_study = results(tmp_path, primary=Primary(column="dice_epochs"))
    runs = of_study.table("runs")
    runs.assign(dice_epochs=[0.5, 0.7, 0.3]).to_csv(tmp_path / "runs.csv", index=False)
    gdl, ce = cost_table(of_study).to_dict("records")
    assert (gdl["column"], gdl["mean"], ce["mean"]) == ("dice_epochs", pytest.approx(0.6), 0.3)
    assert (gdl["low"], gdl["high"]) == pytest.approx(stats.t.interval(0.95, 1, 0.6, stats.sem([0.5, 0.7])))
    assert np.isnan(ce["low"]) and np.isnan(ce["high"])


def test_costs_that_were_measured_before_get_the_means_of_the_cases_as_they_are(tmp_path: Path) -> None:
    of_study = results(tmp_path)
    path = tmp_path / "cost.csv"
    before = cost_table(of_study, read_published_costs(PRINTED))
    before.to_csv(path, index=False)
    pd.testing.assert_frame_equal(archived_costs(path, of_study).astype(str), read_csv(path).astype(str))
    runs = [evaluated(tmp_path / "changed", [case_row("case0", dice=0.25)], loss="ce")]
    rows_of(runs).to_csv(tmp_path / "runs.csv", index=False)
    after = archived_costs(path, replace(of_study, runs=runs))
    ce, *published = after.to_dict("records")
    assert (ce["loss"], ce["mean"], ce["parameters"], len(published)) == ("ce", 0.25, 6, 12)
    path.write_text("loss,seconds_per_step\nce,0.1\n")
    with pytest.raises(SeglossError, match=re.escape(f"{path}: damaged, rows with kind")):
        archived_costs(path, of_study)


def test_published_costs_follow(tmp_path: Path) -> None:
    table = cost_table(results(tmp_path), read_published_costs(PRINTED))
    published = table[table["kind"] == "published"].set_index("item")
    assert len(published) == 12 and published["dataset"].eq("lits_liver").all() and published["parameters"].isna().all()
    assert float(published.loc["Base", "seconds_per_epoch"]) == 5130
    assert published.loc["Base", ["column", "mean"]].tolist() == ["dice", 0.957]


def test_a_damaged_cost_is_named(tmp_path: Path) -> None:
    of_study = results(tmp_path)
    path = of_study.costed[0].folder / "cost.json"
    for content in ({"parameters": 3}, [], cost(conditions=None)):
        write_json(path, content)
        with pytest.raises(SeglossError, match=re.escape(f"{path}: costs were expected")):
            cost_table(of_study)


def test_the_published_costs_and_what_is_wrong_with_them() -> None:
    rows = {row["item"]: row for row in read_published_costs(PRINTED)}
    table = pd.read_csv(ROOT / "published/liver_benchmark.csv")
    models = table.set_index(["network", "optimizer", "scheduler", "loss", "resampling", "dataset"])["value"]
    base = ("res_unet_2d", "adam", "step", "dice", "native", "lits_liver")
    of_tables = {
        "Base": base,
        "SGD": (base[0], "sgd", *base[2:]),
        "Plateau": (*base[:2], "plateau", *base[3:]),
        "Adaptive LR": (*base[:2], "cyclic", *base[3:]),  # sic
        "Dice + CE": (*base[:3], "dice_ce", *base[4:]),
        "Generalized Dice": (*base[:3], "gdl", *base[4:]),
    }
    for item, place in of_tables.items():
        assert float(rows[item]["dice"]) == pytest.approx(models[place], abs=0.0006), item
    attention = float(rows["Attention"]["dice"])
    assert abs(attention - models["attention_unet_2d", "adam", "step", "dice", "native", "lits_liver"]) > 0.02
    assert abs(attention - models["unetr", "adam", "step", "dice", "native", "lits_liver"]) < 0.0002
    assert {item for item, row in rows.items() if row["note"]} == {
        *("Attention", "Adaptive LR", "Plateau", "3 residual units"),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("5130", "5130 s", "row 1: seconds_per_epoch: '5130 s' is not a number"),
        ("0.957", "", "row 1: dice: '' is not a number"),
        ("item", "name", "no column 'item'"),
    ],
)
def test_a_faulty_table_of_published_costs(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(PRINTED.read_text().replace(old, new, 1))
    with pytest.raises(SeglossError, match=re.escape(f"{path}: {message}")):
        read_published_costs(path)
    path.write_text(PRINTED.read_text()[:-2])
    with pytest.raises(SeglossError, match=r"costs.csv: "):
        read_published_costs(path)


def test_one_of_the_runs_that_compute_the_same_is_measured() -> None:
    costed = load({"studies": ["liver_benchmark"]}).costed_of("liver_benchmark")
    assert [(run.variant, run.loss, run.seed) for run in costed] == [
        ("base", "dice", 0),
        ("base", "dice_ce", 0),
        ("attention_unet", "dice", 0),
        ("dyn_unet", "dice", 0),
        ("cascade", "dice_ce", 0),
    ]  # not those with another optimizer or scheduler, nor the search, which chooses of these losses and optimizers


def test_runs_of_given_weights_cost_no_training(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"")
    given = "liver_benchmark/phantom_livers/base/dice/seed-0"
    values = {"studies": ["liver_benchmark"], "weights": {given: str(tmp_path / "w.pt")}}
    costed: list[EvaluatedRun] = load(values).costed_of("liver_benchmark")
    assert given.replace("seed-0", "seed-1") in [run.id for run in costed]
    assert given not in [run.id for run in costed]
    taken = {run.id for run in load({"studies": ["liver_benchmark"], "scale": "paper"}).runs if run.source}
    of_paper = load({"studies": ["liver_benchmark"], "scale": "paper"}).costed_of("liver_benchmark")
    assert taken and not taken & {run.id for run in of_paper}
