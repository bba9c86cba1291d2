"""The outcome of a study of surfaces as tables: runs, and published numbers with what was reached beside them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.comparison.runs import EvaluatedRun
from lib.training.following import best_epoch

METRIC = "dice"
MEANS = ("dice", "dice_slices", "nsd", "hd", "hd95", "hd95_directed", "assd", "row_hausdorff")
SAME_FOR_ALL_SEEDS = ("test_cases", "structures", "dice_slices_of_nothing", "masks_dice")
PUBLISHED_AS = {
    # metric of published/*.csv -> what it is called, our column, what a reader must know of it
    "dice_slices": (
        "Dice per slice",
        "dice_slices_best_epoch",
        "nothing predicted: {dice_slices_of_nothing:.3f}; last network: {dice_slices:.3f}",
    ),
    "row_hausdorff": (
        "HD as printed: rows as points",
        "row_hausdorff",
        "true HD95: {hd95:.1f} mm",
    ),
}


def run_row(run: EvaluatedRun) -> dict[str, Any]:
    """All numbers of one run: means over test cases and structures, distances in mm.

    ``empty_predictions``: structures that are there and of which no voxel was predicted; their distances are the
    diagonal of the image. ``lesion_recall``: share of lesions that a predicted voxel touches; ``wrong_components``:
    predicted components that touch none, per case. ``dice_slices_of_nothing``: the Dice per slice of an empty
    prediction. ``best_epoch`` and ``..._best_epoch``: the epoch with the largest Dice per slice of the test cases and
    its values, which is what the boundary loss's publication reports; recorded, never used. A run that marks nothing
    has ``collapsed``.
    """
    cases = pd.read_csv(run.folder / "surface.csv")
    lesions = cases["lesions"].sum()
    return {
        **run.keys,
        "status": "learnt" if cases["predicted"].any() else "collapsed",
        "test_cases": cases["case"].nunique(),
        "structures": cases["structure"].nunique(),
        **{name: float(cases[name].mean()) for name in MEANS},
        "lesion_recall": cases["lesions_found"].sum() / lesions if lesions else np.nan,
        "wrong_components": cases["components_wrong"].sum() / cases["case"].nunique(),
        "empty_predictions": int(((cases["predicted"] == 0) & (cases["present"] > 0)).sum()),
        "dice_slices_of_nothing": float(cases["slices_without"].mean()),
        "masks_dice": run.masks_dice(),
        **_at_best_epoch(run.history()),
    }


def _at_best_epoch(history: pd.DataFrame) -> dict[str, float]:
    names = ("dice", "dice_slices", "hd95")
    measured = history.reindex(columns=["epoch", *(f"test_{name}" for name in names)]).dropna()
    if measured.empty:
        return {"best_epoch": np.nan, **{f"{name}_best_epoch": np.nan for name in names}}
    best = measured.iloc[best_epoch(measured["test_dice_slices"].tolist())]
    return {
        "best_epoch": float(best["epoch"]),
        **{f"{name}_best_epoch": float(best[f"test_{name}"]) for name in names},
    }


def beside_published(
    summary: pd.DataFrame,
    published: pd.DataFrame,
    names: Mapping[str, Mapping[str, str]],
    titles: Mapping[str, str],
) -> pd.DataFrame:
    """Every published number with what was reached beside it, row by row; ``not run`` where nothing was.

    Args:
        summary: one row per data set, variant and loss, as :func:`lib.comparison.runs.by_loss` makes it.
        published: rows of `published/*.csv`.
        names: by column (``dataset``, ``loss``), our names -> the published ones where they differ.
        titles: data set -> its title.

    Returns:
        ``dataset``, ``title``, ``published_loss``, ``loss``, ``variant``, ``metric``, ``published``, ``published_sd``,
        ``ours``, ``ours_sd``, ``seeds``, ``difference``, ``within_spreads`` (1 sd each), ``status``, ``remark``.
    """
    ours = summary.assign(
        **{f"published_{key}": summary[key].replace(dict(names.get(key, {}))) for key in ("dataset", "loss")}
    )
    rows = []
    for printed in published.itertuples():
        title, column, remark = PUBLISHED_AS[printed.metric]
        same = ours[(ours["published_dataset"] == printed.dataset) & (ours["published_loss"] == printed.loss)]
        fixed = {
            "dataset": printed.dataset,
            "title": titles.get(printed.dataset, printed.dataset),
            "published_loss": printed.loss,
            "metric": title,
            "published": printed.value,
            "published_sd": printed.spread,
        }
        rows += [{**fixed, **_reached(row, column, remark)} for _, row in same.iterrows()]
        rows += [] if len(same) else [{**fixed, "status": "not run"}]
    columns = [
        *("dataset", "title", "published_loss", "loss", "variant", "metric", "published", "published_sd"),
        *("ours", "ours_sd", "seeds", "difference", "within_spreads", "status", "remark"),
    ]
    table = pd.DataFrame(rows).reindex(columns=columns)
    table["difference"] = table["ours"] - table["published"]
    within = table["difference"].abs() <= table["ours_sd"].fillna(0) + table["published_sd"]
    table["within_spreads"] = within.map({True: "yes", False: "no"}).where(table["ours"].notna(), "")
    return table


def _reached(row: pd.Series, column: str, remark: str) -> dict[str, Any]:
    kept = {key: row[key] for key in ("loss", "variant", "seeds")}
    return {
        **kept,
        "ours": row[column],
        "ours_sd": row[f"{column}_sd"],
        "status": "run",
        "remark": remark.format(**row),
    }
