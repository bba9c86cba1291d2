"""Proposals by replay: the same in every process and order, Optuna's own one at a time, failures, other processors."""

import json
import math
import os
import random
import subprocess
import sys
from dataclasses import asdict
from itertools import islice
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from toy_searches import BRANCHES, LISTED, NUMBERS, SAMPLED, Toy, optunas_own

from lib import ROOT
from lib.errors import SeglossError
from lib.search.propose import propose, replay
from lib.search.result import Result
from lib.search.settings import Search

QUICK = {
    "tpe": {"n_startup_trials": 5},
    "random": {},
    "grid": {},
    "qmc": {},
    "cmaes": {"popsize": 4},
    "gp": {"n_startup_trials": 3},
}
"""Parameters with which each sampler learns from few trials."""
TRIALS = {name: 7 if name == "gp" else 16 for name in QUICK}
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def search_of(name: str, at_once: int = 3, **options: Any) -> Search:
    learns = name in ("tpe", "cmaes", "gp")
    sampler = {"name": name, **QUICK[name], **({"at_once": at_once} if learns else {})}
    return SAMPLED[name].search(sampler=sampler, trials=TRIALS[name], seed=3, **options)


def parameters_of(results: dict[int, Result]) -> list[dict[str, Any]]:
    return [results[number].parameters for number in sorted(results)]


IN_A_FRESH_PROCESS = """
import json, sys
from lib.search.propose import propose
from lib.search.result import Result
from lib.search.settings import Search
for line in sys.stdin:
    search, number, results = json.loads(line)
    results = {int(key): Result(**result) for key, result in results.items()}
    print(json.dumps(propose(Search.model_validate(search), number, results)))
"""


def test_another_process_proposes_the_same() -> None:
    """With another seed of hashes, from JSON, with results in another order and of later trials too."""
    generator, lines, expected = random.Random(0), [], []
    for name, toy in SAMPLED.items():
        search = search_of(name)
        results = toy.results(search)
        for number in (TRIALS[name] // 2, TRIALS[name] - 1):
            arrived = {key: asdict(results[key]) for key in generator.sample(list(results), len(results))}
            lines.append(json.dumps([search.model_dump(mode="json"), number, arrived]))
            expected.append(results[number].parameters)
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS]
    answer = subprocess.run(
        command, input="\n".join(lines), env=environment, capture_output=True, text=True, check=True
    )
    assert [json.loads(line) for line in answer.stdout.splitlines()] == expected


@pytest.mark.parametrize("name", ["tpe", "cmaes", "gp"])
def test_trials_asked_one_by_one_are_those_of_one_go_whatever_has_arrived(name: str) -> None:
    generator = random.Random(1)
    search, toy = search_of(name), SAMPLED[name]
    whole = toy.results(search)
    assert len({str(parameters) for parameters in parameters_of(whole)}) == search.trials
    for number in range(0, search.trials, 2):
        needed = list(search.sampler.known(number))
        early = generator.sample(range(len(needed), search.trials), 2)  # of others, which has no effect
        arrived = generator.sample(needed + early, len(needed) + 2)
        found = propose(search, number, {key: whole[key] for key in arrived})
        assert found == whole[number].parameters


@pytest.mark.parametrize("name", ["random", "grid", "qmc"])
def test_samplers_that_do_not_learn_need_no_results(name: str) -> None:
    search, toy = search_of(name), SAMPLED[name]
    assert parameters_of(toy.results(search)) == [*islice(replay(search, {}), search.trials)]


@pytest.mark.parametrize(("name", "toy"), [*SAMPLED.items(), ("qmc", BRANCHES)])
def test_one_at_a_time_is_optunas_own_sequence(name: str, toy: Toy) -> None:
    search = toy.search(sampler=search_of(name, at_once=1).sampler, trials=TRIALS[name], seed=3)
    study = toy.optimized(optunas_own(name, 3, **QUICK[name]), search.trials)
    assert [trial.params for trial in study.trials] == parameters_of(toy.results(search))


def test_what_is_known_decides_the_trials_and_seed_and_window_do() -> None:
    found = {}
    for at_once, seed in ((1, 3), (3, 3), (8, 3), (3, 4)):
        search = BRANCHES.search(sampler={"name": "tpe", "at_once": at_once}, seed=seed, trials=16)
        found[at_once, seed] = parameters_of(BRANCHES.results(search))
    assert found[1, 3][:10] == found[3, 3][:10] == found[8, 3][:10]  # random ones
    assert found[3, 4][0] != found[3, 3][0]
    assert len({str(trials) for trials in found.values()}) == 4


@pytest.mark.parametrize("name", [name for name in QUICK if name != "gp"])
def test_more_trials_leave_the_first_ones_as_they_are(name: str) -> None:
    few, many = search_of(name), search_of(name).model_copy(update={"trials": 24})
    assert few.digest == many.digest
    found = parameters_of(SAMPLED[name].results(many))
    assert found[: few.trials] == parameters_of(SAMPLED[name].results(few))
    assert len(found) == many.trials


def test_a_grid_goes_through_every_point_once() -> None:
    search = LISTED.search(sampler="grid", trials=33)
    found = parameters_of(LISTED.results(search))
    assert len({str(parameters) for parameters in found}) == 33


