"""Whether two losses differ: paired by case and seed, both of which are samples.

For one seed, split, initial weights and order of batches are the same for all losses, so that losses are compared by
their differences in each case and seed. Cases and seeds are crossed; the interval is that of a two-way random-effects
analysis of variance, as for readers and cases in studies of diagnosis (Obuchowski and Rockette 1995; Hillis 2007). Of
losses that do not differ it calls at most 6 % different, with any number of seeds; resampling seeds and cases calls up
to 47 % of them different with two seeds (simulated in `tests/unit/comparison/test_statistics.py`).
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from lib.comparison.results import ALL, KEYS, SETTING, EvaluatedRun
from lib.comparison.summary import directed_columns, signed_columns
from lib.measures.catalogue import Column

LEVEL = 0.95
SMALLEST_P = 1e-12
MOST_NEEDED = 10_000
COLUMNS = [
    *(*KEYS, "reference", "reference_variant", "cut", "column", "seeds", "cases", "difference", "low", "high"),
    *("p", "p_holm", "verdict"),
    *("better_share", "sd_seeds", "sd_cases", "sd_rest", "seeds_needed", "cases_needed"),
]
BETTER, WORSE, EQUIVALENT, NOT_SHOWN = "better", "worse", "equivalent", "not shown"


@dataclass(frozen=True)
class Difference:
    """Mean difference of two losses, its interval at ``LEVEL``, and what it is made of.

    ``p``: of no difference. ``sd_seeds``, ``sd_cases``, ``sd_rest``: standard deviations of the differences over seeds,
    over cases, and of the rest; NaN where there are too few of them.
    """

    mean: float
    low: float
    high: float
    p: float
    sd_seeds: float
    sd_cases: float
    sd_rest: float


def crossed_difference(differences: np.ndarray) -> Difference:
    """Mean of differences (seeds, cases), both random; of one seed, or one case, of the other factor alone.

    The variance of the mean is (max(MS_seeds, MS_rest) + max(MS_cases - MS_rest, 0)) / n, as a component of variance
    is never negative. Its two parts have the degrees of freedom of seeds and of cases; the critical value is the mean
    of those of both, weighted by the parts (Cochran and Cox 1950), which is safe where seeds are few. NaN as interval
    where there is but one difference.
    """
    seeds, cases = differences.shape
    mean = float(differences.mean())
    if min(seeds, cases) == 1:
        flat = differences.ravel()
        sd = float(flat.std(ddof=1)) if flat.size > 1 else np.nan
        parts = [(sd**2, flat.size - 1)]
        sds = (np.nan, sd, np.nan) if seeds == 1 else (sd, np.nan, np.nan)
    else:
        by_seed, by_case = differences.mean(1, keepdims=True), differences.mean(0, keepdims=True)
        of_seeds = cases * float(by_seed.var(ddof=1))
        of_cases = seeds * float(by_case.var(ddof=1))
        rest = differences - by_seed - by_case + mean
        of_rest = float((rest**2).sum()) / ((seeds - 1) * (cases - 1))
        parts = [(max(of_seeds, of_rest), seeds - 1), (max(of_cases - of_rest, 0.0), cases - 1)]
        sds = tuple(
            float(np.sqrt(max(part, 0)))
            for part in ((of_seeds - of_rest) / cases, (of_cases - of_rest) / seeds, of_rest)
        )
    return Difference(mean, *_interval(mean, parts, differences.size), *sds)


def _interval(mean: float, parts: Sequence[tuple[float, int]], n: int) -> tuple[float, float, float]:
    """Ends at ``LEVEL``, and p of a mean of 0, from parts of n times its variance and their degrees of freedom."""
    total = sum(part for part, _ in parts)
    if not total > 0:  # NaN, or all differences are equal
        return (np.nan, np.nan, np.nan) if np.isnan(total) else (mean, mean, float(mean == 0))

    def critical(p: float) -> float:
        return -sum(part * special.stdtrit(freedom, p / 2) for part, freedom in parts if part) / total

    error = np.sqrt(total / n)
    half = critical(1 - LEVEL) * error
    if critical(SMALLEST_P) < abs(mean) / error:
        p = 0.0
    else:
        p = optimize.brentq(lambda p: critical(p) - abs(mean) / error, SMALLEST_P, 1, xtol=SMALLEST_P)
    return float(mean - half), float(mean + half), float(p)


def needed(found: Difference, seeds: int, cases: int, margin: float | None = None) -> tuple[int | None, int | None]:
    """The smallest numbers of seeds, with as many cases, and of cases, with as many seeds, that would decide.

    That is: were mean and components of variance those that were found, the interval of the mean would be clear of 0,
    or within the margin. None where more than ``MOST_NEEDED`` would be, or a component is unknown.
    """
    if np.isnan([found.sd_seeds, found.sd_cases, found.sd_rest]).any():
        return None, None
    numbers, mean = np.arange(2, MOST_NEEDED + 1), abs(found.mean)
    smallest = []
    for half in (_half_widths(found, numbers, cases), _half_widths(found, seeds, numbers)):
        decides = (mean > half) | (mean + half < (margin or 0))
        smallest.append(int(numbers[decides.argmax()]) if decides.any() else None)
    return smallest[0], smallest[1]


def needed_where_not_shown(row: Any, column: Column) -> tuple[int | None, int | None]:
    """:func:`needed` of a row with its verdict, nothing where that is another one."""
    if row["verdict"] != NOT_SHOWN:
        return None, None
    named = {"mean": "difference"}
    found = Difference(**{field.name: row[named.get(field.name, field.name)] for field in fields(Difference)})
    return needed(found, row["seeds"], row["cases"], column.margin)


def _half_widths(found: Difference, seeds: np.ndarray | int, cases: np.ndarray | int) -> np.ndarray:
    """Half the interval of :func:`crossed_difference` that components of variance lead to expect; numbers above 1."""
    of_seeds, of_cases = found.sd_rest**2 + cases * found.sd_seeds**2, seeds * found.sd_cases**2
    total = of_seeds + of_cases
    weighted = of_seeds * _critical(seeds - 1) + of_cases * _critical(cases - 1)
    return weighted / np.where(total > 0, np.sqrt(total * seeds * cases), 1)


def _critical(freedom: np.ndarray | int) -> np.ndarray:
    """Student's critical value at ``LEVEL``, of a table as :func:`needed` asks for thousands of each difference."""
    most = int(np.max(freedom))
    return _critical_values(max(most, MOST_NEEDED))[freedom]


