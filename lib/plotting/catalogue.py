"""What the workflow knows of each figure without importing Matplotlib."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple

from lib.errors import SeglossError
from lib.fields import Name, NameList, Section, Text
from lib.losses.specification import resolved, term_names
from lib.measures.catalogue import DECIDED, PROBABILITY, TUNED
from lib.registry import Entry, Parameters, Registry
from lib.suggest import suggestion


class StudyNames(NamedTuple):
    """What parameters of figures may name: columns of cases, cuts, losses with their specification, variants."""

    columns: Collection[str]
    cuts: Collection[str]
    losses: Mapping[str, Any]
    variants: Collection[str]


class FigureParameters(Parameters):
    """What every figure takes."""

    @property
    def of_runs(self) -> tuple[str, ...]:
        """Files of each run that the figure reads because of them, besides those of its entry."""
        return ()

    def unknown(self, known: StudyNames) -> str | None:
        """What the parameters name and the study has not."""
        return None


def _unknown(key: str, names: Iterable[str], known: Collection[str]) -> str | None:
    return next((f"{key}: unknown name {name!r}{suggestion(name, known)}" for name in names if name not in known), None)


class FrocCurves(FigureParameters):
    """``panels``: the losses of each panel; those in none get one of their own. ``objects``: all lesions or the small
    ones, of the components that ``cut`` makes."""

    panels: list[NameList] = []
    objects: Literal["all", "small"] = "all"
    cut: Literal[DECIDED, PROBABILITY, TUNED] = PROBABILITY

    def unknown(self, known: StudyNames) -> str | None:
        return _unknown("cut", [self.cut], known.cuts) or _unknown("panels", chain(*self.panels), known.losses)


class FrocOfSmall(FrocCurves):
    objects: Literal["all", "small"] = "small"


class FrocTuned(FrocCurves):
    cut: Literal[DECIDED, PROBABILITY, TUNED] = TUNED


class Boxes(FigureParameters):
    """``columns``: of cases, a panel each."""

    columns: NameList = ["dice", "hd95"]

    def unknown(self, known: StudyNames) -> str | None:
        return _unknown("columns", self.columns, known.columns)


class Distances(FigureParameters):
    """``losses``: those to show, as far as they were run; the others follow."""

    losses: list[str] = []

    def unknown(self, known: StudyNames) -> str | None:
        return _unknown("losses", self.losses, known.losses)


class Examples(FigureParameters):
    """``score``: a column of cases whose mean over the structures that are there or predicted stands below each
    picture, instead of the Dice of what is drawn."""

    score: Text | None = None

    @property
    def of_runs(self) -> tuple[str, ...]:
        return ("cases.csv",) if self.score else ()

    def unknown(self, known: StudyNames) -> str | None:
        return _unknown("score", filter(None, [self.score]), known.columns)


class Series(Section):
    """``losses`` that differ in one number: ``key`` of their ``term``, its ``weight`` or a parameter."""

    label: Text
    term: Text
    key: Name = "weight"
    losses: NameList

    def number(self, resolved_loss: Mapping[str, Any]) -> float:
        """The number of a loss.

        Raises:
            ValueError: it lacks the term or the parameter, or has no number above 0 there.
        """
        terms = dict(zip(term_names(resolved_loss), resolved_loss.get("sum", ()), strict=True))
        if self.term not in terms:
            raise ValueError(f"has no term {self.term!r}{suggestion(self.term, terms) if terms else '; it is no sum'}")
        term = terms[self.term]
        values = {**term["loss"].get("parameters", {}), "weight": term["weight"]}
        if self.key not in values:
            raise ValueError(f"{self.term} has no {self.key!r}{suggestion(self.key, values)}")
        value = values[self.key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"{self.key} of {self.term} is {value!r}; a number above 0 was expected")
        return float(value)


class Radar(FigureParameters):
    """``variants``: those to draw, all where none of them was run."""

    variants: list[Text] = []

    def unknown(self, known: StudyNames) -> str | None:
        return _unknown("variants", self.variants, known.variants)


class Sensitivity(FigureParameters):
    """``series``: a row of panels each, of ``losses`` that differ in one number, the ``key`` of a ``term`` of theirs:
    its ``weight`` or a parameter; ``label`` says what the number is called. ``compared_with``: the loss whose result is
    a horizontal line, the study's reference if none is given. ``together``: variants that differ in their losses alone,
    whose runs share a page."""

    series: list[Series] = []
    compared_with: Text | None = None
    together: list[Text] = []

    def unknown(self, known: StudyNames) -> str | None:
        named = _unknown("together", self.together, known.variants)
        named = named or _unknown("compared_with", filter(None, [self.compared_with]), known.losses)
        return named or next(filter(None, (_fault(series, known.losses) for series in self.series)), None)


def _fault(series: Series, losses: Mapping[str, Any]) -> str | None:
    where = f"series {series.label}"
    if unknown := _unknown(where, series.losses, losses):
        return unknown
    for loss in series.losses:
        try:
            series.number(resolved(losses[loss]))
        except ValueError as error:
            return f"{where}: {loss}: {error}"
        except SeglossError:  # a faulty loss, which the study is refused for by itself
            continue
    return None


@dataclass(frozen=True)
class FigureEntry(Entry):
    """One figure of a study, a PDF.

    Its function is called with the `lib.comparison.results.StudyResults` and the parameters, and returns a list of
    Matplotlib figures, one a page.

    Attributes:
        measures: that the study needs.
        of_runs: files of each run that it reads; `noise` stands for the tables of the noisy masks.
        of_searches: files of each search of the study that it reads.
        tables: of the study that it reads.
        predictions: it draws the predicted labels of test cases.
        specifications: it reads what the losses are made of.
    """

    measures: tuple[str, ...] = ()
    of_runs: tuple[str, ...] = ()
    of_searches: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    predictions: bool = False
    specifications: bool = False


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
            specifications=True,
        ),
        "examples": FigureEntry(
            "lib.plotting.examples:example_figures",
            Examples,
            "ours: test cases with predictions",
            predictions=True,
        ),
        "gallery": FigureEntry(
            "lib.plotting.gallery:gallery_figures",
            FigureParameters,
            "ours: best, median and worst test cases; diameters as in RECIST 1.1 (Eisenhauer et al. 2009)",
            measures=("overlap",),
            of_runs=("cases.csv",),
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
        "proportions": FigureEntry(
            "lib.plotting.proportions:proportions_figures",
            FigureParameters,
            "ours: predicted against true proportions of regions, of which Liu et al., arXiv 2104.08717, speak",
            measures=("overlap", "proportion"),
            of_runs=("cases.csv",),
        ),
        "bias_by_size": FigureEntry(
            "lib.plotting.bias_by_size:bias_by_size_figures",
            FigureParameters,
            "ours: bias of proportions, of which Liu et al., arXiv 2104.08717, speak, by the size of regions",
            measures=("overlap", "proportion"),
            of_runs=("cases.csv",),
        ),
        "differences": FigureEntry(
            "lib.plotting.differences:differences_figures",
            FigureParameters,
            "ours: paired differences with intervals and verdicts, as the forest plots of meta-analyses",
            tables=("comparisons",),
        ),
        "radar": FigureEntry(
            "lib.plotting.radar:radar_figures",
            Radar,
            "after the radar chart of the release of Liu et al., Medical Image Analysis 2024",
            tables=("runs", "ledger"),
        ),
        "loss_terms": FigureEntry(
            "lib.plotting.loss_terms:loss_terms_figures",
            FigureParameters,
            "ours: terms of sums over the epochs",
            of_runs=("history.csv",),
        ),
        "sensitivity": FigureEntry(
            "lib.plotting.sensitivity:sensitivity_figures",
            Sensitivity,
            "ours: results against one number of a loss",
            measures=("overlap", "proportion"),
            tables=("runs",),
            specifications=True,
        ),
        "cost": FigureEntry(
            "lib.plotting.cost:cost_figures",
            FigureParameters,
            "after the time-complexity figure of liver-imaging-analysis",
            tables=("cost",),
        ),
        "search": FigureEntry(
            "lib.plotting.search:search_figures",
            FigureParameters,
            "ours: trials of searches, after the figures of Optuna (Akiba et al., KDD 2019)",
            of_runs=("history.csv",),
            of_searches=("trials.csv", "importance.csv"),
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
