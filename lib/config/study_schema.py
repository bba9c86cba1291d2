"""The schema of study files: what a study compares, how it measures, and what it shows."""

import hashlib
import json
import re
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from lib.config.schema import Settings
from lib.fields import Name, NameList, Section, SeedList, Text, unique
from lib.measures.catalogue import CUTS, DECIDED, MEASURES, TRUE_REGION, columns_of, monitored
from lib.measures.settings import Cuts
from lib.plotting.catalogue import FIGURES, StudyNames
from lib.registry import chosen_from
from lib.search.settings import Search
from lib.search.space import LOSS
from lib.suggest import shortened, suggestion

OVER_EPOCHS = ("_epochs", "_best_epoch")
"""Endings of the columns of means over the last epochs, and of the epoch with the best Dice per slice (test cases)."""
TAKEN = frozenset(
    [
        *(
            "data",
            "noise",
            "published",
            "baseline",
            "reanalyzed",
            "crate.zip",
            "ledger.csv",
            "claims.csv",
            "report.html",
        ),
        *(f"{name}.pdf" for name in FIGURES),
    ]
)
"""What no study can be called, in small letters: what else lies in results/ and plots/."""


class Primary(Section):
    """The number by which a study judges: a ``column`` of `runs.csv`, of a ``cut``, by default the study's first."""

    column: Text = "dice"
    cut: Literal[tuple(CUTS)] | None = None


def _colour(text: str) -> str:
    if not re.fullmatch("#[0-9A-Fa-f]{6}", text):
        raise ValueError(f"{shortened(text)} is not a colour such as '#0173B2'")
    return text


class Look(Section):
    """How figures show a loss; what is left out follows from its place among the losses."""

    label: Text | None = None
    colour: Annotated[str, AfterValidator(_colour)] | None = None
    line: Literal["-", "--", "-.", ":"] | None = None
    marker: Literal[tuple(".,ov^<>12348spP*hH+xXDd|_")] | None = None
    emphasis: bool = False


class Published(Section):
    """The table of `published/` that the study's outcome is held against, and its names for what has others here.

    ``costs``: another table, of published costs. ``variants``: those that follow the publication. ``test``: what it
    tested with, which then stands beside our own.
    """

    table: Name
    costs: Name | None = None
    datasets: dict[str, str] = {}
    losses: dict[str, str] = {}
    variants: list[str] = []
    test: Literal["anova_tukey"] | None = None

    @property
    def names(self) -> dict[str, dict[str, str]]:
        """By column of the tables, our names -> the published ones."""
        return {"dataset": self.datasets, "loss": self.losses}


class StudySearch(Search):
    """A search of a study, by whose best trial a variant of its name is trained.

    ``each_loss``: there is one for each loss of the variant, whose own runs have the settings of its best trial.
    ``variant``: whose settings it changes; ``loss``: that its trials have where the space has none, the first of the
    variant if it is not named; ``seeds``: of the trainings with the best trial's settings, those of the variant if none
    are given.
    """

    variant: Name = "base"
    each_loss: bool = False
    loss: Text | None = None
    seeds: SeedList | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> "StudySearch":
        if self.each_loss and (self.loss or self.seeds or LOSS in self.space):
            raise ValueError("each_loss: losses and seeds are those of the variant; leave out loss and seeds")
        return self

    @property
    def digest(self) -> str:
        """Of all that decides the trials but how many there are."""
        chosen = self.model_dump(mode="json", exclude={"trials", "seeds"}, exclude_defaults=True)
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]


class Scale(Section):
    """One scale of a study: common ``settings``, the ``variants`` that change them, ``searches``, and what figures say
    about it."""

    note: Text | None = None
    variants: Annotated[dict[Name, dict[str, Any] | None], Field(min_length=1)] = {"base": {}}
    searches: dict[Name, StudySearch] = {}
    settings: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, section: Any) -> Any:
        own = {key: section[key] for key in ("note", "variants", "searches") if key in section}
        return own | {"settings": {key: value for key, value in section.items() if key not in own}}

    @model_validator(mode="after")
    def _searches_fit(self) -> "Scale":
        for name, search in self.searches.items():
            if search.variant not in self.variants:
                raise ValueError(f"searches.{name}.variant: unknown{suggestion(search.variant, self.variants)}")
            if name in self.variants:
                raise ValueError(f"searches.{name}: a variant has this name; choose another")
        return self


