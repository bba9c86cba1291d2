"""The table of recomputed next to printed numbers."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import ROOT
from lib.comparison.published_records import (
    FOCAL_SEARCH,
    PAIRS,
    SMALL_LIMITS,
    published_table,
    read_printed,
    read_published_records,
)
from lib.errors import SeglossError
from lib.measures.lesions import lesion_records
from lib.tables import PUBLISHED_COLUMNS

PRINTED = ROOT / "published/inverse_weighting.csv"
RELEASED = ROOT.parent / "shared/data/inverse_weighting_records/froc_data"
needs_release = pytest.mark.skipif(not RELEASED.exists(), reason="the authors' record files are not on this machine")


def _record_path(root, folder, loss):
    return root / folder / loss / "experiment_0/test_metrics/prc_records.json"


@pytest.fixture
def one_file(tmp_path):
    """lits/dl: two lesions of 3 and 1 pixels, one found with Dice 1, and a false positive of 1 pixel."""
    target, probability = np.zeros((2, 9, 9)), np.full((2, 9, 9), 0.1)
    target[0, 0, :3] = target[0, 5, 5] = 1
    probability[0, 0, :3] = probability[0, 8, 8] = 0.9
    path = _record_path(tmp_path, "lits", "dl")
    rows = lesion_records(target, probability, np.log(probability / (1 - probability)))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"0": rows, "1": []}))
    return path


def _printed(tmp_path, metric, value, spread, study="inverse_weighting"):
    """A table with one number, of Dice Loss on LiTS."""
    row = dict.fromkeys(PUBLISHED_COLUMNS, "")
    row |= {"study": study, "dataset": "lits", "loss": "dl", "noise": "clean", "metric": metric, "epochs": "last"}
    path = tmp_path / "printed.csv"
    pd.DataFrame([row | {"value": value, "spread": spread}]).to_csv(path, index=False)
    return path


def _row(table, dataset, loss, objects="all"):
    (row,) = table.query("dataset == @dataset and loss == @loss and objects == @objects").to_dict("records")
    return row


def test_every_pair_keeps_its_row(one_file):
    table = published_table(read_published_records([one_file]), read_printed(PRINTED), draws=2)
    assert len(table) == 30 * 2 + 4
    assert list(dict.fromkeys(zip(table["dataset"], table["loss"], strict=True))) == list(PAIRS)
    assert set(table.query("dataset == 'luna_val'")["objects"]) == {"all"}
    recomputed = table[table["status"] == "recomputed"]
    assert recomputed[["dataset", "loss"]].drop_duplicates().to_numpy().tolist() == [["lits", "dl"]]
    missing = table[table["status"] == "records missing"]
    assert len(missing) == 62
    assert missing.loc[:, "cases_in_json":"recall_at_fp_bootstrap_mean_8"].isna().all(axis=None)
    assert missing["agrees_with_print"].isna().all()
    assert _row(table, "met", "iwfl")["printed_avg_recall"] == "0.63 ± 0.01"


def test_numbers_and_agreement(one_file, tmp_path):
    records = read_published_records([one_file])
    agreeing = _printed(tmp_path, "object_dice", "1.00", "0.0")
    row = _row(published_table(records, read_printed(agreeing), draws=2), "lits", "dl")
    assert (row["cases_in_json"], row["n_ids_used"], row["lesions"]) == (2, 1, 2)
    assert (row["max_recall"], row["max_avg_fp"], row["object_dice_mean"]) == (0.5, 1, 1)
    assert row["printed_object_dice"] == "1.00 ± 0.0"
    assert row["agrees_with_print"] == "yes"
    for line in (
        ("object_dice", "0.99", "0.0"),
        ("object_dice", "1.00", "0.1"),
        ("avg_recall_published", "0.51", "0.0"),
    ):
        table = published_table(records, read_printed(_printed(tmp_path, *line)), draws=2)
        assert _row(table, "lits", "dl")["agrees_with_print"] == "no", line
        assert pd.isna(_row(table, "lits", "dl", "small")["agrees_with_print"])


def test_other_studies_and_empty_prints_do_not_matter(one_file, tmp_path):
    printed = read_printed(_printed(tmp_path, "object_dice", "0.10", "0.0", study="other"))
    table = published_table(read_published_records([one_file]), printed, draws=2)
    assert table["agrees_with_print"].isna().all()
    assert list(table.columns)[-1] == "agrees_with_print"


@pytest.mark.parametrize(
    "tail",
    [
        "lits/dl/prc_records.json",
        "lits/unknown/experiment_0/test_metrics/prc_records.json",
        "lits/luna_fl_25/experiment_0/test_metrics/prc_records.json",
        "nowhere/dl/experiment_0/test_metrics/prc_records.json",
        "prc_records.json",
    ],
)
def test_an_unknown_path_is_named(tail):
    with pytest.raises(SeglossError, match="expected <set>/<loss>/experiment_0") as fault:
        read_published_records([Path("/somewhere") / tail])
    assert tail in str(fault.value)


def test_a_pair_given_twice_is_named(one_file):
    with pytest.raises(SeglossError, match="lits/dl is given twice"):
        read_published_records([one_file, one_file])


def test_faults_of_the_printed_file_are_named(tmp_path):
    with pytest.raises(SeglossError, match=r"absent\.csv: cannot be read"):
        read_printed(tmp_path / "absent.csv")
    path = tmp_path / "printed.csv"
    path.write_text("")
    with pytest.raises(SeglossError, match=r"printed\.csv: no column 'study'"):
        read_printed(path)
    path.write_text("study,dataset,loss\n")
    with pytest.raises(SeglossError, match=r"printed\.csv: no column 'noise'; a table with the columns study, d"):
        read_printed(path)
    path.write_text(PRINTED.read_text().replace(",last,", ",first,", 1))
    with pytest.raises(SeglossError, match=r"printed\.csv: row 1: epochs: 'first': last or mean or best_test was"):
        read_printed(path)
    for digits in ("0,77", "nan", "0.77 "):
        path.write_text(PRINTED.read_text().replace("0.77", f'"{digits}"', 1))
        with pytest.raises(SeglossError, match=rf"printed\.csv: row 1: value: '{digits}' is not a number"):
            read_printed(path)
    path.write_text(PRINTED.read_text()[:-1])
    with pytest.raises(SeglossError, match=r"printed\.csv: the last line is cut off; complete the table"):
        read_printed(path)


def test_the_printed_file_is_complete():
    printed = read_printed(PRINTED)
    assert not printed.duplicated(["dataset", "loss", "metric"]).any()
    metrics = ("avg_recall_published", "object_dice")
    expected = {(name, metric): 8 for name in SMALL_LIMITS for metric in metrics}
    expected |= {(FOCAL_SEARCH, metric): 4 for metric in (*metrics, "luna_metric_published")}
    assert printed.groupby(["dataset", "metric"]).size().to_dict() == expected
    assert printed[["value", "spread"]].map(re.compile(r"0\.\d\d").fullmatch).all(axis=None)
    assert {*zip(printed["dataset"], printed["loss"], strict=True)} <= set(PAIRS)
    assert set(printed["noise"]) == {"clean"} and set(printed["epochs"]) == {"last"}


def _script(folder, *records):
    outputs = {"table": "table.csv", "froc": "f.pdf", "camera-ready": "c.pdf", "focal-alpha": "a.pdf"}
    command = [sys.executable, ROOT / "scripts/recompute.py", "--records", *records, "--printed", PRINTED]
    command += [word for name, file in outputs.items() for word in (f"--{name}", folder / "results" / file)]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")


def test_the_script_writes_table_and_figures(one_file, tmp_path):
    done = _script(tmp_path, one_file)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "results/table.csv").read_text()
    table = pd.read_csv(tmp_path / "results/table.csv")
    assert len(table) == 64
    assert "138.0" not in written and _row(table, "lits", "dl")["lesions"] == 2
    assert sorted(path.name for path in (tmp_path / "results").glob("*.pdf")) == ["a.pdf", "c.pdf", "f.pdf"]


def test_the_script_ends_in_one_line_on_a_truncated_file(one_file, tmp_path):
    one_file.write_text(one_file.read_text()[:300])
    done = _script(tmp_path, one_file)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "NumExpr" not in line]
    assert line.startswith("error: ") and str(one_file) in line and "not valid JSON" in line
    assert not (tmp_path / "results").exists()


@cache
def _released_table():
    paths = sorted(RELEASED.glob("*/*/experiment_0/test_metrics/prc_records.json"))
    return published_table(read_published_records(paths), read_printed(PRINTED))


@needs_release
def test_all_printed_numbers_are_reproduced():
    table = _released_table()
    printed = table[table["printed_object_dice"].notna()]
    agrees = printed["agrees_with_print"].fillna("records missing").value_counts().to_dict()
    assert agrees == {"yes": 26, "records missing": 2}


@needs_release
def test_only_two_files_of_the_release_are_missing():
    missing = _released_table().query("status == 'records missing' and objects == 'all'")
    assert missing[["dataset", "loss"]].to_numpy().tolist() == [["luna", "iwfl"], ["met", "iwfl"]]


@needs_release
def test_corrected_numbers_stand_beside_the_published_ones():
    """All cases, own denominators: near the full data, where the published mean is higher on every set."""
    done = _released_table().query("status == 'recomputed' and objects == 'all'")
    full, corrected = done["avg_recall_full_data_all_cases"], done["corrected_avg_recall_mean"]
    assert (full - corrected).abs().max() < 0.01
    assert (done["avg_recall_mean"] > done["avg_recall_full_data"]).all()
