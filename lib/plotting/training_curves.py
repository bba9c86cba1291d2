"""What trainings recorded: agreement with noisy and with clean masks, and the loss's own nu, over iterations."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from lib.comparison.results import SETTING, EvaluatedRun, StudyResults, grouped
from lib.labels import NOISE_KINDS
from lib.plotting.noise_response import noise_label
from lib.plotting.style import (
    BAND_ALPHA,
    DASHES,
    PALETTE,
    QUIET,
    loss_label,
    loss_line_style,
    new_figure,
    page_saying,
)

_BAND = "Lines: mean over seeds; bands: ±1 sd over seeds (none for one seed)."
_MEMORY = (
    f"Dice of the predictions during training, voxels of an epoch pooled by the kind of noise of the case. {_BAND}\n"
    "Dashed grey: Dice of the noisy masks with the clean ones. A network that memorises the noise falls to it in the"
    " upper row; one that predicts the clean masks stays at it in the lower row."
)
_AGREEMENT = {"clean": "Dice with the clean masks", "masks": "Dice with the noisy masks"}
_NU = "ν̃ (logarithm of the degrees of freedom)"
_NO_NOISE = "No run was trained with noisy masks: there is no agreement with noisy and with clean masks to draw."
_ALL_CLEAN = "The noise came to no training case."
_NO_NU = "No loss of these runs has a trainable ν."


def training_dice_figures(results: StudyResults) -> list[Figure]:
    """A page per data set and noisy variant: agreement with clean and with noisy masks for each kind of noise."""
    noisy = grouped(run for run in results.trainings if run.noise_table)
    return [_training_dice(members, results) for members in noisy] or [page_saying(_NO_NOISE, results.note)]


def loss_parameter_figures(results: StudyResults) -> list[Figure]:
    """A page per data set and variant: T-Loss's nu by noise, and by where it starts."""
    having = [run for run in results.trainings if _nu(run.history()) is not None]
    parts = _by(having, lambda run: [run.fold, *(run.keys[name] for name in SETTING if name != "noise")])
    return [_nu_page(members, results) for members in parts.values()] or [page_saying(_NO_NU, results.note)]


def _by(runs: Iterable[EvaluatedRun], key: Callable) -> dict[str, list[EvaluatedRun]]:
    groups: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        groups.setdefault(str(key(run)), []).append(run)
    return groups


def _counts(members: Sequence[EvaluatedRun]) -> str:
    seeds = ", ".join(map(str, sorted({run.keys["seed"] for run in members})))
    table = next((run.noise_table for run in members if run.noise_table), None)
    n = f"n = {len(pd.read_csv(table))} training cases; " if table else ""
    return f"{members[0].title}: {n}seeds {seeds}."


def _training_dice(members: Sequence[EvaluatedRun], results: StudyResults) -> Figure:
    table = pd.read_csv(members[0].noise_table)
    kinds = [kind for kind in NOISE_KINDS if kind in set(table["kind"])]
    if not kinds:
        return page_saying(_ALL_CLEAN, results.note)
    figure = new_figure(3.6 * max(len(kinds), 2) + 2.2, 6.8, "\n".join([results.note, _MEMORY, _counts(members)]))
    figure.suptitle(f"{members[0].title}, {members[0].variant}", x=0.01, ha="left", weight="bold")
    panels = figure.subplots(2, len(kinds), sharex=True, sharey="row", squeeze=False)
    by_loss = _by(members, lambda run: run.keys["loss"])
    histories = {loss: [run.history() for run in of_loss] for loss, of_loss in by_loss.items()}
    for row, masks in zip(panels, ("clean", "masks"), strict=True):
        row[0].set_ylabel(_AGREEMENT[masks])
        for axis, kind in zip(row, kinds, strict=True):
            for loss, of_loss in histories.items():
                style = loss_line_style(loss, list(results.losses), results.looks) | {"marker": None}
                _draw_curve(axis, of_loss, f"dice_{kind}_{masks}", style)
            axis.axhline(_dice_of_masks(table, kind), linestyle="--", color=QUIET, linewidth=1, zorder=1)
        row[0].set_ylim(bottom=max(0, row[0].get_ylim()[0]))
    for axis, kind in zip(panels[0], kinds, strict=True):
        axis.set_title(f"{kind} (n = {(table['kind'] == kind).sum()})")
    for axis in panels[-1]:
        _count_iterations(axis)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    return figure


