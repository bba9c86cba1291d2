"""Spaces of searches: what a trial has, the settings that it gets, what is checked beforehand, what is refused."""

import random
import subprocess
import sys
from typing import Any

import optuna
import pytest
import yaml

from lib import ROOT
from lib.config.expand import merged
from lib.config.load import load
from lib.config.schema import Settings
from lib.errors import SeglossError
from lib.fields import Section
from lib.losses.specification import resolved
from lib.search.space import Space, axes, levels, settings_of, size, suggest
from lib.validation import validated

WHOLE = yaml.safe_load(
    """
    training.optimizer:
      choice:
        sgd: {learning_rate: {float: [0.001, 1], log: true}, momentum: {float: [0, 0.99]}}
        adam: {learning_rate: {float: [0.0001, 0.1], log: true}}
        kept: {name: adam, learning_rate: 0.004, betas: [{float: [0.8, 0.95]}, 0.999]}
    training.scheduler: {choice: [constant, {name: step, every: 20, factor: 0.5}]}
    training.gradient_clipping: {choice: [null, 1.0]}
    loss:
      choice:
        dice: {}
        focal: {gamma: {float: [0.5, 5]}}
        both: {sum: [dice, {name: cross_entropy, weight: {float: [0.1, 1]}}]}
    network.channels: {choice: [[4, 8], [8, 16]]}
    sampling:
      choice:
        many: {batch_size: {int: [8, 16], step: 8}}
        few: {batch_size: 2, foreground_fraction: {choice: [0, 0.5]}}
    """
)


class _File(Section):
    space: Space


def space_of(values: Any) -> dict[str, Any]:
    return validated(_File, {"space": values}, "search").space


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """The settings of a study's runs."""
    return load({"studies": "t_loss"}).runs[0].settings.model_dump()


def asked(values: Any, seed: int = 0, trials: int = 30) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [suggest(study.ask(), space_of(values)) for _ in range(trials)]


def test_a_trial_has_the_axes_of_what_it_has_chosen_and_no_others() -> None:
    names = {name: conditional for name, _, conditional in axes(space_of(WHOLE))}
    assert {name for name, conditional in names.items() if not conditional} == set(WHOLE)
    assert {name for name, conditional in names.items() if conditional} == {
        "training.optimizer.sgd.learning_rate",
        "training.optimizer.sgd.momentum",
        "training.optimizer.adam.learning_rate",
        "training.optimizer.kept.betas.0",
        "loss.focal.gamma",
        "loss.both.sum.1.weight",
        "sampling.many.batch_size",
        "sampling.few.foreground_fraction",
    }
    trials = asked(WHOLE)
    assert {name for parameters in trials for name in parameters} == set(names)
    for parameters in trials:
        for name, conditional in names.items():
            chosen = not conditional or any(name.startswith(f"{place}.{parameters[place]}.") for place in WHOLE)
            assert (name in parameters) == chosen


def test_the_settings_and_the_loss_of_a_trial() -> None:
    parameters = {
        "training.optimizer": "sgd",
        "training.optimizer.sgd.learning_rate": 0.1,
        "training.optimizer.sgd.momentum": 0.5,
        "training.scheduler": "constant",
        "training.gradient_clipping": None,
        "loss": "focal",
        "loss.focal.gamma": 3.0,
        "network.channels": "[4, 8]",
        "sampling": "many",
        "sampling.many.batch_size": 16,
    }
    training = {
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.5},
        "scheduler": {"name": "constant"},
        "gradient_clipping": None,
    }
    changes = {"training": training, "network": {"channels": [4, 8]}, "sampling": {"batch_size": 16}}
    assert settings_of(space_of(WHOLE), parameters) == (changes, {"name": "focal", "gamma": 3.0})
    others = {
        "training.optimizer": "kept",
        "training.optimizer.kept.betas.0": 0.9,
        "training.scheduler": "step",
        "training.gradient_clipping": 1.0,
        "loss": "both",
        "loss.both.sum.1.weight": 0.25,
        "network.channels": "[8, 16]",
        "sampling": "few",
        "sampling.few.foreground_fraction": 0.5,
    }
    training = {
        "optimizer": {"name": "adam", "learning_rate": 0.004, "betas": [0.9, 0.999]},
        "scheduler": {"name": "step", "every": 20, "factor": 0.5},
        "gradient_clipping": 1.0,
    }
    sampling = {"batch_size": 2, "foreground_fraction": 0.5}
    changes = {"training": training, "network": {"channels": [8, 16]}, "sampling": sampling}
    loss = {"sum": ["dice", {"name": "cross_entropy", "weight": 0.25}]}
    assert settings_of(space_of(WHOLE), others) == (changes, loss)


