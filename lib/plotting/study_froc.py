"""FROC of a study's own runs: the published panels, with the spread over seeds instead of over subsamples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib.comparison.runs import unusable
from lib.comparison.summary import LesionRun
from lib.evaluation.froc import CORRECTED, DRAWN_UP_TO, DrawnCurve, count_by_case, full_curve
from lib.plotting.froc import GROUPS, FrocLine, draw_froc_panel
from lib.plotting.style import (
    LOSS_COLOURS,
    PALETTE,
    is_inverse_weighted,
    loss_colour,
    loss_label,
    new_figure,
    save_figure,
)

_HEADINGS = {"all": "all lesions", "small": "small lesions", "tuned": "all lesions, tuned cut"}
_SPREAD = "Lines: mean over seeds, a curve held where its components end; bands: ±1 sd over seeds."
_EXPLANATIONS = {
    "all": "Components are cut at probability 0.5 and ranked by their largest logit; false positives are per test"
    " case, all cases counted.\nAny shared voxel counts as found: where object Dice (mean Dice of the found lesions"
    " with their components) is near 0,\na few huge components meet every lesion and the curve says nothing. See"
    " froc_tuned.pdf.",
    "small": "Lesions and unmatched components below the stated diameter; larger false components are not counted"
    " (as published).\nComponents are cut at probability 0.5. Object Dice is that of all lesions: where it is near"
    " 0, the curve says nothing.",
    "tuned": "Components are cut at the logit with the best mean Dice on the validation cases and ranked by their"
    " largest logit;\nfalse positives are per test case, all cases counted.",
}


def draw_study_froc(
    runs: Sequence[LesionRun], per_run: pd.DataFrame, objects: str, note: str, path: Path
) -> None:
    """One row of panels per data set and variant: the two published groups of losses, and all others, where any ran.

    Args:
        per_run: the study's table of runs, for object Dice and what has collapsed or is poor.
        objects: ``all``, ``small`` for lesions below the study's diameter, or ``tuned`` for all lesions and
            components cut at each run's tuned logit.
        note: what the scale of the study is evidence of.
    """
    parts = list(dict.fromkeys(run.part for run in runs))
    members = {part: [run for run in runs if run.part == part] for part in parts}
    footer = [
        note,
        _EXPLANATIONS[objects],
        _SPREAD,
        *(_counts(members[part], objects) for part in parts),
    ]
    groups = {part: _groups(members[part]) for part in parts}
    columns = [column for column in range(len(GROUPS) + 1) if any(groups[part][column] for part in parts)]
    figure = new_figure(max(3.8 * len(columns), 7.5), 3.9 * len(parts) + 0.8, "\n".join(footer))
    axes = figure.subplots(len(parts), len(columns), sharex=True, sharey=True, squeeze=False)
    for row, part in zip(axes, parts, strict=True):
        for axis, column in zip(row, columns, strict=True):
            lines = [_line(loss, members[part], objects, per_run) for loss in groups[part][column]]
            draw_froc_panel(axis, lines)
            if lines:
                measure = "Dice" if objects == "tuned" else "object Dice"
                axis.legend(loc="best", title=f"loss ({measure})", title_fontsize=9, alignment="right")
            axis.tick_params(labelleft=True)
        row[0].set_ylabel("Recall")
        row[0].set_title(f"{members[part][0].title}, {_HEADINGS[objects]}", loc="left", weight="bold")
    for axis in axes[-1]:
        axis.set_xlabel("Average FP")
    save_figure(figure, path)


def _groups(members: Sequence[LesionRun]) -> list[list[str]]:
    losses = {run.keys["loss"] for run in members}
    return [*([loss for loss in group if loss in losses] for group in GROUPS), _others(members)]


def _others(members: Sequence[LesionRun]) -> list[str]:
    """Losses that are in none of the published groups."""
    losses = dict.fromkeys(run.keys["loss"] for run in members)
    return [loss for loss in losses if not any(loss in group for group in GROUPS)]


def _line(loss: str, members: Sequence[LesionRun], objects: str, per_run: pd.DataFrame) -> FrocLine:
    curves = [
        full_curve(count_by_case(run.records(objects), CORRECTED))
        for run in members
        if run.keys["loss"] == loss
    ]
    end = min(DRAWN_UP_TO, max(curve.false_positives.max() for curve in curves))
    x = np.linspace(0, end, int(100 * end) + 1)
    recall = np.concatenate([curve.recall_at(x, from_origin=False) for curve in curves])
    spread = recall.std(axis=0, ddof=1) if len(recall) > 1 else np.zeros_like(x)
    drawn = DrawnCurve(x, recall.mean(axis=0), spread)
    known = loss.removeprefix("iw") in LOSS_COLOURS
    colour = loss_colour(loss) if known else PALETTE[_others(members).index(loss) % len(PALETTE)]
    label = f"{loss_label(loss) if known else loss} {_outcome(loss, members[0].part, objects, per_run)}"
    return FrocLine(label, colour, drawn, not is_inverse_weighted(loss))


def _outcome(loss: str, part: str, objects: str, per_run: pd.DataFrame) -> str:
    """Mean Dice, without which a curve misleads, and how many runs have collapsed or are poor."""
    rows = per_run[(per_run["loss"] == loss) & (per_run["dataset"] + "/" + per_run["variant"] == part)]
    dice = rows["dice_tuned" if objects == "tuned" else "object_dice"].mean()
    return f"({dice:.2f}) {unusable(rows['status'])}".rstrip()


def _counts(members: Sequence[LesionRun], objects: str) -> str:
    records = members[0].records(objects)
    seeds = sorted({run.keys["seed"] for run in members})
    limit = f" below {members[0].small_limit:.3g} voxels of diameter" if objects == "small" else ""
    return (
        f"{members[0].title}: n = {len(records.cases)} test cases,"
        f" {int(records.table['is_tum'].sum())} lesions{limit}; seeds {', '.join(map(str, seeds))}."
    )
