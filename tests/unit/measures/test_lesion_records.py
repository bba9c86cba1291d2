"""Lesion-wise records: hand-computed cases, a slow reference, the file format and its faults."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from lib.errors import SeglossError
from lib.measures.lesions import lesion_records
from lib.measures.records import COLUMNS, Records, read_records


def _slow_records(target, probability, logit):
    """The same definition, component by component over the full volume."""
    neighbourhood = np.ones((3,) * target.ndim)
    lesions, n_lesions = ndimage.label(target > 0.5, neighbourhood)
    predicted, n_predicted = ndimage.label(probability > 0.5, neighbourhood)

    def dice(k, p):
        a, b = lesions == k, predicted == p
        return 2 * (a & b).sum() / (a.sum() + b.sum())

    def best(candidates):
        """(label or None, Dice) of the first candidate with the largest positive Dice."""
        label, value = None, 0.0
        for candidate, candidate_dice in candidates:
            if candidate_dice > value:
                label, value = candidate, candidate_dice
        return label, value

    rows = []
    for k in range(1, n_lesions + 1):
        p, value = best((p, dice(k, p)) for p in range(1, n_predicted + 1))
        inside = probability[predicted == p].astype(float) if p else np.zeros(1)
        rows.append(
            {
                "obj": f"tum_{k}",
                "is_tum": True,
                "diameter": (6 * (lesions == k).sum() / np.pi) ** (1 / 3),
                "hit_dice": value,
                "hit_max": inside.max(),
                "hit_median": np.median(inside),
                "hit_q95": np.percentile(inside, 95),
                "hit_logit": logit[predicted == p].max() if p else -np.inf,
                "hit_stat": inside.max(),
                "hit_obj": f"pred_{p}",
                "self_stat": 1.0,
                "self_logit": np.inf,
            }
        )
    for p in range(1, n_predicted + 1):
        k, value = best((k, dice(k, p)) for k in range(1, n_lesions + 1))
        hit = float(k is not None)
        rows.append(
            {
                "obj": f"pred_{p}",
                "is_tum": False,
                "diameter": (6 * (predicted == p).sum() / np.pi) ** (1 / 3),
                "hit_dice": value,
                "hit_max": hit,
                "hit_median": hit,
                "hit_q95": hit,
                "hit_logit": np.inf if k else -np.inf,
                "hit_stat": hit,
                "hit_obj": f"tum_{k}",
                "self_stat": probability[predicted == p].max(),
                "self_logit": logit[predicted == p].max(),
            }
        )
    return rows


def _assert_same(found, expected):
    assert [row["obj"] for row in found] == [row["obj"] for row in expected]
    for row, other in zip(found, expected, strict=True):
        for key, value in other.items():
            if isinstance(value, str | bool):
                assert row[key] == value, (row["obj"], key)
            else:
                assert row[key] == pytest.approx(value, rel=1e-12), (row["obj"], key)


@pytest.mark.parametrize("shape", [(40, 30), (14, 12, 10)])
@pytest.mark.parametrize("seed", range(6))
def test_random_volumes_match_the_slow_reference(shape, seed):
    generator = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(generator.normal(size=shape), 1.1)
    target = (smooth > 1.2 * smooth.std()).astype(np.uint8)
    blurred = ndimage.gaussian_filter(smooth + 0.5 * generator.normal(size=shape) * smooth.std(), 0.6)
    logit = 4 * (blurred / blurred.std() - 1)
    probability = 1 / (1 + np.exp(-logit))
    found = lesion_records(target, probability, logit)
    assert {row["is_tum"] for row in found} == {True, False}
    _assert_same(found, _slow_records(target, probability, logit))


def test_hand_computed_case():
    target, probability, logit = (
        np.zeros((12, 3)),
        np.zeros((12, 3), np.float16),
        np.full((12, 3), -9, np.float16),
    )
    target[0:3, 0] = 1  # tum_1: 3 pixels, of which pred_1 covers two
    probability[1:5, 0] = [0.6, 0.7, 0.7005, 0.9]  # the two in the middle have no float16 between them
    logit[1:5, 0] = [1, 2, 3, 4]
    target[7, 1] = 1  # tum_2: missed
    probability[10, 2] = 0.75  # pred_2: no lesion
    logit[10, 2] = -0.25  # averaged windows: the logit need not agree with the probability
    tum_1, tum_2, pred_1, pred_2 = lesion_records(target, probability, logit)

    q = [float(np.float16(value)) for value in (0.6, 0.7, 0.7005, 0.9)]
    assert tuple(tum_1) == tuple(COLUMNS)
    assert tum_1["hit_dice"] == pred_1["hit_dice"] == 4 / 7
    assert (tum_1["hit_obj"], pred_1["hit_obj"]) == ("pred_1", "tum_1")
    assert tum_1["hit_max"] == tum_1["hit_stat"] == pred_1["self_stat"] == q[3]
    assert tum_1["hit_median"] in q[1:3]
    assert tum_1["hit_q95"] == pytest.approx(q[2] + 0.85 * (q[3] - q[2]), rel=1e-14)
    assert tum_1["hit_logit"] == pred_1["self_logit"] == 4
    assert (tum_1["self_stat"], tum_1["self_logit"], pred_1["hit_logit"]) == (1, math.inf, math.inf)
    assert math.pi / 6 * tum_1["diameter"] ** 3 == pytest.approx(3)
    assert (tum_2["hit_dice"], tum_2["hit_max"], tum_2["hit_logit"]) == (0, 0, -math.inf)
    assert (tum_2["hit_obj"], pred_2["hit_obj"]) == ("pred_None", "tum_None")
    assert (pred_2["hit_logit"], pred_2["self_stat"], pred_2["self_logit"]) == (-math.inf, 0.75, -0.25)


def test_first_partner_on_a_tie_and_the_same_partner_for_several():
    target, probability = np.zeros(9)[None], np.zeros(9)[None]
    target[0, [0, 1, 2, 6]] = 1
    probability[0, [0, 2]] = 0.9  # two predictions with the same Dice on tum_1
    rows = {row["obj"]: row for row in lesion_records(target, probability, probability)}
    assert rows["tum_1"]["hit_obj"] == "pred_1"
    assert rows["pred_1"]["hit_obj"] == rows["pred_2"]["hit_obj"] == "tum_1"

    joined = np.where(np.arange(9) < 7, 0.9, 0)[None]
    rows = {row["obj"]: row for row in lesion_records(target, joined, joined)}
    assert rows["tum_1"]["hit_obj"] == rows["tum_2"]["hit_obj"] == "pred_1"
    assert rows["pred_1"]["hit_obj"] == "tum_1"


def test_corners_connect():
    diagonal = np.eye(4)
    assert [row["obj"] for row in lesion_records(diagonal, 0 * diagonal, diagonal)] == ["tum_1"]
    cube = np.zeros((2, 2, 2), bool)
    cube[0, 0, 0] = cube[1, 1, 1] = True
    assert [row["obj"] for row in lesion_records(~cube & False, cube.astype(float), cube)] == ["pred_1"]


def test_threshold_is_strict():
    half = np.full((3, 3), 0.5)
    assert lesion_records(np.zeros((3, 3)), half, half) == []


def test_nothing_to_find_or_nothing_found():
    nothing, something = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    something[1, 1, 1] = 1
    assert lesion_records(nothing, nothing, nothing) == []
    (missed,) = lesion_records(something, nothing, nothing)
    assert (missed["obj"], missed["hit_obj"], missed["hit_logit"]) == ("tum_1", "pred_None", -math.inf)
    (false_positive,) = lesion_records(nothing, something, 3 * something)
    assert (false_positive["hit_dice"], false_positive["self_logit"]) == (0, 3)


def test_memory_order_does_not_matter():
    generator = np.random.default_rng(0)
    target, logit = generator.random((9, 8, 7)) > 0.93, generator.normal(size=(9, 8, 7)) - 1.3
    probability = 1 / (1 + np.exp(-logit))
    expected = lesion_records(target, probability, logit)
    assert lesion_records(*map(np.asfortranarray, (target, probability, logit))) == expected


def test_shapes_must_agree():
    with pytest.raises(SeglossError, match="one 2D or 3D shape"):
        lesion_records(np.zeros((3, 3)), np.zeros((3, 4)), np.zeros((3, 3)))
    with pytest.raises(SeglossError, match="one 2D or 3D shape"):
        lesion_records(np.zeros(3), np.zeros(3), np.zeros(3))


def test_thousands_of_components():
    spots = np.zeros((80, 80, 80), np.float16)
    spots[::4, ::4, ::4] = 0.9
    rows = lesion_records(np.roll(spots, 1, axis=0) + spots > 0.5, spots, spots)
    assert len(rows) == 2 * 20**3
    assert {row["hit_dice"] for row in rows} == {2 / 3}


# The file


def _rows():
    target, probability = np.eye(6), np.zeros((6, 6))
    probability[0, 0] = probability[5, 0] = 0.9
    return lesion_records(target, probability, probability)


def _written(folder: Path, content: object) -> Path:
    path = folder / "records.json"
    path.write_text(json.dumps(content))
    return path


def test_records_are_read(tmp_path):
    path = _written(tmp_path, {7: _rows(), "empty": []})
    assert "Infinity" in path.read_text() and "-Infinity" in path.read_text()
    records = read_records(path)
    assert records.cases == ("7", "empty")
    assert list(records.table.columns) == ["case", *COLUMNS]
    assert set(records.table["case"]) == {"7"}
    assert records.table["is_tum"].dtype == bool
    assert records.table.drop(columns="case").to_dict("records") == _rows()


def test_rows_of_a_table_are_the_same_records(tmp_path):
    """As an evaluation leaves them, with further columns."""
    read = read_records(_written(tmp_path, {"a": _rows(), "b": []}))
    rows = [{"case": "a", "structure": "lesion", "cut": "tuned", **row} for row in _rows()]
    pd.DataFrame(rows).to_csv(tmp_path / "lesions.csv", index=False)
    of_rows = Records.of_rows(pd.read_csv(tmp_path / "lesions.csv").to_dict("records"), ["a", "b"])
    pd.testing.assert_frame_equal(of_rows.table, read.table)
    assert of_rows.cases == read.cases


@pytest.mark.parametrize("read", [lambda path: read_records(path), lambda path: Records.of_rows([], "ab")])
def test_cases_may_be_without_any_row(tmp_path, read):
    records = read(_written(tmp_path, {"a": [], "b": []}))
    assert records.cases == ("a", "b")
    assert len(records.table) == 0 and records.table["is_tum"].dtype == bool


def _without(key):
    return [{k: v for k, v in row.items() if k != key} for row in _rows()]


def _with(key, value):
    return [*_rows()[:1], _rows()[1] | {key: value}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], ["expected a JSON object"]),
        ({}, ["at least one case"]),
        ({"c1": {}}, ["case c1", "expected a list", "dict"]),
        ({"c1": [], "c2": ["x"]}, ["case c2", "row 1", "object"]),
        ({"c1": _without("hit_logit")}, ["case c1", "row 1", "'hit_logit' is missing"]),
        ({"c1": _with("self_logit", "high")}, ["case c1", "row 2", "'self_logit'", "'high'", "float"]),
        ({"c1": _with("diameter", math.nan)}, ["case c1", "row 2", "'diameter'", "nan"]),
        ({"c1": _with("diameter", True)}, ["case c1", "'diameter'", "True"]),
        ({"c1": _with("is_tum", 1)}, ["case c1", "'is_tum'", "bool"]),
        ({"c1": _with("obj", None)}, ["case c1", "'obj'", "None", "str"]),
    ],
)
def test_faults_name_file_case_and_key(tmp_path, content, words):
    with pytest.raises(SeglossError) as fault:
        read_records(_written(tmp_path, content))
    message = str(fault.value)
    assert "\n" not in message
    assert all(word in message for word in ["records.json", *words]), message


@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_a_truncated_file_is_named(tmp_path, cut):
    path = _written(tmp_path, {"a": _rows()})
    path.write_text(path.read_text()[:cut])
    with pytest.raises(SeglossError, match=r"records\.json: not valid JSON"):
        read_records(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SeglossError, match=r"absent\.json: cannot be read"):
        read_records(tmp_path / "absent.json")
