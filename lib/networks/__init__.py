"""The network zoo: every network maps (batch, channels, *spatial) to logits of the same size."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.networks.catalogue import CATALOGUE, resolved

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_network"]


def build_network(specification: Mapping[str, Any], in_channels: int) -> "nn.Module":
    """Build a network from its specification, ``{"name": ..., **parameters}``."""
    parameters = resolved(specification)
    module, _, name = CATALOGUE[parameters.pop("name")].implementation.partition(":")
    return getattr(importlib.import_module(module), name)(in_channels=in_channels, **parameters)
