"""What a search has found: tables, the best trial, what mattered, and a journal that Optuna opens.

Results come by rung: of each rung, those of the trials that reached it, by number. Without rungs there is one. Values
are of validation cases; no test case is read here.
"""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from lib.errors import SeglossError
from lib.files import write_text
from lib.search.result import Result
from lib.search.settings import Search
from lib.search.space import axes, suggest

optuna.logging.set_verbosity(optuna.logging.WARNING)  # it reports every study
ByRung = Sequence[Mapping[int, Result]]
TRIALS_FOR_IMPORTANCE = 16
"""With fewer, numbers say nothing: of 10 random trials the axis with the largest was one that mattered in 14 of 20."""
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "diverged"}
WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)
WRITER = "segloss"
"""When, and by whom, a journal was written, so that equal trials give equal files."""


def trials_table(search: Search, results: ByRung) -> pd.DataFrame:
    """A row for each trial and rung: number, rung, epochs, state, values by objective, parameters by name.

    ``state``: ``complete``, ``pruned`` after this rung, or ``diverged``. Parameters that a trial has not are None.
    """
    names = [name for name, _, _ in axes(search.space)]
    found = [
        (number, rung, of_rung[number], STATES[_state(number, rung, results)])
        for rung, of_rung in enumerate(results)
        for number in sorted(of_rung)
    ]
    columns = {
        "number": [number for number, *_ in found],
        "rung": [rung for _, rung, *_ in found],
        "epochs": [result.epochs for _, _, result, _ in found],
        "state": [state for *_, state in found],
    }
    for name in search.objectives:
        columns[name] = [math.nan if result.diverged else result.objectives[name] for _, _, result, _ in found]
    for name in names:
        columns[name] = pd.Series([result.parameters.get(name) for _, _, result, _ in found], dtype=object)
    return pd.DataFrame(columns)


def _state(number: int, rung: int, results: ByRung) -> TrialState:
    if results[rung][number].diverged:
        return TrialState.FAIL
    dropped = rung + 1 < len(results) and number not in results[rung + 1]
    return TrialState.PRUNED if dropped else TrialState.COMPLETE


def best(search: Search, results: ByRung) -> int:
    """The number of the trial with the highest measure of those trained to the end, the lowest of equals.

    Raises:
        SeglossError: all of them diverged.
    """
    last = results[-1]
    return max(pareto_front(search, results), key=lambda number: (last[number].objectives[search.measure], -number))


def pareto_front(search: Search, results: ByRung) -> list[int]:
    """Numbers of the trials trained to the end of which no other is better in all objectives; with one, its best.

    Raises:
        SeglossError: all of them diverged.
    """
    numbers = sorted(results[0])
    front = [numbers[trial.number] for trial in _study(search, results).best_trials]
    if not front:
        raise SeglossError(
            f"all {len(results[-1])} trials of the search that were trained to the end diverged; narrow the space, as"
            " by smaller learning rates"
        )
    return front


def best_so_far(search: Search, results: ByRung) -> pd.DataFrame:
    """By number: the measure of each trial at the first rung, which all reach, and the highest up to it."""
    first = trials_table(search, results[:1])
    return first[["number", search.measure]].assign(best=first[search.measure].cummax().ffill())


def importance(search: Search, results: ByRung) -> dict[str, float]:
    """How much each parameter decides whether a trial is among the best, in sum 1; the most important first.

    Of the first rung, by PED-ANOVA (Watanabe et al., IJCAI 2023, arXiv 2304.10255), of conditional parameters too. The
    best are a tenth of the trials, but five at least. Empty with fewer than 16 trials that did not diverge.
    """
    study = _study(search, results[:1])
    finished = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    if len(finished) < TRIALS_FOR_IMPORTANCE:
        return {}
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(0.1, 5 / len(finished)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that low values of the target count as good ones, and of small branches
        found = get_param_importances(study, evaluator=evaluator, target=lambda trial: -trial.values[0])  # noqa: PD011
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))  # Optuna's order varies with the process


def write_journal(path: Path, search: Search, results: ByRung, name: str) -> None:
    """Write the trials as the study ``name`` of an Optuna journal, for ``optuna-dashboard`` and Optuna's own figures.

    Equal results give equal bytes. Values at rungs are intermediate values by epoch.
    """
    journal = _Journal()
    _study(search, results, JournalStorage(journal), name)
    entries = [entry | {"worker_id": WRITER} for entry in journal.entries]
    write_text(path, "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in entries))


class _Journal(BaseJournalBackend):
    """A journal in memory."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self.entries[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.entries += logs


def _study(
    search: Search, results: ByRung, storage: BaseStorage | None = None, name: str | None = None
) -> optuna.Study:
    """The trials as an Optuna study: each as it was at the last rung that it reached."""
    study = optuna.create_study(directions=[*search.objectives.values()], storage=storage, study_name=name)
    for number in sorted(results[0]):
        study.add_trial(_frozen(number, search, results))
    return study


def _frozen(number: int, search: Search, results: ByRung) -> FrozenTrial:
    reached = [of_rung[number] for of_rung in results if number in of_rung]
    last = reached[-1]
    asked = FixedTrial(last.parameters)
    suggest(asked, search.space)
    measured = {result.epochs: result.objectives[search.measure] for result in reached if not result.diverged}
    trial = create_trial(
        state=_state(number, len(reached) - 1, results),
        values=None if last.diverged else [last.objectives[name] for name in search.objectives],
        params=last.parameters,
        distributions=asked.distributions,
        intermediate_values=measured if search.rungs else {},
    )
    trial.datetime_start = trial.datetime_complete = WRITTEN
    return trial
