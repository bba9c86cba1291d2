"""What a search has found: the table, the best, the Pareto front, importances, the journal that Optuna opens."""

import json
import math
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import optuna
import pytest
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from toy_searches import BRANCHES, NUMBERS

from lib import ROOT
from lib.errors import SeglossError
from lib.search.outcome import best, best_so_far, importance, pareto_front, trials_table, write_journal
from lib.search.propose import replay
from lib.search.result import Result
from lib.search.rungs import promoted
from lib.search.settings import Search

SPACE = {
    "training.optimizer": {"choice": {"adam": {}, "sgd": {"momentum": {"float": [0, 0.9]}}}},
    "sampling.batch_size": {"int": [1, 8]},
}
ADAM = {"sampling.batch_size": 2, "training.optimizer": "adam"}
SGD = {"sampling.batch_size": 4, "training.optimizer": "sgd", "training.optimizer.sgd.momentum": 0.5}


def search_of(**options: object) -> Search:
    return Search.model_validate({"trials": 4, "space": SPACE} | options)


@pytest.fixture
def halved() -> tuple[Search, list[dict[int, Result]]]:
    """Four trials, of which two go on and one of them diverges."""
    first = {
        3: Result(ADAM, 3, {"dice": 0.6}),
        0: Result(SGD, 3, {"dice": 0.5}),
        1: Result(ADAM | {"sampling.batch_size": 8}, 3, None),
        2: Result(SGD, 3, {"dice": 0.7}),
    }
    second = {2: Result(SGD, 9, {"dice": math.nan}), 3: Result(ADAM, 9, {"dice": 0.8})}
    return search_of(rungs={"epochs": [3], "factor": 2}), [first, second]


def test_the_table_has_a_row_for_each_trial_and_rung(halved: tuple[Search, list[dict[int, Result]]]) -> None:
    text = trials_table(*halved).to_csv(index=False)
    assert text == (
        "number,rung,epochs,state,dice,sampling.batch_size,training.optimizer,training.optimizer.sgd.momentum\n"
        "0,0,3,pruned,0.5,4,sgd,0.5\n"
        "1,0,3,diverged,,8,adam,\n"
        "2,0,3,complete,0.7,4,sgd,0.5\n"
        "3,0,3,complete,0.6,2,adam,\n"
        "2,1,9,diverged,,4,sgd,0.5\n"
        "3,1,9,complete,0.8,2,adam,\n"
    )


def test_the_best_is_one_that_was_trained_to_the_end(halved: tuple[Search, list[dict[int, Result]]]) -> None:
    search, (first, second) = halved
    assert best(search, [first, second]) == 3
    assert best(search, [first]) == 2
    equal = first | {0: first[2], 3: Result(ADAM, 3, {"dice": 0.7})}
    assert best(search, [equal]) == 0
    assert pareto_front(search, [equal]) == [0, 2, 3]
    assert best(search, [{number: equal[number] for number in (2, 3)}]) == 2
    with pytest.raises(
        SeglossError, match=r"^all 1 trials of the search that were trained to the end diverged; narrow"
    ):
        best(search, [first, {2: second[2]}])


def test_the_best_so_far_is_of_the_first_rung(halved: tuple[Search, list[dict[int, Result]]]) -> None:
    history = best_so_far(*halved)
    assert list(history["number"]) == [0, 1, 2, 3]
    assert list(history["best"]) == [0.5, 0.5, 0.7, 0.7]
    assert history["dice"].isna().to_list() == [False, True, False, False]


def test_no_trial_of_the_front_is_excelled() -> None:
    search = search_of(cost="seconds", trials=40)
    pairs = [((7 * n) % 23 / 23, float((5 * n) % 17)) for n in range(40)]
    results = {n: Result(ADAM, 9, {"dice": dice, "seconds": seconds}) for n, (dice, seconds) in enumerate(pairs)}
    results[11] = Result(ADAM, 9, {"dice": 2.0, "seconds": None})

    def excelled(number: int) -> bool:
        dice, seconds = pairs[number]
        others = [pair for other, pair in enumerate(pairs) if other not in (number, 11)]
        return any(d >= dice and s <= seconds and (d, s) != (dice, seconds) for d, s in others)

    front = [number for number in range(40) if number != 11 and not excelled(number)]
    assert 1 < len(front) < 10
    assert pareto_front(search, [results]) == front
    assert pairs[best(search, [results])][0] == max(dice for number, (dice, _) in enumerate(pairs) if number != 11)
    assert list(trials_table(search, [results]).columns[4:6]) == ["dice", "seconds"]


