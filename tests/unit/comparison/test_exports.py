"""Tables for other programs, as they expect them."""

from pathlib import Path

import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated

from lib.comparison.case_tables import CaseTables
from lib.comparison.exports import challenge_tables, summary_table, write_exports
from lib.comparison.results import StudyResults
from lib.comparison.study_tables import study_tables
from lib.measures.catalogue import DECIDED


def made_study(folder: Path) -> StudyResults:
    dice = {"c_e": (0.5, 0.6), "good": (0.8, 0.9), "third": (0.1, 0.1)}
    runs = [
        evaluated(folder, [case_row(case, part, dice=value + seed / 10) for part in ("x", "y")], loss=loss, seed=seed)
        for loss, values in dice.items()
        for seed in (0, 1)
        for case, value in [("a", values[0])]
    ]
    return CaseTables.of_study(StudyResults(runs, reference="c_e", primary_cut=DECIDED)).results()


def published(folder: Path) -> Path:
    (folder / "claims.yaml").write_text("{}\n")
    return folder


def test_a_challenge_has_one_value_of_each_loss_and_case(tmp_path: Path) -> None:
    rows = [case_row("a", "x", dice=0.2), case_row("a", "y", dice=0.4), case_row("b", "x", dice=0.5)]
    runs = [
        evaluated(tmp_path, rows, loss="ce"),
        evaluated(tmp_path, [{**row, "dice": row["dice"] + 0.1} for row in rows], loss="ce", seed=1),
        evaluated(tmp_path, [{**row, "dice": 1.0} for row in rows], loss="ce", seed=2),  # the other has no such seed
        evaluated(tmp_path, rows, loss="gdl"),
        evaluated(tmp_path, rows[:2], loss="gdl", seed=1),
        evaluated(tmp_path, rows, loss="gdl", dataset="isles"),
    ]
    tables = dict(challenge_tables(runs, DECIDED))
    assert list(tables) == ["dice", "dice_present"]
    table = tables["dice"]
    assert list(table) == ["task", "case", "alg", "value"]
    task = "wmh2017 base clean native plain_unet_2d adam constant"
    values = table.set_index(["task", "alg", "case"])["value"].to_dict()
    assert values == pytest.approx(
        {
            (task, "ce", "a"): (0.3 + 0.4) / 2,
            (task, "ce", "b"): (0.5 + 0.6) / 2,
            (task, "gdl", "a"): 0.3,
            (task, "gdl", "b"): float("nan"),  # without a value of each seed
            (task.replace("wmh2017", "isles"), "gdl", "a"): 0.3,
            (task.replace("wmh2017", "isles"), "gdl", "b"): 0.5,
        },
        nan_ok=True,
    )


def test_the_summary_says_mean_difference_verdict_and_rank(tmp_path: Path) -> None:
    results = made_study(tmp_path)
    table = summary_table(results, study_tables(results, published(tmp_path))).set_index("loss")
    assert "dataset" not in table  # the same for all
    assert table["verdict"].to_dict() == {"c_e": "", "good": "better", "third": "worse"}
    assert table["Dice"]["good"].startswith("0.850 [") and table["difference"]["good"] == "0.300 [0.300, 0.300]"
    assert table["rank"].to_dict() == {"c_e": "2 [2, 2]", "good": "1 [1, 1]", "third": "3 [3, 3]"}


def test_files_replace_those_of_before(tmp_path: Path) -> None:
    results = made_study(tmp_path)
    tables = study_tables(results, published(tmp_path))
    (tmp_path / "exports/challenge").mkdir(parents=True)
    (tmp_path / "exports/challenge/old.csv").touch()
    write_exports(results, tables, tmp_path / "exports")
    files = {str(path.relative_to(tmp_path / "exports")) for path in (tmp_path / "exports").rglob("*.*")}
    assert files == {"summary.md", "summary.tex", "challenge/dice.csv", "challenge/dice_present.csv"}
    latex = (tmp_path / "exports/summary.tex").read_text()
    assert "\\toprule" in latex and "c\\_e" in latex and "better" in latex
    first = (tmp_path / "exports/summary.md").read_text().splitlines()[0]
    assert [cell.strip() for cell in first.strip("|").split("|")][:2] == ["loss", "seeds"]


def test_what_is_missing_is_written_as_r_reads_it(tmp_path: Path) -> None:
    runs = [evaluated(tmp_path, [case_row("a", dice=float("nan"))], loss=loss) for loss in ("ce", "gdl")]
    rows = dict(challenge_tables(runs, DECIDED))["dice"]
    results = CaseTables.of_study(StudyResults(runs, primary_cut=DECIDED)).results()
    write_exports(results, study_tables(results, published(tmp_path)), tmp_path / "exports")
    assert rows["value"].isna().all()
    assert pd.read_csv(tmp_path / "exports/challenge/dice.csv", keep_default_na=False)["value"].tolist() == ["NA", "NA"]
