"""The parameters of each trial: a seeded Optuna sampler in memory, asked again from the first trial on.

Nothing is shared but the results of earlier trials, so no database and no lock is needed; whatever runs at once, and
in whatever order results arrive, the trials are the same.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Any

import optuna
from optuna.trial import FixedTrial, Trial, TrialState, create_trial

from lib.errors import SeglossError
from lib.search.result import Result
from lib.search.settings import SAMPLERS, Search
from lib.search.space import suggest

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # it reports every study


def propose(search: Search, number: int, results: Mapping[int, Result]) -> dict[str, Any]:
    """The flat parameters of trial ``number``, counted from 0.

    Args:
        results: by number, at least those of ``search.sampler.known(number)``; others change nothing. Where the search
            has rungs, those of the first rung, which all trials reach.

    Raises:
        SeglossError: a result is missing, or the sampler cannot be built.
    """
    return next(islice(replay(search, results), number, None))


def replay(search: Search, results: Mapping[int, Result]) -> Iterator[dict[str, Any]]:
    """The flat parameters of one trial after another; each result is looked up when a trial needs it.

    Raises:
        SeglossError: as of :func:`propose`.
    """
    study = _study(search)
    trials: list[Trial] = []
    told = 0
    for number in count():
        known = search.sampler.known(number)
        for earlier in known[told:]:
            if earlier not in results:
                raise SeglossError(
                    f"trial {number} of the search needs the result of trial {earlier}, which is missing"
                )
            if results[earlier].parameters != trials[earlier].params:
                log.warning("trial %d was trained with other parameters than are proposed here; they count", earlier)
            _tell(study, search, trials[earlier], results[earlier])
        told = len(known)
        trials.append(study.ask())
        yield suggest(trials[-1], search.space)
        if not search.sampler.learns:
            study.tell(trials[-1], [0.0] * len(search.objectives))  # any value: they only look whether it has ended


def _study(search: Search) -> optuna.Study:
    entry = SAMPLERS.entry_of(search.sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = entry.build(seed=search.seed, **search.sampler.arguments(), **entry.options)
    return optuna.create_study(directions=[*search.objectives.values()], sampler=sampler)


def _tell(study: optuna.Study, search: Search, trial: Trial, result: Result) -> None:
    """Tell a result. Where it is of other parameters than were asked for, what was trained counts.

    Another version of Optuna, or another processor, has proposed them.
    """
    values = None if result.diverged else [result.objectives[name] for name in search.objectives]
    if values and result.parameters == trial.params:
        study.tell(trial, values)
        return
    study.tell(trial, state=TrialState.FAIL)
    if values:
        trained = FixedTrial(result.parameters)
        suggest(trained, search.space)
        study.add_trial(create_trial(params=result.parameters, distributions=trained.distributions, values=values))
