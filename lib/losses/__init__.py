"""The loss library. Every loss is called as ``loss(logits, target, maps)`` and returns a scalar.

``logits`` and ``target`` are (batch, 1, *spatial), 2D or 3D; target values lie in [0, 1]; ``maps`` maps the
name of each required map to a tensor of the target's shape.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.losses.catalogue import CATALOGUE, check_specification, resolved

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_loss"]


def build_loss(specification: str | Mapping[str, Any]) -> "nn.Module":
    """Build a loss from its catalogue name or from a specification such as a study file holds.

    >>> build_loss({"name": "focal", "alpha": 0.75, "inverse_weights": {}})  # doctest: +SKIP

    Raises:
        SeglossError: the specification does not fit the catalogue.
    """
    specification = {"name": specification} if isinstance(specification, str) else dict(specification)
    check_specification(specification)
    parameters = resolved(specification)
    module, _, name = CATALOGUE[parameters.pop("name")].implementation.partition(":")
    weights = parameters.pop("inverse_weights", None)
    loss = getattr(importlib.import_module(module), name)(**parameters)
    if weights is None:
        return loss
    weighting = importlib.import_module("lib.losses.inverse_weighting")
    return weighting.InverseWeighted(loss, **weights)
