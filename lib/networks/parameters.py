"""What a study may give to each network. Never imports torch."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.fields import Int, Number, Planned, Positive, PositiveInt
from lib.networks.topology import Topology, topology
from lib.registry import Parameters

Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2)]
Dropout = Annotated[Number, Field(ge=0, lt=1)]
OF_2D = Field(min_length=2, max_length=2)
OF_3D = Field(min_length=3, max_length=3)


class NetworkParameters(Parameters):
    """What every network takes.

    Two classes are distinguished by one logit, or with ``background_channel`` by two, of which a loss may weigh each.
    """

    background_channel: bool = False

    @property
    def divisor(self) -> int | tuple[int, ...]:
        """What the lengths of a patch must divide by: one number, or one for each axis."""
        return 1

    @property
    def only_size(self) -> tuple[int, ...] | None:
        """The one size of patches that the network takes; None if all that divide."""
        return None

    @property
    def several_voxels(self) -> bool:
        """Whether the coarsest level must have more than one voxel, without which an instance has no variance."""
        return False

    @property
    def several_outputs(self) -> bool:
        """Whether the network returns a list or tuple of outputs in training, full resolution first."""
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


class DeeplySupervised(NetworkParameters):
    """What can return outputs of all its levels in training."""

    deep_supervision: bool = False

    @property
    def outputs(self) -> int:
        """How many they are."""
        raise NotImplementedError

    @property
    def several_outputs(self) -> bool:
        return self.deep_supervision

    @property
    def output_weights(self) -> list[float]:
        """Halved from level to level, but for the coarsest of several, in sum 1, as nnU-Net v1 has it."""
        halved = [2.0**-level for level in range(max(1, self.outputs - 1))]
        return [weight / sum(halved) for weight in halved] + (self.outputs - len(halved)) * [0.0]


class PlainUNet(DeeplySupervised, UNet):
    channels: Widths = (32, 64, 128, 256, 480, 480)

    @property
    def outputs(self) -> int:
        return len(self.channels) - 1


class PlainUNet3D(PlainUNet):
    channels: Widths = (32, 64, 128, 256, 320, 320)
    normalisation: Literal["batch", "instance"] = "instance"
    dimensions: Literal[3] = 3

    @property
    def several_voxels(self) -> bool:
        return self.normalisation == "instance"


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


class ResUNet(UNet):
    channels: Widths = (64, 128, 256, 512)
    residual_units: Annotated[Int, Field(ge=0, le=6)] = 4
    dropout: Dropout = 0.0
    dimensions: Literal[3] = 3

    @property
    def several_voxels(self) -> bool:
        return True


class ResUNet2D(ResUNet):
    dimensions: Literal[2] = 2


class AttentionUNet(UNet):
    channels: Annotated[tuple[Annotated[Int, Field(ge=2)], ...], Field(min_length=2)] = (64, 128, 256, 512)
    dropout: Dropout = 0.0
    dimensions: Literal[3] = 3


class AttentionUNet2D(AttentionUNet):
    dimensions: Literal[2] = 2


class UNETR(NetworkParameters):
    patch_size: Annotated[tuple[Annotated[PositiveInt, Field(multiple_of=16)], ...], OF_3D]
    feature_size: PositiveInt = 16
    hidden_size: PositiveInt = 768
    mlp_dim: PositiveInt = 3072
    num_heads: PositiveInt = 12
    dropout: Dropout = 0.0

    @model_validator(mode="after")
    def _heads_share(self) -> "UNETR":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} must divide by num_heads {self.num_heads}")
        return self

    @property
    def only_size(self) -> tuple[int, ...]:
        return self.patch_size


class SegResNet(NetworkParameters):
    init_filters: Annotated[PositiveInt, Field(multiple_of=8)] = 32
    dropout: Dropout = 0.0
    upsample_mode: Literal["nontrainable", "deconv"] = "nontrainable"

    @property
    def divisor(self) -> int:
        return 8


class SwinUNETR(NetworkParameters):
    feature_size: Annotated[PositiveInt, Field(multiple_of=12)] = 48
    dropout: Dropout = 0.0
    checkpointing: bool = False

    @property
    def divisor(self) -> int:
        return 32

    @property
    def several_voxels(self) -> bool:
        return True


class MedNeXt(DeeplySupervised):
    size: Literal["S", "B", "M", "L"] = "S"
    kernel_size: Literal[3, 5] = 3

    @property
    def divisor(self) -> int:
        return 16

    @property
    def several_voxels(self) -> bool:
        return True

    @property
    def outputs(self) -> int:
        return 5


class DynUNet(DeeplySupervised):
    patch_size: Annotated[tuple[PositiveInt, ...], OF_3D] | Planned
    spacing: Annotated[tuple[Positive, ...], OF_3D] | Planned = (1.0, 1.0, 1.0)
    base_features: PositiveInt = 32
    max_features: PositiveInt = 320
    residual: bool = False

    @model_validator(mode="after")
    def _can_be_planned(self) -> "DynUNet":
        if "planned" in (self.patch_size, self.spacing):
            if self.deep_supervision:  # whose losses are weighed by the number of outputs
                raise ValueError("deep_supervision needs a patch_size and a spacing that are known, not planned")
            return self
        stages, divisor = len(self.topology.strides), self.divisor
        if stages < 3:
            raise ValueError(f"patch_size {self.patch_size}: {stages} stages by nnU-Net's rules, not 3; enlarge it")
        if any(length % of_axis for length, of_axis in zip(self.patch_size, divisor, strict=True)):
            raise ValueError(f"patch_size {self.patch_size} must divide by {divisor}, the strides planned for it")
        return self

    @property
    def topology(self) -> Topology:
        return topology(self.patch_size, self.spacing)

    @property
    def divisor(self) -> tuple[int, ...]:
        return self.topology.divisor

    @property
    def several_voxels(self) -> bool:
        return True

    @property
    def outputs(self) -> int:
        return len(self.topology.strides) - 1


class DynUNet2D(DynUNet):
    patch_size: Annotated[tuple[PositiveInt, ...], OF_2D] | Planned
    spacing: Annotated[tuple[Positive, ...], OF_2D] | Planned = (1.0, 1.0)
    max_features: PositiveInt = 512
