"""Loss specifications as a study file holds them: checked, completed, and what they need. Never imports torch.

A specification is one of

* a name: of the catalogue, of `sums.yaml`, or the dotted path of a class (``package.module.Class``);
* ``{name: ..., parameters...}``; with ``inverse_weights: {}`` where the loss is weightable; for a dotted path the
  parameters go to its constructor, and ``maps`` lists the maps that it reads;
* ``{sum: [term, ...]}``, each term a specification with a ``weight``: a number or a schedule. Common options
  (``ignore_index``, ``sigmoid``, ...) beside ``sum`` are handed to every term that does not give its own; a choice of
  classes (``include_background``, ``classes``) only to losses on regions: pixel-wise terms see all voxels.

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
from lib.fields import Name, Number, Section
from lib.losses.catalogue import LOSSES, LossEntry
from lib.losses.parameters import Chosen, InverseWeights, Options, Weights
from lib.losses.schedule import SCHEDULES
from lib.suggest import suggestion
from lib.validation import validated

Specification = str | Mapping[str, Any]
COMMON = frozenset(Chosen.model_fields)
CHOICE = COMMON - frozenset(Options.model_fields)
COMPOSITION = "lib.losses.composition"


class _DeepSupervision(Section):
    weights: Weights | None = None


class _Weight(Section):
    value: Number


class _Maps(Section):
    maps: list[Name]


@cache
def named_sums() -> dict[str, dict[str, Any]]:
    """The specifications of `sums.yaml`, each with its ``source``."""
    return yaml.safe_load(Path(__file__).with_name("sums.yaml").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The names of all losses and named sums of the library."""
    return [*LOSSES, *named_sums()]


def resolved(specification: Specification) -> dict[str, Any]:
    """Check a specification and fill in every default: all that decides the loss, as JSON values.

    The result names the class of every loss and has one of the keys ``class`` and ``sum``.

    Raises:
        SeglossError: an unknown name or parameter, a value that is not allowed, a modifier that does not fit.
    """
    if isinstance(specification, str):
        specification = {"name": specification}
    if not isinstance(specification, Mapping):
        raise SeglossError(f"{specification!r} is no loss: a name, or a mapping with 'name' or 'sum' was expected")
    options = dict(specification)
    for key in options:
        if not isinstance(key, str):
            raise SeglossError(f"{key!r}: not the name of a parameter")
    supervision = _modifier("deep_supervision", options, _DeepSupervision)
    if ("name" in options) == ("sum" in options):
        allowed = f"; allowed names: {', '.join(names())}"
        found = "both 'name' and 'sum'" if "name" in options else "neither 'name' nor 'sum'"
        raise SeglossError(f"has {found}, one is needed{allowed}")
    loss = _resolved_sum(options) if "sum" in options else _resolved_name(options)
    if supervision is None:
        return loss
    if loss.get("parameters", {}).get("reduction") == "none":
        raise SeglossError("reduction: 'none' cannot be added up over resolutions; 'mean' and 'sum' can")
    return {**loss, "deep_supervision": supervision}


def _resolved_name(options: dict[str, Any]) -> dict[str, Any]:
    name = options.pop("name")
    if isinstance(name, str) and name in LOSSES:
        return _resolved_entry(name, LOSSES[name], options)
    if isinstance(name, str) and name in named_sums():
        whole = {key: value for key, value in named_sums()[name].items() if key != "source"}
        try:
            return resolved({**whole, **options})
        except SeglossError as error:
            raise SeglossError(f"loss {name!r} of sums.yaml: {error}") from None
    if isinstance(name, str) and "." in name:
        return _resolved_path(name, options)
    raise SeglossError(f"name: unknown loss {name!r}{suggestion(name, names())}; or a dotted path to a class")


def _resolved_entry(name: str, entry: LossEntry, options: dict[str, Any]) -> dict[str, Any]:
    where = f"loss {name!r}"
    if "inverse_weights" in options and not entry.weightable:
        weightable = ", ".join(key for key, other in LOSSES.items() if other.weightable)
        raise SeglossError(f"{where} takes no inverse_weights; these do: {weightable}")
    weights = _modifier("inverse_weights", options, InverseWeights)
    parameters = validated(entry.parameters, options, where).model_dump(mode="json")
    loss = {"name": name, "class": entry.implementation, "parameters": parameters}
    return loss if weights is None else {**loss, "inverse_weights": weights}


def _modifier(key: str, options: dict[str, Any], section: type[Section]) -> dict[str, Any] | None:
    """Remove a modifier from the options and complete it; None if it is not there."""
    if key not in options:
        return None
    value = options.pop(key)
    if not isinstance(value, Mapping):
        raise SeglossError(f"{key}: {value!r} is not a mapping; write {{}} for its defaults")
    return validated(section, dict(value), key).model_dump(mode="json")


def _resolved_path(path: str, options: dict[str, Any]) -> dict[str, Any]:
    module, _, name = path.rpartition(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in path.split(".")):
        raise SeglossError(f"name: {path!r} is not a dotted path to a class, such as package.module.Class")
    if module.split(".")[0] != "__main__" and importlib.util.find_spec(module.split(".")[0]) is None:
        raise SeglossError(
            f"name: {path!r}: there is no package or module {module.split('.')[0]!r}; put it beside the Snakefile or"
            " install it"
        )
    maps = validated(_Maps, {"maps": options.pop("maps", [])}, f"loss {path!r}").maps
    return {"name": path, "class": f"{module}:{name}", "parameters": options, "maps": maps}


