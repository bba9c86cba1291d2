"""What the runs of a study cost, beside the number by which it judges."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lib.comparison.results import KEYS, EvaluatedRun, StudyResults, read_table
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


def archived_costs(path: Path, results: StudyResults) -> pd.DataFrame:
    """A table of costs as it was measured, with the means of these results; costs of what has no run are left out.

    Raises:
        SeglossError: the file is no such table.
    """
    overall = results.overall(results.table("runs"))
    table = read_table(path, ("kind", *KEYS, *COSTS), ["item", "note", "source"]).reindex(columns=COLUMNS)
    rows = []
    for row in table.astype(object).to_dict("records"):
        if row["kind"] == PUBLISHED:
            rows.append(row)
        elif same := _runs_like(row, results):
            rows.append(row | _judged(same, results, overall))
    return pd.DataFrame(rows, columns=COLUMNS)


def _runs_like(keys: Mapping[str, Any], results: StudyResults) -> list[EvaluatedRun]:
    return [run for run in results.runs if all(run.keys[name] == keys[name] for name in KEYS)]


def _judged(same: Sequence[EvaluatedRun], results: StudyResults, overall: pd.DataFrame) -> dict[str, Any]:
    found = mean_of(same, results.primary.column, results.primary_cut, overall)
    means = {"mean": found.mean, "low": found.low, "high": found.high}
    return {"column": results.primary.column, **means, "seeds": len(same)}


def _measured(run: EvaluatedRun, results: StudyResults, overall: pd.DataFrame) -> dict[str, Any]:
    same = _runs_like(run.keys, results)
    path = run.folder / "cost.json"
    costs = read_json(path)
    try:
        measured = {name: costs[name] for name in COSTS} | {name: costs["conditions"][name] for name in CONDITIONS}
    except (KeyError, TypeError) as error:
        raise SeglossError(f"{path}: costs were expected ({error}); delete it and run again") from error
    return {"kind": MEASURED, **run.keys, "item": same[0].variant, **measured, **_judged(same, results, overall)}
