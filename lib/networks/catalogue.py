"""What the workflow knows of each network without importing torch."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NetworkEntry:
    """One network: where its module lies, its parameters with defaults, and what patch sizes must divide by."""

    implementation: str
    source: str
    divisor: int
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return self.implementation.partition(":")[0]


def resolved(specification: dict[str, Any]) -> dict[str, Any]:
    """The specification ``{"name": ..., **parameters}`` with every default filled in."""
    return {**CATALOGUE[specification["name"]].parameters, **specification}


CATALOGUE: dict[str, NetworkEntry] = {
    "residual_unet": NetworkEntry(
        implementation="lib.networks.residual_unet:ResidualUNet",
        source="Shirokikh et al., MICCAI 2020: the code release's network, 11,074,306 parameters",
        divisor=8,
        parameters={"channels": (16, 64, 128, 256)},
    ),
    "space_to_depth_unet": NetworkEntry(
        implementation="lib.networks.space_to_depth_unet:SpaceToDepthUNet",
        source="ours: a small U-Net behind space-to-depth by 2, for minutes on a CPU",
        divisor=8,
        parameters={"channels": (8, 16, 32)},
    ),
}
