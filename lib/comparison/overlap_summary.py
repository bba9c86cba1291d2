"""The outcome of a study of voxel overlap as tables: runs, and losses next to published numbers."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lib.comparison.runs import EvaluatedRun, read_table, run_status
from lib.evaluation.overlap import MEASURED, pooled_dice
from lib.labels import MASK_KINDS

TESTED = [f"test_{name}" for name in MEASURED["overlap"]]
METRIC = TESTED[0]
SAME_FOR_ALL_SEEDS = ("test_cases", "epochs_averaged", "masks_dice", "trivial_dice")


def run_row(run: EvaluatedRun) -> dict[str, Any]:
    """All numbers of one run.

    ``test_dice_pooled`` (all test voxels together) and ``test_dice`` (mean over test cases) are means over the last
    epochs in which the training measured them, of the last network alone where it measured none; ``..._last`` are
    those of the last network. ``noisy_fit`` and ``clean_fit``: Dice of the last epoch's predictions for training cases
    with noise, with their noisy and with their clean masks. ``trivial_dice`` is the pooled Dice of marking everything;
    a run that is not above it, or marks nothing, has ``collapsed`` (:func:`lib.comparison.runs.run_status`).
    """
    cases = read_table(run.folder / "overlap.csv", ("case", "dice"))
    history = run.history()
    last = {METRIC: pooled_dice(cases.to_dict("records")), "test_dice": float(cases["dice"].mean())}
    averaged = history.reindex(columns=TESTED).dropna()
    share = cases["present"].sum() / cases["voxels"].sum()
    trivial = 2 * share / (1 + share)
    row = {
        **run.keys,
        "status": run_status(last["test_dice"], collapsed=not last[METRIC] > trivial),
        "test_cases": len(cases),
        "epochs_averaged": max(len(averaged), 1),
        **(averaged.mean().to_dict() if len(averaged) else last),
        **{f"{name}_last": value for name, value in last.items()},
        "masks_dice": run.masks_dice(),
        "noisy_fit": _fit(history, "masks"),
        "clean_fit": _fit(history, "clean"),
        "trivial_dice": trivial,
    }
    return row | {name: history[name].iloc[-1] for name in history if name.split(".")[-1] == "nu"}


def _fit(history: pd.DataFrame, masks: str) -> float:
    """Dice with ``masks`` at the end of the training, mean over the kinds of noise that came up in the last epoch."""
    kinds = [f"dice_{kind}_{masks}" for kind in MASK_KINDS[1:]]
    return float(history.reindex(columns=kinds).iloc[-1].mean())


def beside_published(
    summary: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """The summary with the published Dice, the difference to it, and whether the two spreads (1 sd each) meet.

    Published rows of the same data sets that no run reproduces stay, with the status ``not run``.

    Args:
        published: rows of `published/*.csv`; their ``variant`` names the noise.
        names: by column (``dataset``, ``loss``), our names -> the published ones where they differ.
    """
    theirs = {"dataset": "their_dataset", "noise": "noise", "loss": "their_loss"}
    keys = list(theirs.values())
    ours = summary.assign(
        **{
            theirs[column]: summary[column].replace(dict(names.get(column, {})))
            for column in ("dataset", "loss")
        }
    )
    printed = published[
        (published["metric"] == "test_dice") & published["dataset"].isin(ours["their_dataset"])
    ]
    printed = printed.rename(columns={"variant": "noise", "value": "published", "spread": "published_sd"})
    printed = printed.rename(columns=theirs)[[*keys, "published", "published_sd"]]
    table = ours.merge(printed, on=keys, how="left")
    not_run = printed[~printed.set_index(keys).index.isin(ours.set_index(keys).index)]
    not_run = not_run.assign(dataset=not_run["their_dataset"], loss=not_run["their_loss"], status="not run")
    table = pd.concat([table, not_run]).convert_dtypes()  # counts stay whole numbers next to empty cells
    table["difference"] = table[METRIC] - table["published"]
    within = table["difference"].abs() <= table[f"{METRIC}_sd"].fillna(0) + table["published_sd"]
    table["within_spreads"] = within.map({True: "yes", False: "no"}).where(table["difference"].notna(), "")
    return table.drop(columns=["their_dataset", "their_loss"]).reset_index(drop=True)
