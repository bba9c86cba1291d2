"""The space of a search as a study file has it, and the settings of a trial. Never imports torch, numpy or Optuna.

A space maps places of a run's settings (``sampling.batch_size``), and ``loss``, to axes:

* ``{float: [low, high]}`` or ``{int: [low, high]}``, both ends included; ``log: true`` draws orders of magnitude,
  ``step`` leaves whole numbers out;
* ``{choice: [4, 8]}``: one of a list of values;
* ``{choice: {adam: {learning_rate: {float: [0.0001, 0.1], log: true}}, sgd: ...}}``: one of several by name. Inside
  each, at any depth, further axes may stand, which only the trials have that chose it (conditional ones).

Where settings choose an entry by name, and for ``loss``, a word stands for the entry, and ``adam: {...}`` for
``{name: adam, ...}``. The parameters of a trial are flat: ``training.optimizer`` is ``adam``, and
``training.optimizer.adam.learning_rate`` a number. The order of keys in a file does not matter.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import permutations, product
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, TypeAdapter, model_validator

from lib.config.schema import Settings
from lib.fields import Int, Number, PositiveInt, Section, unique
from lib.registry import Parameters
from lib.suggest import shortened, suggestion
from lib.validation import section_in

LOSS = "loss"
FIXED = (
    *("datasets", "losses", "seeds", "split", "noise", "evaluation"),
    *("training.epochs", "training.test_epochs", "training.monitor"),
)
"""Places that no search may vary: they decide what its trials are compared by, and the budget."""
COMBINATIONS = 2000
"""Of choices, at most: each is checked before anything is trained."""
LOWEST, BETWEEN, HIGHEST = 0.0, 1 / math.e, 1.0


class FloatAxis(Section):
    """Numbers; ``log``: evenly by order of magnitude."""

    float: tuple[Number, Number]
    log: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> "FloatAxis":
        _check_ends(self.float, self.log)
        return self

    @property
    def size(self) -> float:
        """How many values it has."""
        return math.inf

    def at(self, share: float) -> float:
        """The number at a share of the way."""
        low, high = self.float
        return low + share * (high - low)

    def suggested(self, trial: Any, name: str) -> Any:
        return trial.suggest_float(name, *self.float, log=self.log)


class IntAxis(Section):
    """Whole numbers from the lowest in steps; ``log``: evenly by order of magnitude, without steps."""

    int: tuple[Int, Int]
    log: bool = False
    step: PositiveInt = 1

    @model_validator(mode="after")
    def _sensible(self) -> "IntAxis":
        low, high = self.int
        _check_ends(self.int, self.log)
        if self.log and self.step > 1:
            raise ValueError("log and step exclude each other")
        if (high - low) % self.step:
            raise ValueError(f"{high} is no whole number of steps of {self.step} above {low}")
        return self

    @property
    def size(self) -> int:
        """How many values it has."""
        low, high = self.int
        return (high - low) // self.step + 1

    def at(self, share: float) -> Any:
        """The number at a share of the way."""
        return self.int[0] + math.floor(share * (self.size - 1)) * self.step

    def suggested(self, trial: Any, name: str) -> Any:
        return trial.suggest_int(name, *self.int, log=self.log, step=self.step)


def _check_ends(ends: tuple[float, float], log: bool) -> None:
    low, high = ends
    if low >= high:
        raise ValueError(f"[{low}, {high}] must ascend")
    if log and low <= 0:
        raise ValueError(f"log needs a lower end above 0, not {low}")


def _options(value: Any) -> Any:
    if isinstance(value, dict):
        options = dict(sorted(_NAMED.validate_python(value).items()))
    elif isinstance(value, list | tuple):
        options = _LISTED.validate_python(value)
        unique([_label(option) for option in options])
    else:
        raise ValueError(f"{shortened(value)} is neither a list of values nor a mapping that gives them names")
    if not options:
        raise ValueError("at least one value was expected")
    return options


class ChoiceAxis(Section):
    """One of a list, or of a mapping by name."""

    choice: Annotated[Any, BeforeValidator(_options)]

    @property
    def options(self) -> dict[Any, Any]:
        """By what stands for each in the parameters of a trial."""
        if isinstance(self.choice, dict):
            return self.choice
        return {_label(option): option for option in self.choice}

    def suggested(self, trial: Any, name: str) -> Any:
        return trial.suggest_categorical(name, list(self.options))


def _label(option: Any) -> Any:
    """A word or number itself, an entry by its name, and anything else as JSON."""
    if not isinstance(option, dict | list):
        return option
    name = option.get("name") if isinstance(option, dict) else None
    return name if isinstance(name, str) else json.dumps(option, default=lambda axis: axis.model_dump())


Axis = FloatAxis | IntAxis | ChoiceAxis
AXES: dict[str, type[Section]] = {"float": FloatAxis, "int": IntAxis, "choice": ChoiceAxis}


def _axis(value: Any) -> Axis:
    kinds = [kind for kind in AXES if kind in value] if isinstance(value, dict) else []
    if len(kinds) != 1:
        found = " and ".join(kinds) or shortened(value)
        raise ValueError(f"{found}: one of float, int and choice was expected, such as {{float: [0.1, 1]}}")
    model = AXES[kinds[0]]
    for key in value:
        if key not in model.model_fields:
            raise ValueError(f"{kinds[0]}: unknown key {shortened(key)}{suggestion(key, model.model_fields)}")
    return model.model_validate(value)


def _axis_or_value(value: Any) -> Any:
    """What may stand in an option: an axis, a list or mapping of such, or a value."""
    if isinstance(value, dict):
        return _axis(value) if value.keys() & AXES else dict(sorted(_NAMED.validate_python(value).items()))
    return _LISTED.validate_python(value) if isinstance(value, list | tuple) else value


_Inner = Annotated[Any, BeforeValidator(_axis_or_value)]
_NAMED, _LISTED = TypeAdapter(dict[str, _Inner]), TypeAdapter(list[_Inner])


def _known_place(place: str) -> str:
    for fixed in FIXED:
        if fixed == place or f"{fixed}.".startswith(f"{place}.") or place.startswith(f"{fixed}."):
            raise ValueError(
                f"all trials of a search have the same {', '.join(FIXED)}; the loss of a run is the place {LOSS!r}"
            )
    _type_at(place)
    return place


def _type_at(place: str) -> Any:
    """The type of the setting; None below an entry that is chosen by name, as it depends on the entry."""
    kind: Any = Settings
    outer = ""
    for key in place.split(".") if place != LOSS else ():
        model = section_in(kind)
        if model and issubclass(model, Parameters):
            return None
        known = model.model_fields if model else {}
        if key not in known:
            allowed = [f"{outer}{name}" for name in known if f"{outer}{name}" not in FIXED] + (not outer) * [LOSS]
            raise ValueError(f"unknown setting{suggestion(f'{outer}{key}', allowed)}")
        kind, outer = known[key].annotation, f"{outer}{key}."
    return kind


def _is_entry(place: str) -> bool:
    """Whether an entry is chosen there by name, or a loss."""
    return place == LOSS or _type_at(place) is Parameters


def _sensible(space: dict[str, Axis]) -> dict[str, Axis]:
    for outer, inner in permutations(space, 2):
        if inner.startswith(f"{outer}."):
            raise ValueError(f"{inner} lies in {outer}; give it as a parameter of each choice there")
    for place, axis in space.items():
        if _is_entry(place) and not isinstance(axis, ChoiceAxis):
            raise ValueError(f"{place}: choice was expected, of names")
    unique([name for name, _, _ in axes(space)])
    if (combinations := _count(space, lambda axis: 1)) > COMBINATIONS:
        raise ValueError(
            f"{combinations} combinations of choices are more than {COMBINATIONS}; make int or float of some"
        )
    return dict(sorted(space.items()))


Place = Annotated[str, AfterValidator(_known_place)]
Space = Annotated[
    dict[Place, Annotated[SerializeAsAny[Section], BeforeValidator(_axis)]],
    Field(min_length=1),
    AfterValidator(_sensible),
]


def suggest(trial: Any, space: Mapping[str, Axis]) -> dict[str, Any]:
    """Ask an Optuna trial for every axis that it has; its flat parameters."""
    for name, axis in space.items():
        _suggest(trial, name, axis)
    return dict(trial.params)


def _suggest(trial: Any, name: str, value: Any) -> None:
    suggested = value.suggested(trial, name) if isinstance(value, Axis) else None
    if isinstance(value, ChoiceAxis):
        _suggest(trial, f"{name}.{suggested}", value.options[suggested])
    for key, inner in _parts(value):
        _suggest(trial, f"{name}.{key}", inner)


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """What lies in a mapping or list that is no axis."""
    return value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()


def settings_of(
    space: Mapping[str, Axis], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a trial changes of the settings, to be merged over them, and its loss.

    The loss is ``{name: ..., parameters...}``, where the name is one of the study's losses or of the library's, or a
    specification with a ``sum``; None where the space has none.
    """
    changes: dict[str, Any] = {}
    for place, axis in space.items():
        *outer, last = place.split(".")
        section = changes
        for key in outer:
            section = section.setdefault(key, {})
        section[last] = _value(place, axis, parameters)
        if _is_entry(place):
            section[last] = _named(parameters[place], section[last])
    return changes, changes.pop(LOSS, None)


