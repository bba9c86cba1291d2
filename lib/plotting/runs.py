"""What figures take from the runs of a study: looks of their losses, seeds, and the shares of their test cases."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.comparison.results import EvaluatedRun, StudyResults
from lib.config.study_schema import OVER_EPOCHS
from lib.plotting.style import loss_line_style

Styles = Mapping[str, Mapping[str, Any]]
_EPOCHS = dict(zip(OVER_EPOCHS, (", mean over the last epochs", ", epoch with the best Dice per slice"), strict=True))


def styles_of(results: StudyResults, losses: Iterable[str]) -> Styles:
    """How to plot each of some losses, which need not all be run."""
    shown = list(dict.fromkeys(losses))
    known = list(dict.fromkeys([*results.losses, *shown]))
    return {loss: loss_line_style(loss, known, results.looks) for loss in shown}


def title_of(members: Sequence[EvaluatedRun]) -> str:
    """The data set and variant of the runs of a page."""
    return f"{members[0].title}, {members[0].variant}"


def title_of_part(part: pd.DataFrame, runs: pd.DataFrame, results: StudyResults) -> str:
    """The data set of some rows of ``runs``, its variant where it has several, and the levels of what is crossed."""
    crossed = {name for run in results.runs for name in run.levels} - {"noise"}
    first = part.iloc[0]
    variants = set(runs["variant"][runs["dataset"] == first["dataset"]])
    shown = [*(["variant"] if len(variants) > 1 else []), *sorted(crossed)]
    return ", ".join([results.titles[first["dataset"]], *map(str, first[shown])])


def measured_column(column: str) -> str:
    """What a column over epochs is the mean of, or the column itself."""
    return reduce(str.removesuffix, OVER_EPOCHS, column)


def axis_of(results: StudyResults, column: str) -> str:
    """The label of an axis with a column of runs, its name where it is not measured."""
    measured = measured_column(column)
    over_epochs = _EPOCHS.get(column.removeprefix(measured), "")
    cut = f", {results.primary_cut} cut" if len(results.runs[0].cuts) > 1 else ""
    return (results.columns[measured].axis if measured in results.columns else measured) + over_epochs + cut


def seeds_of(runs: Iterable[EvaluatedRun]) -> str:
    """Such as ``seeds 0, 1``."""
    return f"seeds {', '.join(map(str, sorted({run.keys['seed'] for run in runs})))}"


def cases_of(n: int) -> str:
    """Such as ``2 cases``."""
    return f"{n} case{'s' if n != 1 else ''}"


def shares_of(members: Sequence[EvaluatedRun], cut: str) -> pd.DataFrame:
    """A row for each test case, structure, loss and seed: the ``true`` and the ``predicted`` share of the voxels."""
    tables = [
        run.cases[run.cases["cut"] == cut].assign(loss=run.keys["loss"], seed=run.keys["seed"]) for run in members
    ]
    table = pd.concat(tables, ignore_index=True).drop(columns=["predicted"], errors="ignore")
    table = table.rename(columns={"proportion": "true", "proportion_predicted": "predicted"})
    return table[["loss", "seed", "case", "structure", "true", "predicted"]]


def scores_of_cases(run: EvaluatedRun, column: str, cut: str) -> pd.Series:
    """A column of each test case, by its name: the mean of the structures that are there or predicted, or of all."""
    rows = run.cases[run.cases["cut"] == cut]
    shown = rows[(rows["present"] > 0) | (rows["predicted"] > 0)]
    others = rows[~rows["case"].isin(shown["case"])]
    return pd.concat([shown, others]).groupby("case")[column].mean()


def legend_of(figure: Figure, panels: Iterable[Axes], **options: Any) -> None:
    """One legend at the right for the lines of all panels, in the order in which they come up."""
    handles: dict[str, Any] = {}
    for axis in panels:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        look = {"loc": "outside right upper", "handlelength": 4, **options}
        figure.legend(handles.values(), handles.keys(), **look)
