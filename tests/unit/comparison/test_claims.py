"""Probability that a claim is false: against the paired t-test, simulation and the limits; of published numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated, rows_of
from scipy import stats

from lib import ROOT
from lib.comparison.claims import EVIDENCE, Correlations, p_false, published_evidence
from lib.comparison.results import StudyResults, read_csv
from lib.config.study_schema import Published
from lib.tables import PUBLISHED_COLUMNS

CLAIM = {"dataset": "wmh2017", "noise": "clean", "loss": "boundary", "than": "gdl", "relation": "better"}
NAMES = Published(table="boundary", losses={"mine": "boundary"})
UNMEASURED = Correlations(StudyResults([]), pd.DataFrame())


def test_it_is_the_one_sided_p_of_the_paired_t_test_where_all_cases_are_known() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=50)
    one, other = 0.1 + shared + 0.3 * rng.normal(size=50), shared + 0.3 * rng.normal(size=50)
    sds, r = (one.std(ddof=1), other.std(ddof=1)), np.corrcoef(one, other)[0, 1]
    expected = stats.ttest_rel(one, other, alternative="greater").pvalue
    assert p_false(one.mean() - other.mean(), sds, r, 50) == pytest.approx(expected)


def test_among_claims_with_a_probability_so_many_are_false() -> None:
    """True gains of every size, equally probable: of the claims with P around 0.2, a fifth are false."""
    rng = np.random.default_rng(1)
    true = rng.uniform(-0.3, 0.3, 12_000)
    gain = true + rng.normal(size=true.size) * np.sqrt(2 * (1 - 0.5) / 100)
    p = np.array([p_false(one, (1.0, 1.0), 0.5, 100) for one in gain])
    around = (p > 0.15) & (p < 0.25)
    assert around.sum() > 400 and (true[around] < 0).mean() == pytest.approx(p[around].mean(), abs=0.04)


@pytest.mark.parametrize(("gain", "expected"), [(0.01, 0.0), (0.0, 0.5), (-0.01, 1.0)])
def test_the_same_errors_in_every_case_leave_no_doubt(gain: float, expected: float) -> None:
    assert p_false(gain, (0.2, 0.2), 1.0, 10) == expected


@pytest.mark.parametrize(("n", "correlation"), [(1, 0.5), (10, 1.5), (10, np.nan)])
def test_what_cannot_be_is_refused(n: int, correlation: float) -> None:
    with pytest.raises(ValueError, match="two cases or more"):
        p_false(0.1, (0.2, 0.2), correlation, n)


# What publications report


def printed(loss: str, value: float, spread: float = 0.1, over: str = "cases", n: float = 20) -> dict:
    row = dict.fromkeys(PUBLISHED_COLUMNS, np.nan) | {"study": "boundary", "dataset": "wmh2017", "noise": "clean"}
    row |= {"loss": loss, "metric": "dice", "epochs": "last", "value": value, "source": "Table 1"}
    return row | {"spread": spread, "spread_kind": over, "n": n}


def evidence(measured: Correlations = UNMEASURED, column: str = "dice", **changes: object) -> dict:
    published = pd.DataFrame([printed("boundary", 0.8, **changes), printed("gdl", 0.7, **changes)])
    return dict.fromkeys(EVIDENCE, np.nan) | published_evidence(CLAIM | {"column": column}, None, published, measured)


def test_a_starred_entry_of_t_loss_by_hand() -> None:
    """ISIC 2017 at 0.7 and 0.7, mean (sd) of three seeds: T-Loss 0.761 (6), GCE 0.691 (22)."""
    published = read_csv(ROOT / "published/t_loss.csv")
    claim = {"dataset": "isic2017", "noise": "alpha0.7-beta0.7-released", "loss": "t_loss", "than": "gce"}
    claim |= {"relation": "better", "column": "dice_pooled_epochs"}
    found = published_evidence(claim, None, published, UNMEASURED)
    expected = stats.t.cdf(-np.sqrt(3) * 0.07 / np.hypot(0.006, 0.022), 2)
    assert found["p_false_uncorrelated"] == pytest.approx(expected) == pytest.approx(0.0168, abs=1e-4)
    assert (found["published_over"], found["published_n"]) == ("seeds", 3)
    assert found["p_false_note"] == "no correlation measured" and "p_false" not in found


def test_lower_distances_are_a_gain() -> None:
    published = read_csv(ROOT / "published/boundary.csv")
    claim = CLAIM | {"loss": "gdl_boundary_rebalance", "column": "row_hausdorff"}
    found = published_evidence(claim, None, published, UNMEASURED)
    assert found["published_gain"] == pytest.approx(0.058) and found["p_false_uncorrelated"] < 0.1


@pytest.mark.parametrize("over", ["cases", "seeds"])
def test_the_correlation_is_ours_over_what_the_published_spread_is_over(tmp_path: Path, over: str) -> None:
    rng = np.random.default_rng(0)
    dice = {loss: rng.uniform(size=(4, 6)) for loss in ("mine", "gdl", "ce")}
    runs = [
        evaluated(tmp_path, [case_row(f"{n}", dice=v) for n, v in enumerate(values)], loss=loss, seed=seed)
        for loss, of_loss in dice.items()
        for seed, values in enumerate(of_loss)
    ]
    if over == "cases":
        r = np.mean([np.corrcoef(one, other)[0, 1] for one, other in zip(dice["mine"], dice["gdl"], strict=True)])
    else:
        r = np.corrcoef(dice["mine"].mean(1), dice["gdl"].mean(1))[0, 1]
    found = evidence(Correlations(StudyResults(runs, published=NAMES), rows_of(runs)), over=over)
    assert (found["correlation"], found["correlation_of"]) == (pytest.approx(r), f"these losses, over {over}")
    assert found["p_false"] == pytest.approx(p_false(0.1, (0.1, 0.1), r, 20)) and found["p_false_note"] == ""
    others = [run for run in runs if run.keys["loss"] != "gdl"]
    found = evidence(Correlations(StudyResults(others, published=NAMES), rows_of(others)), over=over)
    assert found["correlation_of"] == f"median of 1 pairs of losses, over {over}"
    assert found["p_false"] != pytest.approx(p_false(0.1, (0.1, 0.1), r, 20))


def test_two_seeds_have_no_correlation(tmp_path: Path) -> None:
    runs = [evaluated(tmp_path, [case_row("a")], loss=loss, seed=seed) for loss in ("mine", "gdl") for seed in (0, 1)]
    found = evidence(Correlations(StudyResults(runs, published=NAMES), rows_of(runs)), over="seeds")
    assert found["p_false_note"] == "no correlation measured" and np.isnan(found["p_false"])


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"spread": np.nan}, "no spread published"),
        ({"over": "subsamples of cases"}, "spread over subsamples of cases, not over cases or seeds"),
        ({"n": np.nan}, "number of cases not published"),
        ({"column": "hd95"}, "no numbers published"),
    ],
)
def test_what_publications_do_not_say_leaves_no_probability(changes: dict, note: str) -> None:
    found = evidence(**changes)
    assert found["p_false_note"] == note and np.isnan([found["p_false"], found["p_false_uncorrelated"]]).all()


def test_a_claim_of_equivalence_has_none() -> None:
    published = pd.DataFrame([printed("boundary", 0.8), printed("gdl", 0.7)])
    found = published_evidence(CLAIM | {"column": "dice", "relation": "equivalent"}, None, published, UNMEASURED)
    assert found["p_false_note"] == "a claim that losses are equivalent" and found["published_gain"] > 0
