"""Archived per-case tables computed again; what one changed case changes, and what it leaves as it is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lib import ROOT
from lib.comparison.case_tables import CaseTables
from lib.comparison.costs import CONDITIONS, COSTS
from lib.comparison.results import KEYS, read_csv
from lib.comparison.sets import TABLES, case_sets
from lib.comparison.study_tables import check_verdicts, study_tables, write_study
from lib.errors import SeglossError
from lib.plotting.of_tables import draw_figures

ARCHIVE, PUBLISHED = ROOT / "results_archive", ROOT / "published"


def tables_of(cases: Path) -> dict[str, pd.DataFrame]:
    return study_tables(CaseTables.read(cases).results(), PUBLISHED)


@pytest.mark.parametrize("name", case_sets(ARCHIVE, Path("nowhere")))
def test_archived_verdicts_are_computed_again(name: str, tmp_path: Path) -> None:
    tables = tables_of(ARCHIVE / name / "cases.csv")
    assert [*tables] == [*TABLES]
    check_verdicts(ARCHIVE / name, tables)
    for table in ("runs", "comparisons"):
        tables[table].to_csv(tmp_path / "again.csv", index=False)
        archived = read_csv(ARCHIVE / name / f"{table}.csv")
        pd.testing.assert_frame_equal(archived, read_csv(tmp_path / "again.csv"), check_exact=False, atol=2e-6)


def test_archived_figures_are_drawn_of_tables_alone(tmp_path: Path) -> None:
    cases = CaseTables.read(ARCHIVE / "label_marginal_idrid/cases.csv")
    write_study(cases, tmp_path, PUBLISHED)
    draw_figures(cases, tmp_path, tmp_path / "plots")
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {"boxplots.pdf", "proportions.pdf", "bias_by_size.pdf", "differences.pdf"}


def two_data_sets(folder: Path) -> pd.DataFrame:
    """Three losses, two seeds and six cases of two data sets, with two measures."""
    rows = [
        {"dataset": dataset, "loss": loss, "seed": seed, "case": f"case{case}"}
        | {"dice": round(0.5 + level / 10 + (seed + 3) * case % 7 / 50, 3), "hd95": 5.0 - level + case % 3 + seed / 4}
        for dataset in ("one", "two")
        for level, loss in enumerate(("ce", "gdl", "mine"))
        for seed in (0, 1)
        for case in range(6)
    ]
    table = pd.DataFrame(rows)
    table.to_csv(folder / "cases.csv", index=False)
    return table


def changed_rows(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    assert len(before) == len(after) and [*before] == [*after]
    lines = (table.to_csv(index=False).splitlines()[1:] for table in (before, after))
    return before[[one != other for one, other in zip(*lines, strict=True)]]


def test_another_value_of_one_case_changes_what_it_should_and_nothing_else(tmp_path: Path) -> None:
    cases = two_data_sets(tmp_path)
    before = tables_of(tmp_path / "cases.csv")
    place = (cases["dataset"] == "two") & (cases["loss"] == "gdl") & (cases["seed"] == 1) & (cases["case"] == "case3")
    cases.loc[place, "dice"] = 0.987
    cases.to_csv(tmp_path / "cases.csv", index=False)
    after = tables_of(tmp_path / "cases.csv")
    changed = {name: changed_rows(before[name], after[name]) for name in TABLES}
    assert changed["runs"][["dataset", "loss", "seed"]].to_numpy().tolist() == [["two", "gdl", 1]]
    assert changed["summary"][["dataset", "loss"]].to_numpy().tolist() == [["two", "gdl"]]
    for name in ("runs", "summary"):
        columns = [column for column in before[name] if not before[name][column].equals(after[name][column])]
        assert {*columns} <= {"dice", "dice_sd"} and "dice" in columns
    # p is adjusted over the losses of the data set and column
    compared = changed["comparisons"]
    assert {*compared["dataset"]} == {"two"} and {*compared["column"]} == {"dice"} and "gdl" in {*compared["loss"]}
    others = [name for name in before["comparisons"] if name not in ("p_holm", "verdict")]
    assert {*changed_rows(*(one["comparisons"][others] for one in (before, after)))["loss"]} == {"gdl"}
    # ranks are of all losses together
    assert {*changed["ranks"]["dataset"]} <= {"two"} and {*changed["ranks"]["column"]} <= {"dice"}
    assert changed["ledger"].empty and changed["claims"].empty


def test_the_order_of_rows_within_a_run_changes_nothing(tmp_path: Path) -> None:
    cases = two_data_sets(tmp_path)
    before = tables_of(tmp_path / "cases.csv")
    order = cases.groupby(["dataset", "loss", "seed"], sort=False)["case"].rank(ascending=False)
    runs = cases.groupby(["dataset", "loss", "seed"], sort=False).ngroup()
    shuffled = cases.assign(run=runs, order=order).sort_values(["run", "order"]).drop(columns=["run", "order"])
    shuffled.to_csv(tmp_path / "cases.csv", index=False)
    after = tables_of(tmp_path / "cases.csv")
    for name in TABLES:
        pd.testing.assert_frame_equal(before[name], after[name])


def test_a_verdict_that_differs_is_named_with_its_row(tmp_path: Path) -> None:
    archived = Path(shutil.copytree(ARCHIVE / "label_marginal_idrid", tmp_path / "idrid"))
    tables = tables_of(archived / "cases.csv")
    table = read_csv(archived / "comparisons.csv")
    table.loc[table.index[4], "verdict"] = "better"
    table.to_csv(archived / "comparisons.csv", index=False)
    row = ", ".join([table["loss"][4], "ce", "exudates", "decided", table["column"][4]])
    with pytest.raises(SeglossError, match=rf"comparisons\.csv: .*{row}: verdict 'better', but recomputed 'not shown'"):
        check_verdicts(archived, tables)
    table.drop(columns="reference_variant").to_csv(archived / "comparisons.csv", index=False)
    with pytest.raises(SeglossError, match=r"comparisons\.csv: no column 'reference_variant'"):
        check_verdicts(archived, tables)


def test_a_row_that_only_one_of_both_has_is_named(tmp_path: Path) -> None:
    two_data_sets(tmp_path)
    tables = tables_of(tmp_path / "cases.csv")
    kept = tables["runs"]
    for rows, words in ((kept.iloc[1:], "status 'none', but recomputed 'not known'"), (kept, "'gone', but .* 'none'")):
        rows = rows if "gone" not in words else pd.concat([rows, rows.tail(1).assign(loss="lost", status="gone")])
        rows.to_csv(tmp_path / "runs.csv", index=False)
        with pytest.raises(SeglossError, match=words):
            check_verdicts(tmp_path, tables)


def test_what_was_written_is_analysed_again_to_the_same_files(tmp_path: Path) -> None:
    two_data_sets(tmp_path)
    write_study(CaseTables.read(tmp_path / "cases.csv"), tmp_path / "study", PUBLISHED)
    write_study(CaseTables.read(tmp_path / "study/cases.csv"), tmp_path / "again", PUBLISHED, tmp_path / "study")
    files = sorted(path.relative_to(tmp_path / "study") for path in (tmp_path / "study").rglob("*.*"))
    assert len(files) > len(TABLES) + 4
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "study" / file).read_bytes(), file


def measured_costs(path: Path) -> None:
    """Of the first data set; each loss takes one and a half times as long as the one before."""
    keys = dict.fromkeys(KEYS, "unknown") | {
        "dataset": "one",
        "variant": "base",
        "noise": "clean",
        "resampling": "native",
    }
    conditions = dict.fromkeys(CONDITIONS, 1) | {"device": "cpu", "patch_size": "8x8"}
    rows = [
        {"kind": "measured", **keys, "loss": loss, "item": "base", **dict.fromkeys(COSTS, 1.5**number), **conditions}
        for number, loss in enumerate(("ce", "gdl", "mine"))
    ]
    pd.DataFrame(rows).to_csv(path, index=False)


def script(folder: Path, cases: str) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "scripts/reanalyze.py", "--cases", cases, "--published", PUBLISHED]
    command += ["--output", "results", "--plots", "plots"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_script_takes_several_sets_and_ends_in_one_line(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / "sets" / name).mkdir(parents=True)
        two_data_sets(tmp_path / "sets" / name)
    measured_costs(tmp_path / "sets/second/cost.csv")
    done = script(tmp_path, "sets")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "results/second/comparisons.csv")
    assert table[KEYS].notna().all(axis=None) and set(table["loss"]) == {"gdl", "mine"}
    for name, figures in (("first", {"differences.pdf"}), ("second", {"differences.pdf", "cost.pdf"})):
        assert {path.name for path in (tmp_path / "plots" / name).iterdir()} == figures
    costs = pd.read_csv(tmp_path / "results/second/cost.csv")
    means = pd.read_csv(tmp_path / "results/second/summary.csv").query("structure == 'all' and dataset == 'one'")
    assert costs["mean"].tolist() == pytest.approx(means["dice"].tolist(), abs=1e-5)
    assert "Time of a step, cross-entropy = 1: mine 2.25" in (tmp_path / "results/report.html").read_text()
    assert "do not suffice for froc" in done.stderr
    (tmp_path / "sets/first/cases.csv").write_text("loss,seed,case,surprise\nce,0,a,1\n")
    done = script(tmp_path, "sets")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: sets/first/cases.csv: unknown column 'surprise'")


def test_no_network_is_needed_to_analyse_again() -> None:
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import lib.comparison.study_tables; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, ROOT]).returncode == 0
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import lib.comparison.sets; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, ROOT]).returncode == 0
