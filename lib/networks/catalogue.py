"""What the workflow knows of each network without importing torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from lib.networks import parameters
from lib.networks.parameters import NetworkParameters
from lib.registry import Entry, Registry


@dataclass(frozen=True)
class NetworkEntry(Entry):
    """One network; its class or function is called with ``in_channels``, ``out_channels`` and the parameters."""

    dimensions: int = 3


def _resnet_encoded(name: str, source: str) -> NetworkEntry:
    as_published = "as Liu et al., arXiv 2104.08717, had it of segmentation-models-pytorch 0.2.1"
    return NetworkEntry(
        f"lib.networks.resnet_encoder:{name}", parameters.ResNetEncoded, f"{source}, {as_published}", dimensions=2
    )


RES_UNET = "the liver benchmark Graduation-project-SBME-2023/liver-imaging-analysis: MONAI's UNet as its base has it"
ATTENTION_UNET = "Oktay et al., MIDL 2018, arXiv 1804.03999: MONAI's AttentionUnet"
DYN_UNET = "Isensee et al., Nature Methods 2021: MONAI's DynUNet, planned by nnU-Net v2's rules"

NETWORKS: Registry[NetworkEntry] = Registry(
    "network",
    {
        "residual_unet": NetworkEntry(
            "lib.networks.residual_unet:ResidualUNet",
            parameters.ResidualUNet,
            "Shirokikh et al., MICCAI 2020: the code release's network, 11,074,306 parameters",
        ),
        "space_to_depth_unet": NetworkEntry(
            "lib.networks.space_to_depth_unet:SpaceToDepthUNet",
            parameters.SpaceToDepthUNet,
            "ours: a small U-Net behind space-to-depth by 2, for minutes on a CPU",
        ),
        "space_to_depth_unet_2d": NetworkEntry(
            "lib.networks.space_to_depth_unet:SpaceToDepthUNet",
            parameters.SpaceToDepthUNet2D,
            "ours: the same network on images",
            dimensions=2,
        ),
        "plain_unet_2d": NetworkEntry(
            "lib.networks.plain_unet:PlainUNet",
            parameters.PlainUNet,
            "Gonzalez-Jimenez et al., MICCAI 2023: the code release's network, 18,670,368 parameters for RGB",
            dimensions=2,
        ),
        "plain_unet": NetworkEntry(
            "lib.networks.plain_unet:PlainUNet",
            parameters.PlainUNet3D,
            "nnU-Net v1's 3D network at full resolution, Isensee et al., Nature Methods 2021",
        ),
        "boundary_unet_2d": NetworkEntry(
            "lib.networks.boundary_unet:BoundaryUNet",
            parameters.BoundaryUNet2D,
            "Kervadec et al., MIDL 2019: the code release's UNet, 18,703,127 parameters from 2 channels to 2",
            dimensions=2,
        ),
        "boundary_unet": NetworkEntry(
            "lib.networks.boundary_unet:BoundaryUNet",
            parameters.BoundaryUNet,
            "Kervadec et al., MIDL 2019: the code release's UNet3D, 56,083,799 parameters from 1 channel to 2",
        ),
        "enet_2d": NetworkEntry(
            "lib.networks.enet:ENet",
            parameters.ENet,
            "Kervadec et al., MedIA 2021: the code release's ENet, 463,475 parameters from 1 channel to 4",
            dimensions=2,
        ),
        "resnet_unet_2d": _resnet_encoded("ResNetUNet", "Ronneberger et al., MICCAI 2015"),
        "resnet_fpn_2d": _resnet_encoded("ResNetFPN", "Kirillov et al., CVPR 2019"),
        "deeplabv3plus_2d": _resnet_encoded("DeepLabV3Plus", "Chen et al., ECCV 2018"),
        "res_unet": NetworkEntry("lib.networks.monai_networks:res_unet", parameters.ResUNet, RES_UNET),
        "res_unet_2d": NetworkEntry(
            "lib.networks.monai_networks:res_unet", parameters.ResUNet2D, RES_UNET, dimensions=2
        ),
        "attention_unet": NetworkEntry(
            "lib.networks.monai_networks:attention_unet", parameters.AttentionUNet, ATTENTION_UNET
        ),
        "attention_unet_2d": NetworkEntry(
            "lib.networks.monai_networks:attention_unet", parameters.AttentionUNet2D, ATTENTION_UNET, dimensions=2
        ),
        "unetr": NetworkEntry(
            "lib.networks.monai_networks:unetr", parameters.UNETR, "Hatamizadeh et al., WACV 2022: MONAI's UNETR"
        ),
        "segresnet": NetworkEntry(
            "lib.networks.monai_networks:segresnet", parameters.SegResNet, "Myronenko, BrainLes 2018: MONAI's SegResNet"
        ),
        "swin_unetr": NetworkEntry(
            "lib.networks.monai_networks:swin_unetr",
            parameters.SwinUNETR,
            "Hatamizadeh et al., BrainLes 2021, arXiv 2201.01266: MONAI's SwinUNETR",
        ),
        "mednext": NetworkEntry(
            "lib.networks.monai_networks:mednext", parameters.MedNeXt, "Roy et al., MICCAI 2023: MONAI's MedNeXt"
        ),
        "dyn_unet": NetworkEntry("lib.networks.dyn_unet:DynUNet", parameters.DynUNet, DYN_UNET),
        "dyn_unet_2d": NetworkEntry("lib.networks.dyn_unet:DynUNet", parameters.DynUNet2D, DYN_UNET, dimensions=2),
    },
    NetworkEntry,
    NetworkParameters,
)


def size_refusal(chosen: NetworkParameters, size: Sequence[int]) -> str:
    """Why a network does not take patches of a ``size``, to be read behind it; empty if it does."""
    dimensions, divisor = NETWORKS.entry_of(chosen).dimensions, chosen.divisor
    divisors = dimensions * (divisor,) if isinstance(divisor, int) else divisor
    if chosen.only_size and tuple(size) != chosen.only_size:
        return f"must be network.patch_size {chosen.only_size}"
    if len(size) != dimensions or any(length % of_axis for length, of_axis in zip(size, divisors, strict=True)):
        shown = divisor if isinstance(divisor, int) else ", ".join(map(str, divisors))
        return f"must have {dimensions} lengths that divide by {shown}"
    if chosen.several_voxels and tuple(size) == divisors:
        return "must be larger along an axis: its coarsest level would have one voxel, which cannot be normalised"
    return ""
