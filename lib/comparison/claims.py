"""How probable it is that a published claim of a better loss is false."""

from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lib.comparison.results import ALL, KEYS, StudyResults
from lib.comparison.statistics import Seeds, by_case, by_setting
from lib.config.schema import FACTORS
from lib.config.study_schema import OVER_EPOCHS
from lib.measures.catalogue import MEASURES, columns_of

CASES, SEEDS = "cases", "seeds"
FEWEST_SEEDS = 3  # of two seeds every correlation is 1 or -1
EVIDENCE = [
    *("published_gain", "published_sd", "published_sd_than", "published_over", "published_n"),
    *("correlation", "correlation_of", "p_false", "p_false_uncorrelated", "p_false_note"),
]


def p_false(gain: float, sds: tuple[float, float], correlation: float, n: int) -> float:
    """Probability that the loss that is claimed to be better is not, given what was reported of one training of each.

    Equation of Christodoulou et al. 2025 (arXiv 2505.04720) for segmentation, a posterior with a flat prior:
    P = T_{n-1}(-sqrt(n) gain / sqrt(s1^2 + s2^2 - 2 r s1 s2)), with Student's distribution T. Another training could
    have reversed the order too: it says nothing about that, and is too low.

    Args:
        gain: reported mean of the one minus that of the other, positive where the claim has it.
        sds: standard deviation of each over the test cases.
        correlation: r, of both over the cases.
        n: number of test cases.

    Raises:
        ValueError: fewer than two cases, or a correlation beyond -1 to 1.
    """
    if n < 2 or not -1 <= correlation <= 1:
        raise ValueError(
            f"{n} cases with a correlation of {correlation}: two cases or more, and -1 to 1, were expected"
        )
    one, other = sds
    spread = np.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))
    if spread == 0:
        return 0.5 if gain == 0 else float(gain < 0)
    return float(stats.t.cdf(-np.sqrt(n) * gain / spread, n - 1))


class Correlations:
    """Of the results of two losses over cases or over seeds, as a study's runs have them."""

    def __init__(self, results: StudyResults, per_run: pd.DataFrame) -> None:
        """``per_run``: rows of :func:`lib.comparison.summary.run_rows`; may be empty where there are no runs."""
        self._results, self._per_run = results, per_run
        self._found: dict[tuple[str, str], pd.DataFrame] = {}

    def of(self, claim: Mapping[str, str], column: str, over: str) -> tuple[float, str]:
        """Of the two losses of a claim on its data set, else the median of all pairs of losses that were run.

        Returns:
            The correlation and what it is of; NaN and nothing where none was measured.
        """
        if (column, over) not in self._found:
            self._found[column, over] = self._pairs(column, over)
        pairs = self._found[column, over]
        same = (pairs["dataset"] == claim["dataset"]) & (pairs["noise"] == claim["noise"])
        same &= pairs["losses"] == frozenset((claim["loss"], claim["than"]))
        if same.any():
            return float(pairs[same]["correlation"].median()), f"these losses, over {over}"
        of_all = f"median of {len(pairs)} pairs of losses, over {over}" if len(pairs) else ""
        return float(pairs["correlation"].median()), of_all

    def _pairs(self, column: str, over: str) -> pd.DataFrame:
        """A row for each pair of losses in a setting, with the published names."""
        names = self._results.published.names if self._results.published else {"dataset": {}, "loss": {}}
        correlation = self._over_cases if over == CASES else self._over_seeds
        rows = []
        for by_loss in by_setting(self._results.runs).values():
            for (one, of_one), (other, of_other) in combinations(by_loss.items(), 2):
                keys = next(iter(of_one.values())).keys
                dataset = names["dataset"].get(keys["dataset"], keys["dataset"])
                losses = frozenset(names["loss"].get(loss, loss) for loss in (one, other))
                rows.append((dataset, keys["noise"], losses, correlation(of_one, of_other, column)))
        pairs = pd.DataFrame(rows, columns=["dataset", "noise", "losses", "correlation"])
        return pairs.dropna(subset="correlation")

    @cached_property
    def _cut(self) -> str:
        return self._results.runs[0].cuts[0]

    def _over_cases(self, one: Seeds, other: Seeds, column: str) -> float:
        """Mean over the seeds that both have."""
        found = []
        for seed in one.keys() & other.keys():
            cases = [by_case([of_seeds[seed]], self._cut)[0] for of_seeds in (one, other)]
            if all(column in table for table in cases):
                found.append(_correlation(*(table[column] for table in cases)))
        return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan

    def _over_seeds(self, one: Seeds, other: Seeds, column: str) -> float:
        of_losses = [self._values_of_runs(of_seeds, column) for of_seeds in (one, other)]
        return _correlation(*of_losses) if len(one.keys() & other.keys()) >= FEWEST_SEEDS else np.nan

    def _values_of_runs(self, of_seeds: Seeds, column: str) -> pd.Series:
        keys, rows = next(iter(of_seeds.values())).keys, self._per_run
        same = (rows[KEYS] == [keys[name] for name in KEYS]).all(axis=1)
        same &= (rows["structure"] == ALL) & (rows["cut"] == self._cut)
        return rows[same].set_index("seed").reindex(columns=[column])[column]


