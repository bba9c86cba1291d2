"""What the page says of each kind of task, from small tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_tables import DICE, cost_row, noisy, runs_of, write_study

from lib.config.study_schema import Look
from lib.errors import SeglossError
from lib.losses.specification import resolved
from lib.report.answers import (
    Answer,
    answers,
    best_evidence_first,
    cheapest_tied,
    evidence,
    first_place,
    limits,
    outcome,
    trouble,
)
from lib.report.in_short import best, cost, failures, good_choices, how_sure, in_short, not_shown
from lib.report.kinds import KINDS, Kind
from lib.report.studies import OWN, PHANTOMS, REAL, About, StudyTables, tables_in

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
    assert answer.runner_up.loss == "focal" and answer.runner_up.verdict == "equivalent"
    assert answer.costs["dice_ce"] == pytest.approx(1.5)
    assert outcome(answer) == "tied with 1 of 2 others"
    assert evidence(answer) == "only 12 cases, 3 seeds"
    (said,) = in_short([answer])
    assert said.evidence == REAL and said.best == "No loss is shown to be best. First or tied: dice_ce; focal."
    assert said.sure == "12 test cases, 3 seeds: so few that only large differences can be shown."
    assert said.cost == "Time of a step, cross-entropy = 1: dice_ce 1.50."
    assert said.not_shown.startswith("Differences below about 0.0") and said.not_shown.endswith("(Dice).")


def test_each_kind_is_judged_by_its_columns_where_it_applies(small: Path) -> None:
    study = study_in(small)
    found = {one.name: [answer.column.name for answer in answers(study, one)] for one in KINDS}
    assert found == {
        "Overlap": ["dice"],
        "Small lesions": ["lesion_f1", "lesion_recall"],
        "Noisy masks": [],
        "Unbalanced classes": ["dice", "proportion_bias_abs"],
        "Borders": ["hd95", "nsd"],
        "Calibration": ["ece"],
    }


def test_what_was_not_measured_is_said(small: Path) -> None:
    assert in_short(answers(study_in(small), kind("Noisy masks"))) == []


def test_lesions_are_counted_over_all_cases_so_that_seeds_alone_vary(small: Path) -> None:
    _, answer = answers(study_in(small), kind("Small lesions"))
    assert answer.pooled and answer.cases == 12
    assert "intervals are of seeds alone" in limits(answer)[-1]
    assert answer.beside == "wrong components per case: 1.00"


def test_a_loss_is_not_best_by_what_it_can_be_good_at_a_cost(small: Path) -> None:
    f1, recall = answers(study_in(small), kind("Small lesions"))
    other = next(loss for loss in recall.costs if loss not in (f1.first, *f1.tied))
    recall = replace(recall, first=other, tied=[], best=True)
    (said,) = in_short([f1, recall])
    assert said.best == in_short([f1])[0].best and other not in said.best
    assert [line.first for line in said.lines] == [f1.first, other]
    assert all("wrong components per case: 1.00" in line.outcome for line in said.lines)
    assert in_short([recall])[0].best == f"{other} is shown to be best."


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


def test_the_readers_own_data_come_first_and_phantoms_count_only_alone(tmp_path: Path) -> None:
    sets = ("phantom_blobs", "mr", "mine")
    write_study(tmp_path / "s", [run for name in sets for run in runs_of(tmp_path / "runs", dataset=name)])
    found = answers(study_in(tmp_path / "s", About(evidence={"mine": OWN})), kind("Overlap"))
    assert [one.evidence for one in best_evidence_first(found)] == [OWN, REAL, PHANTOMS]
    assert [group.evidence for group in in_short(found)] == [OWN, REAL]
    assert [group.evidence for group in in_short(found[:1])] == [PHANTOMS]


def test_losses_that_are_never_shown_to_be_worse_are_named(tmp_path: Path) -> None:
    write_study(tmp_path / "s", [*runs_of(tmp_path / "runs"), *runs_of(tmp_path / "runs", dataset="ct")])
    write_study(tmp_path / "t", runs_of(tmp_path / "other", {"focal": 0.5, "dice_ce": 0.8, "boundary": 0.8}))
    about = About(looks={"dice_ce": Look(label="Dice, CE")})
    found = answers(study_in(tmp_path / "s", about), kind("Overlap"))
    assert good_choices(found) == {"Dice, CE": (2, 2), "focal": (2, 2)}
    assert best(found).endswith("First or tied wherever they were run: Dice, CE (2 times); focal (2 times).")
    found += answers(study_in(tmp_path / "t", about), kind("Overlap"))
    assert "in any of 3 comparisons" in best(found) and "Dice, CE (3 times); boundary (1 time)." in best(found)
    for table in ("summary", "runs"):
        path = tmp_path / f"t/{table}.csv"
        path.write_text(path.read_text().replace("learnt", "poor"))
    failed = [*found[:2], *answers(study_in(tmp_path / "t", about), kind("Overlap"))]
    assert failed[2].tied == [] and not failed[2].best and outcome(failed[2]) == "tied with none of 2 others"
    assert failures(failed[2:]) == "focal (3 poor); Dice, CE (3 poor); boundary (3 poor)"
    in_some = "in 1 of 3 settings"
    assert failures(failed) == f"focal ({in_some}); Dice, CE ({in_some}); boundary (in 1 of 1 setting)"
    assert failures(found) == ""
    assert best(failed[1:]).endswith(
        "No loss is first or tied wherever it was run; most often: Dice, CE (1 of 2); focal (1 of 2)."
    )
    assert how_sure(failed).endswith("* In 1 of 3 comparisons trainings of the first loss failed or are poor.")
    assert best(failed[2:]).endswith("Of every loss that is first or tied some training failed or is poor.")


def of_runner_up(answer: Answer, **changes: object) -> Answer:
    return replace(answer, runner_up=replace(answer.runner_up, **changes))


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ((7, np.nan), "about 7 seeds would decide"),
        ((7, 40), "about 7 seeds or 40 cases would decide"),
        ((np.nan, np.nan), "not even 10,000 seeds, or cases, would decide"),
        ((3, np.nan), "clear by itself, not after adjustment for the number of losses"),
    ],
)
def test_what_would_decide_the_first_place_is_said(small: Path, needed: tuple[float, float], said: str) -> None:
    (answer,) = answers(study_in(small), kind("Overlap"))
    seeds, cases = needed
    tied = of_runner_up(answer, verdict="not shown", seeds_needed=seeds, cases_needed=cases)
    assert first_place(tied) == f"not shown to be worse; {said}"
    assert in_short([tied])[0].lines[0].outcome.endswith(f"; against focal: {said}")
    assert first_place(answer).startswith("equivalent")
    assert first_place(of_runner_up(answer, verdict="worse")) == "shown to be worse than the first"


def test_the_cheapest_of_the_tied_is_named_and_maps_that_must_be_prepared(small: Path) -> None:
    (answer,) = answers(study_in(small, About(losses={"focal": resolved("boundary")})), kind("Overlap"))
    assert cheapest_tied(answer) == ""
    assert cost([answer]).endswith(" Maps to prepare: focal (published_distance).")
    dear = replace(answer, costs={"dice_ce": 3.0, "focal": 1.2})
    assert cheapest_tied(dear) == "cheapest of the tied: focal, 1.20 ×"
    assert "dice_ce 3.00, focal 1.20" in cost([dear])
    assert cost([replace(answer, costs=dict.fromkeys(answer.costs, np.nan))]).startswith("Time of a step: not measured")


def test_with_a_single_seed_nothing_is_shown(tmp_path: Path) -> None:
    write_study(tmp_path / "s", [run for run in runs_of(tmp_path / "runs") if run.keys["seed"] == 0])
    (answer,) = answers(study_in(tmp_path / "s"), kind("Overlap"))
    assert len(answer.tied) == answer.others == 2
    assert evidence(answer) == "only 12 cases, only 1 seed"
    assert first_place(answer).endswith("more seeds are needed to decide")
    assert not_shown([replace(answer, visible=np.nan)]) == "Not known: no interval could be computed."


def test_a_loss_that_is_shown_to_be_best_is_said_to_be(tmp_path: Path) -> None:
    dice = {"dice_ce": DICE["dice_ce"], WORSE: DICE[WORSE]}
    write_study(tmp_path / "s", runs_of(tmp_path / "runs", dice))
    (answer,) = answers(study_in(tmp_path / "s"), kind("Overlap"))
    assert answer.tied == [] and outcome(answer) == "better than the other"
    assert best([answer]) == "dice_ce is shown to be best."


def test_trainings_that_failed_are_named() -> None:
    assert trouble("learnt 1, poor 2") == "2 poor"
    assert trouble("learnt 3") == ""
    assert trouble("below baseline 1, collapsed 1") == "1 below baseline, 1 collapsed"


def test_older_tables_without_some_columns_can_be_read(small: Path, tmp_path: Path) -> None:
    for path in tables_in(small):
        left_out = ["resampling", "reference_variant", "to_first_verdict", "to_first_seeds_needed"]
        pd.read_csv(path).drop(columns=left_out, errors="ignore").to_csv(tmp_path / path.name, index=False)
    (answer,) = answers(study_in(tmp_path), kind("Overlap"))
    assert answer.first == "dice_ce" and outcome(answer) == "the others were not compared with it"
    assert good_choices([answer]) == {} and answer.runner_up is None


def test_a_missing_or_damaged_table_is_named(small: Path, tmp_path: Path) -> None:
    with pytest.raises(SeglossError, match=r"study small: ranks\.csv missing"):
        paths = {path.stem: path for path in tables_in(small) if path.stem != "ranks"}
        _ = StudyTables("small", paths).tables
    (tmp_path / "runs.csv").write_text('a,b\n"1,2\n')
    with pytest.raises(SeglossError, match=r"runs.csv: damaged .* delete it and run again"):
        _ = StudyTables("small", {**{p.stem: p for p in tables_in(small)}, "runs": tmp_path / "runs.csv"}).tables
