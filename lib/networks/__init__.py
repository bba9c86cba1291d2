"""The networks: each maps (batch, channels, *spatial) to logits of the same size."""

from typing import TYPE_CHECKING, Any

from lib.networks.catalogue import NETWORKS

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_network"]


def build_network(chosen: Any, in_channels: int, out_channels: int = 1) -> "nn.Module":
    """Build a network from the name of its entry, ``{"name": ..., **parameters}`` or its parameters.

    Raises:
        ValueError: an unknown network or parameter.
    """
    parameters = NETWORKS.parse(chosen)
    build = NETWORKS.entry_of(parameters).loaded
    return build(in_channels=in_channels, out_channels=out_channels, **parameters.arguments())
