"""Whether losses differ: closed forms, simulated studies, an archived study."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib import ROOT
from lib.comparison.statistics import NOT_SHOWN, Difference, _described, crossed_difference, holm, needed, verdict
from lib.measures.catalogue import Column

SIGNED = Column("bias", "bias", signed=True)
LOWER, HIGHER = Column("hd", "HD", "lower"), Column("dice", "Dice", "higher", margin=0.01)


# Closed forms


@pytest.mark.parametrize("shape", [(5, 1), (1, 5)])
def test_one_case_or_one_seed_leaves_the_paired_t_test(shape: tuple[int, int]) -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 5))
    expected = stats.ttest_rel(one, other)
    found = crossed_difference((one - other).reshape(shape))
    assert found.mean == pytest.approx((one - other).mean())
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    sds = (found.sd_seeds, found.sd_cases)
    assert sds[shape[0] == 1] == pytest.approx((one - other).std(ddof=1))
    assert np.isnan([found.sd_rest, sds[shape[1] == 1]]).all()


def test_two_way_analysis_of_variance_by_hand() -> None:
    """Mean squares of 2 seeds, 4 cases and the rest: 12.5, 13.33 and 0.5."""
    differences = np.array([[0.0, 2, 4, 7], [3.0, 5, 7, 8]])
    by_seed, by_case, mean = [3.25, 5.75], [1.5, 3.5, 5.5, 7.5], 4.5
    of_seeds = 4 * sum((value - mean) ** 2 for value in by_seed) / 1
    of_cases = 2 * sum((value - mean) ** 2 for value in by_case) / 3
    total = ((differences - mean) ** 2).sum()
    of_rest = (total - of_seeds - 3 * of_cases) / 3
    assert (of_seeds, of_cases, of_rest) == pytest.approx((12.5, 40 / 3, 0.5))
    error = np.sqrt((of_seeds + of_cases - of_rest) / 8)
    share = of_seeds / (of_seeds + of_cases - of_rest)

    def critical(p: float) -> float:
        return share * stats.t.isf(p / 2, 1) + (1 - share) * stats.t.isf(p / 2, 3)

    found = crossed_difference(differences)
    half = critical(0.05) * error
    assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert critical(found.p) == pytest.approx(mean / error)
    assert found.sd_seeds == pytest.approx(np.sqrt((of_seeds - of_rest) / 4))
    assert found.sd_cases == pytest.approx(np.sqrt((of_cases - of_rest) / 2))
    assert found.sd_rest == pytest.approx(np.sqrt(of_rest))


@pytest.mark.parametrize("margin", [None, 0.5])
def test_so_many_seeds_or_cases_would_decide(margin: float | None) -> None:
    """Data with exactly the components that were found: the numbers that are given decide, one fewer does not."""
    found = Difference(mean=0.3, low=-1, high=1, p=0.5, sd_seeds=0.4, sd_cases=0.8, sd_rest=0.5)

    def decides(seeds: int, cases: int) -> bool:
        rng = np.random.default_rng(0)
        of_seeds, of_cases = (standardised(rng.normal(size=n)) for n in (seeds, cases))
        rest = rng.normal(size=(seeds, cases))
        rest += rest.mean() - rest.mean(1, keepdims=True) - rest.mean(0, keepdims=True)
        rest *= 0.5 / np.sqrt((rest**2).sum() / ((seeds - 1) * (cases - 1)))
        # mean squares hold the rest once more: take it from what seeds and cases add
        of_seeds *= np.sqrt(0.4**2 + 0.5**2 / cases)
        of_cases *= np.sqrt(0.8**2 + 0.5**2 / seeds)
        simulated = crossed_difference(0.3 + of_seeds[:, None] + of_cases + rest)
        assert (simulated.sd_seeds, simulated.sd_cases, simulated.sd_rest) == pytest.approx((0.4, 0.8, 0.5))
        return simulated.low > 0 or (margin is not None and max(-simulated.low, simulated.high) < margin)

    seeds, cases = needed(found, 5, 40, margin)
    assert seeds and decides(seeds, 40) and not decides(seeds - 1, 40)
    assert needed(found, 5, 40)[1] is None  # however many cases: 5 seeds leave an interval of half 0.5
    seeds, cases = needed(found, 30, 10, margin)
    assert cases and decides(30, cases) and not decides(30, cases - 1)


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std(ddof=1)


def test_what_is_decided_needs_two_and_one_seed_says_nothing() -> None:
    certain = Difference(mean=0.3, low=0.3, high=0.3, p=0, sd_seeds=0, sd_cases=0, sd_rest=0)
    assert needed(certain, 3, 9) == (2, 2)
    single = crossed_difference(np.random.default_rng(0).normal(size=(1, 9)))
    assert needed(single, 1, 9) == (None, None)


def test_seeds_and_cases_that_vary_less_than_the_rest_do_not_narrow_the_interval() -> None:
    differences = np.array([[1.0, -1, 1, -1], [-1, 1, -1, 1], [1, -1, 1, -1]])
    found = crossed_difference(differences)
    of_rest = ((differences - differences.mean(1, keepdims=True)) ** 2).sum() / 6  # cases do not differ, on average
    of_rest -= 3 * differences.mean(0).var() * 4 / 6
    assert found.sd_seeds == found.sd_cases == 0
    assert found.sd_rest == pytest.approx(np.sqrt(of_rest))
    half = stats.t.ppf(0.975, 2) * np.sqrt(of_rest / 12)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


def test_equal_differences_are_certain_and_a_single_one_is_not() -> None:
    same = crossed_difference(np.full((2, 3), 0.5))
    assert (same.mean, same.low, same.high, same.p) == (0.5, 0.5, 0.5, 0)
    assert crossed_difference(np.zeros((2, 3))).p == 1
    single = crossed_difference(np.array([[0.5]]))
    assert single.mean == 0.5 and np.isnan([single.low, single.high, single.p]).all()


# Simulated studies

Simulated = tuple[int, float, float]  # seeds; sd over seeds and of the rest, relative to the sd over cases
CASES, DRAWS = 30, 1000


def simulated(setting: Simulated, difference: float, draw: int = 0) -> list[np.ndarray]:
    seeds, of_seeds, of_rest = setting
    rng = np.random.default_rng([draw, seeds])
    return [
        difference
        + of_seeds * rng.normal(size=(seeds, 1))
        + rng.normal(size=(1, CASES))
        + of_rest * rng.normal(size=(seeds, CASES))
        for _ in range(DRAWS)
    ]


def rejected(found: Sequence[Difference]) -> float:
    return float(np.mean([difference.p < 0.05 for difference in found]))


SETTINGS = [(seeds, of_seeds, 1.0) for seeds in (3, 5) for of_seeds in (0.0, 0.3, 5.0)]


@pytest.mark.parametrize("setting", SETTINGS)
def test_losses_that_do_not_differ_are_found_to_in_5_percent_of_studies(setting: Simulated) -> None:
    assert rejected([*map(crossed_difference, simulated(setting, 0.0))]) <= 0.07


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_difference_lies_in_its_interval_in_95_percent_of_studies(setting: Simulated) -> None:
    found = [*map(crossed_difference, simulated(setting, 0.7, draw=1))]
    assert np.mean([one.low <= 0.7 <= one.high for one in found]) >= 0.93


def test_a_difference_that_is_there_is_found_with_three_seeds() -> None:
    assert rejected([*map(crossed_difference, simulated((3, 0.1, 1.0), 1.0))]) > 0.9


def bootstrap_interval(differences: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ends of the middle 95 % of the means of 500 resampled sets of seeds and of cases."""
    shares = [rng.multinomial(n, np.full(n, 1 / n), size=500) / n for n in differences.shape]
    return np.quantile(np.einsum("bs,sc,bc->b", shares[0], differences, shares[1]), [0.025, 0.975])