def _dice_of_masks(table: pd.DataFrame, kind: str) -> float:
    """Dice of the noisy masks with the clean ones, voxels pooled over the cases as those of the history are."""
    rows = table[table["kind"] == kind]
    sizes = rows["clean_voxels"] + rows["noisy_voxels"]
    return float((rows["dice"] * sizes).sum() / max(sizes.sum(), 1))


def _draw_curve(axis: Axes, histories: Sequence[pd.DataFrame], column: str, style: Mapping[str, object]) -> None:
    """Mean over seeds and its band, over iterations."""
    values = pd.concat([history.set_index("step")[column] for history in histories], axis=1).astype(float)
    mean = values.mean(axis=1)
    axis.plot(mean.index, mean, **style)
    if len(histories) > 1:
        sd = values.std(axis=1, ddof=1)
        axis.fill_between(mean.index, mean - sd, mean + sd, color=style["color"], alpha=BAND_ALPHA / 2, linewidth=0)


def _count_iterations(axis: Axes) -> None:
    axis.set_xlabel("iterations")
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _nu(history: pd.DataFrame) -> str | None:
    """The column of nu, of the loss itself or of one of its terms."""
    return next((name for name in history if name.split(".")[-1] == "nu"), None)


def _nu_page(members: Sequence[EvaluatedRun], results: StudyResults) -> Figure:
    """By noise where there is more than one, and by loss where more than one has a nu."""
    doses = {run.keys["noise"]: 1 - run.masks_dice() for run in members}
    levels = sorted(doses, key=doses.get)
    of_losses = _by(members, lambda run: run.keys["loss"])
    panels = []
    if len(levels) > 1 or len(of_losses) == 1:
        shown = results.reference if results.reference in of_losses else next(iter(of_losses))
        by_level = _by(of_losses[shown], lambda run: run.keys["noise"])
        lines = {noise_label(level): by_level[level] for level in levels if level in by_level}
        shades = colormaps["viridis"](np.linspace(0, 0.85, len(levels)))
        panels.append((f"{loss_label(shown, results.looks)} by noise (α / β)", lines, shades))
    if len(of_losses) > 1:
        strongest = [run for run in members if run.keys["noise"] == levels[-1]]
        by_loss = _by(strongest, lambda run: loss_label(run.keys["loss"], results.looks))
        panels.append((f"losses with ν̃, noise {noise_label(levels[-1])}", by_loss, PALETTE))
    figure = new_figure(6.4 * len(panels) + 1, 4.8, "\n".join([results.note, _BAND, _counts(members)]))
    crossed = [level for name, level in members[0].levels.items() if name != "noise"]
    title = ", ".join([members[0].title, members[0].keys["variant"], *crossed])
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, lines, colours) in zip(row, panels, strict=True):
        _draw_nu(axis, lines, colours)
        axis.set_title(title)
    row[0].set_ylabel(_NU)
    return figure


def _draw_nu(axis: Axes, lines: Mapping[str, Sequence[EvaluatedRun]], colours: Sequence) -> None:
    for number, (label, members) in enumerate(lines.items()):
        histories = [run.history() for run in members]
        colour, dashes = colours[number % len(colours)], DASHES[number % len(DASHES)]
        style = {"label": label, "color": colour, "linestyle": dashes}
        _draw_curve(axis, histories, _nu(histories[0]), style)
    _count_iterations(axis)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
