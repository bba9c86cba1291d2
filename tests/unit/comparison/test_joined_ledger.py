"""Published numbers and claims of all studies: those that were run, those that were not, and exact digits."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lib import ROOT
from lib.comparison.joined_ledger import joined_claims, joined_ledger, missing, named_tables, read_published_tables
from lib.comparison.ledger import CLAIM_COLUMNS, COLUMNS
from lib.config.study_schema import Published
from lib.tables import PUBLISHED_COLUMNS

NAMED = {"mine": Published(table="boundary"), "inverse_weighting": Published(table="inverse_weighting")}


def printed(study: str, loss: str = "iwdl", dataset: str = "luna", metric: str = "object_dice") -> dict:
    row = dict.fromkeys(PUBLISHED_COLUMNS) | {"study": study, "dataset": dataset, "loss": loss, "noise": "clean"}
    return row | {"metric": metric, "epochs": "last", "value": 0.7, "spread": 0.1, "source": "Table 1"}


PUBLISHED = {
    "boundary": pd.DataFrame([printed("boundary", "gdl", "wmh2017")]),
    "inverse_weighting": pd.DataFrame(
        [
            printed("inverse_weighting"),
            printed("inverse_weighting", "iwfl"),
            printed("inverse_weighting", metric="dice"),
        ]
    ),
    "theirs": pd.DataFrame([printed("theirs", "ce", "lits")]),
}


def reached(verdict: str, **changes: object) -> pd.DataFrame:
    row = dict.fromkeys(COLUMNS) | {"dataset": "luna", "published_loss": "iwdl", "metric": "object_dice"}
    return pd.DataFrame([row | {"published": 0.7, "verdict": verdict} | changes])


def records(agrees: str = "yes", mean: float = 0.704) -> pd.DataFrame:
    found = {"status": "recomputed", "object_dice_mean": mean, "object_dice_std": 0.1, "agrees_with_print": agrees}
    rows = [{"loss": "iwdl", **found}, {"loss": "iwfl", "status": "records missing"}]
    return pd.DataFrame(rows).assign(dataset="luna", objects="all")


def test_every_published_number_has_a_row() -> None:
    ledger = joined_ledger({"mine": reached("higher", dataset="wmh2017")}, PUBLISHED, NAMED)
    assert list(ledger) == ["study", *COLUMNS]
    assert ledger[["study", "verdict"]].to_numpy().tolist() == [
        ["mine", "higher"],
        *[["inverse_weighting", "not run"]] * 3,
        ["theirs", "not run"],
    ]
    assert ledger["reason"].fillna("").tolist() == ["", *["study not in this call"] * 3, "published only"]
    assert ledger["label"].tolist()[1:] == ["object Dice"] * 2 + ["Dice", "object Dice"]


def test_data_that_nobody_can_download_are_a_reason() -> None:
    named = {"mine": Published(table="boundary", datasets={"retinal_lesions": "wmh"})}
    table = pd.DataFrame([printed("boundary", dataset="wmh")])
    ledger = joined_ledger({}, {"boundary": table}, named)
    assert ledger["reason"].tolist() == ["study not in this call; data on request only"]


def test_exact_digits_replace_what_was_not_run_and_stand_beside_what_was() -> None:
    ledger = joined_ledger({}, PUBLISHED, NAMED, records()).query("study == 'inverse_weighting'")
    exact, missing_records, other_metric = ledger.to_dict("records")
    assert (exact["attempt"], exact["verdict"], exact["ours"]) == ("exact digits", "reproduced", 0.704)
    assert (exact["ours_sd"], exact["difference"], exact["variant"]) == (0.1, pytest.approx(0.004), "authors' records")
    assert (missing_records["verdict"], missing_records["reason"]) == ("not run", "not among the authors' records")
    assert (other_metric["verdict"], other_metric["reason"]) == ("not run", "study not in this call")
    twice = pd.concat([reached("lower", variant="a"), reached("not shown", variant="b")])
    both = joined_ledger({"inverse_weighting": twice}, {}, NAMED, records())
    assert both["verdict"].tolist() == ["reproduced", "lower", "not shown"]


@pytest.mark.parametrize(("mean", "verdict"), [(0.72, "higher"), (0.68, "lower")])
def test_digits_that_differ_are_not_reproduced(mean: float, verdict: str) -> None:
    ledger = joined_ledger({}, PUBLISHED, NAMED, records("no", mean))
    assert ledger.query("attempt == 'exact digits'")["verdict"].tolist() == [verdict]


def test_claims_of_all_studies_stand_together() -> None:
    of_run = {"t_loss": pd.DataFrame([dict.fromkeys(CLAIM_COLUMNS, "x")])}
    tables = read_published_tables(ROOT / "published")
    claims = joined_claims(
        of_run, {name: tables[name] for name in tables if name != "t_loss"}, ROOT / "published/claims.yaml"
    )
    assert list(claims) == ["study", *CLAIM_COLUMNS]
    assert set(claims["study"]) == {*tables}
    others = claims[claims["study"] != "t_loss"]
    assert set(others["verdict"]) == {"not run"} and others["p_false_note"].notna().all()
    odyssey = others[others["study"] == "seg_loss_odyssey"].set_index(["dataset", "loss"])["published_gain"]
    assert odyssey["liver", "dice_top_k"] == pytest.approx(0.9690 - 0.9547)


def test_a_study_file_with_faults_is_passed_over(tmp_path: Path) -> None:
    for folder in ("studies", "published"):
        (tmp_path / folder).mkdir()
    (tmp_path / "studies/draft.yaml").write_text("title: [\n")
    assert named_tables(tmp_path) == {}


def test_what_is_shipped_is_in_the_ledger_of_a_call_without_a_run(tmp_path: Path) -> None:
    """Every number of every table in `published/`, each of a study or published only."""
    pd.DataFrame(columns=["study", *COLUMNS]).to_csv(tmp_path / "ledger.csv", index=False)
    pd.DataFrame(columns=CLAIM_COLUMNS).to_csv(tmp_path / "claims.csv", index=False)
    outputs = ["--ledger", tmp_path / "all.csv", "--claims", tmp_path / "all_claims.csv"]
    command = [sys.executable, ROOT / "scripts/ledger.py", "--published", ROOT / "published", "--studies", tmp_path]
    done = subprocess.run([*map(str, [*command, *outputs])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ledger = pd.read_csv(tmp_path / "all.csv")
    tables = read_published_tables(ROOT / "published")
    assert ledger["study"].value_counts().to_dict() == {name: len(table) for name, table in tables.items()}
    assert missing({}, tables, named_tables(ROOT)) == [*tables]
    only = ledger.groupby("study")["reason"].agg(lambda reasons: (reasons == "published only").all())
    assert only[only].index.tolist() == ["seg_loss_odyssey"]