@pytest.mark.parametrize(("seeds", "ours", "of_bootstrap"), [(2, 0.07, 0.4), (3, 0.07, 0.2)])
def test_resampling_few_seeds_finds_differences_that_are_not_there(
    seeds: int, ours: float, of_bootstrap: float
) -> None:
    studies, rng = simulated((seeds, 5.0, 1.0), 0.0, draw=2), np.random.default_rng(0)
    assert rejected([*map(crossed_difference, studies)]) <= ours
    intervals = np.array([bootstrap_interval(differences, rng) for differences in studies])
    assert np.mean((intervals[:, 0] > 0) | (intervals[:, 1] < 0)) > of_bootstrap


@pytest.mark.parametrize("seeds", [2, 3])
def test_the_level_is_kept_where_few_seeds_vary_a_little_more_than_cases(seeds: int) -> None:
    """The variance of the mean over seeds is then one or two squares, which may be small by chance."""
    assert rejected([*map(crossed_difference, simulated((seeds, 0.8, 0.1), 0.0, draw=3))]) <= 0.07


def archived_components(table: str) -> tuple[float, float, float]:
    """Standard deviations of differences in Dice over seeds, over cases and of the rest, in a study on real pictures.

    Root mean squares over all pairs of its losses.
    """
    cases = pd.read_csv(ROOT / f"results_archive/{table}/cases.csv")
    dice = cases.pivot_table("dice", ["loss", "seed"], "case")
    of_losses = [dice.loc[loss].to_numpy() for loss in dice.index.levels[0]]
    found = [crossed_difference(one - other) for one, other in itertools.combinations(of_losses, 2)]
    squares = [[one.sd_seeds**2, one.sd_cases**2, one.sd_rest**2] for one in found]
    return tuple(np.sqrt(np.mean(squares, axis=0)))


