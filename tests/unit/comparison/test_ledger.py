"""Published numbers and claims beside what was reached: intervals, verdicts, names, and the shipped tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated_runs import keys
from scipy import stats

from lib import ROOT
from lib.comparison.ledger import COLUMNS, Claim, judged, ledger, prediction_interval, read_claims
from lib.comparison.results import ALL, EvaluatedRun, StudyResults
from lib.config.load import load
from lib.config.schema import FACTORS
from lib.config.study import load_study, study_files
from lib.config.study_schema import OVER_EPOCHS, Published
from lib.errors import SeglossError
from lib.measures.catalogue import DECIDED, MEASURES, columns_of, monitored
from lib.tables import EPOCHS, PUBLISHED_COLUMNS, read_published

STUDIES = ("inverse_weighting", "t_loss", "boundary", "label_marginal", "liver_benchmark")
RUN = EvaluatedRun(
    keys(), "WMH", Path(), measures=[*map(MEASURES.parse, ("overlap", "slices", "surface"))], cuts=[DECIDED]
)
NAMES = Published(table="boundary", datasets={"wmh2017_small": "wmh2017"}, losses={"gdl_2d": "gdl"}, variants=["base"])
RESULTS = StudyResults([RUN], published=NAMES, titles={"wmh2017": "WMH 2017"})


def reached(value: float, sd: float = np.nan, seeds: int = 1, **changes: object) -> dict:
    """A row of `summary.csv` with a Dice per slice."""
    row = {name: value for name, value in keys().items() if name != "seed"}
    row |= {"cut": DECIDED, "structure": ALL, "seeds": seeds, "dice_slices": value, "dice_slices_sd": sd}
    return row | {"dice_slices_if_empty": 0.6} | changes


def printed(value: float, spread: float = 0.01, n: float = 2, **changes: object) -> dict:
    """A row of a table of `published/`, with a Dice per slice of the last network."""
    row = dict.fromkeys(PUBLISHED_COLUMNS, np.nan)
    row |= {"study": "boundary", "dataset": "wmh2017", "loss": "gdl", "noise": "clean", "metric": "dice_slices"}
    row |= {"epochs": "last", "value": value, "spread": spread, "spread_kind": "seeds", "n": n, "source": "Table 1"}
    return row | changes


def beside(ours: list[dict], theirs: list[dict], results: StudyResults = RESULTS) -> pd.DataFrame:
    published = pd.DataFrame(theirs, columns=PUBLISHED_COLUMNS)
    return ledger(results, pd.DataFrame(ours), published)


def only(table: pd.DataFrame) -> dict:
    (row,) = table.to_dict("records")
    return row


# Numbers


def test_prediction_interval_by_hand() -> None:
    values = np.array([0.70, 0.72, 0.77])
    mean, sd = values.mean(), values.std(ddof=1)
    half = 4.302652729911275 * sd * np.sqrt(1 / 3 + 1 / 2)  # t of 2 degrees of freedom
    assert prediction_interval(mean, sd, 3, 2) == pytest.approx((mean - half, mean + half))
    same = stats.t(2, mean, sd * np.sqrt(2 / 3)).interval(0.95)
    assert prediction_interval(mean, sd, 3, np.nan) == pytest.approx(same)
    assert prediction_interval(0.5, 0.0, 3, 2) == (0.5, 0.5)
    assert np.isnan([prediction_interval(0.5, np.nan, 1, 2), prediction_interval(0.5, np.nan, 3, 2)]).all()


def test_means_of_other_trainings_lie_within_in_95_percent_of_cases() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for ours, theirs in zip(rng.normal(size=(2000, 3)), rng.normal(size=(2000, 2)), strict=True):
        low, high = prediction_interval(ours.mean(), ours.std(ddof=1), 3, 2)
        inside += low <= theirs.mean() <= high
    assert 0.93 < inside / 2000 < 0.97


@pytest.mark.parametrize(
    ("value", "expected"), [(0.74, "reproduced"), (0.70, "reproduced"), (0.699, "higher"), (0.741, "lower")]
)
def test_verdicts_on_numbers(value: float, expected: str) -> None:
    """The interval is 0.72 ± 0.0203."""
    row = only(beside([reached(0.72, sd=0.01, seeds=5)], [printed(value, n=3)]))
    half = stats.t.ppf(0.975, 4) * 0.01 * np.sqrt(1 / 5 + 1 / 3)
    assert half == pytest.approx(0.0203, abs=1e-4)
    assert (row["low"], row["high"]) == pytest.approx((0.72 - half, 0.72 + half))
    assert row["verdict"] == expected
    assert row["difference"] == pytest.approx(0.72 - value)
    assert (row["ours"], row["ours_sd"], row["seeds"], row["published"]) == (0.72, 0.01, 5, value)
    assert (row["spread"], row["spread_kind"], row["n"], row["source"]) == (0.01, "seeds", 3, "Table 1")


def test_subsamples_of_cases_are_no_trainings() -> None:
    row = only(beside([reached(0.72, sd=0.01, seeds=5)], [printed(0.7, n=50, spread_kind="subsamples of cases")]))
    half = stats.t.ppf(0.975, 4) * 0.01 * np.sqrt(2 / 5)
    assert (row["low"], row["high"]) == pytest.approx((0.72 - half, 0.72 + half))


def test_one_seed_shows_nothing() -> None:
    row = only(beside([reached(0.72)], [printed(0.72)]))
    assert row["verdict"] == "not shown" and row["difference"] == 0
    assert np.isnan([row["low"], row["high"], row["ours_sd"]]).all()


def test_a_number_that_our_runs_have_not_is_not_comparable() -> None:
    assert only(beside([reached(np.nan, seeds=3)], [printed(0.72)]))["verdict"] == "not comparable"


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        ("wmh2017", "loss, setting or number not among the runs"),
        ("isles2018", "data set not run at demo scale"),
        ("lits_liver", "data set not run at demo scale; data after registration only"),
        ("retinal_lesions", "data set not run at demo scale; data on request only"),
        ("theirs", "data set not run at demo scale"),  # one of ours that stands for it is public
        ("met", "no such data set here"),
    ],
)
def test_what_was_not_run_has_a_reason(dataset: str, reason: str) -> None:
    names = Published(table="boundary", datasets={"msd_liver_whole": "theirs", "retinal_lesions_512": "theirs"})
    results = StudyResults([RUN], published=names, scale="demo")
    row = only(beside([reached(0.72, loss="ce")], [printed(0.7, dataset=dataset)], results))
    assert (row["verdict"], row["reason"]) == ("not run", reason)
    assert np.isnan(only(beside([reached(0.72)], [printed(0.7)]))["reason"])


def test_the_title_is_that_of_our_data_set_where_the_published_one_is_not_here() -> None:
    theirs = [printed(0.7), printed(0.7, dataset="isles2018")]
    ours = StudyResults([RUN], published=NAMES, titles={"wmh2017_small": "WMH, small"})
    assert beside([reached(0.72)], theirs, ours)["title"].tolist() == ["WMH, small", "isles2018"]
    assert beside([reached(0.72)], theirs)["title"].tolist() == ["WMH 2017", "isles2018"]


def test_what_nobody_ran_stays() -> None:
    theirs = [printed(0.7), printed(0.6, loss="boundary"), printed(9.0, metric="not_measured")]
    table = beside([reached(0.72, loss="ce")], theirs)
    assert table["verdict"].tolist() == ["not run"] * 3
    assert table["published"].tolist() == [0.7, 0.6, 9.0]
    assert table["published_loss"].tolist() == ["gdl", "boundary", "gdl"]
    assert table["label"].tolist() == ["Dice per slice", "Dice per slice", "not_measured"]
    assert table[["ours", "difference", "loss", "variant", "attempt", "low"]].isna().all(axis=None)
    assert list(table) == COLUMNS
    nothing = beside([reached(0.72)], [])
    assert nothing.empty and list(nothing) == COLUMNS


def test_a_number_stands_beside_every_loss_and_variant_that_was_run_for_it() -> None:
    ours = [
        reached(0.72),
        reached(0.73, loss="gdl_2d"),
        reached(0.74, variant="other", scale="reduced"),
        reached(0.75, dataset="wmh2017_small", variant="mine"),
        reached(0.1, structure="left"),
        reached(0.1, cut="tuned"),
        reached(0.1, noise="alpha0.5-beta0.5"),
        reached(0.1, dataset="isles2018"),
        reached(0.1, loss="ce"),
    ]
    table = beside(ours, [printed(0.7)])
    assert table["ours"].tolist() == [0.72, 0.73, 0.74, 0.75]
    assert table["loss"].tolist() == ["gdl", "gdl_2d", "gdl", "gdl"]
    assert table["attempt"].tolist() == ["same protocol", "same protocol", "reduced", "other protocol"]
    assert set(table["published_loss"]) == {"gdl"} and set(table["title"]) == {"WMH 2017"}
    assert beside(ours, [printed(0.7, structure="left")])["ours"].tolist() == [0.1]


@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_that_the_publication_states_has_to_be_the_same(factor: str) -> None:
    ours = [reached(0.72), reached(0.73, **{factor: "another"})]
    assert beside(ours, [printed(0.7, **{factor: "another"})])["ours"].tolist() == [0.73]
    assert beside(ours, [printed(0.7, **{factor: np.nan})])["ours"].tolist() == [0.72, 0.73]


@pytest.mark.parametrize(
    ("epochs", "ours", "remark"),
    [
        ("last", 0.72, ""),
        ("mean", 0.71, ""),
        ("best_test", 0.75, "epoch chosen on the test cases, as published; last: 0.720; "),
    ],
)
def test_the_epochs_are_those_of_the_publication(epochs: str, ours: float, remark: str) -> None:
    over_epochs = {"dice_slices_epochs": 0.71, "dice_slices_best_epoch": 0.75}
    over_epochs |= {"dice_slices_epochs_sd": 0.01, "dice_slices_best_epoch_sd": 0.05}
    row = only(beside([reached(0.72, sd=0.02, seeds=3, **over_epochs)], [printed(0.7, epochs=epochs)]))
    assert (row["ours"], row["ours_sd"]) == (ours, {"last": 0.02, "mean": 0.01, "best_test": 0.05}[epochs])
    assert row["remark"] == f"{remark}predicting nothing: 0.600"


def test_a_run_that_kept_a_network_stands_beside_the_published_epoch_by_itself() -> None:
    ours = [reached(0.72, dice_slices_best_epoch=np.nan, hd95=5.0, row_hausdorff=0.9, row_hausdorff_sd=np.nan)]
    slices, rows = beside(
        ours, [printed(0.7, epochs="best_test"), printed(1.0, metric="row_hausdorff", epochs="best_test")]
    ).to_dict("records")
    kept = "of the network that was kept, not of the epoch that is best on the test cases"
    assert (slices["ours"], slices["remark"]) == (0.72, f"{kept}; predicting nothing: 0.600")
    assert (rows["ours"], rows["remark"]) == (0.9, f"{kept}; true HD95 in mm: 5.000")
    assert rows["label"] == "HD as printed: rows as points"


# Claims


def claim(**changes: object) -> Claim:
    values = {"claim": "It is so", "source": "Table 1", "datasets": ["wmh2017"], "loss": "boundary", "than": ["gdl"]}
    return Claim(**values | {"column": "dice_slices"} | changes)


def comparison(verdict: str, loss: str = "boundary", reference: str = "gdl", **changes: object) -> dict:
    row = {name: value for name, value in keys(loss=loss).items() if name != "seed"}
    row |= {"reference": reference, "cut": DECIDED, "column": "dice_slices", "seeds": 3, "cases": 9}
    row |= {"difference": 0.2, "low": 0.1, "high": 0.4, "p_holm": 0.01, "verdict": verdict}
    return row | changes


def judge(chosen: Claim, *compared: dict, results: StudyResults = RESULTS) -> pd.DataFrame:
    tables = (pd.DataFrame(compared, columns=[*comparison("better")]), pd.DataFrame(columns=PUBLISHED_COLUMNS))
    return judged([chosen], results, *tables, per_run=pd.DataFrame())


@pytest.mark.parametrize(
    ("relation", "found", "verdict"),
    [
        ("better", "better", "holds"),
        ("better", "worse", "does not hold"),
        ("better", "equivalent", "does not hold"),
        ("better", "not shown", "not shown"),
        ("equivalent", "equivalent", "holds"),
        ("equivalent", "better", "does not hold"),
        ("equivalent", "worse", "does not hold"),
        ("equivalent", "not shown", "not shown"),
    ],
)
def test_verdicts_on_claims(relation: str, found: str, verdict: str) -> None:
    """Whichever of the two losses was the reference."""
    row = only(judge(claim(relation=relation), comparison(found)))
    assert (row["verdict"], row["difference"], row["low"], row["high"]) == (verdict, 0.2, 0.1, 0.4)
    assert (row["seeds"], row["cases"], row["p_holm"], row["variant"]) == (3, 9, 0.01, "base")
    opposite = {"better": "worse", "worse": "better"}.get(found, found)
    row = only(judge(claim(relation=relation), comparison(opposite, loss="gdl", reference="boundary")))
    assert (row["verdict"], row["difference"], row["low"], row["high"]) == (verdict, -0.2, -0.4, -0.1)


def test_a_claim_that_nothing_decides_was_not_run() -> None:
    others = [
        comparison("better", dataset="isles2018"),
        comparison("better", noise="alpha0.5-beta0.5"),
        comparison("better", column="dice"),
        comparison("better", cut="tuned"),
        comparison("better", reference="ce"),
    ]
    row = only(judge(claim(), *others))
    assert row["verdict"] == "not run" and np.isnan(row["difference"])
    assert row["claim"] == "It is so"


def test_every_part_of_a_claim_is_judged_by_itself() -> None:
    chosen = claim(datasets=["wmh2017", "isles2018"], than=["gdl", "ce"], noise=["clean", "noisy"])
    table = judge(
        chosen,
        comparison("better", dataset="isles2018", reference="ce", noise="noisy"),
        comparison("worse", dataset="isles2018", reference="ce", noise="noisy", variant="other", scale="reduced"),
    )
    assert len(table) == 7 + 2
    run = table[table["verdict"] != "not run"]
    assert run["verdict"].tolist() == ["holds", "does not hold"]
    assert run["variant"].tolist() == ["base", "other"]
    assert run["attempt"].tolist() == ["same protocol", "reduced"]
    assert run[["dataset", "noise", "than"]].drop_duplicates().to_numpy().tolist() == [["isles2018", "noisy", "ce"]]


def test_claims_have_the_publications_names() -> None:
    ours = comparison("better", dataset="wmh2017_small", reference="gdl_2d")
    assert only(judge(claim(), ours))["verdict"] == "holds"
    assert only(judge(claim(), ours, results=StudyResults([RUN])))["verdict"] == "not run"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("boundary:\n  - {claim: a}\n", ["published/claims.yaml", "boundary", "source"]),
        ("boundary: 3\n", ["published/claims.yaml", "boundary"]),
        (
            "boundary:\n  - {claim: a, source: b, datasets: [c], loss: d, than: [e], column: f, relation: worse}\n",
            ["published/claims.yaml", "relation", "worse", "better"],
        ),
        ("boundary: [\n", ["published/claims.yaml"]),
    ],
)
def test_faults_of_the_file_of_claims_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(SeglossError) as fault:
        read_claims(tmp_path / "claims.yaml", "boundary")
    assert "\n" not in str(fault.value)
    assert all(word in str(fault.value) for word in words), fault.value


def test_a_study_may_be_without_claims(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text("boundary: []\n")
    assert read_claims(tmp_path / "claims.yaml", "boundary") == read_claims(tmp_path / "claims.yaml", "own") == []


# What is shipped


@pytest.mark.parametrize("study", STUDIES)
def test_shipped_claims_are_of_published_losses_and_of_comparisons_that_the_study_makes(study: str) -> None:
    claims = read_claims(ROOT / "published/claims.yaml", study)
    published = pd.DataFrame(read_published(ROOT / f"published/{study}.csv"))
    file = load_study(study_files(ROOT)[study], ROOT)
    measures = [*map(MEASURES.parse, file.measures)]
    known = columns_of(measures)
    over_epochs = {f"{name}{suffix}": known[name] for name in monitored(measures) for suffix in OVER_EPOCHS}
    ran = {(run.dataset, run.noise.name, run.loss) for run in load({"scale": "paper", "studies": [study]}).runs}
    names = file.published.names
    ran = {(names["dataset"].get(data, data), noise, names["loss"].get(loss, loss)) for data, noise, loss in ran}
    assert claims
    for chosen in claims:
        for dataset in chosen.datasets:
            losses = set(published[published["dataset"] == dataset]["loss"])
            assert {chosen.loss, *chosen.than} <= losses
            of_claim = {(dataset, noise, loss) for noise in chosen.noise for loss in (chosen.loss, *chosen.than)}
            assert of_claim <= ran
        for other in chosen.than:
            assert other == file.references.get(chosen.loss, file.reference) or chosen.loss == file.reference
        assert (known | over_epochs)[chosen.column].better


def test_published_claims_without_a_study_are_of_losses_and_data_sets_of_their_table() -> None:
    published = pd.DataFrame(read_published(ROOT / "published/seg_loss_odyssey.csv"))
    known = set(zip(published["dataset"], published["loss"], published["metric"], strict=True))
    claims = read_claims(ROOT / "published/claims.yaml", "seg_loss_odyssey")
    assert claims
    for chosen in claims:
        losses = (chosen.loss, *chosen.than)
        assert {(data, loss, chosen.column) for data in chosen.datasets for loss in losses} <= known


@pytest.mark.parametrize("study", STUDIES)
def test_shipped_numbers_are_of_columns_and_levels_that_the_study_has(study: str) -> None:
    rows = read_published(ROOT / f"published/{study}.csv")
    file = load_study(study_files(ROOT)[study], ROOT)
    assert {row["study"] for row in rows} == {study} == {file.published.table}
    columns = columns_of(map(MEASURES.parse, file.measures))
    assert {row["metric"] for row in rows} <= {*columns, "nu"}  # of T-Loss, from the history
    assert {row["epochs"] for row in rows} <= set(EPOCHS)
    keys = [tuple(row[name] for name in ("dataset", "loss", *FACTORS, "structure", "metric")) for row in rows]
    assert len(keys) == len(set(keys))
    runs = load({"scale": "paper", "studies": [study]}).runs
    names = file.published.names
    ran = {
        (names["dataset"].get(run.dataset, run.dataset), names["loss"].get(run.loss, run.loss), run.noise.name)
        for run in runs
    }
    missing = {row["dataset"] for row in rows if (row["dataset"], row["loss"], row["noise"]) not in ran}
    assert missing == ({"met", "luna_val"} if study == "inverse_weighting" else set())


def test_the_published_tables_are_complete() -> None:
    t_loss = pd.read_csv(ROOT / "published/t_loss.csv")
    assert t_loss.groupby(["dataset", "metric", "epochs"]).size().to_dict() == {
        ("isic2017", "dice_pooled", "mean"): 63,
        ("isic2017", "nu", "last"): 6,
        ("shenzhen", "dice_pooled", "mean"): 63,
    }
    boundary = pd.read_csv(ROOT / "published/boundary.csv")
    assert boundary.groupby(["metric", "epochs"]).size().to_dict() == {
        ("dice_slices", "best_test"): 6,
        ("row_hausdorff", "best_test"): 4,
    }
    odyssey = pd.read_csv(ROOT / "published/seg_loss_odyssey.csv")
    assert odyssey.groupby(["network", "metric"]).size().to_dict() == {
        ("nnunet_v1", "dice"): 80,
        ("nnunet_v1", "nsd"): 80,
        ("nnunet_v1_trainer_v2", "dice"): 18,
    }
    assert set(odyssey.groupby("loss")["value"].count()) == {8, 11}
