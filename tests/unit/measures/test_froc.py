"""FROC numbers: hand-computed cases, a slow reference in loops, and the publication's golden values."""

import json
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from lib import ROOT
from lib.errors import SeglossError
from lib.measures.froc import (
    CORRECTED,
    LUNA_POINTS,
    PUBLISHED,
    Convention,
    Curves,
    count_by_case,
    drawn_curve,
    froc_numbers,
    full_curve,
    lesion_rows,
    of_run,
    published_thresholds,
    recall_by_size,
    small_limit,
    small_objects,
    subsample_curves,
)
from lib.measures.records import COLUMNS, Records, read_records
from lib.measures.segmentation import Segmentation

SHARED = ROOT.parent / "shared"
GOLDEN = SHARED / "golden/inverse_weighting_froc.json"
RELEASED = SHARED / "data/inverse_weighting_records/froc_data"
needs_release = pytest.mark.skipif(
    not (GOLDEN.exists() and RELEASED.exists()),
    reason="the authors' record files and golden values are not on this machine",
)


def _lesion(case, number, score=None, dice=0.5, diameter=10.0, hit_by=1):
    found = score is not None
    return {
        "case": case,
        "obj": f"tum_{number}",
        "is_tum": True,
        "diameter": diameter,
        "hit_dice": dice if found else 0.0,
        "hit_logit": score if found else -math.inf,
        "hit_obj": f"pred_{hit_by}" if found else "pred_None",
        "self_logit": math.inf,
    }


def _prediction(case, number, score, hits=None, diameter=10.0):
    return {
        "case": case,
        "obj": f"pred_{number}",
        "is_tum": False,
        "diameter": diameter,
        "hit_dice": 0.5 if hits else 0.0,
        "hit_logit": math.inf if hits else -math.inf,
        "hit_obj": f"tum_{hits}",
        "self_logit": score,
    }


def _records(rows, cases):
    columns = ["case", "obj", "is_tum", "diameter", "hit_dice", "hit_logit", "hit_obj", "self_logit"]
    table = pd.DataFrame(rows, columns=columns)
    return Records(table.astype({"is_tum": bool, "diameter": float, "self_logit": float}), tuple(cases))


@pytest.fixture
def three_of_four_lesions():
    """Four cases, one without a row: 4 lesions, 3 found, at 5, 2 and 1; false positives at 3 and 0.5."""
    return _records(
        [
            _lesion("a", 1, 5.0, dice=0.8),
            _lesion("a", 2, 2.0, dice=0.4, hit_by=2),
            _prediction("a", 1, 5.0, hits=1),
            _prediction("a", 2, 2.0, hits=2),
            _prediction("a", 3, 3.0),
            _lesion("b", 1, 1.0, dice=0.6),
            _prediction("b", 1, 1.0, hits=1),
            _lesion("c", 1),
            _prediction("c", 1, 0.5),
        ],
        cases="abcd",
    )


def _random_records(seed, n_cases=13, top=6.0):
    generator = np.random.default_rng(seed)
    rows, cases = [], [f"c{number}" for number in range(n_cases)]
    for case in cases:
        for number in range(1, generator.integers(0, 4) + 1):
            score = None if generator.random() < 0.3 else np.round(generator.uniform(-1, top), 1)
            size = generator.uniform(1, 20)
            rows.append(_lesion(case, number, score, generator.random(), size, hit_by=number))
            if score is not None:
                rows.append(_prediction(case, number, score, hits=number, diameter=generator.uniform(1, 20)))
        for number in range(10, 10 + generator.integers(0, 6)):
            score = np.round(generator.uniform(-1, top), 1)
            rows.append(_prediction(case, number, score, diameter=generator.uniform(1, 20)))
    return _records(rows, cases)


# Counting and curves, by hand


