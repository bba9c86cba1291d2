"""FROC of a study's own runs: the published panels, with the spread over seeds instead of over subsamples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib.comparison.summary import EvaluatedRun
from lib.datasets import DATASETS
from lib.evaluation.froc import CORRECTED, DRAWN_UP_TO, DrawnCurve, count_by_case, full_curve, small_objects
from lib.evaluation.records import Records
from lib.plotting.froc import FrocLine, draw_froc_panel
from lib.plotting.style import (
    LOSS_COLOURS,
    PALETTE,
    is_inverse_weighted,
    loss_colour,
    loss_label,
    new_figure,
    save_figure,
)

PUBLISHED_GROUPS = (("iwdl", "dl", "iwbce", "bce"), ("iwasl", "asl", "iwfl", "fl"))
SCALES = {
    "demo": "Demo scale: a small network on phantoms, a check of the machinery and no evidence about patients.",
    "paper": "Paper scale: the publication's data and settings.",
}
_EXPLANATION = (
    "Lines: mean over seeds; bands: ±1 sd over seeds. Components are cut at probability 0.5 and ranked by their"
    " largest logit;\nfalse positives are per test case, all cases counted. A curve ends where its components end.\n"
    "Object Dice: mean Dice of all found lesions with their components. Near 0, a few huge components meet every lesion"
    " and the curve says nothing."
)


def draw_study_froc(
    runs: Sequence[EvaluatedRun], per_run: pd.DataFrame, objects: str, scale: str, path: Path
) -> None:
    """One row of panels per data set and variant: the two published groups of losses, and all others.

    Args:
        per_run: the study's table of runs, for object Dice and what has collapsed.
        objects: ``all``, or ``small`` for lesions below the study's diameter.
    """
    parts = list(dict.fromkeys(run.part for run in runs))
    members = {part: [run for run in runs if run.part == part] for part in parts}
    footer = [SCALES[scale], _EXPLANATION, *(_counts(members[part], objects) for part in parts)]
    figure = new_figure(11.5, 3.9 * len(parts) + 0.8, "\n".join(footer))
    axes = figure.subplots(len(parts), len(PUBLISHED_GROUPS) + 1, sharex=True, sharey=True, squeeze=False)
    for row, part in zip(axes, parts, strict=True):
        for axis, losses in zip(row, _groups(members[part]), strict=True):
            lines = [_line(loss, members[part], objects, per_run) for loss in losses]
            draw_froc_panel(axis, lines)
            if lines:
                axis.legend(
                    loc="lower right", title="loss (object Dice)", title_fontsize=9, alignment="right"
                )
            axis.tick_params(labelleft=True)
        row[0].set_ylabel("Recall")
        row[0].set_title(f"{_title(members[part])}, {objects} objects", loc="left", weight="bold")
    for axis in axes[-1]:
        axis.set_xlabel("Average FP")
    save_figure(figure, path)


def _title(members: Sequence[EvaluatedRun]) -> str:
    return DATASETS[members[0].keys["dataset"]].title


def _groups(members: Sequence[EvaluatedRun]) -> list[list[str]]:
    losses = list(dict.fromkeys(run.keys["loss"] for run in members))
    published = [[loss for loss in group if loss in losses] for group in PUBLISHED_GROUPS]
    return [*published, [loss for loss in losses if not any(loss in group for group in published)]]


def _line(loss: str, members: Sequence[EvaluatedRun], objects: str, per_run: pd.DataFrame) -> FrocLine:
    curves = [
        full_curve(count_by_case(_objects(run, objects), CORRECTED))
        for run in members
        if run.keys["loss"] == loss
    ]
    end = min(DRAWN_UP_TO, max(curve.false_positives.max() for curve in curves))
    x = np.linspace(0, end, int(100 * end) + 1)
    recall = np.concatenate([curve.recall_at(x, from_origin=False) for curve in curves])
    drawn = DrawnCurve(x, recall.mean(axis=0), recall.std(axis=0))
    known = loss.removeprefix("iw") in LOSS_COLOURS
    colour = loss_colour(loss) if known else PALETTE[sum(map(ord, loss)) % len(PALETTE)]
    label = f"{loss_label(loss) if known else loss} {_outcome(loss, members[0].part, per_run)}"
    return FrocLine(label, colour, drawn, not is_inverse_weighted(loss))


def _outcome(loss: str, part: str, per_run: pd.DataFrame) -> str:
    """Mean object Dice, without which a curve misleads: one component over half the volume meets every lesion."""
    rows = per_run[(per_run["loss"] == loss) & (per_run["dataset"] + "/" + per_run["variant"] == part)]
    collapsed = (rows["status"] == "collapsed").sum()
    return f"({rows['object_dice'].mean():.2f})" + (
        f" {collapsed} of {len(rows)} collapsed" if collapsed else ""
    )


def _objects(run: EvaluatedRun, objects: str) -> Records:
    records = run.records()
    return small_objects(records, run.small_diameter) if objects == "small" else records


def _counts(members: Sequence[EvaluatedRun], objects: str) -> str:
    records = _objects(members[0], objects)
    seeds = sorted({run.keys["seed"] for run in members})
    limit = f" below {members[0].small_diameter:g} voxels of diameter" if objects == "small" else ""
    return (
        f"{_title(members)}: n = {len(records.cases)} test cases,"
        f" {int(records.table['is_tum'].sum())} lesions{limit}; seeds {', '.join(map(str, seeds))}."
    )