@pytest.mark.parametrize("table", ["label_marginal_idrid", "label_marginal_idrid_findings"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("cases", [8, 50])
def test_the_level_is_kept_with_the_spreads_of_real_data(table: str, seeds: int, cases: int) -> None:
    """Of 500 studies without a difference; at 5 % no more than 6.9 % are rejected, with 97.5 % probability."""
    of_seeds, of_cases, of_rest = archived_components(table)
    rng = np.random.default_rng([seeds, cases])
    found = [
        crossed_difference(
            of_seeds * rng.normal(size=(seeds, 1))
            + of_cases * rng.normal(size=(1, cases))
            + of_rest * rng.normal(size=(seeds, cases))
        )
        for _ in range(500)
    ]
    assert rejected(found) <= 0.06
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.93


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_level_is_kept_where_the_cases_are_tested_in_unequal_folds(seeds: int) -> None:
    """Each fold of each seed is another training, whose cases are better or worse together."""
    rng, fold = np.random.default_rng(seeds), np.repeat(range(5), [16, 12, 10, 8, 4])
    found = []
    for _ in range(500):
        trainings, of_cases, rest = rng.normal(size=(seeds, 5)), rng.normal(size=(1, 50)), rng.normal(size=(seeds, 50))
        found.append(crossed_difference(0.03 * trainings[:, fold] + 0.05 * of_cases + 0.04 * rest))
    assert rejected(found) <= 0.06


def test_one_seed_in_folds_says_nothing_though_its_cases_would() -> None:
    """The cases of a fold share a training, so that an analysis of cases alone takes five trainings for fifty."""
    rng, fold = np.random.default_rng(0), np.repeat(range(5), [16, 12, 10, 8, 4])
    trainings, of_cases = rng.normal(size=(500, 1, 5)), rng.normal(size=(500, 1, 50))
    found = [*map(crossed_difference, 0.03 * trainings[:, :, fold] + 0.05 * of_cases)]
    assert rejected(found) > 0.2
    rows = [{"seeds": 1, "difference": one.mean, "low": one.low, "high": one.high, "p_holm": one.p} for one in found]
    assert {verdict(row, HIGHER) for row in rows} == {NOT_SHOWN}


def test_components_are_those_of_a_mixed_model() -> None:
    """Crossed random effects by REML, MixedLM of statsmodels 0.15.0 with ``vc_formula`` of seed and case."""
    rng = np.random.default_rng(0)
    effects = 0.03 * rng.normal(size=(5, 1)) + 0.05 * rng.normal(size=(1, 20))
    found = crossed_difference(0.02 + effects + 0.04 * rng.normal(size=(5, 20)))
    expected = {"sd_seeds": 0.00978952, "sd_cases": 0.04882179, "sd_rest": 0.04153928, "mean": 0.02081267}
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-4)
    error = np.sqrt(found.sd_seeds**2 / 5 + found.sd_cases**2 / 20 + found.sd_rest**2 / 100)
    assert error == pytest.approx(0.01247399, rel=1e-4)
    assert stats.t.ppf(0.975, 19) * error < (found.high - found.low) / 2 < stats.t.ppf(0.975, 4) * error


# Signed numbers, of which the mean closer to 0 is better


@pytest.mark.parametrize(("one", "other"), [(0.0, 0.0), (0.1, 0.1), (0.1, -0.1), (0.02, -0.02)])
def test_equal_biases_are_found_to_differ_in_5_percent_of_studies(one: float, other: float) -> None:
    """Whatever their signs: 1,000 studies of three seeds and 30 cases, which losses share in part."""
    rng = np.random.default_rng(7)
    p = []
    for _ in range(1000):
        shared = rng.normal(size=(1, 1, 30)) * 0.1
        values = shared + rng.normal(size=(2, 3, 30)) * 0.1 + rng.normal(size=(2, 3, 1)) * 0.02
        p.append(_described(values[0] + one, values[1] + other, SIGNED)["p"])
    assert np.mean(np.array(p) < 0.05) <= 0.06


def test_a_bias_is_compared_by_the_distance_of_its_mean_from_0() -> None:
    compared, reference = np.array([[-0.3, 0.1], [-0.2, 0.0]]), np.array([[0.2, 0.3], [0.2, 0.1]])
    found = _described(compared, reference, SIGNED)
    expected = crossed_difference(-compared - reference)
    assert found["difference"] == pytest.approx(0.1 - 0.2) and found["better_share"] == pytest.approx(2.5 / 4)
    assert (found["low"], found["high"], found["p"]) == (expected.low, expected.high, expected.p)
    row = {"seeds": 2, "p_holm": 0.01, "low": -0.15, "high": -0.05, "difference": -0.1}
    assert verdict(row, SIGNED) == "better" and verdict(row | {"difference": 0.1}, SIGNED) == "worse"


# Verdicts


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, np.nan, 0.03]) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
    assert holm([0.6, 0.7]).tolist() == [1, 1]
    assert holm([]).tolist() == []