def _value(name: str, value: Any, parameters: Mapping[str, Any]) -> Any:
    if isinstance(value, ChoiceAxis):
        label = parameters[name]
        return _value(f"{name}.{label}", value.options[label], parameters)
    if isinstance(value, Axis):
        return parameters[name]
    parts = {key: _value(f"{name}.{key}", inner, parameters) for key, inner in _parts(value)}
    return parts if isinstance(value, dict) else list(parts.values()) if isinstance(value, list) else value


def _named(label: Any, value: Any) -> Any:
    """An entry with its name: its own, or what it is called in the space."""
    if not isinstance(value, dict):
        return {"name": value}
    return value if value.keys() & {"name", "sum"} else {"name": label, **value}


def axes(space: Mapping[str, Axis]) -> Iterator[tuple[str, Axis, bool]]:
    """Every axis with the name of its parameter, and whether it is conditional."""
    for name, axis in space.items():
        yield from _axes(name, axis, False)


def _axes(name: str, value: Any, conditional: bool) -> Iterator[tuple[str, Axis, bool]]:
    if isinstance(value, Axis):
        yield name, value, conditional
    if isinstance(value, ChoiceAxis):
        for label, option in value.options.items():
            yield from _axes(f"{name}.{label}", option, True)
    for key, inner in _parts(value):
        yield from _axes(f"{name}.{key}", inner, conditional)