def test_counts_by_hand(three_of_four_lesions):
    counts = count_by_case(three_of_four_lesions, PUBLISHED)
    assert counts.lesions.tolist() == [2, 1, 1]
    at = {t: np.argmin(np.abs(counts.thresholds - t)) for t in (-0.1, 1.05, 2.55, 3.6, 5.6)}
    assert counts.found[:, at[-0.1]].tolist() == [2, 1, 0]
    assert counts.false_positives[:, at[-0.1]].tolist() == [1, 0, 1]
    assert counts.found[:, at[2.55]].tolist() == [1, 0, 0]
    assert counts.false_positives[:, at[2.55]].tolist() == [1, 0, 0]
    assert counts.false_positives[:, at[3.6]].sum() == 0
    assert counts.found[:, at[5.6]].sum() == 0


def test_a_score_at_the_threshold_finds_a_lesion_but_is_no_false_positive():
    thresholds = published_thresholds(_records([_prediction("a", 1, 5.0)], "a").table)
    at = thresholds[40]
    counts = count_by_case(
        _records([_lesion("a", 1, at), _prediction("a", 1, at), _prediction("a", 2, 5.0)], "a"), PUBLISHED
    )
    assert (counts.found[0, 40], counts.found[0, 41]) == (1, 0)
    assert (counts.false_positives[0, 39], counts.false_positives[0, 40]) == (2, 1)


@pytest.mark.parametrize("top", [4.0, 30.0])
def test_published_grid(top):
    grid = published_thresholds(_records([_prediction("a", 1, top), _lesion("a", 1)], "a").table)
    assert len(grid) == 201
    assert (np.diff(grid) >= 0).all()
    assert grid[0] == -0.1
    assert grid[-1] == max(10, top + 1)
    assert (grid == 10).sum() == 2
    assert top + 1 in grid


def test_both_denominators_by_hand(three_of_four_lesions):
    published = full_curve(count_by_case(three_of_four_lesions, PUBLISHED))
    corrected = full_curve(count_by_case(three_of_four_lesions, CORRECTED))
    assert published.false_positives[0, 0] == 2 / 3
    assert corrected.false_positives[0, 0] == 2 / 4
    assert published.recall[0, 0] == corrected.recall[0, 0] == 3 / 4
    # knots (FP per case, recall): (0, 0), (0, 1/4), (1/3, 1/2), (1/3, 3/4), (2/3, 3/4)
    assert published.recall_at([0, 1 / 6, 0.5, 5])[0] == pytest.approx([0.25, 0.25, 0.75, 0.75])


def test_recall_at_zero_with_and_without_the_origin():
    """A model whose every curve point has a false positive: the grid's top is (0, 0) all the same."""
    records = _records([_lesion("a", 1, 1.0), _prediction("a", 1, 1.0, hits=1), _prediction("a", 2, 2.0)], "a")
    curve = full_curve(count_by_case(records, PUBLISHED))
    assert curve.recall_at([0, 0.5, 1])[0].tolist() == [0, 0, 1]
    cut = Curves(curve.false_positives[:, :10], curve.recall[:, :10])
    assert cut.recall_at([0, 0.5, 1])[0].tolist() == [0, 0.5, 1]
    assert cut.recall_at([0, 0.5, 1], from_origin=False)[0].tolist() == [1, 1, 1]


def test_numbers_by_hand(three_of_four_lesions):
    numbers = froc_numbers(three_of_four_lesions)
    assert (numbers["cases_in_json"], numbers["n_ids_used"], numbers["bootstrap_cases"]) == (4, 3, 2)
    assert (numbers["lesions"], numbers["predicted_components"]) == (4, 5)
    assert (numbers["false_positive_components"], numbers["lesions_hit_at_lowest_threshold"]) == (2, 3)
    assert numbers["object_dice_mean"] == pytest.approx(0.6)
    assert numbers["object_dice_std"] == pytest.approx(math.sqrt(0.08 / 3))
    assert (numbers["max_avg_fp"], numbers["max_recall"], numbers["max_logit"]) == (2 / 3, 0.75, 5)
    # from 1/3 (published: n = 3) or 1/4 (n = 4) false positives per case on, recall is 3/4; before, 1/4
    assert numbers["luna_metric_full_data"] == pytest.approx((2 * 0.25 + 5 * 0.75) / 7)
    assert numbers["luna_metric_full_data_all_cases"] == pytest.approx((1 * 0.25 + 6 * 0.75) / 7)
    assert numbers["avg_recall_full_data"] == pytest.approx((34 * 0.25 + 467 * 0.75) / 501)