class Study(Section):
    """One study file: how it measures, its losses and figures, and a section for each scale, of any name.

    ``cuts``: how masks come from predictions (`lib.measures.catalogue.CUTS`). ``primary``: the number that decides.
    ``reference``: the loss that others are compared with, the first one if it was not run; ``references``: by loss,
    another one instead. ``base``: the variant that the others are compared with, loss by loss; ``bases``: by variant,
    another one instead. ``baseline``: runs are held against a threshold without learning. ``top_figures``: lie in
    `plots/` itself. ``skip_unfit_losses``: those that are not for the labels of a data set are left out there, instead
    of refused. A study that lacks a scale takes no part in it.
    """

    model_config = ConfigDict(extra="allow")

    title: Text
    publication: Text
    measures: NameList
    cuts: Cuts = [DECIDED]
    primary: Primary = Primary()
    reference: Text | None = None
    base: Name | None = None
    bases: dict[str, str] = {}
    references: dict[str, str] = {}
    baseline: bool = False
    figures: list[chosen_from(FIGURES)]
    top_figures: list[str] = []
    skip_unfit_losses: bool = False
    published: Published | None = None
    looks: dict[str, Look] = {}
    losses: dict[Name, str | dict[str, Any]]

    @property
    def scales(self) -> dict[str, dict[str, Any]]:
        """The sections that are scales, as the file has them."""
        return {name: section for name, section in self.model_extra.items() if section is not None}

    @property
    def primary_cut(self) -> str:
        return self.primary.cut or self.cuts[0]

    @model_validator(mode="after")
    def _sensible(self) -> "Study":
        for name, section in self.scales.items():
            if not isinstance(section, dict) or not section.keys() & {*Settings.model_fields, "factors"}:
                scales = ("demo", "reduced", "paper")
                unknown = f"unknown key{suggestion(name, [*type(self).model_fields, *scales])}"
                what = "" if name in scales else f"{unknown}; "
                raise ValueError(f"{name}: {what}a scale has settings such as datasets and losses")
        if not self.scales:
            raise ValueError("a section demo or paper is missing")
        self._check_measures()
        self._check_names()
        return self

    def _check_measures(self) -> None:
        for name in self.measures:
            if name not in MEASURES:
                raise ValueError(f"measures: unknown measure {shortened(name)}{suggestion(name, MEASURES)}")
        if "overlap" not in self.measures:
            raise ValueError("measures: overlap is missing, which decides whether a run has learnt anything")
        own = [MEASURES[name].table for name in self.measures if MEASURES[name].table != "cases"]
        if twice := next((table for table in own if own.count(table) > 1), None):
            raise ValueError(f"measures: two of them write {twice}.csv; choose one")
        of_cases = [column.name for name in self.measures for column in MEASURES[name].columns]
        of_scales = [section.get("variants") or ["base"] for section in self.scales.values()]
        known = StudyNames(of_cases, self.cuts, self.losses, [*map(str, chain.from_iterable(of_scales))])
        for figure in self.figures:
            for name in FIGURES.entry_of(figure).measures:
                if name not in self.measures:
                    raise ValueError(f"figures: {figure.name!r} needs the measure {name!r}")
            if unknown := figure.unknown(known):
                raise ValueError(f"figures: {figure.name}: {unknown}")
        columns = [*columns_of(map(MEASURES.parse, self.measures)), *self.columns_over_epochs]
        if self.primary.column not in columns:
            raise ValueError(
                f"primary.column: no measure of the study has a column {self.primary.column!r}"
                f"{suggestion(self.primary.column, columns)}"
            )
        if TRUE_REGION in (self.cuts[0], self.primary_cut):
            raise ValueError("cuts: true_region is of cascades alone; put decided in front, and judge by another one")
        if self.primary_cut not in self.cuts:
            raise ValueError(f"primary.cut: {self.primary_cut!r} is not among the study's cuts: {', '.join(self.cuts)}")

    @property
    def columns_over_epochs(self) -> list[str]:
        """Columns that come from what was measured while training."""
        names = monitored(map(MEASURES.parse, self.measures))
        return [f"{name}{suffix}" for name in names for suffix in OVER_EPOCHS]

    def _check_names(self) -> None:
        figures = [figure.name for figure in self.figures]
        for key, names, known in (
            ("reference", [self.reference] if self.reference else [], self.losses),
            ("references", [*self.references, *self.references.values()], self.losses),
            ("looks", self.looks, self.losses),
            ("top_figures", self.top_figures, figures),
        ):
            for name in names:
                if name not in known:
                    raise ValueError(f"{key}: unknown name {shortened(name)}{suggestion(name, known)}")
        unique(figures)
        for scale, section in self.scales.items():
            variants = section.get("variants") or ["base"]
            if self.base and self.base not in variants:
                raise ValueError(f"base: {scale} has no variant {self.base!r}{suggestion(self.base, variants)}")
        known = [*chain.from_iterable(section.get("variants") or ["base"] for section in self.scales.values())]
        for name in [*self.bases, *self.bases.values()]:
            if name not in known:
                raise ValueError(f"bases: unknown variant {shortened(name)}{suggestion(name, known)}")
