"""How sure the ranks of losses are: ranks of their means over resampled seeds and cases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, reduce
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lib.comparison.results import ALL, KEYS, SETTING, EvaluatedRun
from lib.comparison.statistics import (
    LEVEL,
    Seeds,
    by_case,
    by_setting,
    crossed_difference,
    holm,
    needed_where_not_shown,
    rows_of_runs,
    verdict,
)
from lib.comparison.summary import directed_columns
from lib.measures.catalogue import Column

RESAMPLES = 10_000
FIRST = "first"
TO_FIRST = {"to_first": "difference"} | {
    f"to_first_{name}": name for name in ("low", "high", "p_holm", "verdict", "seeds_needed", "cases_needed")
}
"""Columns of a loss against the first, and what they are called in the table of comparisons."""
COLUMNS = [
    *(*KEYS, "cut", "column", "losses", "seeds", "cases", "rank", "low", "high", "p_first"),
    *TO_FIRST,
]
NEEDED = ("to_first_seeds_needed", "to_first_cases_needed")
AGREEMENT_COLUMNS = ["kind", *SETTING, "cut", "column", "one", "other", "losses", "tau"]
NETWORK, MEASURE, DATASET, LEFT_OUT = "network", "measure", "data set", "left out"
ALL_DATASETS = "all data sets"
_AT_ONCE = 1_000  # resamples that are held in memory


@dataclass(frozen=True)
class Ranks:
    """Of each loss, in the order of the values: rank 1 is the best; losses with equal means share a rank.

    ``rank``: of the mean over all seeds and cases. ``low``, ``high``: quantiles of its rank in resamples, at ``LEVEL``.
    ``first``: in what share of the resamples it is the best; losses that are equally good share one.
    """

    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray


def bootstrap_ranks(values: np.ndarray, higher_is_better: bool, resamples: int = RESAMPLES, seed: int = 0) -> Ranks:
    """Ranks of the means of ``values`` (losses, seeds, cases), with seeds and cases drawn with replacement.

    All losses get the same draws, as they are compared in the same cases and seeds (Wiesenfarth et al., Scientific
    Reports 2021, who resample cases). The variance of a mean of n draws with replacement is (n - 1) / n of what it
    should be, a half with two seeds: draws are stretched about the mean of all by sqrt(n / (n - 1)). Of a single seed,
    or case, nothing is drawn.

    Raises:
        ValueError: a value is missing.
    """
    if np.isnan(values).any():
        raise ValueError("values are missing; leave out the cases that some loss or seed lacks")
    signed = values if higher_is_better else -values
    drawn = np.concatenate([_ranks(means) for means in _resampled_means(signed, resamples, seed)])
    best = drawn == drawn.min(axis=1, keepdims=True)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return Ranks(_ranks(signed.mean((1, 2))[None])[0], low, high, (best / best.sum(1, keepdims=True)).mean(0))


def _resampled_means(values: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Means (some resamples, losses) of values (losses, seeds, cases)."""
    losses, seeds, cases = values.shape
    of_seeds, of_cases = (_counts(n, resamples, (seed, axis)) for axis, n in enumerate((seeds, cases)))
    for start in range(0, resamples, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        by_seed = values.reshape(losses * seeds, cases) @ _weights(of_cases[some]).T
        yield (by_seed.reshape(losses, seeds, -1) * _weights(of_seeds[some]).T).sum(1).T


@lru_cache(maxsize=4)  # the columns of a study share their draws
def _counts(n: int, resamples: int, seed: tuple[int, int]) -> np.ndarray:
    """How often each of ``n`` is drawn, with replacement (resamples, n)."""
    if n == 1:
        return np.ones((resamples, 1), np.int16)
    cells = np.random.default_rng(seed).integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.int16)


def _weights(counts: np.ndarray) -> np.ndarray:
    """Weights (resamples, n) of a mean over n draws, stretched about equal ones."""
    n = counts.shape[1]
    return 1 / n + np.sqrt(n / max(n - 1, 1)) * (counts - 1) / n


