"""A search for hyper-parameters as a study file has it. Never imports torch, numpy or Optuna."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.fields import Int, PositiveInt, Section, Seed
from lib.measures.catalogue import MEASURES, columns_of, monitored
from lib.registry import Entry, Parameters, Registry, chosen_from
from lib.search.space import ChoiceAxis, FloatAxis, Space, axes, size
from lib.suggest import shortened, suggestion


class SamplerParameters(Parameters):
    """Of samplers that do not look at results: all trials can be trained at once."""

    @property
    def learns(self) -> bool:
        return False

    def known(self, number: int) -> range:
        """The trials whose results a trial is proposed from."""
        return range(0)


class LearningParameters(SamplerParameters):
    """Of samplers that learn from results.

    ``at_once``: trials that may be trained at the same time: each is proposed from the results of those up to so many
    before it. It decides the trials, whatever runs at once; 1 is Optuna's own sequence. The first
    ``n_startup_trials`` are random.
    """

    at_once: PositiveInt = 4
    n_startup_trials: PositiveInt = 10

    @property
    def learns(self) -> bool:
        return True

    def known(self, number: int) -> range:
        return range(max(0, number - self.at_once + 1))

    def arguments(self) -> dict[str, Any]:
        return self.model_dump(exclude={"name", "at_once"})


class TPE(LearningParameters):
    """``multivariate`` null: with one objective; ``group``: each branch of a conditional space by itself."""

    n_ei_candidates: PositiveInt = 24
    multivariate: bool | None = None
    group: bool = False
    constant_liar: bool = True

    @model_validator(mode="after")
    def _group_is_multivariate(self) -> "TPE":
        if self.group and self.multivariate is False:
            raise ValueError("group: true needs multivariate: true")
        return self


class CMAES(LearningParameters):
    """``popsize`` null: 4 + 3 ln(axes); ``with_margin`` keeps whole numbers from getting stuck."""

    n_startup_trials: PositiveInt = 1
    popsize: Annotated[Int, Field(ge=2)] | None = None
    with_margin: bool = False


class GP(LearningParameters):
    """``deterministic_objective``: values are without noise."""

    deterministic_objective: bool = False


class QMC(SamplerParameters):
    """A sequence that fills the space evenly, ``scramble``: shuffled by the seed; the first trial is random."""

    qmc_type: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True


@dataclass(frozen=True)
class SamplerEntry(Entry):
    """One sampler.

    Attributes:
        options: always given to its class.
        several: it takes several objectives.
        listed: it goes through the points of a space, one by one.
        steers: the axes that it chooses; the others are random.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    several: bool = True
    listed: bool = False
    steers: Literal["all", "unconditional", "unconditional numbers"] = "all"


QUIET = {"warn_independent_sampling": False}
SAMPLERS: Registry[SamplerEntry] = Registry(
    "sampler",
    {
        "tpe": SamplerEntry(
            "optuna.samplers:TPESampler", TPE, "Bergstra et al., NIPS 2011; Watanabe, 2023, arXiv 2304.11127"
        ),
        "random": SamplerEntry(
            "optuna.samplers:RandomSampler", SamplerParameters, "Bergstra and Bengio, JMLR 13, 2012"
        ),
        "grid": SamplerEntry(
            "optuna.samplers:BruteForceSampler", SamplerParameters, "every point, in random order", listed=True
        ),
        "qmc": SamplerEntry(
            "optuna.samplers:QMCSampler",
            QMC,
            "Bergstra and Bengio, JMLR 13, 2012, of low discrepancy",
            options=QUIET,
            steers="unconditional",
        ),
        "cmaes": SamplerEntry(
            "optuna.samplers:CmaEsSampler",
            CMAES,
            "Hansen and Ostermeier, Evolutionary Computation 9, 2001",
            options=QUIET,
            several=False,
            steers="unconditional numbers",
        ),
        "gp": SamplerEntry(
            "optuna.samplers:GPSampler",
            GP,
            "Jones et al., Journal of Global Optimization 13, 1998, as Optuna has it",
            options=QUIET,
            steers="unconditional",
        ),
    },
    SamplerEntry,
    SamplerParameters,
)