def test_a_place_below_an_entry_changes_the_entry_of_the_settings(demo: dict[str, Any]) -> None:
    space = space_of({"training.optimizer.learning_rate": {"float": [0.001, 0.1]}})
    changes, loss = settings_of(space, {"training.optimizer.learning_rate": 0.02})
    optimizer = Settings.model_validate(merged(demo, changes)).training.optimizer
    assert (optimizer.name, optimizer.learning_rate, loss) == ("adam", 0.02, None)
    assert optimizer.loss_learning_rate == demo["training"]["optimizer"]["loss_learning_rate"]


def test_every_trial_has_settings_and_a_loss_that_can_be_trained(demo: dict[str, Any]) -> None:
    space = space_of(WHOLE)
    for parameters in [*asked(WHOLE), *levels(space)]:
        changes, loss = settings_of(space, parameters)
        Settings.model_validate(merged(demo, changes))
        resolved(loss)


def shuffled(value: Any, generator: random.Random) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: shuffled(value[key], generator) for key in generator.sample(list(value), len(value))}


def test_the_order_of_keys_changes_nothing() -> None:
    generator = random.Random(0)
    trials = asked(WHOLE)
    for _ in range(5):
        again = shuffled(WHOLE, generator)
        assert list(again) != sorted(again)
        assert asked(again) == trials
        assert levels(space_of(again)) == levels(space_of(WHOLE))


def test_a_space_outlives_a_way_through_json() -> None:
    again = _File.model_validate_json(_File(space=WHOLE).model_dump_json())
    assert again == _File(space=WHOLE)
    assert [type(key) for key in again.space["training.gradient_clipping"].options] == [type(None), float]


def test_levels_are_all_combinations_of_choices_with_numbers_at_their_ends_and_in_between() -> None:
    space = space_of(
        {
            "training.optimizer": {
                "choice": {"adam": {"learning_rate": {"float": [1, 2]}}, "sgd": {"learning_rate": 0.1}}
            },
            "sampling.batch_size": {"int": [2, 10], "step": 2},
        }
    )
    found = [tuple(level.values()) for level in levels(space)]
    between = 1 + 1 / 2.718281828459045
    assert [tuple(level) for level in levels(space)][:2] == [
        ("sampling.batch_size", "training.optimizer", "training.optimizer.adam.learning_rate"),
        ("sampling.batch_size", "training.optimizer"),
    ]
    assert found == [(2, "adam", 1), (2, "sgd"), (4, "adam", between), (4, "sgd"), (10, "adam", 2), (10, "sgd")]
    assert len(levels(space_of(WHOLE))) == 3 * (3 * 2 * 2 * 3 * 2 * (1 + 2))
    assert len(levels(space_of({"loss": {"choice": ["dice", "focal"]}}))) == 2


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ({"loss": {"choice": ["dice", "focal"]}, "sampling.batch_size": {"int": [4, 16], "step": 4}}, 8),
        ({"sampling.batch_size": {"int": [1, 8], "log": True}}, 8),
        ({"loss": {"choice": {"dice": {}, "focal": {"gamma": {"int": [1, 3]}, "alpha": {"choice": [0.1, 0.5]}}}}}, 7),
    ],
)
def test_the_size_of_a_space_is_the_number_of_its_points(values: dict, points: int) -> None:
    assert size(space_of(values)) == points
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=0))
    study.optimize(lambda trial: len(suggest(trial, space_of(values))))
    assert len(study.trials) == len({str(trial.params) for trial in study.trials}) == points


