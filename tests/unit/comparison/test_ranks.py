"""Ranks over resampled seeds and cases: against counting by hand, closed forms, and simulated studies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated, keys, rows_of
from scipy import stats

from lib.comparison.ranks import (
    AGREEMENT_COLUMNS,
    COLUMNS,
    FIRST,
    NEEDED,
    agreement,
    agreement_table,
    bootstrap_ranks,
    rank_table,
)
from lib.comparison.statistics import comparisons
from lib.measures.catalogue import DECIDED


def crossed(rng: np.random.Generator, means: np.ndarray, seeds: int, cases: int, sds: tuple[float, ...]) -> np.ndarray:
    """Values (losses, seeds, cases): effects of seeds and cases on each loss, of cases on all, and the rest."""
    of_seeds, of_cases, shared, rest = sds
    losses = len(means)
    return (
        means[:, None, None]
        + of_seeds * rng.normal(size=(losses, seeds, 1))
        + of_cases * rng.normal(size=(losses, 1, cases))
        + shared * rng.normal(size=(1, 1, cases))
        + rest * rng.normal(size=(losses, seeds, cases))
    )


def test_losses_that_are_best_in_every_case_and_seed_are_first_in_every_resample() -> None:
    values = np.array([0.5, 0.9, 0.7])[:, None, None] + np.zeros((3, 2, 4))
    found = bootstrap_ranks(values, higher_is_better=True, resamples=200)
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [3, 1, 2]
    assert found.first.tolist() == [0, 1, 0]
    assert bootstrap_ranks(values, higher_is_better=False, resamples=200).rank.tolist() == [1, 3, 2]


def test_equal_losses_share_rank_and_first_place() -> None:
    one = np.random.default_rng(0).normal(size=(1, 3, 5))
    found = bootstrap_ranks(np.concatenate([one, one, one - 9]), higher_is_better=True, resamples=100)
    assert found.rank.tolist() == [1.5, 1.5, 3] and found.first.tolist() == [0.5, 0.5, 0]


def test_with_many_cases_of_one_seed_the_first_place_has_the_probability_of_a_normal_difference() -> None:
    values = np.random.default_rng(1).normal(size=(2, 1, 400)) + np.array([0.0, 0.08])[:, None, None]
    difference = values[1, 0] - values[0, 0]
    expected = stats.norm.cdf(difference.mean() / (difference.std(ddof=1) / np.sqrt(400)))
    found = bootstrap_ranks(values, higher_is_better=True)
    assert found.first[1] == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_variance_of_a_difference_is_that_of_its_seeds_however_few(seeds: int) -> None:
    """Losses that differ by seeds alone: share of first places as the estimated variance of their means has it."""
    values = np.random.default_rng(2).normal(size=(2, seeds, 1))
    difference = values[1, :, 0] - values[0, :, 0]
    error = difference.std(ddof=1) / np.sqrt(seeds)
    shifted = values - np.array([[[0.0]], [[difference.mean() - error]]])  # one standard error apart
    draws = np.random.default_rng(3).multinomial(seeds, np.full(seeds, 1 / seeds), size=200_000) / seeds
    stretched = np.sqrt(seeds / (seeds - 1)) * (draws @ (difference - difference.mean())) + error
    found = bootstrap_ranks(shifted, higher_is_better=True, resamples=50_000)
    assert stretched.std() == pytest.approx(error, rel=0.01)
    ties = np.isclose(stretched, 0, atol=1e-9).mean()
    assert found.first[1] == pytest.approx((stretched > 1e-9).mean() + ties / 2, abs=0.01 + ties / 2)


def test_intervals_of_ranks_hold_the_true_rank_in_simulated_studies() -> None:
    """Six losses 0.01 apart, 60 cases, 5 seeds: at least 93 % of the intervals hold the rank of the true means."""
    rng, means = np.random.default_rng(4), np.arange(6) / 100
    held = []
    for _ in range(150):
        values = crossed(rng, means, seeds=5, cases=60, sds=(0.01, 0.05, 0.1, 0.05))
        found = bootstrap_ranks(values, higher_is_better=True, resamples=400)
        true = 6 - np.arange(6)
        held.append((found.low <= true) & (true <= found.high))
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("losses", [2, 4, 10])
def test_losses_that_do_not_differ_are_first_equally_often_on_average(losses: int) -> None:
    rng = np.random.default_rng(5)
    first = [
        bootstrap_ranks(crossed(rng, np.zeros(losses), 3, 20, (0.02, 0.05, 0.1, 0.05)), True, resamples=200).first
        for _ in range(200)
    ]
    assert np.mean(first, axis=0) == pytest.approx(np.full(losses, 1 / losses), abs=0.07)


def test_the_same_seed_draws_the_same() -> None:
    values = np.random.default_rng(6).normal(size=(5, 3, 10))
    one, other = (bootstrap_ranks(values, True, resamples=1500) for _ in range(2))
    assert one.first.tolist() == other.first.tolist()


def test_missing_values_are_refused() -> None:
    with pytest.raises(ValueError, match="leave out the cases"):
        bootstrap_ranks(np.full((2, 2, 2), np.nan), True)


def test_agreement_of_rankings() -> None:
    ranks = {"unet": [1, 2, 3, 4], "same": [1, 2, 3, 4], "reversed": [4, 3, 2, 1], "one swap": [1, 2, 4, 3]}
    found = agreement(ranks)
    assert found["unet", "same"] == 1 and found["unet", "reversed"] == -1
    assert found["unet", "one swap"] == pytest.approx((5 - 1) / 6)
    assert np.isnan(agreement({"a": [1, 2], "b": [1.5, 1.5]})["a", "b"])


# The table


def test_losses_of_a_setting_are_ranked_by_what_all_of_them_have(tmp_path: Path) -> None:
    dice = {"bce": {0: "abc", 1: "abc"}, "dl": {0: "abc", 1: "ab"}, "gdl": {0: "abc", 1: "abc", 2: "abc"}}
    better = {"bce": 0.1, "dl": 0.3, "gdl": 0.2}
    runs = [
        evaluated(tmp_path, [case_row(case, dice=better[loss]) for case in cases], loss=loss, seed=seed)
        for loss, of_seeds in dice.items()
        for seed, cases in of_seeds.items()
    ]
    other = evaluated(tmp_path, [case_row("a", dice=0.5)], loss="bce", variant="alone")
    table = rank_table([*runs, other], DECIDED, rows_of([*runs, other]))
    assert list(table) == COLUMNS and set(table["variant"]) == {"base"}
    by_dice = table[table["column"] == "dice"].set_index("loss")
    assert by_dice["rank"].to_dict() == {"bce": 3, "dl": 1, "gdl": 2}
    assert by_dice["p_first"].to_dict() == {"bce": 0, "dl": 1, "gdl": 0}
    assert set(map(tuple, by_dice[["losses", "seeds", "cases"]].to_numpy())) == {(3, 2, 2)}


def test_what_is_of_whole_runs_is_ranked_by_seed(tmp_path: Path) -> None:
    both = {"bce": {0: 0, 1: 30}, "dl": {0: 10, 1: 40}}
    runs = [
        evaluated(tmp_path, [case_row("a"), case_row("b", both=voxels)], loss=loss, seed=seed)
        for loss, of_seeds in both.items()
        for seed, voxels in of_seeds.items()
    ]
    table = rank_table(runs, DECIDED, rows_of(runs))
    pooled = table[table["column"] == "dice_pooled"].set_index("loss")
    assert (
        pooled["rank"].to_dict() == {"bce": 2, "dl": 1} and set(pooled["cases"]) == {1} and set(pooled["seeds"]) == {2}
    )
    assert pooled.loc["bce", "to_first"] == pytest.approx(-10 / 80)


def test_each_loss_is_compared_with_the_first(tmp_path: Path) -> None:
    """Whatever the reference is; p are adjusted for the losses of the setting."""
    rng, means = np.random.default_rng(0), {"bce": 0.5, "dl": 0.8, "gdl": 0.796}
    cases = {case: 0.1 * rng.normal() for case in "abcdef"}
    runs = [
        evaluated(
            tmp_path,
            [case_row(case, dice=mean + shared + 0.002 * rng.normal()) for case, shared in cases.items()],
            loss=loss,
            seed=seed,
        )
        for loss, mean in means.items()
        for seed in range(3)
    ]
    table = rank_table(runs, DECIDED, rows_of(runs))
    by_dice = table[table["column"] == "dice"].set_index("loss")
    assert by_dice["to_first_verdict"].to_dict() == {"bce": "worse", "dl": FIRST, "gdl": "equivalent"}
    assert by_dice["to_first"].to_dict() == pytest.approx({"bce": -0.3, "dl": 0, "gdl": -0.004}, abs=0.003)
    assert by_dice[[*NEEDED]].isna().all(axis=None)  # all is decided
    tested = comparisons(runs, rows_of(runs), reference="dl")
    of_pair = tested[(tested["column"] == "dice") & (tested["loss"] == "bce")].iloc[0]
    assert by_dice.loc["bce", ["to_first", "to_first_low", "to_first_p_holm"]].tolist() == pytest.approx(
        of_pair[["difference", "low", "p_holm"]].tolist()
    )


def test_what_would_decide_the_first_place_is_what_would_decide_the_same_comparison(tmp_path: Path) -> None:
    rng, means = np.random.default_rng(3), {"bce": 0.7, "dl": 0.75}
    runs = [
        evaluated(
            tmp_path,
            [case_row(case, dice=mean + 0.07 * rng.normal()) for case in "abcdef"],
            loss=loss,
            seed=seed,
        )
        for loss, mean in means.items()
        for seed in range(3)
    ]
    ranks, tested = rank_table(runs, DECIDED, rows_of(runs)), comparisons(runs, rows_of(runs), reference="dl")
    behind, of_pair = (
        table[(table["column"] == "dice") & (table["loss"] == "bce")].iloc[0] for table in (ranks, tested)
    )
    assert behind["to_first_verdict"] == of_pair["verdict"] == "not shown"
    assert [*map(str, behind[[*NEEDED]])] == [*map(str, of_pair[["seeds_needed", "cases_needed"]])]
    assert behind["to_first_seeds_needed"] > 3 and behind["to_first_cases_needed"] > 6


def test_nothing_to_rank_leaves_an_empty_table(tmp_path: Path) -> None:
    alone = [evaluated(tmp_path, [case_row("a")], loss="bce")]
    table = rank_table(alone, DECIDED, rows_of(alone))
    assert table.empty and list(table) == COLUMNS


# Agreement of rankings


def ranking(order: str, column: str = "dice", **setting: str) -> list[dict[str, object]]:
    """Rows of a table of ranks: the losses in this order."""
    return [
        {**keys(loss=loss, **setting), "cut": DECIDED, "column": column, "rank": float(rank)}
        for rank, loss in enumerate(order, 1)
    ]


def taus(rows: list[dict[str, object]], kind: str) -> dict[tuple[str, str], tuple[int, float]]:
    table = agreement_table(pd.DataFrame(rows))
    assert list(table) == AGREEMENT_COLUMNS
    of_kind = table[table["kind"] == kind].set_index(["one", "other"])
    return {pair: (row["losses"], row["tau"]) for pair, row in of_kind.iterrows()}


def test_networks_are_compared_where_all_else_is_equal() -> None:
    rows = ranking("abc", network="unet") + ranking("acb", network="resunet") + ranking("cba", dataset="isles")
    rows += ranking("ab", network="unet", noise="some") + ranking("dbea", network="resunet", noise="some")
    table = agreement_table(pd.DataFrame(rows)).query("kind == 'network'")
    assert table[["one", "other", "noise", "losses"]].to_numpy().tolist() == [
        ["unet", "resunet", "clean", 3],
        ["unet", "resunet", "some", 2],  # of the losses that both have
    ]
    assert table["tau"].tolist() == pytest.approx([1 / 3, -1])
    assert table["network"].isna().all() and set(table["column"]) == {"dice"} and set(table["dataset"]) == {"wmh2017"}


def test_measures_are_compared_in_each_setting() -> None:
    rows = ranking("abc") + ranking("cba", "hd95") + ranking("abc", dataset="isles") + ranking("abc", "nsd")
    assert taus(rows, "measure") == {("dice", "hd95"): (3, -1), ("dice", "nsd"): (3, 1), ("hd95", "nsd"): (3, -1)}


def test_data_sets_are_compared_and_left_out() -> None:
    """By hand: mean ranks of a, b, c over all are 2, 5/3, 7/3; without one 2.5, 1.5, 2; without two all 2; without
    three 1.5, 1.5, 3, where a tie in one of both makes tau-b 2 / sqrt(3 * 2)."""
    rows = [*ranking("abc", dataset="one"), *ranking("bac", dataset="two"), *ranking("cba", dataset="three")]
    assert {pair: tau for pair, (_, tau) in taus(rows, "data set").items()} == pytest.approx(
        {("one", "two"): 1 / 3, ("one", "three"): -1, ("two", "three"): -1 / 3}
    )
    left_out = {pair[1]: tau for pair, (_, tau) in taus(rows, "left out").items()}
    assert left_out == pytest.approx({"one": 1 / 3, "two": np.nan, "three": 2 / 6**0.5}, nan_ok=True)
    assert taus(ranking("abc"), "left out") == {}


def test_a_data_set_ranks_by_the_mean_over_its_settings_of_the_losses_that_all_have() -> None:
    """By hand: of a, b, c, which all have, the first ranks 1, 2, 3 and 3, 1, 2, in the mean 2, 1.5, 2.5."""
    one = [*ranking("abdc", dataset="one", network="unet"), *ranking("bcda", dataset="one", network="resunet")]
    assert taus([*one, *ranking("bac", dataset="two")], "data set") == {("one", "two"): (3, 1)}
    noisy = ranking("cab", dataset="two", noise="some")
    table = agreement_table(pd.DataFrame([*one, *noisy]))
    assert "data set" not in set(table["kind"])  # each noise by itself
