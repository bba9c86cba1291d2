"""What the runs of a study cost, beside the number by which it judges."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lib.comparison.results import KEYS, EvaluatedRun, StudyResults
from lib.comparison.statistics import mean_of
from lib.errors import SeglossError
from lib.files import read_json

MEASURED, PUBLISHED = "measured", "published"
COSTS = (
    *("parameters", "multiply_adds", "seconds_per_step", "seconds_per_epoch", "seconds_per_case"),
    *("host_memory_mb", "device_memory_mb"),
)
CONDITIONS = (*("device", "threads", "precision", "batch_size", "patch_size", "steps_timed", "cases_timed", "torch"),)
COLUMNS = [
    "kind",
    *KEYS,
    "item",
    "seed",
    *COSTS,
    *CONDITIONS,
    "column",
    "mean",
    "low",
    "high",
    "seeds",
    "note",
    "source",
]


def cost_table(results: StudyResults, printed: Sequence[Mapping[str, str]] = ()) -> pd.DataFrame:
    """A row for each loss in each setting, then one for each published cost.

    ``kind``: ``measured`` or ``published``. ``item``: the variant with the levels of what is crossed, or what the
    publication calls it. ``seed``: of the run whose cost was measured. ``mean`` of ``column``, the number by which the
    study judges, over ``seeds`` and cases, its interval from ``low`` to ``high``.

    Args:
        printed: rows of :func:`lib.tables.read_published_costs`.
    """
    overall = results.overall(results.table("runs"))
    rows = [_measured(run, results, overall) for run in results.costed]
    rows += [{"kind": PUBLISHED, "column": "dice", "mean": float(row["dice"]), **row} for row in printed]
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _measured(run: EvaluatedRun, results: StudyResults, overall: pd.DataFrame) -> dict[str, Any]:
    same = [other for other in results.runs if all(other.keys[name] == run.keys[name] for name in KEYS)]
    found = mean_of(same, results.primary.column, results.primary_cut, overall)
    path = run.folder / "cost.json"
    costs = read_json(path)
    try:
        measured = {name: costs[name] for name in COSTS} | {name: costs["conditions"][name] for name in CONDITIONS}
    except (KeyError, TypeError) as error:
        raise SeglossError(f"{path}: costs were expected ({error}); delete it and run again") from error
    of_primary = {"column": results.primary.column, "mean": found.mean, "low": found.low, "high": found.high}
    return {"kind": MEASURED, **run.keys, "item": same[0].variant, **measured, **of_primary, "seeds": len(same)}
