"""Searches as study files have them: samplers and their parameters, objectives, rungs, the digest, what is refused."""

import hashlib
import inspect
from typing import Any

import pytest

from lib.config.expand import merged
from lib.config.load import load
from lib.config.schema import Settings
from lib.errors import SeglossError
from lib.search.settings import SAMPLERS, Search
from lib.validation import validated

RATE = {"training.optimizer.learning_rate": {"float": [0.001, 0.1], "log": True}}
NUMBERS = RATE | {"training.steps_per_epoch": {"int": [8, 32], "step": 8}}
LOSSES = {"loss": {"choice": {"dice": {}, "focal": {"gamma": {"float": [1, 3]}}}}}


def search_of(**values: Any) -> Search:
    return validated(Search, {"trials": 16, "space": NUMBERS | LOSSES} | values, "search")


def test_a_search_says_little_and_is_complete() -> None:
    search = search_of()
    assert (search.sampler.name, search.sampler.at_once, search.seed, search.measure) == ("tpe", 4, 0, "dice")
    assert search.objectives == {"dice": "maximize"}
    assert search_of(cost="parameters").objectives == {"dice": "maximize", "parameters": "minimize"}
    assert Search.model_validate_json(search.model_dump_json()) == search


def test_trials_measure_validation_cases_and_no_others() -> None:
    settings = load({"studies": "t_loss"}).runs[0].settings.model_dump()
    assert settings["training"]["test_epochs"] > 0
    settings["training"]["monitor"] = {"part": "test", "measure": "dice"}
    of_trial = merged(settings, search_of(measure="dice_pooled").trial_settings)
    training = Settings.model_validate(of_trial).training
    assert (training.monitor.part, training.monitor.measure) == ("validation", "dice_pooled")
    assert training.measured == {"validation": training.epochs}


def test_samplers_take_their_parameters_with_optunas_defaults() -> None:
    for name, entry in SAMPLERS.items():
        parameters = SAMPLERS.parse(name)
        known = inspect.signature(entry.loaded).parameters
        assert {"seed", *parameters.arguments(), *entry.options} <= set(known)
        for option, value in parameters.arguments().items():
            assert known[option].default == value or (name, option) == ("qmc", "scramble")
        assert parameters.learns == ("at_once" in type(parameters).model_fields)


@pytest.mark.parametrize(
    ("at_once", "number", "known"), [(1, 0, []), (1, 3, [0, 1, 2]), (4, 3, []), (4, 5, [0, 1]), (9, 4, [])]
)
def test_a_trial_knows_the_results_of_those_at_once_before_it(at_once: int, number: int, known: list[int]) -> None:
    assert list(search_of(sampler={"name": "tpe", "at_once": at_once}).sampler.known(number)) == known
    assert list(search_of(sampler="random").sampler.known(number)) == []


def test_what_a_sampler_cannot_choose_is_named() -> None:
    conditional = ["loss.focal.gamma"]
    expected = {"tpe": [], "random": [], "qmc": conditional, "gp": conditional, "cmaes": ["loss", *conditional]}
    assert {name: search_of(sampler=name).at_random for name in expected} == expected