@pytest.mark.parametrize("rows", [[], [_lesion("a", 1)], [_prediction("a", 1, 2.0)]])
def test_degenerate_sets_give_numbers(rows):
    records = _records(rows, "ab")
    numbers = froc_numbers(records, draws=3)
    assert numbers["max_recall"] == (0 if rows and rows[0]["is_tum"] else 1)  # 1 without lesions, as published
    assert math.isnan(numbers["object_dice_mean"])
    assert len(drawn_curve(records, CORRECTED, draws=3).x) >= 1


def test_object_dice_leaves_out_lesions_below_the_lowest_threshold():
    rows = [_lesion("a", 1, 1.0, dice=0.9), _lesion("a", 2, -0.5, dice=0.1)]
    numbers = froc_numbers(_records(rows, "a"), draws=2)
    assert (numbers["lesions_hit_at_lowest_threshold"], numbers["object_dice_mean"]) == (1, 0.9)


# Against a slow reference


def _slow_curve(rows, thresholds, n_cases):
    recall, fp = [], []
    for t in thresholds:
        lesions = [row for row in rows if row["is_tum"]]
        found = [row for row in lesions if row["hit_dice"] > 0 and row["hit_logit"] >= t]
        wrong = [row for row in rows if not row["is_tum"] and row["hit_dice"] <= 0 and row["self_logit"] > t]
        recall.append(len(found) / len(lesions) if lesions else 1)
        fp.append(len(wrong) / n_cases)
    return fp, recall


def _slow_average_recall(fp, recall):
    """Thresholds in the release's own order, (0, 0) at their strict end."""
    xp, yp = [0, *fp[::-1]], [0, *recall[::-1]]
    return np.interp(np.linspace(0, 5, 501), xp, yp).mean()


def _slow_grid(rows):
    top = max(row["self_logit"] for row in rows if not row["is_tum"])
    return [*np.linspace(-0.1, 10, 101), *np.linspace(10, top + 1, 100)]


@pytest.mark.parametrize("top", [6.0, 25.0])
@pytest.mark.parametrize("seed", range(4))
def test_average_recall_matches_the_slow_reference(seed, top):
    records = _random_records(seed, top=top)
    rows = records.table.to_dict("records")
    grid = _slow_grid(rows)
    with_rows = sorted({row["case"] for row in rows})
    numbers = froc_numbers(records, draws=5)

    expected = _slow_average_recall(*_slow_curve(rows, grid, len(with_rows)))
    assert numbers["avg_recall_full_data"] == pytest.approx(expected, rel=1e-12)
    expected = _slow_average_recall(*_slow_curve(rows, grid, len(records.cases)))
    assert numbers["avg_recall_full_data_all_cases"] == pytest.approx(expected, rel=1e-12)

    for name, cases, own in (("", with_rows, False), ("corrected_", sorted(records.cases), True)):
        generator, ids = np.random.RandomState(42), np.array(cases)
        values = []
        for _ in range(5):
            generator.shuffle(ids)
            drawn = set(ids[: int(0.8 * len(ids))])
            chosen = [row for row in rows if row["case"] in drawn]
            values.append(_slow_average_recall(*_slow_curve(chosen, grid, len(drawn) if own else len(ids))))
        assert numbers[f"{name}avg_recall_mean"] == pytest.approx(np.mean(values), rel=1e-6), name
        assert numbers[f"{name}avg_recall_std"] == pytest.approx(np.std(values), rel=1e-4), name