@pytest.mark.parametrize(
    ("numbers", "column", "expected"),
    [
        ((0.1, 0.05, 0.15, 0.01), HIGHER, "better"),
        ((-0.1, -0.15, -0.05, 0.01), HIGHER, "worse"),
        ((-0.1, -0.15, -0.05, 0.01), LOWER, "better"),
        ((0.1, 0.05, 0.15, 0.01), LOWER, "worse"),
        ((0.1, 0.05, 0.15, 0.051), HIGHER, "not shown"),  # as adjusted
        ((0.1, -0.05, 0.25, 0.3), HIGHER, "not shown"),
        ((0.003, 0.001, 0.005, 0.01), HIGHER, "equivalent"),  # a difference, of no consequence
        ((0.003, -0.0099, 0.0099, 0.6), HIGHER, "equivalent"),
        ((0.0, -0.0099, 0.01, 0.9), HIGHER, "not shown"),
        ((0.0, -0.01, 0.0099, 0.9), HIGHER, "not shown"),
        ((0.0, 0.0, 0.0, 1.0), HIGHER, "equivalent"),
        ((0.0, 0.0, 0.0, 1.0), LOWER, "not shown"),  # nobody can say how small is small
        ((0.1, np.nan, np.nan, np.nan), HIGHER, "not shown"),
    ],
)
def test_verdicts(numbers: tuple[float, ...], column: Column, expected: str) -> None:
    row = dict(zip(("difference", "low", "high", "p_holm"), numbers, strict=True))
    assert verdict(row | {"seeds": 2}, column) == expected
    assert verdict(row | {"seeds": 1}, column) == "not shown"


# A study of the archive: T-Loss at the published noise, three seeds


def test_pairing_by_seed_shows_what_an_analysis_of_variance_over_losses_does_not() -> None:
    runs = pd.read_csv(ROOT / "results_archive/t_loss_shenzhen_runs.csv").query("noise != 'clean'")
    assert set(runs["noise"]) == {"alpha0.7-beta0.7-released"}
    dice = {loss: part.set_index("seed")["dice_pooled_epochs"] for loss, part in runs.groupby("loss")}
    assert {len(of_seeds) for of_seeds in dice.values()} == {3}
    differences = (dice["t_loss"] - dice["ce"]).to_numpy()[:, None]
    assert differences == pytest.approx(np.full((3, 1), 0.027), abs=0.001)
    assert crossed_difference(differences).p < 0.001
    assert stats.f_oneway(*dice.values()).pvalue == pytest.approx(0.26, abs=0.005)
