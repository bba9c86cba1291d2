"""Loss specifications as a study file holds them: checked, completed, and what they need. Never imports torch.

A specification is one of

* a name: of the catalogue, of `sums.yaml`, or the dotted path of a class (``package.module.Class``);
* ``{name: ..., parameters...}``; with ``inverse_weights: {}`` where the loss is weightable; for a dotted path the
  parameters go to its constructor, and ``maps`` lists the maps that it reads;
* ``{sum: [term, ...]}``, each term a specification with a ``weight``: a number or a schedule; options common to all
  losses (``ignore_index``, ``sigmoid``, ...) beside ``sum`` are handed to every term that does not give its own.

``deep_supervision: {}`` applies a specification to several resolutions.
"""

import importlib.util
import keyword
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lib.errors import SeglossError
from lib.losses.catalogue import CATALOGUE, InverseWeights, LossEntry, Options, Weights
from lib.losses.schedule import Schedule
from lib.schema import Name, Number, Section, validated
from lib.suggest import suggestion

Specification = str | Mapping[str, Any]
COMMON = frozenset(Options.model_fields)
COMPOSITION = "lib.losses.composition"


class _Weight(Section):
    weight: Number | Schedule = 1.0


class _Levels(Section):
    weights: Weights | None = None


class _DeepSupervision(Section):
    deep_supervision: _Levels


class _Maps(Section):
    maps: list[Name]


@cache
def named_sums() -> dict[str, dict[str, Any]]:
    """The specifications of `sums.yaml`, each with its ``source``."""
    return yaml.safe_load(Path(__file__).with_name("sums.yaml").read_text(encoding="utf-8"))


def resolved(specification: Specification) -> dict[str, Any]:
    """Check a specification and fill in every default: all that decides the loss, as JSON values.

    The result names the class of every loss and has one of the keys ``class`` and ``sum``.

    Raises:
        SeglossError: an unknown name or parameter, a value that is not allowed, a modifier that does not fit.
    """
    if isinstance(specification, str):
        specification = {"name": specification}
    if not isinstance(specification, Mapping):
        raise SeglossError(
            f"{specification!r} is no loss: a name, or a mapping with 'name' or 'sum' was expected"
        )
    options = dict(specification)
    supervision = _taken(options, "deep_supervision", _DeepSupervision)
    if ("name" in options) == ("sum" in options):
        told = f"; allowed names: {', '.join([*CATALOGUE, *named_sums()])}"
        found = "both 'name' and 'sum'" if "name" in options else "neither 'name' nor 'sum'"
        raise SeglossError(f"has {found}, one is needed{told}")
    loss = _resolved_sum(options) if "sum" in options else _resolved_name(options)
    return {**loss, "deep_supervision": supervision} if supervision else loss


def _resolved_name(options: dict[str, Any]) -> dict[str, Any]:
    name = options.pop("name")
    if isinstance(name, str) and name in CATALOGUE:
        return _resolved_entry(name, CATALOGUE[name], options)
    if isinstance(name, str) and name in named_sums():
        whole = {key: value for key, value in named_sums()[name].items() if key != "source"}
        try:
            return resolved({**whole, **options})
        except SeglossError as error:
            raise SeglossError(f"loss {name!r} of sums.yaml: {error}") from None
    if isinstance(name, str) and "." in name:
        return _resolved_path(name, options)
    allowed = [*CATALOGUE, *named_sums()]
    raise SeglossError(f"name: unknown loss {name!r}{suggestion(name, allowed)}; or a dotted path to a class")


def _resolved_entry(name: str, entry: LossEntry, options: dict[str, Any]) -> dict[str, Any]:
    where = f"loss {name!r}"
    weights = options.pop("inverse_weights", None)
    parameters = validated(entry.parameters, options, where).model_dump(mode="json")
    loss = {"name": name, "class": entry.implementation, "parameters": parameters}
    if weights is None:
        return loss
    if not entry.weightable:
        weightable = ", ".join(key for key, other in CATALOGUE.items() if other.weightable)
        raise SeglossError(f"{where} takes no inverse_weights; these do: {weightable}")
    if not isinstance(weights, Mapping):
        raise SeglossError(
            f"{where}: inverse_weights: {weights!r} is not a mapping; write {{}} for the published ones"
        )
    modifier = validated(InverseWeights, dict(weights), f"{where}: inverse_weights")
    return {**loss, "inverse_weights": modifier.model_dump(mode="json")}


