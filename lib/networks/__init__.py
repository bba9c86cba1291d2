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
        SeglossError: the network cannot be built.
    """
    parameters = NETWORKS.parse(chosen)
    options = parameters.model_dump(exclude={"name", "background_channel"})
    return NETWORKS.entry_of(parameters).build(in_channels=in_channels, out_channels=out_channels, **options)