@pytest.mark.parametrize("limit", [4, 8, 15])
def test_small_objects_match_the_published_subset_with_its_repeated_rows(limit):
    records = _random_records(3)
    rows = records.table.to_dict("records")
    small_lesions = [row for row in rows if row["is_tum"] and row["diameter"] < limit]
    names = {(row["case"], row["obj"]) for row in small_lesions}
    repeated = [
        *small_lesions,
        *(row for row in rows if not row["is_tum"] and row["diameter"] < limit),
        *(row for row in rows if not row["is_tum"] and (row["case"], row["hit_obj"]) in names),
    ]
    numbers = froc_numbers(small_objects(records, limit))
    expected = froc_numbers(_records(repeated, records.cases))
    for key in numbers.keys() - {"predicted_components"}:
        assert numbers[key] == pytest.approx(expected[key], rel=1e-12), key
    assert len(names) == numbers["lesions"] < froc_numbers(records, 1)["lesions"]


# Properties


@pytest.mark.parametrize("seed", range(3))
def test_curves_fall_with_the_threshold_and_subsamples_stay_within_the_counts(seed):
    counts = count_by_case(_random_records(seed), CORRECTED)
    curves = subsample_curves(counts, CORRECTED, draws=20)
    assert (np.diff(curves.recall) <= 0).all() and (np.diff(curves.false_positives) <= 0).all()
    assert curves.recall.min() >= 0 and curves.recall.max() <= 1
    assert len(np.unique(curves.false_positives[:, 0])) > 1  # the draws differ
    assert (np.diff(curves.recall_at(np.linspace(0, 8, 50))) >= 0).all()


def test_own_denominator_stretches_the_axis_only():
    counts = count_by_case(_random_records(1, n_cases=10), CORRECTED)
    full = subsample_curves(counts, Convention(True, own_denominator=False))
    own = subsample_curves(counts, Convention(True, own_denominator=True))
    assert np.array_equal(full.recall, own.recall)
    assert own.false_positives == pytest.approx(full.false_positives / 0.8)


def test_order_of_rows_and_cases_does_not_matter():
    records = _random_records(5)
    shuffled = Records(records.table.sample(frac=1, random_state=0), records.cases[::-1])
    assert froc_numbers(shuffled) == pytest.approx(froc_numbers(records))


def test_recall_by_size():
    sizes = [(1.0, 3.0), (2.0, None), (5.0, 1.0), (5.0, -0.5), (9.9, 2.0), (10.0, 2.0)]
    table = _records([_lesion("a", n, score, diameter=d) for n, (d, score) in enumerate(sizes, 1)], "a").table
    bins = recall_by_size(table, [0, 2, 5, 7, 8, 10])
    assert bins["lesions"].tolist() == [1, 1, 2, 0, 1]
    assert bins["found"].tolist() == [1, 0, 1, 0, 1]
    assert bins["recall"].tolist() == pytest.approx([1, 0, 0.5, math.nan, 1], nan_ok=True)
    assert recall_by_size(table, [0, math.inf])["lesions"].tolist() == [6]
    for edges in ([3], [2, 2], [5, 1]):
        with pytest.raises(SeglossError, match="ascending"):
            recall_by_size(table, edges)


# The measure


def _complete(row):
    """With what the numbers of a run do not need."""
    return dict.fromkeys(COLUMNS, 0.0) | row


