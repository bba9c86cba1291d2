"""What a loss needs besides time: maps, and hyper-parameters that somebody has to choose."""

from collections.abc import Iterator, Mapping
from typing import Any

from lib.losses.catalogue import LOSSES
from lib.losses.parameters import Chosen, Smoothed
from lib.losses.specification import parts

FIXED = {*Chosen.model_fields, *Smoothed.model_fields, "class_weights", "epsilon", "smooth", "floor"}
"""Options of how a loss is computed, which nobody tunes."""


def maps_of(loss: Mapping[str, Any]) -> list[str]:
    """Names of the maps that are prepared for a resolved loss."""
    maps = set[str]()
    for part in parts(loss):
        named = LOSSES[part["name"]].maps if part["name"] in LOSSES else part.get("maps", ())
        maps |= {name.format(**part.get("parameters", {})) for name in named}
        maps |= {"components"} if "inverse_weights" in part else set()
    return sorted(maps)


def hyperparameters(loss: Mapping[str, Any]) -> list[str]:
    """Numbers of a resolved loss that had to be chosen, such as ``focal gamma 2``: parameters, and weights of a sum.

    One weight of a sum can be 1 whatever the others are, so the first constant one is not counted.
    """
    return [*_parameters(loss), *_weights(loss)]


def _parameters(loss: Mapping[str, Any]) -> Iterator[str]:
    several = len([*parts(loss)]) > 1
    for part in parts(loss):
        for name, value in part.get("parameters", {}).items():
            if name not in FIXED and isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{part['name']} {name} {value:g}" if several else f"{name} {value:g}"


def _weights(loss: Mapping[str, Any]) -> Iterator[str]:
    terms = loss.get("sum", ())
    constant = [term for term in terms if not isinstance(term["weight"], Mapping)]
    for term in terms:
        if constant and term is constant[0]:
            continue
        name, weight = "+".join(part["name"] for part in parts(term["loss"])), term["weight"]
        if isinstance(weight, Mapping):
            numbers = [f"{key} {value:g}" for key, value in weight.items() if isinstance(value, int | float)]
            yield f"schedule of {name} ({', '.join(numbers)})"
        else:
            yield f"weight of {name} {weight:g}"


def is_cross_entropy(name: str, losses: Mapping[str, Any]) -> bool:
    """Whether a loss is plain cross-entropy, by its specification where it is known, else by its name."""
    if name not in losses:
        return name in ("ce", "bce", "cross_entropy")
    loss = losses[name]
    weighted = "inverse_weights" in loss or loss.get("parameters", {}).get("class_weights")
    return loss.get("name") == "cross_entropy" and not weighted and "deep_supervision" not in loss