def _correlation(one: pd.Series, other: pd.Series) -> float:
    """Of the values that both have; NaN where one of them does not vary."""
    both = pd.concat([one, other], axis=1, join="inner").dropna().to_numpy(float)
    return float(np.corrcoef(both.T)[0, 1]) if len(both) > 1 and both.std(axis=0).all() else np.nan


def published_evidence(
    claim: Mapping[str, str], metric: str | None, published: pd.DataFrame, measured: Correlations
) -> dict[str, Any]:
    """What the publication's own numbers say of a claim that one loss is better than another.

    Args:
        claim: ``dataset``, ``noise``, ``loss``, ``than``, ``column``, ``relation``.
        metric: what the published table calls the column; its name without that of epochs if it is None.
        published: rows of a table of `published/`.

    Returns:
        :data:`EVIDENCE`. ``published_gain`` is positive where the claim has it, ``published_sd`` and
        ``published_sd_than`` are those of both losses over the ``published_n`` cases or seeds of ``published_over``.
        ``p_false``: :func:`p_false` with the correlation that was measured over the same, ``p_false_uncorrelated``
        with none, which is the larger one where the gain and the correlation are positive. What cannot be had is left
        out, and ``p_false_note`` says why.
    """
    suffix = next((end for end in OVER_EPOCHS if claim["column"].endswith(end)), "")
    column = claim["column"].removesuffix(suffix)
    same = (published["dataset"] == claim["dataset"]) & (published["noise"] == claim["noise"])
    same &= published["metric"] == (metric or column)
    one, other = (published[same & (published["loss"] == claim[role])] for role in ("loss", "than"))
    pairs = one.merge(other, on=[*FACTORS], suffixes=("", "_than"))
    if pairs.empty:
        return {"p_false_note": "no numbers published"}
    pair = pairs.iloc[0]
    sign = 1 if columns_of(map(MEASURES.parse, MEASURES))[column].better == "higher" else -1
    gain, sds = sign * (pair["value"] - pair["value_than"]), pair[["spread", "spread_than"]]
    over, n = pair["spread_kind"], pair["n"]
    evidence = {"published_gain": gain, "published_sd": sds.iloc[0], "published_sd_than": sds.iloc[1]}
    evidence |= {"published_over": over, "published_n": n}
    if note := _why_none(claim["relation"], sds, over, n):
        return evidence | {"p_false_note": note}
    correlation, of = measured.of(claim, claim["column"], over)
    known = {"correlation": correlation, "correlation_of": of, "p_false_note": "" if of else "no correlation measured"}
    uncorrelated = {"p_false_uncorrelated": p_false(gain, tuple(sds), 0.0, int(n))}
    return evidence | known | uncorrelated | ({"p_false": p_false(gain, tuple(sds), correlation, int(n))} if of else {})


def _why_none(relation: str, sds: pd.Series, over: str, n: float) -> str:
    if relation != "better":
        return "a claim that losses are equivalent"
    if sds.isna().any():
        return "no spread published"
    if over not in (CASES, SEEDS):
        return f"spread over {over}, not over cases or seeds"
    return "" if n > 1 else f"number of {over} not published"
