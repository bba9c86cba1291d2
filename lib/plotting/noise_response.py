"""Dice against the noise in the training masks: one line per loss, next to what was published."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.comparison.runs import unusable
from lib.plotting.style import QUIET, loss_line_style, new_figure, save_figure

_MEASURES = {
    "test_dice_pooled": "test Dice, all voxels pooled",
    "dice_tuned": "test Dice, mean over cases, tuned cut",
    "dice": "test Dice, mean over cases and structures",
}
_MASKS = "the masks themselves"
_DODGE = 0.035  # of the width: losses at one dose stand side by side
_CHARACTER = 0.012  # of the width, about what one character of a tick label takes
_EXPLANATION = (
    "α: share of training cases with noisy masks; β: how much of their foreground changes. Each level stands at its\n"
    "dose, 1 − mean Dice of all training masks with the clean ones; losses stand side by side. Lines: mean over\n"
    "seeds; bars: ±1 sd over seeds (none for one seed). Dashed grey: as good as the training masks are."
)
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


def base_variant(variant: str, noise: str) -> str:
    """The variant without the noise that its name ends in."""
    return variant.removesuffix(f"_{noise}")


def draw_dice_by_noise(
    path: Path,
    runs: pd.DataFrame,
    titles: Mapping[str, str],
    note: str,
    published: pd.DataFrame | None = None,
    published_names: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """A row of panels per data set and variant: the study's own runs and, where there are any, published numbers.

    Args:
        runs: the study's table of trained networks.
        titles: of the data sets.
        note: what the scale of the study is evidence of.
        published: the table of published numbers that the study names.
        published_names: by column (dataset, loss), our names -> the published ones where they differ.
    """
    save_figure(dice_by_noise_figure(runs, titles, note, published, published_names), path)


def dice_by_noise_figure(
    runs: pd.DataFrame,
    titles: Mapping[str, str],
    note: str,
    published: pd.DataFrame | None = None,
    published_names: Mapping[str, Mapping[str, str]] | None = None,
) -> Figure:
    metric = next(name for name in _MEASURES if name in runs)
    base = [base_variant(*names) for names in zip(runs["variant"], runs["noise"], strict=True)]
    parts = [part for _, part in runs.assign(base=base).groupby(["dataset", "base"], sort=False)]
    printed = [_published_of(part, published, published_names or {}) for part in parts]
    columns = 2 if any(len(table) for table in printed) else 1
    several_variants = len(set(base)) > 1
    footer = [note, _EXPLANATION, *_sources(printed)]
    footer += dict.fromkeys(_counts(part, titles) for part in parts)
    figure = new_figure(6.2 * columns + 2.4, 4.4 * len(parts) + 1, "\n".join(footer))
    panels = figure.subplots(len(parts), columns, sharey="row", squeeze=False)
    losses = list(dict.fromkeys(runs["loss"]))
    for row, part, table in zip(panels, parts, printed, strict=True):
        levels = _levels(part)
        title = titles[part["dataset"].iloc[0]] + (f", {part['base'].iloc[0]}" if several_variants else "")
        own = _means(part, metric)
        _draw_panel(row[0], own, levels, losses, title if columns == 1 else f"{title}: own runs")
        row[0].set_ylabel(_MEASURES[metric])
        if len(table):
            _draw_panel(row[1], table, levels, losses, f"{title}: published")
        elif columns == 2:
            row[1].axis("off")
        _limit(row[0], pd.concat([own, table]), levels)
    _legend(figure, panels.ravel(), losses)
    return figure


def _levels(part: pd.DataFrame) -> pd.Series:
    """The dose of each noise, in ascending order."""
    return (1 - part.groupby("noise")["masks_dice"].mean()).sort_values()


def _means(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    means = part.groupby(["loss", "noise"], sort=False)[metric].agg(["mean", "std"]).reset_index()
    return means.rename(columns={"mean": "value", "std": "spread"})


def _published_of(
    part: pd.DataFrame, published: pd.DataFrame | None, names: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """Published Dice of the losses and noises that the part has, as :func:`_means` gives ours, and their source."""
    columns = ["loss", "noise", "value", "spread", "source"]
    if published is None:
        return pd.DataFrame(columns=columns)
    dataset = part["dataset"].iloc[0]
    ours = part[["loss", "noise"]].drop_duplicates()
    ours = ours.assign(dataset=names.get("dataset", {}).get(dataset, dataset))
    ours = ours.assign(theirs=ours["loss"].replace(dict(names.get("loss", {}))))
    table = published[published["metric"] == "test_dice"].rename(
        columns={"variant": "noise", "loss": "theirs"}
    )
    return ours.merge(table, on=["dataset", "noise", "theirs"])[columns]


def _sources(printed: Sequence[pd.DataFrame]) -> list[str]:
    """What the footer says about the published numbers, nothing if none are shown."""
    named = list(dict.fromkeys(source for table in printed for source in table["source"]))
    explanation = "mean and ±1 sd over seeds, at the doses of the masks here."
    return [f"Published: {'; '.join(named)}; {explanation}"] if named else []


def _draw_panel(
    axis: Axes, means: pd.DataFrame, levels: pd.Series, losses: Sequence[str], title: str
) -> None:
    width = max(levels.iloc[-1] - levels.iloc[0], 0.01)
    present = [loss for loss in losses if loss in set(means["loss"])]
    for place, loss in enumerate(present):
        rows = means[means["loss"] == loss].set_index("noise")
        dodge = _DODGE * width * (place - (len(present) - 1) / 2) / max(len(present) - 1, 1)
        style = loss_line_style(loss, losses)
        for noises in _comparable(levels.index.intersection(rows.index, sort=False)):
            shown = rows.loc[noises]
            axis.errorbar(
                levels[noises] + dodge,
                shown["value"],
                shown["spread"].astype(float).fillna(0),
                elinewidth=1,
                markersize=6,
                **style,
            )
    ends = levels.iloc[0] - 0.06 * width, levels.iloc[-1] + 0.06 * width
    if levels.iloc[-1] > 0:
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


def _limit(axis: Axes, drawn: pd.DataFrame, levels: pd.Series) -> None:
    """Show every mean and bar, and of the masks' own line at least its end."""
    spread = drawn["spread"].astype(float).fillna(0)
    shown = [*(drawn["value"] - spread), *(drawn["value"] + spread)]
    shown += [1 - levels.iloc[-1]] if levels.iloc[-1] > 0 else []
    low, high = min(shown), max(shown)
    margin = 0.06 * max(high - low, 0.02)
    axis.set_ylim(low - margin, high + margin)


def _legend(figure: Figure, panels: Iterable[Axes], losses: Sequence[str]) -> None:
    handles = {}
    for axis in panels:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    order = [loss_line_style(loss, losses)["label"] for loss in losses] + [_MASKS]
    shown = [label for label in order if label in handles]
    figure.legend(
        [handles[label] for label in shown],
        shown,
        loc="outside right upper",
        handlelength=4,
        labelspacing=0.7,
    )


def _counts(part: pd.DataFrame, titles: Mapping[str, str]) -> str:
    seeds = ", ".join(map(str, sorted(part["seed"].unique())))
    counts = f"{titles[part['dataset'].iloc[0]]}: n = {part['test_cases'].max()} test cases, clean masks; seeds {seeds}"
    fate = unusable(part["status"])
    return f"{counts}; of the runs {fate}, all counted in the means." if fate else f"{counts}."
