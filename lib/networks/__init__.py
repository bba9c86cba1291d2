"""The networks: each maps (batch, channels, *spatial) to logits of the same size."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.networks.catalogue import NETWORKS

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_network"]


_OF_OTHERS = {"name", "background_channel"}
"""Parameters that are not for the network's class."""


def build_network(chosen: Any, in_channels: int, out_channels: int = 1, pretrained: Path | None = None) -> "nn.Module":
    """Build a network from the name of its entry, ``{"name": ..., **parameters}`` or its parameters.

    Args:
        pretrained: the file of the weights that it begins with, where its parameters ask for some.

    Raises:
        ValueError: an unknown network or parameter.
        SeglossError: the network cannot be built, or the file does not fit.
    """
    parameters = NETWORKS.parse(chosen)
    options = parameters.model_dump(exclude=_OF_OTHERS)
    network = NETWORKS.entry_of(parameters).build(in_channels=in_channels, out_channels=out_channels, **options)
    if pretrained:
        network.load_pretrained(pretrained)
    return network
