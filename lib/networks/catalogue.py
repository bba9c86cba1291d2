"""What the workflow knows of each network without importing torch."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NetworkEntry:
    """One network: where its module lies, its parameters with defaults, and what it asks of patches.

    ``halvings_at_once`` is how often the first level already halves the input; every further level halves once.
    ``levels``: how many widths it takes, None for two and more.
    """

    implementation: str
    source: str
    halvings_at_once: int
    dimensions: int = 3
    levels: int | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def divisor(self, levels: int) -> int:
        """What the lengths of a patch must divide by, for this many levels."""
        return 2 ** (self.halvings_at_once + levels - 1)

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
        halvings_at_once=0,
        parameters={"channels": (16, 64, 128, 256)},
    ),
    "space_to_depth_unet": NetworkEntry(
        implementation="lib.networks.space_to_depth_unet:SpaceToDepthUNet",
        source="ours: a small U-Net behind space-to-depth by 2, for minutes on a CPU",
        halvings_at_once=1,
        parameters={"channels": (8, 16, 32)},
    ),
    "space_to_depth_unet_2d": NetworkEntry(
        implementation="lib.networks.space_to_depth_unet:SpaceToDepthUNet",
        source="ours: the same network on images",
        halvings_at_once=1,
        dimensions=2,
        parameters={"channels": (8, 16, 32), "dimensions": 2},
    ),
    "plain_unet_2d": NetworkEntry(
        implementation="lib.networks.plain_unet:PlainUNet",
        source="Gonzalez-Jimenez et al., MICCAI 2023: the code release's network, 18,670,368 parameters for RGB",
        halvings_at_once=0,
        dimensions=2,
        parameters={"channels": (32, 64, 128, 256, 480, 480)},
    ),
    "boundary_unet_2d": NetworkEntry(
        implementation="lib.networks.boundary_unet:BoundaryUNet",
        source="Kervadec et al., MIDL 2019: the code release's UNet, 18,703,127 parameters from 2 channels to 2",
        halvings_at_once=0,
        dimensions=2,
        parameters={"channels": (64, 128, 256, 512), "dimensions": 2},
    ),
    "boundary_unet": NetworkEntry(
        implementation="lib.networks.boundary_unet:BoundaryUNet",
        source="Kervadec et al., MIDL 2019: the code release's UNet3D, 56,083,799 parameters from 1 channel to 2",
        halvings_at_once=0,
        parameters={"channels": (64, 128, 256, 512), "dimensions": 3},
    ),
    "enet_2d": NetworkEntry(
        implementation="lib.networks.enet:ENet",
        source="Kervadec et al., MedIA 2021: the code release's ENet, 463,475 parameters from 1 channel to 4",
        halvings_at_once=1,
        dimensions=2,
        levels=3,
        parameters={"channels": (16, 64, 128)},
    ),
}
