"""The smallest networks of each kind, with inputs that they take."""

from typing import Any

import torch

from lib.networks import build_network
from lib.networks.catalogue import NETWORKS

NARROW: dict[str, dict[str, Any]] = {
    "residual_unet": {"channels": (4, 6, 8)},
    "space_to_depth_unet": {"channels": (4, 6)},
    "space_to_depth_unet_2d": {"channels": (4, 6)},
    "plain_unet_2d": {"channels": (4, 6, 8)},
    "plain_unet": {"channels": (4, 6, 8)},
    "boundary_unet_2d": {"channels": (4, 6, 8)},
    "boundary_unet": {"channels": (4, 6, 8)},
    "enet_2d": {"channels": (8, 8, 16)},
    "resnet_unet_2d": {"encoder": "resnet18"},
    "resnet_fpn_2d": {"encoder": "resnet18"},
    "deeplabv3plus_2d": {"encoder": "resnet18"},
    "res_unet": {"channels": (4, 6, 8), "residual_units": 2},
    "res_unet_2d": {"channels": (4, 6, 8), "residual_units": 2},
    "attention_unet": {"channels": (4, 6, 8)},
    "attention_unet_2d": {"channels": (4, 6, 8)},
    "unetr": {"patch_size": (16, 16, 32), "feature_size": 4, "hidden_size": 24, "mlp_dim": 48, "num_heads": 4},
    "segresnet": {"init_filters": 8},
    "swin_unetr": {"feature_size": 12},
    "mednext": {},
    "dyn_unet": {"patch_size": (16, 8, 24), "base_features": 4, "max_features": 8},
    "dyn_unet_2d": {"patch_size": (32, 64), "spacing": (3, 1), "base_features": 4, "max_features": 8},
}
SIZES = {"unetr": (16, 16, 32), "swin_unetr": (64, 32, 32), "mednext": (32, 16, 16)}
"""Of inputs where the usual ones do not fit."""


def narrow(name: str, in_channels: int = 1, out_channels: int = 1, **options: Any) -> torch.nn.Module:
    return build_network({"name": name, **NARROW[name], **options}, in_channels, out_channels)


def size_for(name: str) -> tuple[int, ...]:
    return SIZES.get(name, {2: (32, 64), 3: (16, 8, 24)}[NETWORKS[name].dimensions])


def drawn_input(name: str, in_channels: int = 1) -> torch.Tensor:
    return torch.randn(1 if name == "swin_unetr" else 2, in_channels, *size_for(name))


def count(module: torch.nn.Module) -> int:
    """How many parameters it has."""
    return sum(parameter.numel() for parameter in module.parameters())
