"""What the page says of each kind of task, from small tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_tables import DICE, cost_row, noisy, runs_of, write_study

from lib.errors import SeglossError
from lib.report.answers import answers, good_choices, in_short, needed_text, outcome, trouble
from lib.report.kinds import KINDS, Kind
from lib.report.page import limits
from lib.report.studies import About, StudyTables, tables_in

WORSE = "<b>&\"ce'"


def kind(name: str) -> Kind:
    return next(one for one in KINDS if one.name == name)


def study_in(folder: Path, about: About | None = None) -> StudyTables:
    return StudyTables(folder.name, {path.stem: path for path in tables_in(folder)}, about=about or About())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables") / "small"
    runs = runs_of(folder.parent / "runs")
    write_study(folder, runs, reference="focal", costs=[cost_row("dice_ce", 0.3), cost_row("ce", 0.2)])
    return folder


def test_the_first_loss_with_what_is_tied_and_what_it_costs(small: Path) -> None:
    (answer,) = answers(study_in(small), kind("Overlap"))
    summary = pd.read_csv(small / "summary.csv").set_index("loss")
    assert answer.first == summary["dice"].idxmax() == "dice_ce"
    assert answer.value == summary["dice"].max()
    assert [*answer.tied] == ["focal"] and answer.others == 2
    assert (answer.seeds, answer.cases, answer.pooled) == (3, 12, False)
    assert answer.reference.loss == "focal" and answer.reference.verdict == "equivalent"
    assert answer.cost == pytest.approx(1.5)
    assert outcome(answer) == "tied with 1 of 2 others"
    assert "only 12 cases" in limits(answer)


def test_each_kind_is_judged_by_its_columns_where_it_applies(small: Path) -> None:
    study = study_in(small)
    found = {one.name: [answer.column.name for answer in answers(study, one)] for one in KINDS}
    assert found == {
        "Overlap": ["dice"],
        "Small lesions": ["lesion_recall"],
        "Noisy masks": [],
        "Unbalanced classes": ["dice", "proportion_bias_abs"],
        "Borders": ["hd95", "nsd"],
        "Calibration": ["ece"],
    }


def test_what_was_not_measured_is_said(small: Path) -> None:
    assert in_short(answers(study_in(small), kind("Noisy masks"))).startswith("Not measured")


def test_lesions_are_counted_over_all_cases_so_that_seeds_alone_vary(small: Path) -> None:
    (answer,) = answers(study_in(small), kind("Small lesions"))
    assert answer.pooled and answer.cases == 12
    assert "intervals are of seeds alone" in limits(answer)
    assert answer.beside == "wrong components per case: 1.00"


def test_noise_is_a_kind_of_its_own_and_much_foreground_is_not_unbalanced(tmp_path: Path) -> None:
    runs = noisy(tmp_path, runs_of(tmp_path / "runs", noise="alpha0.7-beta0.7"), 0.7)
    write_study(tmp_path / "s", runs)
    study = study_in(tmp_path / "s")
    assert [answer.column.name for answer in answers(study, kind("Noisy masks"))] == ["dice"]
    assert answers(study, kind("Overlap")) == []
    table = pd.read_csv(tmp_path / "s/summary.csv").assign(noise="clean", present=4000)
    for name in ("summary", "ranks"):
        read = table if name == "summary" else pd.read_csv(tmp_path / "s/ranks.csv").assign(noise="clean")
        read.to_csv(tmp_path / f"s/{name}.csv", index=False)
    study = study_in(tmp_path / "s")
    assert answers(study, kind("Unbalanced classes")) == [] and len(answers(study, kind("Overlap"))) == 1


def test_real_data_come_before_phantoms_and_alone_are_counted(tmp_path: Path) -> None:
    both = [*runs_of(tmp_path / "runs"), *runs_of(tmp_path / "runs", dataset="phantom_blobs")]
    write_study(tmp_path / "s", both)
    found = answers(study_in(tmp_path / "s"), kind("Overlap"))
    assert [answer.phantom for answer in found] == [False, True]
    assert in_short(found).startswith("1 comparison on real data (12 cases, 3 seeds).")
    assert "phantoms, no evidence about patients" in in_short(found[1:])
    told = study_in(tmp_path / "s", About(phantoms=["mr"]))  # the configuration knows better than the name
    assert [answer.phantom for answer in answers(told, kind("Overlap"))] == [True, False]


def test_losses_that_are_never_shown_to_be_worse_are_named(tmp_path: Path) -> None:
    write_study(tmp_path / "s", [*runs_of(tmp_path / "runs"), *runs_of(tmp_path / "runs", dataset="ct")])
    write_study(tmp_path / "t", runs_of(tmp_path / "other", {"focal": 0.5, "dice_ce": 0.8, "boundary": 0.8}))
    found = answers(study_in(tmp_path / "s"), kind("Overlap"))
    assert good_choices(found) == "First or tied in all 2: dice_ce, focal."
    found += answers(study_in(tmp_path / "t"), kind("Overlap"))
    assert good_choices(found).endswith("in all 3: dice_ce.")
    assert good_choices([]) == ""
    for table in ("summary", "runs"):
        path = tmp_path / f"t/{table}.csv"
        path.write_text(path.read_text().replace("learnt", "poor"))
    failed = [*found[:2], *answers(study_in(tmp_path / "t"), kind("Overlap"))]
    assert "most often dice_ce (in 2 of 3 where it was run)" in good_choices(failed)


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ((7, np.nan), "about 7 seeds would decide against focal"),
        ((7, 40), "about 7 seeds or 40 cases would decide against focal"),
        ((np.nan, np.nan), "not even 10,000 seeds, or cases, would decide against focal"),
        ((3, np.nan), "clear of focal by itself, not after adjustment for the number of comparisons"),
    ],
)
def test_what_would_decide_is_said(small: Path, needed: tuple[float, float], said: str) -> None:
    (answer,) = answers(study_in(small), kind("Overlap"))
    reference = replace(answer.reference, verdict="not shown", seeds_needed=needed[0], cases_needed=needed[1])
    assert needed_text(replace(answer, reference=reference)) == said
    assert needed_text(answer) == ""  # equivalent


def test_with_a_single_seed_nothing_is_shown(tmp_path: Path) -> None:
    write_study(tmp_path / "s", [run for run in runs_of(tmp_path / "runs") if run.keys["seed"] == 0])
    (answer,) = answers(study_in(tmp_path / "s"), kind("Overlap"))
    assert len(answer.tied) == answer.others == 2
    assert "only 1 seed" in limits(answer)


def test_a_loss_that_is_shown_to_be_best_is_said_to_be(tmp_path: Path) -> None:
    dice = {"dice_ce": DICE["dice_ce"], WORSE: DICE[WORSE]}
    write_study(tmp_path / "s", runs_of(tmp_path / "runs", dice))
    (answer,) = answers(study_in(tmp_path / "s"), kind("Overlap"))
    assert answer.tied == [] and answer.is_reference and outcome(answer) == "better than the other"


def test_trainings_that_failed_are_named() -> None:
    assert trouble("learnt 1, poor 2") == "2 poor"
    assert trouble("learnt 3") == ""
    assert trouble("below baseline 1, collapsed 1") == "1 below baseline, 1 collapsed"


def test_older_tables_without_some_columns_can_be_read(small: Path, tmp_path: Path) -> None:
    for path in tables_in(small):
        left_out = ["resampling", "reference_variant", "to_first_verdict", "seeds_needed", "cases_needed"]
        pd.read_csv(path).drop(columns=left_out, errors="ignore").to_csv(tmp_path / path.name, index=False)
    (answer,) = answers(study_in(tmp_path), kind("Overlap"))
    assert answer.first == "dice_ce" and outcome(answer) == "the others were not compared with it"
    assert good_choices([answer]) == ""


def test_a_missing_or_damaged_table_is_named(small: Path, tmp_path: Path) -> None:
    with pytest.raises(SeglossError, match=r"study small: ranks\.csv missing"):
        paths = {path.stem: path for path in tables_in(small) if path.stem != "ranks"}
        _ = StudyTables("small", paths).tables
    (tmp_path / "runs.csv").write_text('a,b\n"1,2\n')
    with pytest.raises(SeglossError, match=r"runs.csv: damaged .* delete it and run again"):
        _ = StudyTables("small", {**{p.stem: p for p in tables_in(small)}, "runs": tmp_path / "runs.csv"}).tables
