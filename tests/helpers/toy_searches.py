"""Spaces with a made-up Dice whose best value is known, and the same asked of Optuna by hand."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import optuna

from lib.search.propose import replay
from lib.search.result import Result
from lib.search.settings import Search


@dataclass(frozen=True)
class Toy:
    """``by_hand`` asks an Optuna trial for the parameters of ``space``; ``dice`` is ``best`` at the optimum."""

    space: Mapping[str, Any]
    by_hand: Callable[[optuna.Trial], None]
    dice: Callable[[Mapping[str, Any]], float]
    best: float = 0.9

    def search(self, **options: Any) -> Search:
        return Search.model_validate({"trials": 48, "space": self.space} | options)

    def trained(self, parameters: Mapping[str, Any], epochs: int = 1) -> Result:
        return Result(dict(parameters), epochs, {"dice": self.dice(parameters)})

    def results(self, search: Search) -> dict[int, Result]:
        """Of all trials, each trained as soon as it is proposed."""
        found: dict[int, Result] = {}
        for number, parameters in enumerate(islice(replay(search, found), search.trials)):
            found[number] = self.trained(parameters)
        return found

    def optimized(self, sampler: optuna.samplers.BaseSampler, trials: int) -> optuna.Study:
        """The same by Optuna alone, one trial at a time."""

        def objective(trial: optuna.Trial) -> float:
            self.by_hand(trial)
            return self.dice(trial.params)

        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, trials)
        return study


def _orders(value: float, optimum: float) -> float:
    return math.log10(value / optimum)


def _numbers_by_hand(trial: optuna.Trial) -> None:
    trial.suggest_float("sampling.foreground_fraction", 0.0, 1.0)
    trial.suggest_float("training.gradient_clipping", 0.01, 100.0, log=True)
    trial.suggest_int("training.steps_per_epoch", 10, 100, step=10)


def _numbers_dice(parameters: Mapping[str, Any]) -> float:
    share, clipping, steps = (parameters[name] for name in sorted(parameters))
    return 0.9 - 0.5 * (share - 0.7) ** 2 - 0.04 * _orders(clipping, 2.0) ** 2 - 0.1 * ((steps - 60) / 100) ** 2


NUMBERS = Toy(
    {
        "training.gradient_clipping": {"float": [0.01, 100], "log": True},
        "sampling.foreground_fraction": {"float": [0, 1]},
        "training.steps_per_epoch": {"int": [10, 100], "step": 10},
    },
    _numbers_by_hand,
    _numbers_dice,
)
"""Three axes that every trial has, a single peak."""


def _branches_by_hand(trial: optuna.Trial) -> None:
    trial.suggest_categorical("loss", ["dice", "focal", "tversky"])
    trial.suggest_categorical("sampling.batch_size", [2, 4, 8])
    if trial.suggest_categorical("training.optimizer", ["adam", "sgd"]) == "adam":
        trial.suggest_float("training.optimizer.adam.learning_rate", 1e-5, 1e-1, log=True)
    else:
        trial.suggest_float("training.optimizer.sgd.learning_rate", 1e-4, 1.0, log=True)
        trial.suggest_float("training.optimizer.sgd.momentum", 0.0, 0.99)


def _branches_dice(parameters: Mapping[str, Any]) -> float:
    dice = 0.9 - {"dice": 0.02, "focal": 0, "tversky": 0.1}[parameters["loss"]]
    dice -= {2: 0.02, 4: 0, 8: 0.03}[parameters["sampling.batch_size"]]
    if parameters["training.optimizer"] == "adam":
        return dice - 0.02 - 0.05 * _orders(parameters["training.optimizer.adam.learning_rate"], 1e-3) ** 2
    rate, momentum = (parameters[f"training.optimizer.sgd.{name}"] for name in ("learning_rate", "momentum"))
    return dice - 0.05 * _orders(rate, 5e-2) ** 2 - 0.1 * (momentum - 0.9) ** 2


BRANCHES = Toy(
    {
        "training.optimizer": {
            "choice": {
                "sgd": {"learning_rate": {"float": [1e-4, 1], "log": True}, "momentum": {"float": [0, 0.99]}},
                "adam": {"learning_rate": {"float": [1e-5, 1e-1], "log": True}},
            }
        },
        "loss": {"choice": ["dice", "focal", "tversky"]},
        "sampling.batch_size": {"choice": [2, 4, 8]},
    },
    _branches_by_hand,
    _branches_dice,
)
"""Choices, of which one has axes of its own; the best lies in the branch with more of them."""


def _listed_by_hand(trial: optuna.Trial) -> None:
    trial.suggest_categorical("loss", ["dice", "focal", "tversky"])
    if trial.suggest_categorical("training.optimizer", ["adam", "sgd"]) == "adam":
        trial.suggest_categorical("training.optimizer.adam.learning_rate", [1e-4, 1e-3, 1e-2])
    else:
        trial.suggest_categorical("training.optimizer.sgd.learning_rate", [1e-3, 1e-2, 5e-2, 0.5])
        trial.suggest_int("training.optimizer.sgd.nesterov", 0, 1)


def _listed_dice(parameters: Mapping[str, Any]) -> float:
    dice = 0.9 - {"dice": 0.02, "focal": 0, "tversky": 0.1}[parameters["loss"]]
    if parameters["training.optimizer"] == "adam":
        return dice - 0.02 - 0.05 * _orders(parameters["training.optimizer.adam.learning_rate"], 1e-3) ** 2
    nesterov = parameters["training.optimizer.sgd.nesterov"]
    return dice - 0.05 * _orders(parameters["training.optimizer.sgd.learning_rate"], 5e-2) ** 2 - 0.02 * nesterov


LISTED = Toy(
    {
        "training.optimizer": {
            "choice": {
                "adam": {"learning_rate": {"choice": [1e-4, 1e-3, 1e-2]}},
                "sgd": {"learning_rate": {"choice": [1e-3, 1e-2, 5e-2, 0.5]}, "nesterov": {"int": [0, 1]}},
            }
        },
        "loss": {"choice": ["dice", "focal", "tversky"]},
    },
    _listed_by_hand,
    _listed_dice,
)
"""33 points."""

SAMPLED = {"tpe": BRANCHES, "random": BRANCHES, "qmc": NUMBERS, "cmaes": NUMBERS, "gp": NUMBERS, "grid": LISTED}
"""A toy that each sampler is made for."""


def optunas_own(name: str, seed: int, **options: Any) -> optuna.samplers.BaseSampler:
    """Optuna's sampler as the search's defaults have it."""
    sampler, own = {
        "tpe": (optuna.samplers.TPESampler, {}),
        "random": (optuna.samplers.RandomSampler, {}),
        "grid": (optuna.samplers.BruteForceSampler, {}),
        "qmc": (optuna.samplers.QMCSampler, {"scramble": True, "warn_independent_sampling": False}),
        "cmaes": (optuna.samplers.CmaEsSampler, {"warn_independent_sampling": False}),
        "gp": (optuna.samplers.GPSampler, {"warn_independent_sampling": False}),
    }[name]
    return sampler(seed=seed, **own, **options)