def test_importance_is_optunas_and_tells_what_matters() -> None:
    search = NUMBERS.search(sampler="random", trials=64)
    found = importance(search, [NUMBERS.results(search)])
    assert set(found) == set(NUMBERS.space)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert list(found)[-1] == "training.steps_per_epoch"  # changes the toy's Dice by 0.025 at most, the others by 0.2

    search = BRANCHES.search(sampler="random", trials=24)
    own = BRANCHES.optimized(optuna.samplers.RandomSampler(seed=0), 24)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=5 / 24)
    found = importance(search, [BRANCHES.results(search)])
    assert len(found) == 6  # conditional ones too
    assert found == pytest.approx(get_param_importances(own, evaluator=evaluator))


def test_importance_is_that_of_the_first_rung() -> None:
    whole, halved = (BRANCHES.search(sampler="random", trials=32, rungs=rungs) for rungs in (None, {"epochs": [1]}))
    first = BRANCHES.results(whole)
    second = {number: BRANCHES.trained(first[number].parameters, 9) for number in promoted(first, 8, "dice")}
    assert importance(halved, [first, second]) == importance(whole, [first])


IN_A_FRESH_PROCESS = """
import json
from test_search_outcome import of_equal_importance
print(json.dumps([*of_equal_importance().items()]))
"""


def of_equal_importance() -> dict[str, float]:
    """Of a space in which many axes are of a branch that no good trial has chosen."""
    axes = {f"option{number}": {"float": [0, 1]} for number in range(8)}
    search = search_of(trials=32, sampler="random", space={"training.optimizer": {"choice": {"adam": {}, "sgd": axes}}})
    results = {
        number: Result(parameters, 1, {"dice": float(parameters["training.optimizer"] == "adam")})
        for number, parameters in enumerate(islice(replay(search, {}), 32))
    }
    return importance(search, [results])


def test_equal_importances_have_the_same_order_in_every_process() -> None:
    found = [*of_equal_importance().items()]
    assert [value for _, value in found[1:]] == [0.0] * 8
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests/helpers", Path(__file__).parent)))
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": path}
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert [tuple(item) for item in json.loads(answer.stdout)] == found


def test_importance_of_few_trials_is_not_shown() -> None:
    search = NUMBERS.search(sampler="random", trials=16)
    results = NUMBERS.results(search)
    assert importance(search, [results])
    results[5] = Result(results[5].parameters, 1)
    assert importance(search, [results]) == {}


def test_importance_with_two_objectives_is_that_of_the_measure() -> None:
    one = NUMBERS.search(sampler="random", trials=32)
    two = NUMBERS.search(sampler="random", trials=32, cost="seconds")
    results = NUMBERS.results(one)
    both = {
        number: Result(result.parameters, 1, {"dice": result.objectives["dice"], "seconds": float(number)})
        for number, result in results.items()
    }
    assert importance(two, [both]) == importance(one, [results])


def opened(path: Path, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(str(path))))


def test_optuna_opens_the_journal(halved: tuple[Search, list[dict[int, Result]]], tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.log", *halved, "a study")
    study = opened(tmp_path / "journal.log", "a study")
    assert [trial.params for trial in study.trials] == [SGD, ADAM | {"sampling.batch_size": 8}, SGD, ADAM]
    assert [trial.state for trial in study.trials] == [
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.FAIL,
        TrialState.COMPLETE,
    ]
    assert [trial.value for trial in study.trials] == [0.5, None, None, 0.8]
    assert [trial.intermediate_values for trial in study.trials] == [{3: 0.5}, {}, {3: 0.7}, {3: 0.6, 9: 0.8}]
    assert (study.direction.name, study.best_trial.number) == ("MAXIMIZE", 3)


@pytest.mark.parametrize("cost", [None, "seconds"])
def test_equal_results_give_equal_journals_that_hold_all_of_them(cost: str | None, tmp_path: Path) -> None:
    search = BRANCHES.search(sampler="random", trials=20, cost=cost)
    results = {
        number: Result(result.parameters, 1, result.objectives | ({"seconds": 1.5 * number} if cost else {}))
        for number, result in BRANCHES.results(BRANCHES.search(sampler="random", trials=20)).items()
    }
    write_journal(tmp_path / "one.log", search, [results], "s")
    write_journal(tmp_path / "other.log", search, [dict(reversed(results.items()))], "s")
    assert (tmp_path / "one.log").read_bytes() == (tmp_path / "other.log").read_bytes()
    study = opened(tmp_path / "one.log", "s")
    own = BRANCHES.optimized(optuna.samplers.RandomSampler(seed=0), 20)
    for trial, expected in zip(study.trials, own.trials, strict=True):
        assert (trial.params, trial.distributions) == (expected.params, expected.distributions)
        assert trial.values == [*expected.values, *([1.5 * trial.number] if cost else [])]
        assert (trial.state, trial.intermediate_values) == (TrialState.COMPLETE, {})
    assert len(study.best_trials) == len(pareto_front(search, [results]))