@pytest.mark.parametrize("name", ["tpe", "cmaes", "gp"])
def test_trials_that_diverge_are_failed_ones_to_the_sampler(name: str) -> None:
    search, toy = search_of(name, at_once=1), SAMPLED[name]

    def diverges(number: int) -> bool:
        return number % 3 == 1

    results: dict[int, Result] = {}
    for number, parameters in enumerate(islice(replay(search, results), search.trials)):
        results[number] = Result(parameters, 1, {"dice": math.nan}) if diverges(number) else toy.trained(parameters)

    def objective(trial: optuna.Trial) -> float:
        toy.by_hand(trial)
        return math.nan if diverges(trial.number) else toy.dice(trial.params)

    study = optuna.create_study(direction="maximize", sampler=optunas_own(name, 3, **QUICK[name]))
    study.optimize(objective, search.trials)
    assert parameters_of(results) == [trial.params for trial in study.trials]
    finished = {number: toy.trained(result.parameters) for number, result in results.items()}
    assert propose(search, search.trials - 1, finished) != results[search.trials - 1].parameters


def test_what_was_trained_counts_where_something_else_is_proposed(caplog: pytest.LogCaptureFixture) -> None:
    """Against a study made by hand: the trial that was asked failed, and the trained one is there besides."""
    name = "training.optimizer.sgd.momentum"
    momentum = {"float": [0, 0.9]}
    toy = Toy(
        {"training.optimizer": {"choice": {"adam": {}, "sgd": {"momentum": momentum}}}},
        lambda trial: None,
        lambda parameters: parameters.get(name, 0.3),
    )
    search = toy.search(sampler={"name": "tpe", "at_once": 2, "n_startup_trials": 3})
    trained = {number: {"training.optimizer": "sgd", name: 0.8 + number / 100} for number in (4, 5, 8)}

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(n_startup_trials=3, seed=0))
    trials: list[optuna.Trial] = []
    results: dict[int, Result] = {}
    for number in range(12):
        known = number - 2
        if known in trained:
            study.tell(trials[known], state=TrialState.FAIL)
        elif known >= 0:
            study.tell(trials[known], results[known].objectives["dice"])
        if known in (4, 8):
            distributions = {"training.optimizer": CategoricalDistribution(["adam", "sgd"])}
            distributions |= {name: FloatDistribution(*momentum["float"])}
            study.add_trial(
                create_trial(params=trained[known], distributions=distributions, value=trained[known][name])
            )
        trials.append(study.ask())
        if trials[-1].suggest_categorical("training.optimizer", ["adam", "sgd"]) == "sgd":
            trials[-1].suggest_float(name, *momentum["float"])
        caplog.clear()
        assert propose(search, number, results) == trials[-1].params
        assert [record.args for record in caplog.records] == [(other,) for other in trained if other <= known]
        results[number] = toy.trained(trained.get(number, trials[-1].params))
        if number == 5:
            results[5] = Result(trained[5], 1)  # it diverged
    assert parameters_of(toy.results(search))[:12] != [trial.params for trial in trials]


def test_two_objectives_are_told_together() -> None:
    search = NUMBERS.search(sampler={"name": "tpe", "at_once": 1, "n_startup_trials": 4}, cost="parameters", trials=14)
    results: dict[int, Result] = {}
    for number, parameters in enumerate(islice(replay(search, results), search.trials)):
        steps = float(parameters["training.steps_per_epoch"])
        results[number] = Result(parameters, 1, {"parameters": steps, "dice": NUMBERS.dice(parameters)})

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        NUMBERS.by_hand(trial)
        return NUMBERS.dice(trial.params), trial.params["training.steps_per_epoch"]

    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=4)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, search.trials)
    assert [trial.params for trial in study.trials] == parameters_of(results)


def test_a_result_that_is_missing_is_named() -> None:
    search = search_of("tpe")
    results = SAMPLED["tpe"].results(search)
    del results[4]
    assert propose(search, 6, results) == results[6].parameters
    with pytest.raises(SeglossError, match=r"^trial 7 of the search needs the result of trial 4, which is missing$"):
        propose(search, 7, results)


FOUND = 0.02
"""Below the optimum at most, a fifth of what random trials of these toys differ by."""


@pytest.mark.parametrize(
    ("name", "toy", "trials", "seeds"),
    [
        ("random", NUMBERS, 24, 8),
        ("qmc", NUMBERS, 24, 8),
        ("tpe", NUMBERS, 24, 8),
        ("tpe", BRANCHES, 32, 6),
        ("cmaes", NUMBERS, 24, 8),
        ("gp", NUMBERS, 13, 2),
        ("grid", LISTED, 24, 8),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_best_is_found_as_often_as_by_optuna(name: str, toy: Toy, trials: int, seeds: int) -> None:
    """With results known four trials later, at most one seed in eight fewer."""
    ours = optunas = 0
    for seed in range(seeds):
        results = toy.results(toy.search(sampler=name, trials=trials, seed=seed))
        ours += toy.best - max(result.objectives["dice"] for result in results.values()) < FOUND
        optunas += toy.best - toy.optimized(optunas_own(name, seed), trials).best_value < FOUND
    assert optunas > 0
    assert ours >= optunas - seeds // 8
