"""Dice against the noise in the training masks: one line per loss, next to what was published."""

import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.comparison.results import ALL, SETTING, StudyResults
from lib.comparison.summary import unusable
from lib.config.schema import FACTORS
from lib.plotting.runs import axis_of, measured_column, title_of_part
from lib.plotting.style import QUIET, loss_line_style, new_figure

_LONGEST_LABEL = 36  # characters of a line beside a panel
_MASKS = "the masks themselves"
_DODGE = 0.035  # of the width: losses at one dose stand side by side
_CHARACTER = 0.012  # of the width, about what one character of a tick label takes
_EXPLANATION = (
    "α: share of training cases with noisy masks; β: how much of their foreground changes. Each level stands at its\n"
    "dose, 1 − mean Dice of all training masks with the clean ones; losses stand side by side. Lines: mean over\n"
    "seeds; bars: ±1 sd over seeds (none for one seed)."
)
_AS_GOOD = " Dashed grey: as good as the training masks are."
_PART = [name for name in SETTING if name != "noise"]
_NOISE = re.compile(r"alpha(?P<alpha>.+?)-beta(?P<beta>[\d.]+(?:e[+-]?\d+)?)(?P<rest>.*)")


def noise_strength(noise: str) -> str:
    """Such as ``0.7 / 0.5`` for alpha 0.7 and beta 0.5; ``clean`` without noise."""
    found = _NOISE.fullmatch(noise)
    return f"{found['alpha']} / {found['beta']}" if found else noise


def noise_form(noise: str) -> str:
    """Such as ``released`` or ``corrected, dilate``; empty without noise."""
    found = _NOISE.fullmatch(noise)
    if not found:
        return ""
    rest = found["rest"].split("-")[1:]
    return ", ".join(rest if "released" in rest else ["corrected", *rest])


def noise_label(noise: str) -> str:
    """Strength and form."""
    return " ".join(filter(None, (noise_strength(noise), noise_form(noise))))


def noise_response_figures(results: StudyResults) -> list[Figure]:
    """A row of panels per data set and variant: the primary number of own runs and, where there are, published ones."""
    runs = results.overall(results.table("runs"))
    column = results.primary.column
    if column not in runs or runs[column].isna().any():  # not everything was measured while training
        column = measured_column(column)
    ledger = results.table("ledger")
    parts = [part for _, part in runs.groupby(_PART, sort=False)]
    printed = [_published_of(part, ledger, column, results) for part in parts]
    columns = 2 if any(len(table) for table in printed) else 1
    dice = column.startswith("dice")
    footer = [results.note, _EXPLANATION + (_AS_GOOD if dice else ""), *_sources(printed)]
    titles = [title_of_part(part, runs, results) for part in parts]
    footer += map(_counts, titles, parts)
    figure = new_figure(6.2 * columns + 2.4, 4.4 * len(parts) + 1, "\n".join(footer))
    panels = figure.subplots(len(parts), columns, sharey="row", squeeze=False)
    styles = {loss: loss_line_style(loss, list(results.losses), results.looks) for loss in results.losses}
    for row, title, part, table in zip(panels, titles, parts, printed, strict=True):
        levels, own = _levels(part), _means(part, column)
        _draw_panel(row[0], own, levels, styles, title if columns == 1 else f"{title}: own runs", dice)
        row[0].set_ylabel(fill(f"test {axis_of(results, column)}", _LONGEST_LABEL))
        if len(table):
            _draw_panel(row[1], table, levels, styles, f"{title}: published", dice)
        elif columns == 2:
            row[1].axis("off")
        _limit(row[0], pd.concat([own, table]), levels, dice)
    _legend(figure, panels.ravel(), styles)
    return [figure]


def _levels(part: pd.DataFrame) -> pd.Series:
    """The dose of each noise, in ascending order."""
    return (1 - part.groupby("noise")["masks_dice"].mean()).sort_values()