CHOICE = {"choice": [1, 2]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "search: space: {} is not allowed; expected at least 1 of them"),
        ([], "search: space: [] is not allowed; expected a mapping of keys to values"),
        ({3: CHOICE}, "search: space.3: expected text, but it was read as 3 (a number)"),
        (
            {"batch_size": CHOICE},
            "space.batch_size: unknown setting; allowed: resampling, slices, network, sampling, training, com",
        ),
        (
            {"sampling.batchsize": CHOICE},
            "unknown setting; did you mean 'sampling.batch_size'? allowed: sampling.patch",
        ),
        ({"sampling.batch_size.x": CHOICE}, "space.sampling.batch_size.x: unknown setting; allowed: none"),
        ({"los": CHOICE}, "space.los: unknown setting; did you mean 'loss'?"),
        ({"training.epochs": CHOICE}, "space.training.epochs: all trials of a search have the same datasets, losses"),
        ({"training": CHOICE}, "space.training: all trials of a search have the same"),
        ({"training.monitor.measure": CHOICE}, "training.monitor.measure: all trials of a search have the same"),
        ({"losses": CHOICE}, "the loss of a run is the place 'loss'"),
        (
            {"sampling": CHOICE, "sampling.batch_size": CHOICE},
            "space: sampling.batch_size lies in sampling; give it as",
        ),
        ({"network": {"int": [1, 2]}}, "space: network: choice was expected, of names"),
        ({"loss": {"float": [1, 2]}}, "space: loss: choice was expected, of names"),
        ({"sampling.batch_size": 4}, "space.sampling.batch_size: 4: one of float, int and choice was expected"),
        ({"sampling.batch_size": {"choice": [1], "int": [1, 2]}}, "int and choice: one of float, int and choice was"),
        ({"sampling.batch_size": {"low": 1}}, "{'low': 1}: one of float, int and choice was expected, such as {float:"),
        ({"sampling.batch_size": {"int": [1, 2], "stap": 1}}, "int: unknown key 'stap'; did you mean 'step'? allowed:"),
        ({"sampling.batch_size": {"float": [1, 2], "step": 1}}, "float: unknown key 'step'; allowed: float, log"),
        ({"sampling.batch_size": {"int": [2, 1]}}, "space.sampling.batch_size: [2, 1] must ascend"),
        ({"sampling.batch_size": {"int": [1, 1]}}, "[1, 1] must ascend"),
        ({"sampling.batch_size": {"int": [1.5, 2]}}, "batch_size.int.0: 1.5 is not allowed; expected a valid integer"),
        ({"sampling.batch_size": {"int": [1, 2, 3]}}, "space.sampling.batch_size.int: [1, 2, 3] is not allowed"),
        ({"sampling.batch_size": {"int": [0, 8], "log": True}}, "log needs a lower end above 0, not 0"),
        ({"sampling.batch_size": {"int": [1, 9], "log": True, "step": 2}}, "log and step exclude each other"),
        ({"sampling.batch_size": {"int": [1, 8], "step": 2}}, "8 is no whole number of steps of 2 above 1"),
        (
            {"sampling.batch_size": {"float": [0, float("inf")]}},
            "float.1: inf is not allowed; expected a finite number",
        ),
        ({"sampling.batch_size": {"choice": []}}, "space.sampling.batch_size.choice: at least one value was expected"),
        ({"sampling.batch_size": {"choice": 4}}, "choice: 4 is neither a list of values nor a mapping that gives them"),
        ({"sampling.batch_size": {"choice": [4, 4.0]}}, "choice: duplicate value 4.0"),
        ({"loss": {"choice": ["dice", {"name": "dice"}]}}, "space.loss.choice: duplicate value 'dice'"),
        (
            {"loss": {"choice": {"focal": {"gamma": {"float": [5, 1]}}}}},
            "search: space.loss.choice.focal.gamma: [5.0, 1.0] must ascend",
        ),
        (
            {"loss": {"choice": {"focal": {"gamma": {"float": [1, 5], "lgo": 1}}}}},
            "space.loss.choice.focal.gamma: float: unknown key 'lgo'; did you mean 'log'?",
        ),
        (
            {f"training.optimizer.p{number}": {"choice": [*range(7)]} for number in range(4)},
            "space: 2401 combinations of choices are more than 2000; make int or float of some",
        ),
        (
            {"loss": {"choice": {"a": {"b.c": CHOICE}, "a.b": {"c": CHOICE}}}},
            "space: duplicate value 'loss.a.b.c'",
        ),
    ],
)
def test_what_is_no_space_is_refused_in_a_line(values: Any, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        space_of(values)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"training.optimizer": {"choice": {"adma": {}}}}, "unknown optimizer 'adma'; did you mean 'adam'?"),
        ({"network.residual_units": {"int": [2, 6]}}, "network: space_to_depth_unet_2d has no 'residual_units'"),
        ({"training.optimizer.betas": {"choice": [[0.9, 1]]}}, "training.optimizer.betas.1: 1 is not allowed"),
        ({"training.steps_per_epoch": {"float": [1, 8]}}, "training.steps_per_epoch: 3.57"),
        ({"sampling.foreground_fraction": {"float": [0, 2]}}, "sampling.foreground_fraction: 2.0 is not allowed"),
        ({"inference.stride": {"choice": [[32, 32], [128, 128]]}}, "inference: stride (128, 128) must not exceed"),
    ],
)
def test_levels_find_what_only_some_trials_would_fail_of(demo: dict[str, Any], values: Any, message: str) -> None:
    space = space_of(values)
    with pytest.raises(SeglossError) as error:
        for parameters in levels(space):
            validated(Settings, merged(demo, settings_of(space, parameters)[0]), "search")
    assert message in str(error.value)


def test_the_snakefile_imports_nothing_heavy_with_it() -> None:
    modules = "lib.search.rungs, lib.search.settings, lib.search.space, lib.search.result"
    code = f"import sys, {modules}; print({{'torch', 'numpy', 'optuna', 'pandas'}} & sys.modules.keys())"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