def _resolved_path(path: str, options: dict[str, Any]) -> dict[str, Any]:
    module, _, name = path.rpartition(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in path.split(".")):
        raise SeglossError(f"name: {path!r} is not a dotted path to a class, such as package.module.Class")
    if importlib.util.find_spec(module.split(".")[0]) is None:
        raise SeglossError(
            f"name: {path!r}: there is no package or module {module.split('.')[0]!r}; put it beside the Snakefile or"
            " install it"
        )
    maps = _taken(options, "maps", _Maps) or []
    return {"name": path, "class": f"{module}:{name}", "parameters": options, "maps": maps}


def _resolved_sum(options: dict[str, Any]) -> dict[str, Any]:
    terms = options.pop("sum")
    for key in options:
        if key not in COMMON:
            raise SeglossError(f"{key}: not an option beside 'sum'{suggestion(key, sorted(COMMON))}")
    if not isinstance(terms, list | tuple) or not terms:
        raise SeglossError(f"sum: {terms!r} is not a list of terms")
    return {"sum": [_resolved_term(number, term, options) for number, term in enumerate(terms, 1)]}


def _resolved_term(number: int, term: Any, common: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(term, str):
        term = {"name": term}
    if not isinstance(term, Mapping):
        raise SeglossError(f"sum: term {number}: {term!r} is no loss")
    options = dict(term)
    try:
        weight = _taken(options, "weight", _Weight)
        loss = resolved({**_handed_to(options, common), **options})
        if loss.get("parameters", {}).get("reduction") == "none":
            raise SeglossError("reduction: 'none' cannot be added up; 'mean' and 'sum' can")
        if "deep_supervision" in loss:
            raise SeglossError("deep_supervision stands beside 'sum', not in a term")
    except SeglossError as error:
        raise SeglossError(f"sum: term {number}: {error}") from None
    return {"weight": 1.0 if weight is None else weight, "loss": loss}


def _handed_to(term: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """The sum's common options for a term; a choice of classes of the term's own replaces the sum's."""
    chooses = {"include_background", "classes"}
    skipped = chooses if chooses & set(term) else set()
    is_path = "name" in term and term["name"] not in [*CATALOGUE, *named_sums()]
    return {} if is_path else {key: value for key, value in common.items() if key not in skipped}


def _taken(options: dict[str, Any], key: str, section: type[Section]) -> Any:
    """Remove ``key`` from the options and return its checked value, None if it is not there."""
    if key not in options:
        return None
    return validated(section, {key: options.pop(key)}, "loss").model_dump(mode="json")[key]


def parts(resolved_loss: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The single losses of a resolved specification."""
    if "sum" in resolved_loss:
        for term in resolved_loss["sum"]:
            yield from parts(term["loss"])
    else:
        yield resolved_loss


def required_maps(specification: Specification) -> tuple[str, ...]:
    """Names of the maps that a loss reads, such as ``("components",)``."""
    maps = set()
    for part in parts(resolved(specification)):
        if "maps" in part:
            maps.update(part["maps"])
        else:
            maps.update(name.format(**part["parameters"]) for name in CATALOGUE[part["name"]].maps)
        if "inverse_weights" in part:
            maps.add("components")
    return tuple(sorted(maps))


def code_modules(specification: Specification) -> tuple[str, ...]:
    """Modules whose code decides the values of a loss; those of installed packages too."""
    whole = resolved(specification)
    modules = {part["class"].partition(":")[0] for part in parts(whole)}
    if any("inverse_weights" in part for part in parts(whole)):
        modules.add("lib.losses.inverse_weighting")
    if "sum" in whole or "deep_supervision" in whole or any("maps" in part for part in parts(whole)):
        modules.add(COMPOSITION)
    return tuple(sorted(modules))