def _monitored_measure(name: str) -> str:
    columns = columns_of(map(MEASURES.parse, MEASURES))
    known = [name for name in monitored(map(MEASURES.parse, MEASURES)) if columns[name].better == "higher"]
    if name not in known:
        raise ValueError(f"unknown measure {shortened(name)}{suggestion(name, known)}")
    return name


def _ascending(epochs: list[int]) -> list[int]:
    if any(after <= before for before, after in pairwise(epochs)):
        raise ValueError(f"{epochs} must ascend")
    return epochs


class Rungs(Section):
    """After each of the ``epochs`` the best of every ``factor`` trials go on; the last of them train to the end."""

    epochs: Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(_ascending)]
    factor: Annotated[Int, Field(ge=2)] = 4


class Search(Section):
    """What is varied, how, how often, and by which number it is judged.

    ``epochs``: of each trial, with its learning rates scheduled over them; by default as many as the training has.
    ``measure``: of the validation cases, to be maximised; ``cost``: a second objective, to be minimised: seconds of the
    training, or parameters of the network. (Seconds differ from one training to the next, and so do the trials then.)
    """

    sampler: chosen_from(SAMPLERS) = SAMPLERS.parse("tpe")
    seed: Seed = 0
    trials: PositiveInt
    epochs: PositiveInt | None = None
    measure: Annotated[str, AfterValidator(_monitored_measure)] = "dice"
    cost: Literal["seconds", "parameters"] | None = None
    rungs: Rungs | None = None
    space: Space

    @property
    def objectives(self) -> dict[str, Literal["maximize", "minimize"]]:
        """Names of the values of a trial -> direction."""
        return {self.measure: "maximize", **({self.cost: "minimize"} if self.cost else {})}

    @property
    def measured(self) -> dict[str, Any]:
        """What trials and the training with the best settings change: validation cases are measured, no test cases."""
        return {"training": {"monitor": {"part": "validation", "measure": self.measure}, "test_epochs": 0}}

    @property
    def trial_settings(self) -> dict[str, Any]:
        """The same, and the length of a trial."""
        length = {"epochs": self.epochs} if self.epochs else {}
        return {"training": {**self.measured["training"], **length}}

    @property
    def at_random(self) -> list[str]:
        """Parameters that the sampler draws at random, since it cannot choose them."""
        steered = self._steered
        return [name for name, _, _ in axes(self.space) if name not in steered]

    @property
    def _steered(self) -> list[str]:
        steers = SAMPLERS.entry_of(self.sampler).steers
        return [
            name
            for name, axis, conditional in axes(self.space)
            if steers == "all"
            or not (conditional or (steers == "unconditional numbers" and isinstance(axis, ChoiceAxis)))
        ]

    @property
    def digest(self) -> str:
        """What distinguishes the search from others; more trials of the same search leave it as it is."""
        chosen = self.model_dump(mode="json", exclude={"trials"}, exclude_defaults=True)
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _sensible(self) -> "Search":
        self._check_objectives()
        self._check_axes()
        if self.rungs and (kept := self.trials // self.rungs.factor ** len(self.rungs.epochs)) < 1:
            raise ValueError(
                f"rungs: of {self.trials} trials {kept} are left after {self.rungs.epochs[-1]} epochs; give more"
                " trials, fewer epochs or a smaller factor"
            )
        return self

    def _check_objectives(self) -> None:
        if self.cost and not SAMPLERS.entry_of(self.sampler).several:
            several = ", ".join(name for name, entry in SAMPLERS.items() if entry.several)
            raise ValueError(f"cost: sampler {self.sampler.name!r} has one objective only; allowed: {several}")
        if self.cost and self.rungs:
            raise ValueError("rungs: trials go on by one objective; leave out cost or rungs")

    def _check_axes(self) -> None:
        name, entry = self.sampler.name, SAMPLERS.entry_of(self.sampler)
        if entry.steers == "unconditional numbers" and len(self._steered) < 2:
            found = ", ".join(self._steered) or "none"
            raise ValueError(
                f"sampler: {name} needs two float or int axes that every trial has, found: {found}; allowed: tpe"
            )
        for axis_name, axis, _ in axes(self.space) if entry.listed else ():
            if isinstance(axis, FloatAxis):
                raise ValueError(f"space.{axis_name}: {name} needs values to go through; give choice: [...] or int")
        if self.trials > size(self.space):
            raise ValueError(f"trials: the space has {size(self.space)} points only, {self.trials} are too many")
