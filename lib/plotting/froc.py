"""FROC of a study's own runs: the published panels, with the spread over seeds instead of over subsamples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from lib.comparison.results import ALL, SETTING, EvaluatedRun, StudyResults, grouped
from lib.comparison.summary import unusable
from lib.measures.catalogue import DECIDED, PROBABILITY, TUNED
from lib.measures.froc import (
    CORRECTED,
    DRAWN_UP_TO,
    DrawnCurve,
    count_by_case,
    full_curve,
    small_limit,
    small_objects,
)
from lib.measures.records import Records
from lib.plotting.style import BAND_ALPHA, QUIET, loss_line_style, new_figure

_CUTS = {
    DECIDED: "Components are those of the decided labels",
    PROBABILITY: "Components are cut at probability 0.5",
    TUNED: "Components are cut at the logit with the best mean Dice on the validation cases",
}
_RANKED = "{} and ranked by their largest logit; false positives are per test case, all cases counted."
_SMALL = "Lesions and unmatched components below the stated diameter; as published, larger false ones do not count."
_MEET = (
    "Any shared voxel counts as found: where object Dice (mean Dice of all found lesions with their components) is near"
    " 0, a few huge components meet every lesion and the curve says nothing."
)
_SPREAD = "Lines: mean over seeds, a curve held where its components end; bands: ±1 sd over seeds."


@dataclass(frozen=True)
class FrocLine:
    """One curve of a panel; ``curve`` is None where its records are missing."""

    label: str
    colour: str
    curve: DrawnCurve | None
    dashes: str = "-"


def draw_froc_panel(axis: Axes, lines: Sequence[FrocLine]) -> None:
    """Draw mean recall and its band against average false positives; name the lines without a curve."""
    for line in lines:
        style = {"color": line.colour, "linestyle": line.dashes, "label": line.label}
        if line.curve is None:
            axis.plot([], [], **style)
            continue
        x, mean, std = line.curve.x, line.curve.mean, line.curve.std
        axis.plot(x, mean, **style)
        axis.fill_between(x, mean - std, mean + std, color=line.colour, alpha=BAND_ALPHA, linewidth=0)
    missing = [f"{line.label}: records missing" for line in lines if line.curve is None]
    axis.text(
        0.03,
        0.99,
        "\n".join(missing),
        transform=axis.transAxes,
        va="top",
        size=8,
        color=QUIET,
        style="italic",
    )
    axis.set(xlim=(0, DRAWN_UP_TO + 0.1), ylim=(0, 1.02))
    axis.xaxis.set_major_locator(FixedLocator(range(int(DRAWN_UP_TO) + 1)))
    axis.yaxis.set_major_locator(FixedLocator([0.2, 0.4, 0.6, 0.8, 1.0]))
    axis.yaxis.set_minor_locator(FixedLocator([0.1, 0.3, 0.5, 0.7, 0.9]))


def froc_figures(results: StudyResults, panels: Sequence[Sequence[str]], objects: str, cut: str) -> list[Figure]:
    """One row of panels per data set and variant: the groups of losses, and all others, where any ran.

    ``panels``, ``objects``, ``cut``: see `lib.plotting.catalogue.FrocCurves`.
    """
    parts = grouped(results.runs)
    several_variants = len({members[0].variant for members in parts}) > 1
    names = [f"{first.title}, {first.variant}" if several_variants else first.title for first, *_ in parts]
    read = {run.id: _records(run, objects, cut) for run in results.runs}
    footer = [results.note, _RANKED.format(_CUTS[cut])]
    footer += [_SMALL] if objects == "small" else []
    footer += [_MEET] if cut != TUNED else []
    footer += [_SPREAD, *(_counts(*part, read, objects, cut) for part in zip(names, parts, strict=True))]
    heading = f"{objects} lesions{', tuned cut' if cut == TUNED else ''}"
    groups = [_groups(members, panels) for members in parts]
    columns = [column for column in range(len(panels) + 1) if any(of_part[column] for of_part in groups)]
    figure = new_figure(max(3.8 * len(columns), 7.5), 3.9 * len(parts) + 0.8, "\n".join(footer))
    axes = figure.subplots(len(parts), len(columns), sharex=True, sharey=True, squeeze=False)
    per_run = results.table("runs")
    for row, name, members, of_part in zip(axes, names, parts, groups, strict=True):
        outcomes = _outcomes(per_run, members[0], cut)
        for axis, column in zip(row, columns, strict=True):
            lines = [_line(loss, members, read, results, outcomes) for loss in of_part[column]]
            draw_froc_panel(axis, lines)
            if lines:
                measure = "Dice" if cut == TUNED else "object Dice"
                axis.legend(loc="best", title=f"loss ({measure})", title_fontsize=9, alignment="right")
            axis.tick_params(labelleft=True)
        row[0].set_ylabel("Recall")
        row[0].set_title(f"{name}, {heading}", loc="left", weight="bold")
    for axis in axes[-1]:
        axis.set_xlabel("Average FP")
    return [figure]


def _records(run: EvaluatedRun, objects: str, cut: str) -> Records:
    """All lesions and components of a run, or the small ones."""
    details = run.details("lesions")
    records = Records.of_rows(details[details["cut"] == cut].to_dict("records"), run.case_names)
    if objects == "all":
        return records
    return small_objects(records, small_limit(records, run.parameters_of("froc")["small_diameter"]))


def _groups(members: Sequence[EvaluatedRun], panels: Sequence[Sequence[str]]) -> list[list[str]]:
    """The losses of each panel, and those that are in none."""
    losses = list(dict.fromkeys(run.keys["loss"] for run in members))
    others = [loss for loss in losses if not any(loss in panel for panel in panels)]
    return [*([loss for loss in panel if loss in losses] for panel in panels), others]


def _line(
    loss: str,
    members: Sequence[EvaluatedRun],
    read: Mapping[str, Records],
    results: StudyResults,
    outcomes: Mapping[str, str],
) -> FrocLine:
    curves = [full_curve(count_by_case(read[run.id], CORRECTED)) for run in members if run.keys["loss"] == loss]
    end = min(DRAWN_UP_TO, max(curve.false_positives.max() for curve in curves))
    x = np.linspace(0, end, int(100 * end) + 1)
    recall = np.concatenate([curve.recall_at(x, from_origin=False) for curve in curves])
    spread = recall.std(axis=0, ddof=1) if len(recall) > 1 else np.zeros_like(x)
    style = loss_line_style(loss, list(results.losses), results.looks)
    curve = DrawnCurve(x, recall.mean(axis=0), spread)
    return FrocLine(f"{style['label']} {outcomes[loss]}", style["color"], curve, style["linestyle"])


def _outcomes(per_run: pd.DataFrame, run: EvaluatedRun, cut: str) -> dict[str, str]:
    """By loss: mean Dice, without which a curve misleads, and how many runs have collapsed or are poor."""
    same = (per_run[SETTING] == list(run.group)).all(axis=1) & (per_run["structure"] == ALL)
    rows = per_run[same & (per_run["cut"] == cut)]
    column = "dice_present" if cut == TUNED else "object_dice"
    return {
        loss: f"({part[column].mean():.2f}) {unusable(part['status'])}".rstrip() for loss, part in rows.groupby("loss")
    }


def _counts(name: str, members: Sequence[EvaluatedRun], read: Mapping[str, Records], objects: str, cut: str) -> str:
    first = members[0]
    records = read[first.id]
    seeds = sorted({run.keys["seed"] for run in members})
    limit = ""
    if objects == "small":
        diameter = small_limit(_records(first, "all", cut), first.parameters_of("froc")["small_diameter"])
        limit = f" below {diameter:.3g} voxels of diameter"
    return (
        f"{name}: n = {len(records.cases)} test cases,"
        f" {int(records.table['is_tum'].sum())} lesions{limit}; seeds {', '.join(map(str, seeds))}."
    )