@cache
def _critical_values(most: int) -> np.ndarray:
    return -special.stdtrit(np.arange(most + 1), (1 - LEVEL) / 2)


def holm(p: Sequence[float]) -> np.ndarray:
    """Values of p adjusted for their number by Holm's method; NaN stay, and do not count."""
    values = np.asarray(p, dtype=float)
    order = [place for place in np.argsort(values) if not np.isnan(values[place])]
    adjusted, largest = values.copy(), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def verdict(row: Any, column: Column) -> str:
    """``equivalent``: the interval lies within the column's margin; ``better`` or ``worse``: it is clear of 0, after
    adjustment; otherwise ``not shown``, as with a single seed, which says nothing about the next training."""
    if row["seeds"] < 2 or np.isnan(row["p_holm"]):
        return NOT_SHOWN
    if column.margin is not None and max(-row["low"], row["high"]) < column.margin:
        return EQUIVALENT
    if row["p_holm"] >= 1 - LEVEL:
        return NOT_SHOWN
    return BETTER if (row["difference"] > 0) == (column.better == "higher") else WORSE


def comparisons(
    runs: Sequence[EvaluatedRun],
    per_run: pd.DataFrame,
    reference: str | None,
    references: Mapping[str, str] | None = None,
    test: str | None = None,
    base: str | None = None,
    bases: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Each loss against the reference, in each setting, for each cut and column that is signed or has a better end.

    With a ``base`` also each loss of the other variants against the same loss of that one.

    Of a signed column, such as a bias, the mean that is closer to 0 is better: ``difference`` is that of the absolute
    means, by the differences of what has the sign of its mean, and ``better_share`` how often the loss is closer to 0.
    Columns of cases are compared by case (mean over its structures) and seed; those of whole runs by seed, ``cases`` is
    1 there. ``p_holm`` is adjusted within data set, cut and column. ``better_share``: how often the loss is better than
    the reference in a case and seed, a tie counts half. ``seeds_needed``, ``cases_needed``: of :func:`needed`, before
    adjustment, where the verdict is ``not shown``.

    Args:
        per_run: rows of :func:`lib.comparison.summary.run_rows`.
        reference: a loss; where it was not run, the first one stands for it.
        references: loss -> the one that it is compared with instead.
        base: a variant.
        bases: variant -> the one that it is compared with instead.
        test: ``anova_tukey`` adds ``published_test_p``: one-way ANOVA over losses with seeds as samples, and Tukey's
            test of the pair; the larger p.
    """
    directed = directed_columns(runs) | signed_columns(runs)
    overall = per_run[per_run["structure"] == ALL]
    settings = by_setting(runs)
    pairs = [*pairs_of_losses(settings, reference, references or {}), *_of_variants(settings, base, bases or {})]
    table = pd.DataFrame(row for pair in pairs for row in _compared(*pair, overall, directed))
    if not table.empty:
        table["p_holm"] = table.groupby(["dataset", "cut", "column"])["p"].transform(holm).astype(float)
        table["verdict"] = [verdict(row, directed[row["column"]]) for _, row in table.iterrows()]
        numbers = [needed_where_not_shown(row, directed[row["column"]]) for _, row in table.iterrows()]
        table[["seeds_needed", "cases_needed"]] = pd.DataFrame(numbers, table.index, dtype="Int64")
    table = table.reindex(columns=COLUMNS)
    return _with_anova(table, overall) if test == "anova_tukey" else table


Seeds = Mapping[int, EvaluatedRun]
"""The runs of a loss in one setting."""
Settings = Mapping[tuple[str, ...], Mapping[str, Seeds]]
"""The runs by setting and loss."""


def by_setting(runs: Sequence[EvaluatedRun]) -> Settings:
    """The runs by setting, loss and seed."""
    settings: dict[tuple[str, ...], dict[str, dict[int, EvaluatedRun]]] = {}
    for run in runs:
        settings.setdefault(run.group, {}).setdefault(run.keys["loss"], {})[run.keys["seed"]] = run
    return settings


def pairs_of_losses(
    by_setting: Settings, reference: str | None, references: Mapping[str, str]
) -> Iterator[tuple[Seeds, Seeds]]:
    """Each loss and its reference, in each setting."""
    for by_loss in by_setting.values():
        first = reference if reference in by_loss else next(iter(by_loss))
        for loss, compared in by_loss.items():
            other = references[loss] if references.get(loss) in by_loss else first
            if loss != other:
                yield compared, by_loss[other]


def _of_variants(by_setting: Settings, base: str | None, bases: Mapping[str, str]) -> Iterator[tuple[Seeds, Seeds]]:
    """Each loss of another variant and the same loss of its base, on each data set; nothing without a base."""
    first: dict[tuple[str, ...], Mapping[str, Seeds]] = {}
    for setting, by_loss in by_setting.items():
        first.setdefault(setting[:3], by_loss)  # of levels that a variant crosses the first
    for setting, by_loss in by_setting.items():
        own = bases.get(setting[2], base)
        others = first.get((*setting[:2], own), {}) if own and own != setting[2] else {}
        for loss, compared in by_loss.items():
            if reference := others.get(next(iter(compared.values())).base_loss or loss):
                yield compared, reference


def _compared(
    compared: Seeds, reference: Seeds, overall: pd.DataFrame, directed: Mapping[str, Column]
) -> Iterator[dict[str, Any]]:
    """A row for each cut and column of a pair; of the cuts that both have."""
    seeds = sorted(compared.keys() & reference.keys())
    pair = [[of_seed[seed] for seed in seeds] for of_seed in (compared, reference)]
    of_runs = [rows_of_runs(runs, overall) for runs in pair] if seeds else []
    for cut in [cut for cut in pair[0][0].cuts if cut in pair[1][0].cuts] if seeds else ():
        of_cases = [by_case(runs, cut) for runs in pair]
        shared = _cases_of_all([*of_cases[0], *of_cases[1]])
        of_cases = [[cases.loc[shared] for cases in of_seeds] for of_seeds in of_cases]
        of_cut = [rows[rows["cut"] == cut] for rows in of_runs]
        for name, column in directed.items():
            if name in of_cases[0][0] and name in of_cases[1][0]:
                values = [np.stack([cases[name] for cases in of_seeds]) for of_seeds in of_cases]
            elif all(name in rows for rows in of_cut):
                values = [rows[name].to_numpy(float)[:, None] for rows in of_cut]
            else:
                continue
            pair_of_values = np.stack(values)
            pair_of_values = pair_of_values[:, :, ~np.isnan(pair_of_values).any(axis=(0, 1))]
            if pair_of_values.size:
                counts = {"seeds": len(seeds), "cases": pair_of_values.shape[2]}
                yield _keys(pair) | {"cut": cut, "column": name, **counts, **_described(*pair_of_values, column)}


def _keys(pair: Sequence[Sequence[EvaluatedRun]]) -> dict[str, Any]:
    compared, reference = (runs[0].keys for runs in pair)
    keys = {name: compared[name] for name in KEYS}
    return keys | {"reference": reference["loss"], "reference_variant": reference["variant"]}


def rows_of_runs(runs: Sequence[EvaluatedRun], overall: pd.DataFrame) -> pd.DataFrame:
    """The rows of some runs that differ in the seed alone, in its order."""
    alike = (overall[KEYS] == [runs[0].keys[name] for name in KEYS]).all(axis=1)
    return overall[alike & overall["seed"].isin([run.keys["seed"] for run in runs])].sort_values("seed")


def _described(compared: np.ndarray, reference: np.ndarray, column: Column) -> dict[str, float]:
    """Numbers of a pair from its values (seeds, cases)."""
    better = compared - reference
    if column.signed:
        better = np.abs(reference) - np.abs(compared)
        compared, reference = (np.copysign(1, values.mean()) * values for values in (compared, reference))
    elif column.better == "lower":
        better = -better
    found = asdict(crossed_difference(compared - reference))
    return {"difference": found.pop("mean"), "better_share": float((np.sign(better) + 1).mean() / 2)} | found


def by_case(runs: Sequence[EvaluatedRun], cut: str) -> list[pd.DataFrame]:
    """Of each run the means over structures, a row for each case, in the order of their names."""
    return [run.means_of_cases.get(cut, run.cases[:0].set_index("case")) for run in runs]


def _cases_of_all(tables: Sequence[pd.DataFrame]) -> pd.Index:
    return functools.reduce(pd.Index.intersection, [table.index for table in tables])


def mean_of(runs: Sequence[EvaluatedRun], column: str, cut: str, overall: pd.DataFrame) -> Difference:
    """Mean of a column over the seeds of a loss and its cases, with the interval of :func:`crossed_difference`.

    A case is the mean over its structures. Of a column of whole runs seeds are all that varies. NaN without any value.

    Args:
        runs: that differ in the seed alone.
        overall: rows of :func:`lib.comparison.summary.run_rows` of all structures.
    """
    of_cases = by_case(runs, cut)
    if column in of_cases[0]:
        values = np.stack([cases.loc[_cases_of_all(of_cases), column] for cases in of_cases])
    else:
        rows = rows_of_runs(runs, overall)
        values = rows[rows["cut"] == cut][column].to_numpy(float)[:, None]
    known = values[:, ~np.isnan(values).any(axis=0)]
    return crossed_difference(known) if known.size else Difference(*[np.nan] * len(fields(Difference)))


def _with_anova(table: pd.DataFrame, overall: pd.DataFrame) -> pd.DataFrame:
    """``published_test_p`` of each row: nothing where a loss has a single seed or nothing varies."""
    table = table.assign(published_test_p=np.nan)
    for (*setting, cut), runs in overall.groupby([*SETTING, "cut"], sort=False):
        rows = table[(table[[*SETTING, "cut"]] == [*setting, cut]).all(axis=1)]
        for column, compared in rows.groupby("column", sort=False):
            p = _anova_tukey(runs, column) if column in runs else {}
            for place, loss, reference in compared[["loss", "reference"]].itertuples():
                table.loc[place, "published_test_p"] = p.get((loss, reference), np.nan)
    return table


def _anova_tukey(runs: pd.DataFrame, column: str) -> dict[tuple[str, str], float]:
    """The larger p of both tests, by pair of losses with two seeds or more."""
    samples = {loss: part[column].dropna() for loss, part in runs.groupby("loss", sort=False)}
    samples = {loss: values for loss, values in samples.items() if len(values) > 1}
    if len(samples) < 2 or not sum(map(np.var, samples.values())):
        return {}
    anova, tukey = stats.f_oneway(*samples.values()).pvalue, stats.tukey_hsd(*samples.values()).pvalue
    return {
        (loss, other): max(anova, tukey[i, j])
        for (i, loss), (j, other) in itertools.permutations(enumerate(samples), 2)
    }
