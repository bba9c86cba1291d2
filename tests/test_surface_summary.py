"""Tables of a study of surfaces: a run's row, published numbers next to ours, the measures of another library."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import ROOT
from lib.arrays import write_array
from lib.comparison.runs import EvaluatedRun, by_loss
from lib.comparison.surface_summary import MEANS, SAME_FOR_ALL_SEEDS, beside_published, run_row
from lib.config.load import load
from lib.evaluation.agreement import COLUMNS, case_agreement, report
from lib.evaluation.surface import surface_rows
from lib.files import write_json
from lib.labels import Labels
from lib.store import Case, StoredCase, write_case

PUBLISHED = pd.read_csv(ROOT / "published/boundary.csv")
NAMES = {
    "dataset": {},
    "loss": {
        "gdl_boundary_rebalance_2d": "gdl_boundary_rebalance",
        "gdl_boundary_rebalance_published": "gdl_boundary_rebalance",
    },
}


def keys(**changes: object) -> dict:
    keys = {"scale": "paper", "dataset": "wmh2017", "variant": "wmh_published", "noise": "clean"}
    return keys | {"loss": "gdl", "seed": 0} | changes


COUNTS = ("present", "predicted", "lesions", "lesions_found", "components", "components_wrong")


def measured(case: str, structure: str, counts: tuple[int, ...], **measures: float) -> dict:
    same = dict.fromkeys(("slices_without", *MEANS), 0.5)
    return {
        "case": case,
        "structure": structure,
        **dict(zip(COUNTS, counts, strict=True)),
        **same,
        **measures,
    }


ROWS = [
    measured("1", "left", (40, 50, 3, 2, 4, 2), dice=0.8, dice_slices=0.9, slices_without=0.25, hd=3.0),
    measured("1", "right", (20, 0, 1, 0, 0, 0), dice=0.0, dice_slices=0.5, slices_without=0.5, hd=90.0),
    measured("2", "left", (0, 0, 0, 0, 0, 0), dice=1.0, dice_slices=1.0, slices_without=1.0, hd=0.0),
    measured("2", "right", (10, 30, 1, 1, 4, 3), dice=0.4, dice_slices=0.7, slices_without=0.65, hd=7.0),
]
HISTORY = {
    "epoch": [1, 2, 3, 4],
    "test_dice": [0.2, 0.5, 0.7, 0.6],
    "test_dice_slices": [0.1, 0.8, 0.75, 0.8],
    "test_hd95": [40.0, 20.0, 10.0, 15.0],
}


def evaluated(
    folder: Path, rows: list[dict] = ROWS, history: dict[str, list] = HISTORY, **changes: object
) -> EvaluatedRun:
    pd.DataFrame(rows).to_csv(folder / "surface.csv", index=False)
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    return EvaluatedRun(keys(**changes), "WMH", None, folder)


def test_a_run_is_the_mean_over_cases_and_structures(tmp_path: Path) -> None:
    row = run_row(evaluated(tmp_path))
    assert {key: row[key] for key in keys()} == keys()
    assert (row["test_cases"], row["structures"], row["status"], row["masks_dice"]) == (2, 2, "learnt", 1)
    assert row["dice"] == pytest.approx((0.8 + 0 + 1 + 0.4) / 4)
    assert row["dice_slices"] == pytest.approx((0.9 + 0.5 + 1 + 0.7) / 4)
    assert row["dice_slices_of_nothing"] == pytest.approx((0.25 + 0.5 + 1 + 0.65) / 4)
    assert row["hd"] == pytest.approx(100 / 4)
    assert [row[name] for name in ("nsd", "hd95", "hd95_directed", "assd", "row_hausdorff")] == [0.5] * 5
    assert row["lesion_recall"] == pytest.approx(3 / 5)
    assert row["wrong_components"] == pytest.approx(5 / 2)
    assert row["empty_predictions"] == 1  # not the one that is absent


def test_a_run_states_the_first_of_the_epochs_with_the_best_dice_of_slices(tmp_path: Path) -> None:
    row = run_row(evaluated(tmp_path))
    assert row["best_epoch"] == 2
    assert [row[f"{name}_best_epoch"] for name in ("dice", "dice_slices", "hd95")] == [0.5, 0.8, 20]


@pytest.mark.parametrize(
    "history",
    [{"epoch": [1, 2]}, {"epoch": [1], "test_dice": [None], "test_dice_slices": [None], "test_hd95": [None]}],
)
def test_without_measured_epochs_there_is_no_best_one(tmp_path: Path, history: dict[str, list]) -> None:
    row = run_row(evaluated(tmp_path, history=history))
    names = ("best_epoch", "dice_best_epoch", "dice_slices_best_epoch", "hd95_best_epoch")
    assert np.isnan([row[name] for name in names]).all()


def test_a_run_that_marks_nothing_has_collapsed(tmp_path: Path) -> None:
    nothing = [
        {**row, "predicted": 0, "lesions_found": 0, "dice": float(row["present"] == 0)} for row in ROWS
    ]
    row = run_row(evaluated(tmp_path, nothing))
    assert (row["status"], row["empty_predictions"], row["lesion_recall"]) == ("collapsed", 3, 0)


@pytest.mark.parametrize(("wrong", "status"), [(10, "learnt"), (11, "poor")])
def test_a_run_with_ten_times_more_wrong_components_than_true_ones_is_poor(
    tmp_path: Path, wrong: int, status: str
) -> None:
    row = run_row(evaluated(tmp_path, [{**row, "components_wrong": wrong * row["lesions"]} for row in ROWS]))
    assert (row["status"], row["wrong_components"]) == (status, wrong * 5 / 2)


def test_a_run_with_little_dice_is_poor_even_if_it_is_above_nothing(tmp_path: Path) -> None:
    row = run_row(evaluated(tmp_path, [{**row, "dice": 0.29} for row in ROWS]))
    assert row["dice"] > row["dice_of_nothing"] == 0.25
    assert row["status"] == "poor"


def test_a_structure_that_no_test_case_has_counts_for_nothing(tmp_path: Path) -> None:
    nowhere = measured("1", "nowhere", (0, 0, 0, 0, 0, 0), dice=1.0)
    assert run_row(evaluated(tmp_path, [*ROWS, nowhere])) == run_row(evaluated(tmp_path))


def test_a_network_that_was_kept_stands_beside_the_published_one_itself(tmp_path: Path) -> None:
    kept = run_row(evaluated(tmp_path, history={**HISTORY, "selected": [0, 0, 1, 0]}))
    assert np.isnan(kept["best_epoch"])
    table = beside_published(by_loss(pd.DataFrame([kept]), SAME_FOR_ALL_SEEDS), PUBLISHED, NAMES, {})
    (row,) = chosen(table, dataset="wmh2017", loss="gdl", metric="Dice per slice").to_dict("records")
    assert row["ours"] == pytest.approx(0.775)
    assert row["remark"] == "predicting nothing: 0.600"


def test_without_lesions_there_is_no_recall(tmp_path: Path) -> None:
    assert np.isnan(run_row(evaluated(tmp_path, ROWS[2:3]))["lesion_recall"])


def test_the_dice_of_an_empty_prediction(tmp_path: Path) -> None:
    label = np.zeros((6, 6, 8), np.uint8)
    label[2:4, 2:4, 3:6] = 1
    rows = surface_rows("a", 0 * label, label, (1, 1, 1), Labels(("background", "lesion")), 1)
    row = run_row(evaluated(tmp_path, rows))
    assert row["dice_slices"] == row["dice_slices_of_nothing"] == 5 / 8


def runs_of(folder: Path, dices: dict[int, float], **changes: object) -> list[dict]:
    rows = []
    for seed, dice in dices.items():
        history = {**HISTORY, "test_dice_slices": [0.05, 0.1, dice, 0.2]}
        rows.append(run_row(evaluated(folder, history=history, seed=seed, **changes)))
    return rows


def test_seeds_are_gathered_by_loss(tmp_path: Path) -> None:
    rows = [*runs_of(tmp_path, {0: 0.7, 1: 0.8}), *runs_of(tmp_path, {0: 0.5}, loss="boundary")]
    first, second = by_loss(pd.DataFrame(rows), SAME_FOR_ALL_SEEDS).to_dict("records")
    assert (first["loss"], first["seeds"], first["status"]) == ("gdl", 2, "learnt 2")
    assert first["dice_slices_best_epoch"] == pytest.approx(0.75)
    assert first["dice_slices_best_epoch_sd"] == pytest.approx(0.05 * 2**0.5)
    assert first["dice_slices_of_nothing"] == pytest.approx(0.6)
    assert not {"dice_slices_of_nothing_sd", "structures_sd", "test_cases_sd"} & set(first)
    assert (second["loss"], second["seeds"]) == ("boundary", 1)
    assert np.isnan(second["dice_sd"])


@pytest.fixture
def comparison(tmp_path: Path) -> pd.DataFrame:
    """Published WMH with two forms of the rebalanced loss and the GDL; ISLES in two variants; phantoms."""
    rows = [
        *runs_of(tmp_path, {0: 0.729, 1: 0.731}),
        *runs_of(tmp_path, {0: 0.90, 1: 0.91}, loss="gdl_boundary_rebalance"),
        *runs_of(tmp_path, {0: 0.74}, loss="gdl_boundary_rebalance_2d"),
        *runs_of(tmp_path, {0: 0.6}, dataset="isles2018", variant="isles_published"),
        *runs_of(tmp_path, {0: 0.3}, dataset="isles2018", variant="isles_corrected"),
        *runs_of(tmp_path, {0: 0.9}, dataset="phantom_slabs", variant="slices"),
        *runs_of(tmp_path, {0: 0.9}, loss="ce"),
    ]
    summary = by_loss(pd.DataFrame(rows), SAME_FOR_ALL_SEEDS)
    return beside_published(summary, PUBLISHED, NAMES, {"wmh2017": "WMH 2017, as published"})


def chosen(comparison: pd.DataFrame, **values: str) -> pd.DataFrame:
    return comparison[(comparison[list(values)] == pd.Series(values)).all(axis=1)]


def test_every_published_number_stands_once_for_each_of_our_rows(comparison: pd.DataFrame) -> None:
    count = comparison.groupby(["dataset", "published_loss", "metric"]).size().to_dict()
    slices, rows = "Dice per slice", "HD as printed: rows as points"
    assert count == {
        ("isles2018", "boundary", slices): 1,
        ("isles2018", "gdl", slices): 2,
        ("isles2018", "gdl", rows): 2,
        ("isles2018", "gdl_boundary_rebalance", slices): 1,
        ("isles2018", "gdl_boundary_rebalance", rows): 1,
        ("wmh2017", "boundary", slices): 1,
        ("wmh2017", "gdl", slices): 1,
        ("wmh2017", "gdl", rows): 1,
        ("wmh2017", "gdl_boundary_rebalance", slices): 2,
        ("wmh2017", "gdl_boundary_rebalance", rows): 2,
    }
    assert not comparison.duplicated(["dataset", "loss", "variant", "published_loss", "metric"]).any()
    assert "phantom_slabs" not in set(comparison["dataset"]) and "ce" not in set(comparison["loss"])
    assert set(comparison["title"]) == {"WMH 2017, as published", "isles2018"}


def test_the_order_is_that_of_the_publication(comparison: pd.DataFrame) -> None:
    order = ["dataset", "published_loss", "published"]
    listed = comparison.drop_duplicates(order)[order]
    expected = PUBLISHED[["dataset", "loss", "value"]]
    assert listed.to_numpy().tolist() == expected.to_numpy().tolist()


def test_what_nobody_ran_stays_and_is_named(comparison: pd.DataFrame) -> None:
    missing = comparison[comparison["status"] == "not run"]
    assert list(zip(missing["dataset"], missing["published_loss"], strict=True)) == [
        ("isles2018", "boundary"),
        ("isles2018", "gdl_boundary_rebalance"),
        ("wmh2017", "boundary"),
        ("isles2018", "gdl_boundary_rebalance"),
    ]
    assert missing["published"].tolist() == [0.321, 0.656, 0.569, 3.562]
    assert missing[["ours", "difference", "loss", "variant", "remark"]].isna().all(axis=None)
    assert (missing["within_spreads"] == "").all()


def test_difference_and_verdict(comparison: pd.DataFrame) -> None:
    (gdl,) = chosen(comparison, dataset="wmh2017", loss="gdl", metric="Dice per slice").to_dict("records")
    assert (gdl["published"], gdl["published_sd"], gdl["seeds"]) == (0.727, 0.006, 2)
    assert gdl["ours"] == pytest.approx(0.73)
    assert gdl["ours_sd"] == pytest.approx(0.001 * 2**0.5)
    assert gdl["difference"] == pytest.approx(0.003)
    assert gdl["within_spreads"] == "yes"
    assert gdl["remark"] == (
        "epoch chosen on the test cases, as published; last: 0.775; predicting nothing: 0.600"
    )
    (rows,) = chosen(
        comparison, dataset="wmh2017", loss="gdl", metric="HD as printed: rows as points"
    ).to_dict("records")
    assert (rows["ours"], rows["published"], rows["within_spreads"]) == (0.5, 1.045, "no")
    assert rows["remark"] == "true HD95: 0.5 mm"


@pytest.mark.parametrize(("ours", "verdict"), [(0.7511, "yes"), (0.7549, "no")])
def test_one_seed_has_the_published_spread_alone(tmp_path: Path, ours: float, verdict: str) -> None:
    runs = pd.DataFrame(runs_of(tmp_path, {0: ours}, loss="gdl_boundary_rebalance_2d"))
    table = beside_published(by_loss(runs, SAME_FOR_ALL_SEEDS), PUBLISHED, NAMES, {})
    (row,) = chosen(table, dataset="wmh2017", loss="gdl_boundary_rebalance_2d", metric="Dice per slice")[
        "within_spreads"
    ]
    assert row == verdict


def test_two_of_our_losses_stand_beside_one_published(comparison: pd.DataFrame) -> None:
    rows = chosen(
        comparison, dataset="wmh2017", published_loss="gdl_boundary_rebalance", metric="Dice per slice"
    )
    assert rows["loss"].tolist() == ["gdl_boundary_rebalance", "gdl_boundary_rebalance_2d"]
    assert rows["published"].tolist() == [0.748] * 2
    assert rows["ours"].tolist() == pytest.approx([0.905, 0.74])
    assert rows["within_spreads"].tolist() == ["no", "no"]


def test_without_any_published_number_the_table_has_its_columns(tmp_path: Path) -> None:
    summary = by_loss(pd.DataFrame(runs_of(tmp_path, {0: 0.7})), SAME_FOR_ALL_SEEDS)
    table = beside_published(summary, pd.DataFrame(), NAMES, {})
    assert table.empty
    assert {"difference", "within_spreads", "status"} <= set(table)


def test_the_studys_names_are_published_and_its_losses_meet_every_number() -> None:
    runs = load({"scale": "paper", "studies": ["boundary"]}).runs
    ran = {(run.dataset, NAMES["loss"].get(run.loss, run.loss)) for run in runs}
    assert set(zip(PUBLISHED["dataset"], PUBLISHED["loss"], strict=True)) <= ran
    published = load({"studies": ["boundary"]}).studies["boundary"].published
    assert published.names == NAMES


def tables_of_the_script(folder: Path, values: dict, *options: str) -> list[pd.DataFrame]:
    names = ("summary", "per-run", "tests", "beside-published")
    command = [sys.executable, str(ROOT / "scripts/summarize_surface.py"), "--study", "boundary"]
    command += ["--configuration", json.dumps(values), "--published", str(ROOT / "published"), *options]
    command += [word for name in names for word in (f"--{name}", f"{name}.csv")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [pd.read_csv(folder / f"{name}.csv") for name in names]


def test_the_script_gathers_a_study_in_tables(tmp_path: Path) -> None:
    values = {"studies": ["boundary"], "losses": ["gdl", "ce"], "variants": ["volumes"]}
    for run in load(values).runs:
        folder = tmp_path / "results" / run.id
        folder.mkdir(parents=True)
        worse = 0.1 * run.seed + 0.2 * (run.loss == "ce")
        evaluated(folder, [{**row, "dice": row["dice"] - worse} for row in ROWS])
    summary, runs, tests, comparison = tables_of_the_script(tmp_path, values, "--table", "boundary")
    assert (len(summary), len(runs), len(tests), len(comparison)) == (2, 4, 2, len(PUBLISHED))
    assert summary["dice"].to_numpy() == pytest.approx([0.3, 0.5])
    assert summary["differs_from"].tolist() == ["no difference shown"] * 2
    assert set(comparison["status"]) == {"not run"}
    *_, nothing = tables_of_the_script(tmp_path, values)
    assert list(nothing.columns) == list(comparison.columns) and nothing.empty


# The measures of another library


STRUCTURES = ["left", "right", "none"]


def two_structures() -> tuple[np.ndarray, np.ndarray]:
    label, prediction = np.zeros((2, 16, 16, 6), np.uint8)
    label[1:7, 1:7, 1:5], prediction[2:9, 1:6, 1:4] = 1, 1
    label[9:14, 9:14], prediction[9:14, 8:12, 1:] = 2, 2
    prediction[0, 15, 5] = 1
    return prediction, label


@pytest.fixture(scope="module")
def agreement() -> pd.DataFrame:
    labels = Labels(("background", *STRUCTURES))
    return pd.DataFrame(case_agreement("a", *two_structures(), (1.0, 1.0, 3.0), labels, 1.0))


def test_every_structure_that_is_there_and_predicted_is_compared(agreement: pd.DataFrame) -> None:
    assert agreement.groupby("structure").size().to_dict() == {"left": 6, "right": 6}
    ours = surface_rows("a", *two_structures(), (1.0, 1.0, 3.0), Labels(("background", *STRUCTURES)), 1.0)
    assert tuple(agreement) == COLUMNS
    for row in agreement.itertuples():
        assert row.segloss == ours[STRUCTURES.index(row.structure)][row.measure]
    assert not agreement[agreement["measure"] != "hd95"]["above_tolerance"].any()


def warnings_of(agreement: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    caplog.set_level(logging.INFO)
    report(agreement)
    assert {record.name for record in caplog.records} == {"lib.evaluation.agreement"}
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_measures_that_agree_are_reported_without_a_warning(
    agreement: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_of(agreement, caplog) == []
    messages = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in messages] == ["dice", "hd", "hd95", "hd95_directed", "assd", "nsd"]
    assert "0 of 2 differ" in messages[0]


def test_a_measure_that_differs_is_a_warning_but_not_that_of_another_definition(
    agreement: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    def with_wrong(measure: str) -> pd.DataFrame:
        wrong = agreement.copy()
        row = wrong.index[wrong["measure"] == measure][1]
        wrong.loc[row, ["difference", "above_tolerance"]] = [-0.25, True]
        return wrong

    assert warnings_of(with_wrong("assd"), caplog) == ["assd: 1 of 2 differ, by at most 0.25"]
    assert warnings_of(with_wrong("hd95"), caplog) == []
    message = next(
        record.getMessage() for record in caplog.records if record.getMessage().startswith("hd95:")
    )
    assert message.endswith("; MONAI's is of another definition")


def test_nothing_to_compare_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    prediction, label = two_structures()
    assert (
        case_agreement("a", 0 * prediction, label, (1.0, 1.0, 3.0), Labels(("background", *STRUCTURES)), 1.0)
        == []
    )
    (message,) = warnings_of(pd.DataFrame([]), caplog)
    assert message.startswith("no structure is both there and predicted")


def test_the_script_writes_a_table_without_rows_where_nothing_is_predicted(tmp_path: Path) -> None:
    values = {"studies": ["boundary"], "variants": ["volumes"], "losses": ["gdl"]}
    (run,) = load(values).checked_of("boundary")
    prepared = tmp_path / "data/prepared" / run.dataset
    label = two_structures()[1] > 0
    write_case(prepared / "a", "a", Case(np.indices(label.shape)[:1], label, (1.0, 1.0, 3.0), "a"))
    described = {"a": StoredCase(prepared / "a").description}
    write_json(tmp_path / "data/splits" / run.dataset / run.split / "test.json", described)
    write_array(
        tmp_path / "results" / run.id / "predictions/a.logit.b2nd", np.full(label.shape, -1, np.float16)
    )
    script = [sys.executable, str(ROOT / "scripts/check_measures.py"), "--study", "boundary"]
    command = [*script, "--configuration", json.dumps(values), "--table", "agreement.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "no structure is both there and predicted" in done.stderr
    table = pd.read_csv(tmp_path / "agreement.csv")
    assert table.empty and list(table) == ["run", *COLUMNS]