def test_rows_of_a_structure_are_its_records():
    target, prediction = np.zeros((2, 9, 9), bool)
    target[0, :3] = prediction[0, 1:4] = prediction[8, 8] = True
    logit = np.where(prediction, 2.5, -1)
    lesion, hit, wrong = lesion_rows(Segmentation(target, prediction, (1, 1), logit=logit), None, [0])
    assert (lesion["hit_dice"], lesion["hit_logit"], lesion["hit_max"]) == (pytest.approx(2 / 3), 2.5, 1)
    assert (hit["hit_obj"], wrong["hit_obj"], wrong["self_logit"]) == ("tum_1", "tum_None", 2.5)
    score = np.where(prediction, 0.75, 0.25)
    scored = lesion_rows(Segmentation(target, prediction, (1, 1), logit=logit, score=score), None, [0])
    assert [row["self_stat"] for row in scored] == [1, 0.75, 0.75]


def test_numbers_of_a_run_by_hand(three_of_four_lesions):
    rows = [_complete(row) for row in three_of_four_lesions.table.to_dict("records")]
    numbers = of_run(rows, "abcd", small_diameter=12, size_bins=[0, 10, 20])
    expected = froc_numbers(three_of_four_lesions)
    assert numbers["avg_recall"] == expected["avg_recall_full_data_all_cases"]
    assert numbers["avg_recall_published"] == expected["avg_recall_mean"]
    assert numbers["luna_metric"] == pytest.approx((1 * 0.25 + 6 * 0.75) / 7)
    assert numbers["object_dice"] == pytest.approx(0.6)
    assert (numbers["recall_small"], numbers["recall_10_20"]) == (0.75, 0.75)  # all have a diameter of 10
    assert np.isnan([numbers["recall_0_10"], numbers["recall_20_inf"]]).all()
    assert numbers["avg_recall_small"] == pytest.approx(numbers["avg_recall"])


def test_several_structures_count_alike(three_of_four_lesions):
    """However many lesions each has."""
    first = [{"structure": "x", **_complete(row)} for row in three_of_four_lesions.table.to_dict("records")]
    second = [{"structure": "y", **_complete(_lesion("a", 1))}]
    options = {"small_diameter": None, "size_bins": [0]}
    assert of_run([*first, *second], "abcd", **options)["recall_0_inf"] == (0.75 + 0) / 2
    assert np.isnan(of_run([], "ab", **options)["recall_0_inf"])


def test_without_a_limit_lesions_below_the_median_are_small():
    sizes = [2.0, 4.0, 9.0]
    records = _records([_lesion("a", n, diameter=size) for n, size in enumerate(sizes, 1)], "a")
    assert (small_limit(records, None), small_limit(records, 7)) == (4, 7)
    small = small_objects(records, small_limit(records, None))
    assert small.table["diameter"].tolist() == [2]


# The release


@cache
def _released(folder, loss):
    return read_records(RELEASED / folder / loss / "experiment_0/test_metrics/prc_records.json")


def _golden_runs():
    if not GOLDEN.exists():
        return []
    golden = json.loads(GOLDEN.read_text())
    sets = {**golden["total"], "val_focal_loss": golden["val_focal_loss"]}
    return [
        pytest.param(folder, loss, values, id=f"{folder}-{loss}")
        for folder, losses in sets.items()
        for loss, values in losses.items()
        if values is not None
    ]


@needs_release
@pytest.mark.parametrize(("folder", "loss", "golden"), _golden_runs())
def test_golden_values(folder, loss, golden):
    records = _released(folder, loss)
    numbers, curve = froc_numbers(records), drawn_curve(records, PUBLISHED)
    unchecked = set(golden) - {"printed_in_notebook"}  # which tests/unit/comparison/test_published_records.py compares

    for key in unchecked & set(numbers):
        if isinstance(golden[key], int):
            assert numbers[key] == golden[key], key
        else:
            assert numbers[key] == pytest.approx(golden[key], rel=1e-9), key
    for key in ("recall_at_fp_full_data", "recall_at_fp_bootstrap_mean"):
        found = {point: numbers[f"{key}_{point}"] for point in golden[key]}
        assert found == pytest.approx(golden[key], rel=1e-9), key
    assert curve.x[-1] == pytest.approx(golden["drawn_curve_x_end"], rel=1e-9)
    assert len(curve.x) == golden["drawn_curve_points"]
    end = [curve.x[-1], curve.mean[-1], curve.std[-1]]
    assert end == pytest.approx(golden["drawn_curve_end"], rel=1e-9)
    for key, tolerance in (
        ("drawn_curve_at_integers", {"rel": 1e-9}),
        ("drawn_curve_quarter_steps", {"abs": 6e-7}),  # the golden file rounds these to 6 decimals
    ):
        for x, mean_and_std in golden[key].items():
            found = [np.interp(float(x), curve.x, line) for line in (curve.mean, curve.std)]
            assert found == pytest.approx(mean_and_std, **tolerance), (key, x)
        unchecked.remove(key)
    unchecked -= {*numbers, "recall_at_fp_full_data", "recall_at_fp_bootstrap_mean"}
    unchecked -= {"drawn_curve_x_end", "drawn_curve_points", "drawn_curve_end"}
    assert not unchecked


