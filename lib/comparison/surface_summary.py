"""The outcome of a study of surfaces as tables: runs, and published numbers with what was reached next to them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.comparison.runs import EvaluatedRun, read_table, run_status
from lib.training.selection import best_epoch

METRIC = "dice"
MEANS = ("dice", "dice_slices", "nsd", "hd", "hd95", "hd95_directed", "assd", "row_hausdorff")
SAME_FOR_ALL_SEEDS = ("test_cases", "structures", "dice_of_nothing", "dice_slices_of_nothing", "masks_dice")
PUBLISHED_AS = {
    # metric of published/*.csv -> what it is called, our column, what a reader must know of it
    "dice_slices": ("Dice per slice", "dice_slices", "predicting nothing: {dice_slices_of_nothing:.3f}"),
    "row_hausdorff": ("HD as printed: rows as points", "row_hausdorff", "true HD95: {hd95:.1f} mm"),
}
AT_BEST_EPOCH = ("dice", "dice_slices", "hd95")


def run_row(run: EvaluatedRun) -> dict[str, Any]:
    """All numbers of one run: means over test cases and structures, distances in mm.

    Structures that no test case has are left out. ``empty_predictions``: structures that are there and of which no
    voxel was predicted; their distances are the diagonal of the image. ``lesion_recall``: share of lesions that a
    predicted voxel touches; ``wrong_components``: predicted components that touch none, per case. ``dice_of_nothing``
    and ``dice_slices_of_nothing``: what an empty prediction gets; a run that is not above the former has
    ``collapsed`` (:func:`lib.comparison.runs.run_status`). ``best_epoch`` and ``..._best_epoch``: the epoch with the
    largest Dice per slice of the test cases and its values, which is what the boundary loss's publication reports; only
    of runs that measured every epoch and kept their last network.
    """
    cases = read_table(run.folder / "surface.csv", ("case", "structure", "components_wrong"))
    cases = cases[cases.groupby("structure")["present"].transform("sum") > 0]
    lesions, wrong = cases["lesions"].sum(), cases["components_wrong"].sum()
    means = {name: float(cases[name].mean()) for name in MEANS}
    empty_dice = float((cases["present"] == 0).mean())
    return {
        **run.keys,
        "status": run_status(
            means["dice"],
            collapsed=not means["dice"] > empty_dice,
            wrong_components=wrong,
            true_components=lesions,
        ),
        "test_cases": cases["case"].nunique(),
        "structures": cases["structure"].nunique(),
        **means,
        "lesion_recall": cases["lesions_found"].sum() / lesions if lesions else np.nan,
        "wrong_components": wrong / max(cases["case"].nunique(), 1),
        "empty_predictions": int(((cases["predicted"] == 0) & (cases["present"] > 0)).sum()),
        "dice_of_nothing": empty_dice,
        "dice_slices_of_nothing": float(cases["slices_without"].mean()),
        "masks_dice": run.masks_dice(),
        **_at_best_epoch(run.history()),
    }


def _at_best_epoch(history: pd.DataFrame) -> dict[str, float]:
    columns = {name: f"test_{name}" for name in AT_BEST_EPOCH}
    measured = history.reindex(columns=["epoch", *columns.values()]).dropna()
    if len(measured) < len(history) or "selected" in history:
        return {"best_epoch": np.nan, **{f"{name}_best_epoch": np.nan for name in columns}}
    best = measured.iloc[best_epoch(measured["test_dice_slices"].tolist())]
    return {
        "best_epoch": float(best["epoch"]),
        **{f"{name}_best_epoch": float(best[column]) for name, column in columns.items()},
    }


def beside_published(
    summary: pd.DataFrame,
    published: pd.DataFrame,
    names: Mapping[str, Mapping[str, str]],
    titles: Mapping[str, str],
) -> pd.DataFrame:
    """Every published number with what was reached next to it, row by row; ``not run`` where nothing was.

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
    for printed in published[published["metric"].isin(PUBLISHED_AS)].itertuples() if len(published) else ():
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
    """Of the epoch that the publication would report where the run has one, else of its network."""
    read, remark = column, remark.format(**row)
    if pd.notna(row.get(f"{column}_best_epoch")):
        read = f"{column}_best_epoch"
        remark = f"epoch chosen on the test cases, as published; last: {row[column]:.3f}; {remark}"
    return {
        **{key: row[key] for key in ("loss", "variant", "seeds")},
        "ours": row[read],
        "ours_sd": row[f"{read}_sd"],
        "status": "run",
        "remark": remark,
    }
