"""Tables of runs and of losses: means, epochs, what a run has come to, and the script that writes them all."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated, keys, rows_of, write_tables

from lib import ROOT
from lib.comparison.ledger import COLUMNS
from lib.comparison.results import ALL, EvaluatedRun, read_table
from lib.comparison.summary import by_loss, late_gain, run_rows
from lib.config.load import load
from lib.errors import SeglossError
from lib.files import write_json
from lib.measures.catalogue import DECIDED, MEASURES, PROBABILITY, TUNED
from lib.measures.evaluation import case_rows, detail_rows
from lib.measures.segmentation import Segmentation

MEASURED = ("overlap", "slices", "surface", "lesions")
SAME = ("lesion_f1", "dice_slices_if_empty", "row_hausdorff", "hd", "hd95", "hd95_directed", "assd", "nsd")
COUNTS = ("present", "predicted", "lesions", "lesions_found", "components", "components_wrong")


def measured(case: str, structure: str, counts: tuple[int, ...], **numbers: float) -> dict:
    of_counts = dict(zip(COUNTS, counts, strict=True))
    return case_row(case, structure, **of_counts, **dict.fromkeys(SAME, 0.5) | numbers)


ROWS = [
    measured("1", "left", (40, 50, 3, 2, 4, 2), dice=0.8, dice_slices=0.9, hd=3.0),
    measured("1", "right", (20, 0, 1, 0, 0, 0), dice=0.0, dice_slices=0.5, hd=90.0, both=0),
    measured("2", "left", (0, 0, 0, 0, 0, 0), dice=1.0, dice_slices=1.0, hd=0.0, both=0),
    measured("2", "right", (10, 30, 1, 1, 4, 3), dice=0.4, dice_slices=0.7, hd=7.0, both=8),
]
HISTORY = {
    "epoch": [1, 2, 3, 4],
    "test_dice": [0.2, 0.5, 0.7, 0.6],
    "test_dice_slices": [0.1, 0.8, 0.75, 0.8],
    "test_hd95": [40.0, 20.0, 10.0, 15.0],
}


def of_surfaces(folder: Path, rows: list[dict] = ROWS, history: dict = HISTORY, **changes: object) -> EvaluatedRun:
    return evaluated(folder, rows, history, MEASURED, **changes)


def row_of(run: EvaluatedRun, cut: str = DECIDED) -> dict:
    (row,) = (row for row in run_rows(run, cut) if (row["structure"], row["cut"]) == (ALL, cut))
    return row


def run_of_lesions(folder: Path, loss: str, seed: int, shift: int, tuned_shift: int) -> EvaluatedRun:
    """Two cases with two lesions, one without; the two cuts move the predictions by so many voxels."""
    target = np.zeros((24, 24, 24), bool)
    target[2:4, 2:4, 2:4] = target[10:16, 10:16, 10:16] = True
    found = []
    for cut, moved in ((PROBABILITY, shift), (TUNED, tuned_shift)):
        for name, mask in {"a": target, "b": target, "empty": target & False}.items():
            prediction = np.roll(mask, moved, axis=0)
            logit = np.where(prediction, 2.0, -2.0)
            place = {"case": name, "structure": "lesion", "cut": cut, "threshold": 0.5}
            found.append((place, Segmentation(mask, prediction, (1, 1, 1), logit=logit)))
    froc = {"name": "froc", "small_diameter": {"phantom_lesions": 3}, "size_bins": [0, 3]}
    measures = [MEASURES.parse(measure) for measure in ("overlap", "lesions", froc)]
    return evaluated(
        folder,
        case_rows(found, measures[:2], "phantom_lesions"),
        measures=measures,
        tables={"lesions": detail_rows(found, measures[2], "phantom_lesions")},
        **{"scale": "demo", "dataset": "phantom_lesions", "loss": loss, "seed": seed},
    )


def three_runs_of_lesions(folder: Path) -> list[EvaluatedRun]:
    return [
        run_of_lesions(folder, "good", 0, shift=0, tuned_shift=0),
        run_of_lesions(folder, "good", 1, shift=3, tuned_shift=0),
        run_of_lesions(folder, "bad", 0, shift=0, tuned_shift=8),
    ]


# One run


def test_a_run_is_the_mean_over_cases_and_structures(tmp_path: Path) -> None:
    row, left, right = run_rows(of_surfaces(tmp_path), DECIDED)
    assert {key: row[key] for key in keys()} == keys()
    assert (row["test_cases"], row["structures"], row["status"], row["masks_dice"]) == (2, 2, "learnt", 1)
    assert row["dice"] == pytest.approx((0.8 + 0 + 1 + 0.4) / 4)
    assert row["dice_present"] == pytest.approx((0.8 + 0 + 0.4) / 3)
    assert row["dice_pooled"] == pytest.approx((60 / 90 + 16 / 60) / 2)
    assert row["dice_if_empty"] == 1 / 4
    assert row["dice_if_full"] == pytest.approx((80 / 140 + 40 / 120 + 0 + 20 / 110) / 4)
    assert row["dice_slices"] == pytest.approx((0.9 + 0.5 + 1 + 0.7) / 4)
    assert row["hd"] == pytest.approx(100 / 4)
    assert {row[name] for name in SAME if name != "hd"} == {0.5}
    assert row["lesion_recall"] == pytest.approx(3 / 5)
    assert row["wrong_components"] == pytest.approx(5 / 2)
    assert row["empty_predictions"] == 1  # not the one that is absent
    assert [part["structure"] for part in (left, right)] == ["left", "right"]
    assert [part["dice"] for part in (left, right)] == pytest.approx([0.9, 0.2])
    assert [part["lesion_recall"] for part in (left, right)] == pytest.approx([2 / 3, 1 / 2])
    assert "masks_dice" not in left and left["status"] == "learnt"


def test_one_structure_has_no_row_of_its_own(tmp_path: Path) -> None:
    assert [row["structure"] for row in run_rows(evaluated(tmp_path, [case_row("a")]), DECIDED)] == [ALL]


def test_a_structure_that_no_test_case_has_counts_for_nothing(tmp_path: Path) -> None:
    nowhere = measured("1", "nowhere", (0, 9, 0, 0, 9, 9), dice=0.0, dice_slices=0.0, both=0)
    expected = run_rows(of_surfaces(tmp_path), DECIDED)
    assert run_rows(of_surfaces(tmp_path, [*ROWS, nowhere]), DECIDED) == expected
    assert row_of(of_surfaces(tmp_path, [nowhere]))["status"].startswith("not measured")


def test_without_lesions_there_is_no_recall(tmp_path: Path) -> None:
    without = [{**row, "lesions": 0, "lesions_found": 0} for row in ROWS]
    assert np.isnan(row_of(of_surfaces(tmp_path, without))["lesion_recall"])


def test_the_dice_of_slices_of_an_empty_prediction(tmp_path: Path) -> None:
    target = np.zeros((6, 6, 8), bool)
    target[2:4, 2:4, 3:6] = True
    run = of_surfaces(tmp_path)
    place = {"case": "a", "structure": "lesion", "cut": DECIDED, "threshold": np.nan}
    rows = case_rows([(place, Segmentation(target, target & False, (1, 1, 1)))], run.measures, "wmh2017")
    row = row_of(of_surfaces(tmp_path, rows))
    assert row["dice_slices"] == row["dice_slices_if_empty"] == 5 / 8


def test_each_cut_has_its_rows_and_the_primary_one_decides(tmp_path: Path) -> None:
    rows = rows_of(three_runs_of_lesions(tmp_path), TUNED).set_index("cut")
    cut, tuned = rows.loc[PROBABILITY], rows.loc[TUNED]
    assert cut["lesion_recall"].tolist() == [1.0, 0.5, 1.0]
    assert tuned["lesion_recall"].tolist() == [1.0, 1.0, 0.0]
    assert cut["wrong_components"].to_numpy() == pytest.approx([0, 2 / 3, 0])
    assert tuned["wrong_components"].to_numpy() == pytest.approx([0, 0, 4 / 3])
    assert tuned["avg_recall"].to_numpy() == pytest.approx([1, 1, 0], abs=0.01)
    assert cut["recall_small"].tolist() == [1.0, 0.0, 1.0]
    assert cut["recall_3_inf"].tolist() == [1.0, 1.0, 1.0]
    assert tuned["dice_present"].tolist() == [1, 1, 0]  # the case without lesion plays no part
    # at 0.5 the second run has 2 false positives in 2 cases with rows, among 3 cases
    at_one = 0.5 * (1 - 0.5 * (2 / 3) / 5)  # from (0, 0) to (2/3, 0.5), then held to 5
    assert cut["avg_recall"].iloc[1] == pytest.approx(at_one, abs=0.01)
    assert (rows["threshold"] == 0.5).all()
    for part in (cut, tuned):
        assert part["status"].tolist() == ["learnt", "learnt", "collapsed"]
    assert set(rows_of(three_runs_of_lesions(tmp_path)[2:], PROBABILITY)["status"]) == {"learnt"}


def test_what_the_cut_does_not_change_stands_in_the_rows_of_every_cut(tmp_path: Path) -> None:
    rows = [case_row(case, cut=cut) for cut in (PROBABILITY, TUNED) for case in "ab"]
    sums = {"voxels": 4, "sum_of_probability": 2.0, "sum_of_truth": 4}
    of_bin = {"structure": "lesion", "cut": PROBABILITY, "probability_from": 0.5, "probability_to": 0.6} | sums
    tables = {"reliability": [{"case": "a", **of_bin}, {"case": "b", **of_bin, "sum_of_truth": 0}]}
    run = evaluated(tmp_path, rows, measures=["overlap", "reliability"], tables=tables)
    assert [row["ece_pooled"] for row in run_rows(run, TUNED)] == [0, 0]
    tables["reliability"][1]["sum_of_truth"] = 4
    run = evaluated(tmp_path, rows, measures=["overlap", "reliability"], tables=tables)
    assert [row["ece_pooled"] for row in run_rows(run, TUNED)] == [0.5, 0.5]


def test_details_of_a_run_may_be_missing_but_not_damaged(tmp_path: Path) -> None:
    run = run_of_lesions(tmp_path, "bce", 0, 0, 0)
    (run.folder / "lesions.csv").write_text("\n")  # as pandas writes a table without rows
    row = row_of(run, TUNED)
    assert (row["lesions"], row["avg_recall"], row["lesion_recall"]) == (4 / 3, 1, 1)
    (run.folder / "lesions.csv").write_text("case,structure\na,b\n")
    with pytest.raises(SeglossError, match=r"lesions\.csv: damaged, rows with case, structure, cut were"):
        run_rows(run, TUNED)


@pytest.mark.parametrize("content", ["", "case,dice\n", "case\na\n", "case,dice\na,1,2\n", "case,dice\na,1"])
def test_a_damaged_table_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cases.csv").write_text(content)
    with pytest.raises(SeglossError, match=r"cases\.csv: damaged.*; delete it and run again"):
        read_table(tmp_path / "cases.csv", ["case", "dice"])


def test_names_of_cases_and_structures_stay_text(tmp_path: Path) -> None:
    run = evaluated(tmp_path, [case_row("007", "NA"), case_row("1e3", "NA")])
    assert run.case_names == ("007", "1e3")
    assert set(run.cases["structure"]) == {"NA"}


# Epochs


def test_columns_over_epochs_are_means_of_those_that_were_measured(tmp_path: Path) -> None:
    history = {"epoch": [1, 2, 3], "nu": [0.0, -1, -2], "test_dice_pooled": [None, 0.6, 0.8]}
    history |= {"test_dice": [None, 0.5, 0.7]}
    row = row_of(evaluated(tmp_path, [case_row("a"), case_row("b")], history))
    assert (row["dice_pooled_epochs"], row["dice_epochs"]) == pytest.approx((0.7, 0.6))
    assert row["dice_pooled"] == row["dice"] == 0.75
    assert (row["epochs_averaged"], row["test_cases"], row["nu"]) == (2, 2, -2)


@pytest.mark.parametrize("history", [{"epoch": [1, 2]}, {"epoch": [1], "test_dice": [None]}])
def test_without_measured_epochs_nothing_is_said_of_them(tmp_path: Path, history: dict) -> None:
    row = row_of(evaluated(tmp_path, [case_row("a")], history))
    assert not [name for name in row if "epoch" in name]


def test_a_run_states_the_first_of_the_epochs_with_the_best_dice_of_slices(tmp_path: Path) -> None:
    row = row_of(of_surfaces(tmp_path))
    assert row["best_epoch"] == 2
    assert [row[f"{name}_best_epoch"] for name in ("dice", "dice_slices", "hd95")] == [0.5, 0.8, 20]
    assert row["hd95_epochs"] == pytest.approx(85 / 4)


@pytest.mark.parametrize("change", [{"selected": [0, 0, 1, 0]}, {"test_dice": [None, 0.5, 0.7, 0.6]}])
def test_a_run_that_kept_a_network_or_missed_an_epoch_has_no_best_one(tmp_path: Path, change: dict) -> None:
    row = row_of(of_surfaces(tmp_path, history=HISTORY | change))
    assert "best_epoch" not in row and "dice_best_epoch" not in row
    assert row["dice_slices_epochs"] > 0.6


def test_how_long_a_training_was_and_whether_it_still_improved(tmp_path: Path) -> None:
    history = {"epoch": [*range(1, 9)], "step": [*range(5, 45, 5)]}
    history["validation_dice"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.7, 0.9]
    row = row_of(evaluated(tmp_path, [case_row("a")], history))
    assert row["steps"] == 40 and row["late_gain"] == pytest.approx(0.2)
    assert np.isnan(late_gain(pd.Series([0.5, 0.6, 0.7]))) and np.isnan(late_gain(None))
    assert np.isnan(late_gain(pd.Series([0.5, None, 0.7, 0.8, 0.8, 0.8, 0.8, None])))


def test_what_training_with_noise_recorded(tmp_path: Path) -> None:
    history = {"epoch": [1], "dice_clean_masks": [0.95], "dice_clean_clean": [0.95]}
    history |= {"dice_dilate_masks": [0.9], "dice_erode_masks": [0.7], "dice_affine_masks": [None]}
    history |= {"dice_dilate_clean": [0.8], "dice_erode_clean": [0.6], "dice_affine_clean": [None]}
    pd.DataFrame({"dice": [1.0, 0.5]}).to_csv(tmp_path / "noise.csv", index=False)
    run = replace(evaluated(tmp_path, [case_row("a")], history), noise_table=tmp_path / "noise.csv")
    row = row_of(run)
    assert (row["noisy_fit"], row["clean_fit"]) == pytest.approx((0.8, 0.7))
    assert row["masks_dice"] == 0.75
    without = row_of(evaluated(tmp_path, [case_row("a")]))
    assert without["masks_dice"] == 1 and np.isnan(without["noisy_fit"])


# What a run has come to


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ({}, "learnt"),
        ({"predicted": 0, "both": 0, "dice": 0.0}, "collapsed"),
        ({"predicted": 100, "both": 40, "dice": 80 / 140}, "collapsed"),
        ({"dice": 80 / 140 + 0.01}, "learnt"),
        ({"present": 1, "dice": 0.29}, "poor"),  # above marking everything
        ({"present": 1, "dice": 0.3}, "learnt"),
    ],
)
def test_what_the_dice_says(tmp_path: Path, numbers: dict, status: str) -> None:
    assert row_of(evaluated(tmp_path, [case_row("a", **numbers), case_row("b", **numbers)]))["status"] == status


def test_a_run_that_marks_nothing_has_collapsed_although_structures_are_absent(tmp_path: Path) -> None:
    nothing = {"predicted": 0, "lesions_found": 0, "both": 0}
    row = row_of(of_surfaces(tmp_path, [{**row, **nothing, "dice": float(row["present"] == 0)} for row in ROWS]))
    assert (row["status"], row["empty_predictions"], row["lesion_recall"]) == ("collapsed", 3, 0)


@pytest.mark.parametrize(("wrong", "status"), [(10, "learnt"), (11, "poor")])
def test_a_run_with_ten_times_more_wrong_components_than_true_ones_is_poor(
    tmp_path: Path, wrong: int, status: str
) -> None:
    rows = [{**row, "dice": 0.9, "components_wrong": wrong * row["lesions"]} for row in ROWS]
    row = row_of(of_surfaces(tmp_path, rows))
    assert (row["status"], row["wrong_components"]) == (status, wrong * 5 / 2)


@pytest.mark.parametrize(("baseline", "status"), [(0.7, "learnt"), (0.75, "below baseline")])
def test_a_run_has_to_be_above_what_needs_no_network(tmp_path: Path, baseline: float, status: str) -> None:
    write_json(tmp_path / "baseline.json", {"band_pass_dice": baseline})
    absent = case_row("b", present=0, predicted=0, both=0, dice=1.0)  # does not count
    run = evaluated(tmp_path, [case_row("a"), absent])
    row = row_of(replace(run, baseline=tmp_path / "baseline.json"))
    assert (row["baseline_dice"], row["status"]) == (baseline, status)


# Losses


def test_seeds_are_gathered_by_loss(tmp_path: Path) -> None:
    runs = [
        of_surfaces(tmp_path, history=HISTORY | {"test_dice_slices": [0.1, best, 0.2, 0.1]}, **changes)
        for best, changes in ((0.7, {"seed": 0}), (0.8, {"seed": 1}), (0.5, {"loss": "boundary"}))
    ]
    table = by_loss(rows_of(runs))
    assert len(table) == 2 * 3  # of both structures, and of each
    first, second = table[table["structure"] == ALL].to_dict("records")
    assert (first["loss"], first["seeds"], first["status"]) == ("gdl", 2, "learnt 2")
    assert first["dice_slices_best_epoch"] == pytest.approx(0.75)
    assert first["dice_slices_best_epoch_sd"] == pytest.approx(0.05 * 2**0.5)
    assert first["dice_if_empty"] == 1 / 4
    assert not {"dice_if_empty_sd", "structures_sd", "test_cases_sd"} & set(first)
    assert (second["loss"], second["seeds"]) == ("boundary", 1)
    assert np.isnan(second["dice_sd"])


def test_the_spread_of_a_loss_is_that_of_its_seeds(tmp_path: Path) -> None:
    table = by_loss(rows_of(three_runs_of_lesions(tmp_path), TUNED)).set_index(["loss", "cut"])
    good, bad = table.loc[("good", PROBABILITY)], table.loc[("bad", PROBABILITY)]
    assert good["lesion_recall"] == 0.75
    assert good["lesion_recall_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert good["avg_recall_case_sd"] >= 0 and "avg_recall_case_sd_sd" not in table
    assert (good["status"], bad["status"]) == ("learnt 2", "collapsed 1")


# The script


def tables_of_the_script(folder: Path, values: dict, study: str) -> dict[str, pd.DataFrame]:
    outputs = ("runs", "summary", "comparisons", "ranks", "ledger", "claims")
    command = [sys.executable, str(ROOT / "scripts/summarize.py"), "--study", study]
    command += ["--configuration", json.dumps(values), "--published", str(ROOT / "published")]
    command += ["--tables", *(f"{name}.csv" for name in outputs)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: pd.read_csv(folder / f"{name}.csv") for name in outputs}


def test_the_script_gathers_a_study_in_tables(tmp_path: Path) -> None:
    values = {"studies": ["boundary"], "losses": ["gdl", "ce"], "variants": ["volumes"]}
    for run in load(values).runs:
        worse = 0.1 * run.seed + 0.2 * (run.loss == "ce")
        write_tables(tmp_path / "results" / run.id, [{**row, "dice": row["dice"] - worse} for row in ROWS], HISTORY)
    tables = tables_of_the_script(tmp_path, values, "boundary")
    assert len(tables["runs"]) == 4 * 3 and len(tables["summary"]) == 2 * 3
    overall = tables["summary"].query("structure == 'all'")
    assert dict(zip(overall["loss"], overall["dice"], strict=True)) == pytest.approx({"gdl": 0.5, "ce": 0.3})
    compared = tables["comparisons"].set_index("column")
    assert set(compared["loss"]) == {"ce"} and set(compared["reference"]) == {"gdl"}
    assert compared.loc["dice", ["seeds", "cases", "difference"]].tolist() == [2, 2, -0.2]
    by_dice = tables["ranks"].query("column == 'dice'").set_index("loss")
    assert by_dice[["rank", "p_first"]].to_dict("index") == {
        "gdl": {"rank": 1, "p_first": 1},
        "ce": {"rank": 2, "p_first": 0},
    }
    assert list(tables["ledger"]) == COLUMNS
    assert set(tables["ledger"]["verdict"]) == set(tables["claims"]["verdict"]) == {"not run"}
    assert len(tables["ledger"]) == len(pd.read_csv(ROOT / "published/boundary.csv"))