def _ranks(means: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the highest."""
    return stats.rankdata(-means, axis=-1)


def rank_table(runs: Sequence[EvaluatedRun], cut: str, per_run: pd.DataFrame) -> pd.DataFrame:
    """Ranks of the losses of each setting that has several, by each column of which high or low is better.

    Columns of cases are ranked by case (mean over its structures) and seed, those of whole runs by seed, ``cases`` is 1
    there. Seeds that some loss lacks, and cases without a value for some loss and seed, are left out. ``low`` to
    ``high``: of the rank; ``p_first``: see :class:`Ranks`. ``to_first``: difference to the loss of the best mean, with
    interval, verdict and the seeds or cases that would decide as in :func:`lib.comparison.statistics.comparisons`,
    adjusted for the losses of the setting.

    Args:
        per_run: rows of :func:`lib.comparison.summary.run_rows`.
    """
    overall = per_run[(per_run["structure"] == ALL) & (per_run["cut"] == cut)]
    rows = []
    for by_loss in by_setting(runs).values():
        seeds = sorted(set.intersection(*(set(of_seeds) for of_seeds in by_loss.values())))
        if len(by_loss) > 1 and seeds:
            chosen = {loss: [of_seeds[seed] for seed in seeds] for loss, of_seeds in by_loss.items()}
            cases = _of_shared_cases([by_case(of_loss, cut) for of_loss in chosen.values()])
            for name, column in directed_columns(runs).items():
                values = _common_values(cases, name)
                values = values if values.size else _of_whole_runs(chosen, overall, name)
                if values.size:
                    ranks = bootstrap_ranks(values, column.better == "higher")
                    counts = dict(zip(("losses", "seeds", "cases"), values.shape, strict=True))
                    behind = _to_first(values, ranks, column)
                    rows += _rows(by_loss, ranks, behind, {"cut": cut, "column": name, **counts})
    return pd.DataFrame(rows).reindex(columns=COLUMNS).astype(dict.fromkeys(NEEDED, "Int64"))


def _of_shared_cases(tables: Sequence[Sequence[pd.DataFrame]]) -> list[list[pd.DataFrame]]:
    shared = reduce(pd.Index.intersection, (of_seed.index for of_loss in tables for of_seed in of_loss))
    return [[of_seed.loc[shared] for of_seed in of_loss] for of_loss in tables]


def _common_values(tables: Sequence[Sequence[pd.DataFrame]], column: str) -> np.ndarray:
    """Values (losses, seeds, cases) of the cases that have one everywhere; empty where a table lacks the column."""
    if any(column not in of_seed for of_loss in tables for of_seed in of_loss):
        return np.empty(0)
    values = np.array([[of_seed[column].to_numpy(float) for of_seed in of_loss] for of_loss in tables])
    return values[:, :, ~np.isnan(values).any(axis=(0, 1))]


def _of_whole_runs(runs: Mapping[str, Sequence[EvaluatedRun]], overall: pd.DataFrame, column: str) -> np.ndarray:
    """Values (losses, seeds, 1) of the seeds of which each loss has one."""
    if column not in overall:
        return np.empty(0)
    values = np.stack([rows_of_runs(of_loss, overall)[column].to_numpy(float) for of_loss in runs.values()])
    return values[:, ~np.isnan(values).any(axis=0), None]


def _to_first(values: np.ndarray, ranks: Ranks, column: Column) -> list[dict[str, Any]]:
    """Of each loss, its difference to the first one of rank 1."""
    first = int(ranks.rank.argmin())
    found = [crossed_difference(of_loss - values[first]) for of_loss in values]
    p = holm([np.nan if number == first else one.p for number, one in enumerate(found)])
    _, seeds, cases = values.shape
    rows = []
    for number, (one, p_holm) in enumerate(zip(found, p, strict=True)):
        row = asdict(one) | {"difference": one.mean, "p_holm": p_holm, "seeds": seeds, "cases": cases}
        row["verdict"] = FIRST if number == first else verdict(row, column)
        row["seeds_needed"], row["cases_needed"] = needed_where_not_shown(row, column)
        rows.append({name: row[source] for name, source in TO_FIRST.items()})
    return rows


def _rows(
    by_loss: Mapping[str, Seeds], ranks: Ranks, behind: Sequence[Mapping[str, Any]], shared: Mapping[str, object]
) -> list[dict[str, object]]:
    keys = [{name: next(iter(of_seeds.values())).keys[name] for name in KEYS} for of_seeds in by_loss.values()]
    numbers = zip(ranks.rank, ranks.low, ranks.high, ranks.first, strict=True)
    return [
        {**of_loss, **shared, **dict(zip(("rank", "low", "high", "p_first"), of_ranks, strict=True)), **of_first}
        for of_loss, of_ranks, of_first in zip(keys, numbers, behind, strict=True)
    ]


def agreement(ranks: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], float]:
    """Kendall's tau-b between each two rankings of the same losses, NaN where one of them ties all.

    Args:
        ranks: name of a ranking (network, measure, data set) -> rank of each loss, in one order.
    """
    return {
        (one, other): float(stats.kendalltau(ranks[one], ranks[other]).statistic)
        for one, other in combinations(ranks, 2)
    }


def agreement_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """How far rankings of the same losses agree, a row for each two of them that share two losses or more.

    ``kind``: ``network`` (two networks, all else equal), ``measure`` (two columns, in one setting), ``data set`` (two
    of them) and ``left out`` (all data sets, and all but ``other``). A data set ranks losses by their mean rank over
    its variants, networks and other factors, each noise by itself; all data sets by the mean over data sets. What two
    rankings do not share is empty. ``tau``: see :func:`agreement`, of ``losses`` that both have.

    Args:
        ranks: :func:`rank_table`.
    """
    rows = [row for kind in (_of_networks, _of_measures, _of_datasets) for row in kind(ranks)]
    return pd.DataFrame(rows).reindex(columns=AGREEMENT_COLUMNS)


def _of_networks(ranks: pd.DataFrame) -> Iterator[dict[str, object]]:
    alike = [*(name for name in SETTING if name != "network"), "cut", "column"]
    for keys, group in ranks.groupby(alike, sort=False):
        yield from _agreeing(NETWORK, dict(zip(alike, keys, strict=True)), _by(group, ["network"]))


def _of_measures(ranks: pd.DataFrame) -> Iterator[dict[str, object]]:
    alike = [*SETTING, "cut"]
    for keys, group in ranks.groupby(alike, sort=False):
        yield from _agreeing(MEASURE, dict(zip(alike, keys, strict=True)), _by(group, ["column"]))


def _of_datasets(ranks: pd.DataFrame) -> Iterator[dict[str, object]]:
    alike = ["scale", "noise", "cut", "column"]
    for keys, group in ranks.groupby(alike, sort=False):
        shared = dict(zip(alike, keys, strict=True))
        by_setting = _by(group, SETTING)
        dataset_of = by_setting.columns.get_level_values("dataset")
        datasets = list(dict.fromkeys(dataset_of))
        for pair in combinations(datasets, 2):
            yield from _agreeing(DATASET, shared, _by_dataset(by_setting.loc[:, dataset_of.isin(pair)]))
        by_dataset = _by_dataset(by_setting)
        for left_out in datasets if len(datasets) > 1 else ():
            means = {ALL_DATASETS: by_dataset.mean(axis=1), left_out: by_dataset.drop(columns=left_out).mean(axis=1)}
            yield from _agreeing(LEFT_OUT, shared, pd.DataFrame(means))


def _by(ranks: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Ranks of each loss, a column for each combination of what is called ``names``."""
    return ranks.pivot_table(index="loss", columns=[*names], values="rank", sort=False)


def _by_dataset(by_setting: pd.DataFrame) -> pd.DataFrame:
    """Mean rank of each loss, among those that all settings have, a column for each data set."""
    return by_setting.dropna().rank().T.groupby(level="dataset", sort=False).mean().T


def _agreeing(kind: str, shared: Mapping[str, object], by_name: pd.DataFrame) -> Iterator[dict[str, object]]:
    for pair in combinations(by_name, 2):
        of_both = by_name[[*pair]].dropna()
        if len(of_both) > 1:
            (tau,) = agreement({name: of_both[name].round(9).tolist() for name in pair}).values()
            names = dict(zip(("one", "other"), pair, strict=True))
            yield {"kind": kind, **shared, **names, "losses": len(of_both), "tau": tau}
