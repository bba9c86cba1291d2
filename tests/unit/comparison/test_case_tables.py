"""The tables from which all others follow: gathered from runs, read from anywhere, and what is refused."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated

from lib import ROOT
from lib.comparison.case_tables import RUN, CaseTables
from lib.comparison.results import EvaluatedRun, StudyResults, joined
from lib.comparison.sets import case_sets, files_of_set
from lib.comparison.study_tables import study_tables
from lib.comparison.summary import run_rows
from lib.config.study_schema import Primary
from lib.errors import SeglossError
from lib.files import write_json
from lib.losses.specification import resolved
from lib.measures.catalogue import DECIDED
from lib.report.studies import OWN, About

HISTORY = {"epoch": [1, 2], "test_dice": [0.25, 0.1 + 0.2], "nu": [0.0, 1 / 3]}


def made_runs(folder: Path) -> list[EvaluatedRun]:
    lesions = {"lesions": [{"case": "a", "structure": "lesion", "cut": DECIDED, "name": "tum_1"}]}
    return [
        evaluated(folder, [case_row("a", dice=1 / 3), case_row("007", dice=2 / 3)], HISTORY, loss="gdl"),
        evaluated(folder, [case_row("a"), case_row("007")], loss="ce"),
        evaluated(folder, [case_row("a")], measures=["overlap", "froc"], tables=lesions, variant="lesions"),
    ]


def gathered(runs: list[EvaluatedRun], **options: object) -> CaseTables:
    return CaseTables.of_study(StudyResults(runs, name="mine", primary_cut=DECIDED, **options))


def given(folder: Path, cases: str, **others: str) -> Path:
    """A folder of tables from elsewhere; its `cases.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"cases.csv": cases, **{key.replace("_", "."): text for key, text in others.items()}}.items():
        (folder / name).write_text(content)
    return folder / "cases.csv"


# Gathered


def test_runs_of_the_tables_are_those_of_the_folders(tmp_path: Path) -> None:
    runs = made_runs(tmp_path)[:2]
    ours = gathered(runs).results().runs
    for one, other in zip(runs, ours, strict=True):
        assert (one.keys, one.cuts, [*one.measures]) == (other.keys, other.cuts, [*other.measures])
        pd.testing.assert_frame_equal(one.cases, other.cases[[*one.cases]])
        expected, found = run_rows(one, DECIDED), run_rows(other, DECIDED)
        alike = {"check_dtype": False, "check_exact": True}
        pd.testing.assert_frame_equal(pd.DataFrame(found)[[*expected[0]]], pd.DataFrame(expected), **alike)


def test_tables_that_were_written_say_the_same_to_the_last_digit(tmp_path: Path) -> None:
    tables = gathered(made_runs(tmp_path / "runs"), reference="ce", primary=Primary(column="dice_present"))
    written = tables.write(tmp_path / "mine")
    again = CaseTables.read(tmp_path / "mine/cases.csv")
    again.write(tmp_path / "again")
    names = [path.name for path in written]
    assert names == ["trainings.csv", "cases.csv", "lesions.csv", "comparison.json"]
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "mine" / name).read_bytes()
    assert again.results().reference == "ce" and again.results().primary.column == "dice_present"


def test_a_variant_keeps_its_own_measures_and_tables(tmp_path: Path) -> None:
    tables = gathered(made_runs(tmp_path))
    assert [measure.name for measure in tables.terms.measures] == ["overlap"]
    assert [measure.name for measure in tables.terms.measures_of["lesions"]] == ["overlap", "froc"]
    first, _, of_lesions = tables.results().runs
    assert first.details("lesions").empty and of_lesions.details("lesions")["name"].tolist() == ["tum_1"]


def test_a_study_without_any_lesion_has_a_table_without_rows(tmp_path: Path) -> None:
    made = [evaluated(tmp_path, [case_row("a")], measures=["overlap", "froc"])]
    made[0].folder.joinpath("lesions.csv").write_text("\n")  # as pandas writes a table without rows
    gathered(made).write(tmp_path / "mine")
    (run,) = CaseTables.read(tmp_path / "mine/cases.csv").results().runs
    assert run.details("lesions").empty and run_rows(run, DECIDED)[0]["dice"] == 0.75


def test_what_the_page_says_of_losses_and_data_is_kept(tmp_path: Path) -> None:
    losses = {"gdl": resolved("gdl_boundary"), "ce": resolved({"name": "cross_entropy", "epsilon": 0.5})}
    losses_and_own = losses | {"own": resolved({"name": "collections.Counter"})}
    tables = gathered(made_runs(tmp_path)[:2], losses=losses_and_own, pictures=["mine"], own_data=["mine"])
    assert tables.terms.losses["ce"] == {"name": "cross_entropy", "epsilon": 0.5}
    tables.write(tmp_path / "mine")
    again = CaseTables.read(tmp_path / "mine/cases.csv")
    assert again.results().losses == losses
    about = About.of_terms(again.terms, "x")
    assert (about.evidence, [*about.pictures]) == ({"mine": OWN}, ["mine"])


def test_the_base_of_a_search_is_kept(tmp_path: Path) -> None:
    one, other, _ = made_runs(tmp_path)
    runs = gathered([replace(one, base_loss="ce"), other]).results().runs
    assert [run.base_loss for run in runs] == ["ce", None]


# Folds

DICE_OF_FOLDS = {"fold-0": {"a": 0.9, "b": 0.8, "c": 0.4}, "fold-1": {"d": 0.7, "007": 0.6}}


def in_folds(folder: Path, loss: str, seed: int, gain: float = 0.0, **of_fold_1: float) -> list[EvaluatedRun]:
    """The trainings of a run; gain: in Dice, in other cases another."""
    made = []
    for fold, dices in DICE_OF_FOLDS.items():
        numbers = of_fold_1 if fold == "fold-1" else {}
        rows = [
            case_row(case, dice=dice + gain * (1 + number) - 0.03 * seed * number) | numbers
            for number, (case, dice) in enumerate(dices.items())
        ]
        history = HISTORY | {"nu": [0.0, float(fold[-1])]}
        made.append(replace(evaluated(folder / fold, rows, history, loss=loss, seed=seed), fold=fold))
    return made


def folded(folder: Path) -> StudyResults:
    trainings = [in_folds(folder, loss, seed, gain) for loss, gain in (("ce", 0), ("gdl", 0.02)) for seed in (0, 1)]
    return StudyResults(joined(chain.from_iterable(trainings)), name="mine", primary_cut=DECIDED, reference="ce")


def test_folds_are_joined_and_each_training_keeps_its_row(tmp_path: Path) -> None:
    results = folded(tmp_path / "runs")
    assert [(run.keys["loss"], run.keys["seed"], len(run.folds)) for run in results.runs] == [
        (loss, seed, 2) for loss in ("ce", "gdl") for seed in (0, 1)
    ]
    written = CaseTables.of_study(results).write(tmp_path / "mine")
    trainings, cases = (pd.read_csv(tmp_path / "mine" / name, dtype=str) for name in ("trainings.csv", "cases.csv"))
    assert trainings["fold"].tolist() == ["fold-0", "fold-1"] * 4 and trainings["nu"].tolist() == ["0.0", "1.0"] * 4
    assert not cases.duplicated(["loss", "seed", "case"]).any() and len(cases) == 4 * 5
    again = CaseTables.read(tmp_path / "mine/cases.csv")
    again.write(tmp_path / "again")
    for path in written:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    (row, *_) = run_rows(again.results().runs[0], DECIDED)
    assert (row["test_cases"], row["nu"]) == (5, 0.5)
    assert row["dice"] == pytest.approx(0.68)  # of all cases, not of the two folds


def test_joined_folds_are_compared_as_one_table_made_by_hand(tmp_path: Path) -> None:
    CaseTables.of_study(folded(tmp_path / "runs")).write(tmp_path / "folds")
    (tmp_path / "folds/trainings.csv").unlink()
    by_hand = pd.read_csv(tmp_path / "folds/cases.csv", dtype={"case": str}).drop(columns="fold").to_csv(index=False)
    given(tmp_path / "hand", by_hand, comparison_json=(tmp_path / "folds/comparison.json").read_text())
    ours, theirs = (
        study_tables(CaseTables.read(tmp_path / name / "cases.csv").results(), ROOT / "published")
        for name in ("folds", "hand")
    )
    for name in ("comparisons", "ranks", "summary"):
        pd.testing.assert_frame_equal(ours[name], theirs[name])
    row = ours["comparisons"].set_index("column").loc["dice"]
    assert (row["seeds"], row["cases"]) == (2, 5)


def test_a_run_that_failed_in_one_fold_has_failed(tmp_path: Path) -> None:
    trainings = [*in_folds(tmp_path, "ce", 0), *in_folds(tmp_path, "gdl", 0, dice=0.5)]
    results = StudyResults(joined(trainings), primary_cut=DECIDED)
    ce, gdl = (run_rows(run, DECIDED)[0] for run in CaseTables.of_study(results).results().runs)
    assert (ce["status"], gdl["status"]) == ("learnt", "collapsed") and gdl["dice"] > gdl["dice_if_full"]


def test_what_one_fold_lacks_is_not_the_mean_of_the_others(tmp_path: Path) -> None:
    one, other = in_folds(tmp_path, "ce", 0)
    other.folder.joinpath("history.csv").write_text("epoch,nu\n1,0\n2,1\n")
    (row,) = run_rows(*joined([one, other]), DECIDED)
    assert pd.isna(row["dice_epochs"]) and row["nu"] == 0.5


def test_folds_and_runs_without_may_stand_in_one_study(tmp_path: Path) -> None:
    plain = evaluated(tmp_path, [case_row("a")], dataset="wmh2017_other")
    results = StudyResults(joined([*in_folds(tmp_path, "ce", 0), plain]), primary_cut=DECIDED)
    CaseTables.of_study(results).write(tmp_path / "mine")
    first, second = CaseTables.read(tmp_path / "mine/cases.csv").results().runs
    assert [fold.fold for fold in first.trainings] == ["fold-0", "fold-1"]
    assert [fold.fold for fold in second.trainings] == [""] and second.case_names == ("a",)


def test_a_case_is_tested_in_one_fold_of_a_seed(tmp_path: Path) -> None:
    text = "loss,seed,fold,case,dice\nce,0,1,a,0.5\nce,0,2,a,0.25\n"
    with pytest.raises(SeglossError, match="row 2: a second row of loss ce, seed 0, case a"):
        CaseTables.read(given(tmp_path, text))


# From elsewhere

LEAST = "loss,seed,case,dice\nce,0,a,0.5\nce,0,b,0.25\nmine,0,a,0.75\nmine,0,b,1\n"


def test_four_columns_are_enough(tmp_path: Path) -> None:
    results = CaseTables.read(given(tmp_path / "x", LEAST)).results()
    assert [run.keys["loss"] for run in results.runs] == ["ce", "mine"]
    assert results.runs[0].keys["dataset"] == "data" and results.runs[0].cuts == (DECIDED,)
    (row,) = run_rows(results.runs[1], DECIDED)
    assert (row["dice"], row["test_cases"], row["status"]) == (0.875, 2, "not known")


def test_a_study_judges_by_a_column_that_is_there(tmp_path: Path) -> None:
    results = CaseTables.read(given(tmp_path, LEAST.replace("dice", "hd95"))).results()
    assert (results.primary.column, results.primary_cut) == ("hd95", DECIDED)


def test_counts_of_some_rows_alone_say_nothing_of_a_run(tmp_path: Path) -> None:
    text = "loss,seed,case,voxels,present,predicted,both,dice,dice_present\nce,0,a,9,1,1,1,1,1\nce,0,b,9,,1,1,1,1\n"
    (row,) = run_rows(CaseTables.read(given(tmp_path, text)).results().runs[0], DECIDED)
    assert row["status"] == "not known" and "dice_pooled" not in row


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no table .*save it as CSV"),
        ("loss;seed;case;dice\nce;0;a;1\n", "no column 'loss'; loss, seed, case were expected, found 'loss;seed"),
        ("loss,seed,case,dice\n", "no row; rows with loss, seed, case"),
        (LEAST.replace("dice", "dise"), "unknown column 'dise'; remove or rename it; known: .*dice"),
        ("loss,seed,case\nce,0,a\n", "no column of a measure, such as dice"),
        (LEAST.replace("0.25", "high"), "row 2: dice: 'high' is not a number"),
        (LEAST.replace("0.25", "inf"), "row 2: dice: 'inf' is not a number"),
        (LEAST.replace("ce,0,b", "ce,0.5,b"), "row 2: seed: a whole number"),
        (LEAST.replace("ce,0,b", "ce,,b"), "row 2: seed is empty"),
        (LEAST.replace("ce,0,b", "ce,one,b"), "row 2: seed: 'one' is not a number"),
        (LEAST.replace("ce,0,b", "ce,0,a"), "row 2: a second row of loss ce, seed 0, case a"),
        (
            LEAST.replace("mine,0", "mine,1"),
            r"loss 'mine' \(seeds 1\) shares no seed with its reference 'ce' \(seeds 0\)",
        ),
        (LEAST + "ce,0,c,1,2\n", "no table"),
    ],
)
def test_a_faulty_table_is_refused_in_one_line(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(SeglossError, match=rf"cases\.csv: .*{words}") as caught:
        CaseTables.read(given(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"trainings_csv": "loss,seed\nce,0\n"}, r"trainings\.csv: 1 runs, but cases\.csv has cases of 2"),
        ({"trainings_csv": "loss,seed\nce,0\nmine,4\n"}, r"trainings\.csv: row 2: cases\.csv has no case of this run"),
        ({"trainings_csv": "loss,seed,nu\nce,0,x\nmine,0,1\n"}, r"trainings\.csv: row 1: nu: 'x' is not a number"),
        ({"comparison_json": '{"referense": "ce"}'}, "referense: unknown key; did you mean 'reference'"),
        ({"comparison_json": '{"measures": ["overlap", "froc"]}'}, r"lesions\.csv is missing, of which froc"),
        ({"comparison_json": '{"primary": {"cut": "tuned"}}'}, "no row of the cut 'tuned'"),
        (
            {"comparison_json": '{"losses": {"ce": "cros_entropy"}}'},
            "losses.ce: name: unknown .*did you mean 'cross_entropy'",
        ),
    ],
)
def test_what_lies_beside_it_must_fit(tmp_path: Path, others: dict[str, str], words: str) -> None:
    with pytest.raises(SeglossError, match=words):
        CaseTables.read(given(tmp_path, LEAST, **others))


def test_a_table_of_lesions_without_what_is_counted_is_named(tmp_path: Path) -> None:
    table = "loss,seed,case,structure,cut\nce,0,a,structure,decided\nmine,0,a,structure,decided\n"
    results = CaseTables.read(given(tmp_path, LEAST, lesions_csv=table)).results()
    with pytest.raises(SeglossError, match=r"lesions\.csv: no froc of such rows: .*is_tum.*; correct the table"):
        run_rows(results.runs[0], DECIDED)


def test_a_table_of_no_measure_of_the_study_is_left_alone(tmp_path: Path) -> None:
    terms = '{"measures": ["overlap"]}'
    table = "loss,seed,case,structure,cut\nce,0,a,structure,decided\n"
    found = CaseTables.read(given(tmp_path, LEAST, lesions_csv=table, comparison_json=terms))
    assert [*found.tables] == ["cases"]


def test_another_file_than_cases_csv_is_read_alone(tmp_path: Path) -> None:
    given(tmp_path, LEAST, comparison_json='{"reference": "mine"}')
    (tmp_path / "other.csv").write_text(LEAST)
    assert CaseTables.read(tmp_path / "other.csv").results().reference is None
    assert CaseTables.read(tmp_path / "cases.csv").results().reference == "mine"


# Where they lie


def test_sets_are_found_in_a_folder_or_one_level_below(tmp_path: Path) -> None:
    one, other = (given(tmp_path / "all" / name, LEAST) for name in ("one", "other"))
    output = tmp_path / "results"
    assert case_sets(one.parent, output) == {"one": one} == case_sets(one, output)
    assert case_sets(tmp_path / "all", output) == {"one": one, "other": other}
    (tmp_path / "mine.csv").write_text(LEAST)
    assert case_sets(tmp_path / "mine.csv", output) == {"mine": tmp_path / "mine.csv"}
    with pytest.raises(SeglossError, match=r"no per-case table; .* was expected"):
        case_sets(tmp_path, output)


def test_a_set_is_not_overwritten_by_its_own_outcome(tmp_path: Path) -> None:
    given(tmp_path / "results/one", LEAST)
    with pytest.raises(SeglossError, match="lies where its outcome is written"):
        case_sets(tmp_path / "results", tmp_path / "results")


def test_the_files_of_a_set_are_those_that_its_analysis_reads(tmp_path: Path) -> None:
    cases = given(tmp_path, LEAST, trainings_csv="loss,seed\n", README_md="x")
    write_json(tmp_path / "comparison.json", {})
    assert [path.name for path in files_of_set(cases)] == ["cases.csv", "comparison.json", "trainings.csv"]


def test_keys_are_in_front(tmp_path: Path) -> None:
    tables = gathered(made_runs(tmp_path))
    for table in (tables.trainings, *tables.tables.values()):
        assert [*table][: len(RUN)] == RUN