def levels(space: Mapping[str, Axis]) -> list[dict[str, Any]]:
    """Parameters that stand for all others where settings are checked before anything is trained.

    They are all combinations of choices, each with all numbers at their lowest, in between, and at their highest.
    """
    found = [level for share in (LOWEST, BETWEEN, HIGHEST) for level in _levels("", space, share)]
    return list({tuple(level.items()): level for level in found}.values())


def _levels(name: str, value: Any, share: float) -> list[dict[str, Any]]:
    if isinstance(value, ChoiceAxis):
        return [
            {name: label, **level}
            for label, option in value.options.items()
            for level in _levels(f"{name}.{label}", option, share)
        ]
    if isinstance(value, Axis):
        return [{name: value.at(share)}]
    parts = [_levels(f"{name}.{key}" if name else key, inner, share) for key, inner in _parts(value)]
    return [{key: number for level in levels for key, number in level.items()} for levels in product(*parts)]


def size(space: Mapping[str, Axis]) -> float:
    """How many points a space has; infinite with numbers that are not whole."""
    return _count(space, lambda axis: axis.size)


def _count(value: Any, numbers: Callable[[FloatAxis | IntAxis], float]) -> float:
    if isinstance(value, ChoiceAxis):
        return sum(_count(option, numbers) for option in value.options.values())
    if isinstance(value, Axis):
        return numbers(value)
    return math.prod(_count(inner, numbers) for _, inner in _parts(value))
