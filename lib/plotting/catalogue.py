"""What the workflow knows of each figure without importing Matplotlib."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from lib.fields import NameList
from lib.measures.catalogue import CUTS, PROBABILITY, TUNED
from lib.registry import Entry, Parameters, Registry
from lib.suggest import suggestion


class FigureParameters(Parameters):
    """What every figure takes."""

    def unknown(self, columns: Collection[str], cuts: Collection[str], losses: Collection[str]) -> str | None:
        """What the parameters name and the study has not: of columns of its cases, its cuts, its losses."""
        return None


def _unknown(key: str, names: Iterable[str], known: Collection[str]) -> str | None:
    return next((f"{key}: unknown name {name!r}{suggestion(name, known)}" for name in names if name not in known), None)


class FrocCurves(FigureParameters):
    """``panels``: the losses of each panel; those in none get one of their own. ``objects``: all lesions or the small
    ones, of the components that ``cut`` makes."""

    panels: list[NameList] = []
    objects: Literal["all", "small"] = "all"
    cut: Literal[tuple(CUTS)] = PROBABILITY

    def unknown(self, columns: Collection[str], cuts: Collection[str], losses: Collection[str]) -> str | None:
        return _unknown("cut", [self.cut], cuts) or _unknown("panels", chain(*self.panels), losses)


class FrocOfSmall(FrocCurves):
    objects: Literal["all", "small"] = "small"


class FrocTuned(FrocCurves):
    cut: Literal[tuple(CUTS)] = TUNED


class Boxes(FigureParameters):
    """``columns``: of cases, a panel each."""

    columns: NameList = ["dice", "hd95"]

    def unknown(self, columns: Collection[str], cuts: Collection[str], losses: Collection[str]) -> str | None:
        return _unknown("columns", self.columns, columns)


class Distances(FigureParameters):
    """``losses``: those to show, as far as they were run; the others follow."""

    losses: list[str] = []

    def unknown(self, columns: Collection[str], cuts: Collection[str], losses: Collection[str]) -> str | None:
        return _unknown("losses", self.losses, losses)


@dataclass(frozen=True)
class FigureEntry(Entry):
    """One figure of a study, a PDF.

    Its function is called with the `lib.comparison.results.StudyResults` and the parameters, and returns a list of
    Matplotlib figures, one a page.

    Attributes:
        measures: that the study needs.
        of_runs: files of each run that it reads; `noise` stands for the tables of the noisy masks.
        tables: of the study that it reads.
        predictions: it draws the predicted labels of test cases.
    """

    measures: tuple[str, ...] = ()
    of_runs: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    predictions: bool = False


def _froc(parameters: type[FrocCurves]) -> FigureEntry:
    return FigureEntry(
        "lib.plotting.froc:froc_figures",
        parameters,
        "after the FROC curves of Shirokikh et al., MICCAI 2020",
        measures=("overlap", "froc"),
        of_runs=("cases.csv", "lesions.csv"),
        tables=("runs",),
    )


FIGURES: Registry[FigureEntry] = Registry(
    "figure",
    {
        "froc": _froc(FrocCurves),
        "froc_small": _froc(FrocOfSmall),
        "froc_tuned": _froc(FrocTuned),
        "dice_by_noise": FigureEntry(
            "lib.plotting.noise_response:noise_response_figures",
            FigureParameters,
            "ours: dose and response, own runs and published numbers",
            tables=("runs", "ledger"),
        ),
        "training_dice": FigureEntry(
            "lib.plotting.training_curves:training_dice_figures",
            FigureParameters,
            "after Gonzalez-Jimenez et al., MICCAI 2023, figure 1",
            of_runs=("history.csv", "noise"),
        ),
        "loss_parameters": FigureEntry(
            "lib.plotting.training_curves:loss_parameter_figures",
            FigureParameters,
            "after Gonzalez-Jimenez et al., MICCAI 2023, figure 2",
            of_runs=("history.csv", "noise"),
        ),
        "loss_weights": FigureEntry(
            "lib.plotting.loss_weights:loss_weights_figures",
            FigureParameters,
            "ours: weights of sums over the epochs",
        ),
        "examples": FigureEntry(
            "lib.plotting.examples:example_figures",
            FigureParameters,
            "ours: test cases with predictions",
            predictions=True,
        ),
        "distances": FigureEntry(
            "lib.plotting.distance_pictures:distance_figures",
            Distances,
            "ours: distance maps, and how far from the border errors lie",
            predictions=True,
        ),
        "over_epochs": FigureEntry(
            "lib.plotting.over_epochs:over_epochs_figures",
            FigureParameters,
            "after the plots of Kervadec et al., MIDL 2019",
            of_runs=("history.csv",),
        ),
        "boxplots": FigureEntry(
            "lib.plotting.boxplots:boxplot_figures",
            Boxes,
            "ours: every test case, a box for each loss",
            measures=("overlap", "surface"),
            of_runs=("cases.csv",),
        ),
        "ledger": FigureEntry(
            "lib.plotting.ledger:ledger_figures",
            FigureParameters,
            "ours: published numbers with reproduced ones, row by row",
            tables=("ledger",),
        ),
    },
    FigureEntry,
    FigureParameters,
)
