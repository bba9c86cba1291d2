"""The searches of a study, expanded: what is trained for each trial, and for the best one."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lib.config.run import Run
from lib.config.schema import Settings
from lib.config.study_schema import StudySearch
from lib.losses import specification as losses
from lib.search.rungs import Rung, schedule
from lib.search.space import LOSS, levels, settings_of
from lib.validation import validated

SEARCHED = "searched"
"""The loss of runs whose loss a search decides."""
TRIAL_SEED = 1000
"""Added to the seed of a search: that of its trials, which no other training should have."""


@dataclass(frozen=True)
class RunSearch:
    """A search on one data set, or on one fold of it.

    Attributes:
        base: the run that the trials change, with their seed.
        specified: completes a loss for the settings and the labels, or raises a SeglossError.
    """

    name: str
    search: StudySearch
    base: Run
    specified: Callable[[losses.Specification, Settings], losses.Specification]

    @property
    def id(self) -> str:
        """The folder of its trials: its name with what it is for, and a digest of what they are made of."""
        base = json.dumps([self.search.digest, self.base.trained_on, self.base.training_settings.as_json()])
        digest = hashlib.sha256(base.encode()).hexdigest()[:12]
        of_loss = self.base.loss if self.search.each_loss else ""
        name = "-".join(filter(None, [self.name, of_loss, self.base.fold]))
        return f"{self.base.study}/{self.base.dataset}/{name}.{digest}"

    @cached_property
    def rungs(self) -> list[Rung]:
        return schedule(self.search, self.search.epochs or self.base.settings.training.epochs)

    def trial(self, parameters: Mapping[str, Any]) -> Run:
        """The run of a trial with these flat parameters.

        Raises:
            SeglossError: they do not fit together.
        """
        changes, loss = settings_of(self.search.space, parameters)
        values = merged(self.base.settings.model_dump(mode="json"), merged(self.search.trial_settings, changes))
        shown = ", ".join(f"{name} {value}" for name, value in parameters.items())
        settings = validated(Settings, values, f"with {shown}")
        specification = self._loss(loss) if loss else self.base.file.losses.get(self.base.loss, self.base.loss)
        return replace(
            self.base, settings=settings, loss_specification=self.specified(specification, settings), search=None
        )

    def _loss(self, chosen: Mapping[str, Any]) -> losses.Specification:
        """The loss with its parameters over those that the study gives it."""
        known = self.base.file.losses.get(chosen.get("name", ""), {})
        known = {"name": known} if isinstance(known, str) else known
        return {**chosen, **known, **{key: value for key, value in chosen.items() if key != "name"}}

    @cached_property
    def possible(self) -> list[Run]:
        """Trials that stand for all others: what may be needed for one is needed for one of these.

        Raises:
            SeglossError: one of them does not fit together.
        """
        return [self.trial(level) for level in levels(self.search.space)]

    @property
    def maps(self) -> tuple[str, ...]:
        """Those that any trial reads."""
        return tuple(sorted({name for run in self.possible for name in run.maps}))

    def winners(self, seeds: Sequence[int]) -> Iterator[Run]:
        """The runs that are trained with the settings of the best trial, which are known only then."""
        loss = SEARCHED if LOSS in self.search.space else self.base.loss
        for seed in self.search.seeds or seeds:
            yield self.tuned(replace(self.base, variant=self.name, loss=loss, seed=seed))

    def tuned(self, run: Run) -> Run:
        """A run that is trained with the settings of the best trial."""
        values = merged(run.settings.model_dump(mode="json"), self.search.measured)
        return replace(run, settings=validated(Settings, values, self.name), search=self)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` on top, mappings merged key by key; a section with another `name` is replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        same_kind = isinstance(old, dict) and isinstance(value, dict) and value.get("name") in (None, old.get("name"))
        result[key] = merged(old, value) if same_kind else value
    return result
