"""Whether losses differ in what their seeds reached: ANOVA and Tukey's test."""

import pandas as pd
from scipy import stats

from lib.comparison.runs import KEYS

SETTING = KEYS[:-1]
SIGNIFICANT = 0.05


def pairwise_tests(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One-way ANOVA over losses and Tukey's HSD of every pair, on the seeds' ``metric``.

    Per data set, variant and noise; empty where no setting has two losses with two seeds or more.
    """
    columns = [*SETTING, "anova_f", "anova_p", "loss", "other", "difference", "low", "high", "p"]
    rows = []
    for keys, group in runs.groupby(SETTING, sort=False):
        samples = {loss: part[metric].to_numpy() for loss, part in group.groupby("loss", sort=False)}
        samples = {loss: values for loss, values in samples.items() if len(values) > 1}
        if len(samples) < 2 or not sum(values.var() for values in samples.values()):
            continue
        f, p = stats.f_oneway(*samples.values())
        tukey = stats.tukey_hsd(*samples.values())
        interval = tukey.confidence_interval(1 - SIGNIFICANT)
        for i, loss in enumerate(samples):
            for j, other in enumerate(samples):
                if i != j:
                    numbers = (
                        tukey.statistic[i, j],
                        interval.low[i, j],
                        interval.high[i, j],
                        tukey.pvalue[i, j],
                    )
                    rows.append((*keys, f, p, loss, other, *numbers))
    return pd.DataFrame(rows, columns=columns)


def differing(summary: pd.DataFrame, tests: pd.DataFrame) -> pd.Series:
    """Of each row of the summary, the losses that its loss differs from (Tukey, p < 0.05)."""
    shown = tests[(tests["p"] < SIGNIFICANT) & (tests["anova_p"] < SIGNIFICANT)]

    def description(row: pd.Series) -> str:
        def same(table: pd.DataFrame) -> pd.Series:
            return (table[KEYS] == row[KEYS]).all(axis=1)

        if not same(tests).any():
            return f"not tested: {'fewer than two seeds' if row['seeds'] < 2 else 'nothing to distinguish'}"
        return " ".join(shown.loc[same(shown), "other"]) or "no difference shown"

    return summary.apply(description, axis=1)