# Averages over [0, 5] false positives per case, from an independent replay of the notebooks, to 4 decimals:
# as printed; full data; subsamples divided by their own number; most false positives per case; recall.
METASTASES = {
    "iwdl": (0.7276, 0.6897, 0.6876, 9.900, 0.9149),
    "dl": (0.6824, 0.6581, 0.6564, 3.470, 0.7874),
    "iwbce": (0.6490, 0.6142, 0.6125, 21.647, 0.8786),
    "bce": (0.5682, 0.5551, 0.5544, 2.277, 0.6237),
    "iwasl": (0.7478, 0.7095, 0.7074, 12.660, 0.9395),
    "asl": (0.7048, 0.6733, 0.6715, 4.390, 0.8383),
    "fl": (0.4955, 0.4798, 0.4797, 4.227, 0.5587),
    "gdl": (0.6546, 0.6364, 0.6346, 2.673, 0.7360),
    "wce": (0.6696, 0.6401, 0.6387, 40.513, 0.8736),
}


@needs_release
@pytest.mark.parametrize("loss", METASTASES)
def test_metastases(loss):
    numbers = froc_numbers(_released("met", loss))
    keys = ("avg_recall_mean", "avg_recall_full_data", "avg_recall_bootstrap_own_denominator")
    found = [round(numbers[key], 4) for key in keys]
    found += [round(numbers["max_avg_fp"], 3), round(numbers["max_recall"], 4)]
    assert found == pytest.approx(METASTASES[loss], abs=1e-9)
    assert numbers["lesions"] == 1985 and numbers["n_ids_used"] == 300


@needs_release
def test_small_lesions_of_the_release():
    limits = {"luna": (8, 81), "lits": (12, 66), "met": (5, 1026)}
    losses = ("iwdl", "dl", "iwbce", "bce", "iwasl", "asl", "fl", "gdl", "wce")
    cases = {}
    for folder, (limit, n_lesions) in limits.items():
        small = [small_objects(_released(folder, loss), limit) for loss in losses]
        assert {int(records.table["is_tum"].sum()) for records in small} == {n_lesions}
        with_rows = [records.table["case"].nunique() for records in small]
        cases[folder] = (min(with_rows), max(with_rows))
    assert cases == {"luna": (118, 159), "lits": (27, 28), "met": (243, 300)}
    start = {loss: drawn_curve(small_objects(_released("luna", loss), 8), PUBLISHED) for loss in ("iwbce", "bce", "fl")}
    assert start["iwbce"].mean[2] == pytest.approx(0.65, abs=0.04)
    assert start["bce"].mean[-1] == pytest.approx(0.16, abs=0.01)
    assert start["fl"].mean[-1] == pytest.approx(0.1, abs=0.04)


def test_luna_points_name_the_columns(three_of_four_lesions):
    numbers = froc_numbers(three_of_four_lesions, draws=2)
    assert [f"recall_at_fp_full_data_{point}" in numbers for point in LUNA_POINTS] == [True] * 7