def test_the_digest_is_that_of_what_decides_the_trials() -> None:
    digest = search_of(space=RATE).digest
    text = '{"space": {"training.optimizer.learning_rate": {"float": [0.001, 0.1], "log": true}}}'
    assert digest == hashlib.sha256(text.encode()).hexdigest()[:12]  # an option that is new leaves it as it is
    digest = search_of().digest
    same: list[dict[str, Any]] = [
        {"trials": 24},
        {"sampler": {"name": "tpe", "at_once": 4, "group": False}},
        {"measure": "dice", "rungs": None},
        {"space": dict(reversed([*(NUMBERS | LOSSES).items()]))},
        {"space": NUMBERS | {"loss": {"choice": {"focal": {"gamma": {"log": False, "float": [1, 3]}}, "dice": {}}}}},
    ]
    assert {search_of(**values).digest for values in same} == {digest}
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"sampler": {"name": "tpe", "at_once": 5}},
        {"sampler": "random"},
        {"measure": "dice_pooled"},
        {"cost": "seconds"},
        {"rungs": {"epochs": [3]}},
        {"space": NUMBERS},
        {"space": LOSSES | NUMBERS | {"sampling.batch_size": {"choice": [4, 8]}}},
        {"space": LOSSES | NUMBERS | {"sampling.batch_size": {"choice": ["4", 8]}}},
        {"space": LOSSES | NUMBERS | {"sampling.batch_size": {"choice": [8, 4]}}},
    ]
    assert len({digest, *(search_of(**values).digest for values in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"sampler": "tpa"},
            "search: sampler: unknown sampler 'tpa'; did you mean 'tpe'? allowed: tpe, random, grid, qmc",
        ),
        ({"sampler": {"name": "random", "at_once": 4}}, "sampler: random has no 'at_once'; allowed: none"),
        ({"sampler": {"name": "tpe", "startup": 4}}, "sampler: tpe has no 'startup'; did you mean 'n_startup_trials'?"),
        (
            {"sampler": {"name": "tpe", "at_once": 0}},
            "sampler.at_once: 0 is not allowed; expected greater than or equal",
        ),
        ({"sampler": {"name": "tpe", "group": True, "multivariate": False}}, "group: true needs multivariate: true"),
        ({"sampler": {"name": "qmc", "qmc_type": "lattice"}}, "expected 'sobol' or 'halton'"),
        ({"seed": -1}, "seed: -1 is not allowed"),
        ({"trials": 0}, "trials: 0 is not allowed"),
        ({"trials": None}, "trials: None is not allowed; expected a valid integer"),
        ({"budget": 3}, "budget: unknown key; allowed: sampler, seed, trials, epochs, measure, cost, rungs, space"),
        (
            {"measure": "dise"},
            "search: measure: unknown measure 'dise'; did you mean 'dice'? allowed: dice, dice_pooled",
        ),
        ({"measure": "hd95"}, "measure: unknown measure 'hd95'; allowed: dice"),
        ({"cost": "money"}, "cost: 'money' is not allowed; expected 'seconds' or 'parameters'"),
        (
            {"cost": "seconds", "sampler": "cmaes"},
            "cost: sampler 'cmaes' has one objective only; allowed: tpe, random, grid",
        ),
        (
            {"cost": "seconds", "rungs": {"epochs": [3]}},
            "rungs: trials go on by one objective; leave out cost or rungs",
        ),
        ({"rungs": {}}, "rungs.epochs: is missing"),
        ({"rungs": {"epochs": []}}, "rungs.epochs: [] is not allowed; expected at least 1 of them"),
        ({"rungs": {"epochs": [3, 3]}}, "rungs.epochs: [3, 3] must ascend"),
        (
            {"rungs": {"epochs": [3], "factor": 1}},
            "rungs.factor: 1 is not allowed; expected greater than or equal to 2",
        ),
        (
            {"rungs": {"epochs": [3, 6, 12]}},
            "search: rungs: of 16 trials 0 are left after 12 epochs; give more trials, fewer epochs or a smaller",
        ),
        (
            {"sampler": "grid"},
            "search: space.loss.focal.gamma: grid needs values to go through; give choice: [...] or int",
        ),
        (
            {"space": {"loss": {"choice": ["dice", "focal"]}}},
            "trials: the space has 2 points only, 16 are too many",
        ),
        (
            {"sampler": "cmaes", "space": LOSSES | {"sampling.batch_size": {"choice": [4, 8]}}},
            "sampler: cmaes needs two float or int axes that every trial has, found: none; allowed: tpe",
        ),
        (
            {"sampler": "cmaes", "space": LOSSES | RATE},
            "needs two float or int axes that every trial has, found: training.optimizer.learning_rate; allowed: tpe",
        ),
    ],
)
def test_what_is_no_search_is_refused_in_a_line(values: dict, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        search_of(**values)
    assert message in str(error.value)
