"""How sure the ranks of losses are: ranks of their means over resampled seeds and cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 10_000
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
    rng = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            _ranks(_resampled_means(signed, rng, min(_AT_ONCE, resamples - start)))
            for start in range(0, resamples, _AT_ONCE)
        ]
    )
    best = drawn == drawn.min(axis=1, keepdims=True)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return Ranks(_ranks(signed.mean((1, 2))[None])[0], low, high, (best / best.sum(1, keepdims=True)).mean(0))


def _resampled_means(values: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Means (resamples, losses) of values (losses, seeds, cases)."""
    losses, seeds, cases = values.shape
    by_seed = values.reshape(losses * seeds, cases) @ _weights(rng, cases, resamples).T
    return np.einsum("lsr,rs->rl", by_seed.reshape(losses, seeds, resamples), _weights(rng, seeds, resamples))


def _weights(rng: np.random.Generator, n: int, resamples: int) -> np.ndarray:
    """Weights (resamples, n) of a mean over n draws with replacement, stretched about equal ones."""
    if n == 1:
        return np.ones((resamples, 1))
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    return 1 / n + np.sqrt(n / (n - 1)) * (drawn - 1 / n)


def _ranks(means: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the highest."""
    return stats.rankdata(-means, axis=-1)


def agreement(ranks: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], float]:
    """Kendall's tau-b between each two rankings of the same losses, NaN where one of them ties all.

    Args:
        ranks: name of a ranking (network, measure, data set) -> rank of each loss, in one order.
    """
    return {
        (one, other): float(stats.kendalltau(ranks[one], ranks[other]).statistic)
        for one, other in combinations(ranks, 2)
    }
