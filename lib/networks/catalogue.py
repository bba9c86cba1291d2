"""What the workflow knows of each network without importing torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.fields import PositiveInt
from lib.registry import Entry, Parameters, Registry

Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2)]


class NetworkParameters(Parameters):
    """What every network takes.

    Two classes are distinguished by one logit, or with ``background_channel`` by two, of which a loss may weigh each.
    """

    background_channel: bool = False

    @property
    def divisor(self) -> int:
        """What the lengths of a patch must divide by."""
        return 1

    @property
    def several_outputs(self) -> bool:
        """Whether the network returns a list of outputs in training, full resolution first."""
        return False

    @property
    def output_weights(self) -> list[float]:
        """By which the loss of each of several outputs counts, where the loss itself does not say it."""
        return []

    @property
    def pretrained(self) -> tuple[str, str] | None:
        """Source and file of the weights that the network begins with; None if all are drawn."""
        return None

    @property
    def note(self) -> str:
        """What figures must say of runs with it."""
        return ""


class UNet(NetworkParameters):
    """Widths of the levels, each of which halves the one before."""

    channels: Widths

    @property
    def divisor(self) -> int:
        return 2 ** (len(self.channels) - 1)


class ResidualUNet(UNet):
    channels: Widths = (16, 64, 128, 256)


class SpaceToDepthUNet(UNet):
    channels: Widths = (8, 16, 32)

    @property
    def divisor(self) -> int:
        return 2 ** len(self.channels)


class SpaceToDepthUNet2D(SpaceToDepthUNet):
    dimensions: Literal[2] = 2


class PlainUNet(UNet):
    channels: Widths = (32, 64, 128, 256, 480, 480)
    deep_supervision: bool = False

    @property
    def several_outputs(self) -> bool:
        return self.deep_supervision

    @property
    def output_weights(self) -> list[float]:
        """Halved from level to level, but for the coarsest of several, in sum 1, as nnU-Net v1 has it."""
        outputs = len(self.channels) - 1
        halved = [2.0**-level for level in range(max(1, outputs - 1))]
        return [weight / sum(halved) for weight in halved] + (outputs - len(halved)) * [0.0]


class PlainUNet3D(PlainUNet):
    channels: Widths = (32, 64, 128, 256, 320, 320)
    normalisation: Literal["batch", "instance"] = "instance"
    dimensions: Literal[3] = 3


class BoundaryUNet(UNet):
    channels: Widths = (64, 128, 256, 512)
    dimensions: Literal[3] = 3


class BoundaryUNet2D(UNet):
    channels: Widths = (64, 128, 256, 512)
    dimensions: Literal[2] = 2


class ENet(UNet):
    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 64, 128)

    @property
    def divisor(self) -> int:
        return 8


IMAGENET = {"resnet50": "resnet50-19c8e357.pth", "resnet101": "resnet101-5d3b4d8f.pth"}
"""Files of the source `imagenet_resnet`, by encoder."""


class ResNetEncoded(NetworkParameters):
    """``encoder_weights``: those that the encoder begins with; null draws all of them."""

    encoder: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet50"
    encoder_weights: Literal["imagenet"] | None = None

    @model_validator(mode="after")
    def _weights_exist(self) -> "ResNetEncoded":
        if self.encoder_weights and self.encoder not in IMAGENET:
            raise ValueError(f"encoder_weights: there are none for {self.encoder}, only for {', '.join(IMAGENET)}")
        return self

    @property
    def divisor(self) -> int:
        return 32

    @property
    def pretrained(self) -> tuple[str, str] | None:
        return ("imagenet_resnet", IMAGENET[self.encoder]) if self.encoder_weights else None

    @property
    def note(self) -> str:
        return "" if self.encoder_weights else "Encoders were trained from scratch, not on ImageNet first."


@dataclass(frozen=True)
class NetworkEntry(Entry):
    """One network; its class is called with ``in_channels``, ``out_channels`` and the parameters."""

    dimensions: int = 3


def _resnet_encoded(name: str, source: str) -> NetworkEntry:
    as_published = "as Liu et al., arXiv 2104.08717, had it of segmentation-models-pytorch 0.2.1"
    return NetworkEntry(f"lib.networks.resnet_encoder:{name}", ResNetEncoded, f"{source}, {as_published}", dimensions=2)


NETWORKS: Registry[NetworkEntry] = Registry(
    "network",
    {
        "residual_unet": NetworkEntry(
            "lib.networks.residual_unet:ResidualUNet",
            ResidualUNet,
            "Shirokikh et al., MICCAI 2020: the code release's network, 11,074,306 parameters",
        ),
        "space_to_depth_unet": NetworkEntry(
            "lib.networks.space_to_depth_unet:SpaceToDepthUNet",
            SpaceToDepthUNet,
            "ours: a small U-Net behind space-to-depth by 2, for minutes on a CPU",
        ),
        "space_to_depth_unet_2d": NetworkEntry(
            "lib.networks.space_to_depth_unet:SpaceToDepthUNet",
            SpaceToDepthUNet2D,
            "ours: the same network on images",
            dimensions=2,
        ),
        "plain_unet_2d": NetworkEntry(
            "lib.networks.plain_unet:PlainUNet",
            PlainUNet,
            "Gonzalez-Jimenez et al., MICCAI 2023: the code release's network, 18,670,368 parameters for RGB",
            dimensions=2,
        ),
        "plain_unet": NetworkEntry(
            "lib.networks.plain_unet:PlainUNet",
            PlainUNet3D,
            "nnU-Net v1's 3D network at full resolution, Isensee et al., Nature Methods 2021",
        ),
        "boundary_unet_2d": NetworkEntry(
            "lib.networks.boundary_unet:BoundaryUNet",
            BoundaryUNet2D,
            "Kervadec et al., MIDL 2019: the code release's UNet, 18,703,127 parameters from 2 channels to 2",
            dimensions=2,
        ),
        "boundary_unet": NetworkEntry(
            "lib.networks.boundary_unet:BoundaryUNet",
            BoundaryUNet,
            "Kervadec et al., MIDL 2019: the code release's UNet3D, 56,083,799 parameters from 1 channel to 2",
        ),
        "enet_2d": NetworkEntry(
            "lib.networks.enet:ENet",
            ENet,
            "Kervadec et al., MedIA 2021: the code release's ENet, 463,475 parameters from 1 channel to 4",
            dimensions=2,
        ),
        "resnet_unet_2d": _resnet_encoded("ResNetUNet", "Ronneberger et al., MICCAI 2015"),
        "resnet_fpn_2d": _resnet_encoded("ResNetFPN", "Kirillov et al., CVPR 2019"),
        "deeplabv3plus_2d": _resnet_encoded("DeepLabV3Plus", "Chen et al., ECCV 2018"),
    },
    NetworkEntry,
    NetworkParameters,
)