def _means(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    means = part.groupby(["loss", "noise"], sort=False)[metric].agg(["mean", "std"]).reset_index()
    return means.rename(columns={"mean": "value", "std": "spread"})


def _published_of(part: pd.DataFrame, ledger: pd.DataFrame, column: str, results: StudyResults) -> pd.DataFrame:
    """Published numbers of the losses and noises that the part has, as :func:`_means` gives ours, and their source."""
    first = part.iloc[0]
    names = results.published.datasets if results.published else {}
    same = ledger["dataset"] == names.get(first["dataset"], first["dataset"])  # which the ledger calls as published
    same &= (ledger["metric"] == measured_column(column)) & (ledger["structure"].isna() | (ledger["structure"] == ALL))
    for name in ("variant", *FACTORS):
        same &= ledger[name].isin(part[name])
    table = ledger[same & ledger["loss"].isin(part["loss"])].rename(columns={"published": "value"})
    return table[["loss", "noise", "value", "spread", "source"]].drop_duplicates()


def _sources(printed: Sequence[pd.DataFrame]) -> list[str]:
    """What the footer says about the published numbers, nothing if none are shown."""
    named = list(dict.fromkeys(source for table in printed for source in table["source"]))
    explanation = "mean and ±1 sd over seeds, at the doses of the masks here."
    return [f"Published: {'; '.join(named)}; {explanation}"] if named else []


def _draw_panel(
    axis: Axes,
    means: pd.DataFrame,
    levels: pd.Series,
    styles: Mapping[str, Mapping[str, Any]],
    title: str,
    dice: bool,
) -> None:
    width = max(levels.iloc[-1] - levels.iloc[0], 0.01)
    present = [loss for loss in styles if loss in set(means["loss"])]
    for place, loss in enumerate(present):
        rows = means[means["loss"] == loss].set_index("noise")
        dodge = _DODGE * width * (place - (len(present) - 1) / 2) / max(len(present) - 1, 1)
        for noises in _comparable(levels.index.intersection(rows.index, sort=False)):
            shown = rows.loc[noises]
            axis.errorbar(
                levels[noises] + dodge,
                shown["value"],
                shown["spread"].astype(float).fillna(0),
                elinewidth=1,
                markersize=6,
                **styles[loss],
            )
    ends = levels.iloc[0] - 0.06 * width, levels.iloc[-1] + 0.06 * width
    if dice and levels.iloc[-1] > 0:
        masks = 1 - np.array(ends)
        axis.plot(ends, masks, "--", color=QUIET, linewidth=1, zorder=1, label=_MASKS)
    axis.set_xlim(ends)
    axis.set_title(title, loc="left", weight="bold")
    _name_levels(axis, levels, width)


def _comparable(noises: Iterable[str]) -> list[list[str]]:
    """The noises that one line joins: the clean masks and those that are changed in the same way."""
    forms = _forms(noises) or [""]
    return [[name for name in noises if noise_form(name) in ("", form)] for form in forms]


def _forms(noises: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(noise_form, noises))))


def _name_levels(axis: Axes, levels: pd.Series, width: float) -> None:
    forms = _forms(levels.index)
    names = list(map(noise_label if len(forms) > 1 else noise_strength, levels.index))
    axis.set_xticks(levels, _in_rows(names, levels.to_numpy(), width), size=9)
    axis.set_xlabel("noise α / β in the training masks" + (f" ({forms[0]})" if len(forms) == 1 else ""))


def _in_rows(names: Sequence[str], places: np.ndarray, width: float) -> list[str]:
    """The names, each in the first row below the axis where it does not touch its neighbour."""
    ends: list[float] = []
    lowered = []
    for name, place in zip(names, places, strict=True):
        half = _CHARACTER * width * (len(name) + 1) / 2
        row = next((row for row, end in enumerate(ends) if place - half > end), len(ends))
        ends[row : row + 1] = [place + half]
        lowered.append("\n" * row + name)
    return lowered


def _limit(axis: Axes, drawn: pd.DataFrame, levels: pd.Series, dice: bool) -> None:
    """Show every mean and bar, and of the masks' own line at least its end."""
    spread = drawn["spread"].astype(float).fillna(0)
    shown = [*(drawn["value"] - spread), *(drawn["value"] + spread)]
    shown += [1 - levels.iloc[-1]] if dice and levels.iloc[-1] > 0 else []
    low, high = min(shown), max(shown)
    margin = 0.06 * max(high - low, 0.02)
    axis.set_ylim(low - margin, high + margin)


def _legend(figure: Figure, panels: Iterable[Axes], styles: Mapping[str, Mapping[str, Any]]) -> None:
    handles = {}
    for axis in panels:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    order = [*(style["label"] for style in styles.values()), _MASKS]
    shown = [label for label in order if label in handles]
    figure.legend(
        [handles[label] for label in shown],
        shown,
        loc="outside right upper",
        handlelength=4,
        labelspacing=0.7,
    )


def _counts(title: str, part: pd.DataFrame) -> str:
    seeds = ", ".join(map(str, sorted(part["seed"].unique())))
    counts = f"{title}: n = {part['test_cases'].max()} test cases, clean masks; seeds {seeds}"
    fate = unusable(part["status"])
    return f"{counts}; of the runs {fate}, all counted in the means." if fate else f"{counts}."