def _resolved_sum(options: dict[str, Any]) -> dict[str, Any]:
    terms = options.pop("sum")
    for key in options:
        if key == "inverse_weights":
            raise SeglossError("inverse_weights: belongs to the terms of a sum, not beside 'sum'")
        if key not in COMMON:
            raise SeglossError(f"{key}: not an option beside 'sum'{suggestion(key, sorted(COMMON))}")
    if not isinstance(terms, list | tuple) or not terms:
        raise SeglossError(f"sum: {terms!r} is not a list with at least one term")
    return {"sum": [_resolved_term(number, term, options) for number, term in enumerate(terms, 1)]}


def _resolved_term(number: int, term: Any, common: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if isinstance(term, str):
            term = {"name": term}
        if not isinstance(term, Mapping):
            raise SeglossError(f"{term!r} is no loss")
        options = dict(term)
        weight = _resolved_weight(options.pop("weight", 1.0))
        loss = resolved({**_handed_to(options, common), **options})
        if loss.get("parameters", {}).get("reduction") == "none":
            raise SeglossError("reduction: 'none' cannot be added up; 'mean' and 'sum' can")
        if "deep_supervision" in loss:
            raise SeglossError("deep_supervision stands beside 'sum', not in a term")
    except SeglossError as error:
        raise SeglossError(f"sum: term {number}: {error}") from None
    return {"weight": weight, "loss": loss}


def _resolved_weight(weight: Any) -> float | dict[str, Any]:
    if not isinstance(weight, Mapping):
        return validated(_Weight, {"value": weight}, "weight").value
    kind = weight.get("schedule")
    if not isinstance(kind, str) or kind not in SCHEDULES:
        raise SeglossError(f"weight: schedule: {kind!r} is not one of {', '.join(SCHEDULES)}")
    return validated(SCHEDULES[kind], dict(weight), "weight").model_dump(mode="json")


def _handed_to(term: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """The sum's common options that are for this term.

    A choice of classes is for losses on regions that make none of their own: pixel-wise terms see all voxels.
    """
    name = term.get("name")
    if isinstance(name, str) and "." in name and common:
        raise SeglossError(
            f"{name!r} cannot be handed the options beside 'sum' ({', '.join(common)}); write them into the terms"
        )
    entry = LOSSES.get(name) if isinstance(name, str) else None
    has_own = CHOICE & set(term)
    skipped = CHOICE if has_own or (entry and not entry.chooses_regions) else set()
    return {key: value for key, value in common.items() if key not in skipped}


def parts(resolved_loss: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The single losses of a resolved specification."""
    if "sum" in resolved_loss:
        for term in resolved_loss["sum"]:
            yield from parts(term["loss"])
    else:
        yield resolved_loss


def term_names(resolved_loss: Mapping[str, Any]) -> list[str]:
    """The terms of a sum by their names, those that come again with a number; nothing of a single loss."""
    names = ["+".join(part["name"] for part in parts(term["loss"])) for term in resolved_loss.get("sum", ())]
    before = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}_{n + 1}" if n else name for name, n in zip(names, before, strict=True)]


def without_defaults(resolved_loss: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved specification without the parameters that have their default."""
    whole = dict(resolved_loss)
    if "sum" in whole:
        whole["sum"] = [
            {"loss": without_defaults(term["loss"]), "weight": _weight_without_defaults(term["weight"])}
            for term in whole["sum"]
        ]
    elif whole["name"] in LOSSES:
        whole["parameters"] = _chosen(LOSSES[whole["name"]].parameters, whole["parameters"])
    if "inverse_weights" in whole:
        whole["inverse_weights"] = _chosen(InverseWeights, whole["inverse_weights"])
    if "deep_supervision" in whole:
        whole["deep_supervision"] = _chosen(_DeepSupervision, whole["deep_supervision"])
    return whole


def shortest(resolved_loss: Mapping[str, Any]) -> dict[str, Any]:
    """The specification without any default that :func:`resolved` completes to this one."""
    short = without_defaults(resolved_loss)
    modifiers = {key: short[key] for key in ("inverse_weights", "maps", "deep_supervision") if key in short}
    if "sum" in resolved_loss:
        terms = [{**shortest(term["loss"]), "weight": term["weight"]} for term in resolved_loss["sum"]]
        return {"sum": terms, **modifiers}
    return {"name": short["name"], **short["parameters"], **modifiers}


def _weight_without_defaults(weight: Any) -> Any:
    return _chosen(SCHEDULES[weight["schedule"]], weight) if isinstance(weight, Mapping) else weight


def _chosen(section: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    return section.model_validate(values).model_dump(mode="json", exclude_defaults=True)


def required_maps(specification: Specification) -> tuple[str, ...]:
    """Names of the maps that a loss reads, such as ``("components",)``."""
    maps = set()
    for part in parts(resolved(specification)):
        if "maps" in part:
            maps.update(part["maps"])
        else:
            maps.update(name.format(**part["parameters"]) for name in LOSSES[part["name"]].maps)
        if "inverse_weights" in part:
            maps.add("components")
    return tuple(sorted(maps))


def code_modules(whole: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules whose code decides the values of a resolved loss; those of installed packages too."""
    modules = {part["class"].partition(":")[0] for part in parts(whole)}
    if any("inverse_weights" in part for part in parts(whole)):
        modules.add("lib.losses.inverse_weighting")
    if "sum" in whole or "deep_supervision" in whole or any("maps" in part for part in parts(whole)):
        modules.add(COMPOSITION)
    return tuple(sorted(modules))
