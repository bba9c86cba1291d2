"""What each loss costs, of the table of costs of a study."""

import math

import pandas as pd

from lib.report.losses import is_cross_entropy
from lib.report.studies import Setting, StudyTables

SAME_COMPUTATION = ["dataset", "resampling", "network"]
"""What decides the time of a step besides the loss."""


def measured_costs(study: StudyTables) -> pd.DataFrame:
    """The measured rows, with ``in_ce``: time of a step in units of cross-entropy, NaN where that was not measured."""
    table = study.table("cost")
    if "kind" not in table or table.empty:
        return pd.DataFrame(columns=[*table.columns, "in_ce"])
    rows = table[table["kind"] == "measured"].copy()
    plain = rows[[is_cross_entropy(loss, study.about.losses) for loss in rows["loss"]]]
    unit = plain.groupby(SAME_COMPUTATION)["seconds_per_step"].first()
    of_row = [unit.get(tuple(row), math.nan) for row in rows[SAME_COMPUTATION].itertuples(index=False)]
    return rows.assign(in_ce=rows["seconds_per_step"] / of_row)


def cost_in_ce(costs: pd.DataFrame, setting: Setting, loss: str) -> float:
    """Of a step with a loss; NaN where it was not measured."""
    if costs.empty:
        return math.nan
    same = (costs[SAME_COMPUTATION] == [setting[name] for name in SAME_COMPUTATION]).all(axis=1)
    found = costs.loc[same & (costs["loss"] == loss), "in_ce"].dropna()
    return float(found.iloc[0]) if len(found) else math.nan
