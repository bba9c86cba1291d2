"""MONAI's networks by name: what MONAI builds, of any batch logits, refused where a size does not fit."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.networks import nets
from monai.networks.nets.mednext import create_mednext
from narrow_networks import NARROW, count, drawn_input, narrow, size_for

from lib import ROOT
from lib.config.load import load
from lib.errors import SeglossError
from lib.networks import build_network
from lib.networks.catalogue import NETWORKS, size_refusal

OURS = [
    name for name, entry in NETWORKS.items() if entry.module in ("lib.networks.monai_networks", "lib.networks.dyn_unet")
]
CHANNELS, STRIDES = (64, 128, 256, 512), (2, 2, 2)
NNUNETS = {"kernel_size": 6 * [3], "strides": [1, 2, 2, 2, 2, 2], "upsample_kernel_size": 5 * [2]}
THICK = {
    "kernel_size": [(1, 3, 3), *5 * [3]],
    "strides": [1, (1, 2, 2), 2, 2, 2, (1, 2, 2)],
    "upsample_kernel_size": [(1, 2, 2), 2, 2, 2, (1, 2, 2)],
}
PAPER_SCALE: list[tuple[dict[str, Any], tuple[int, int], int, Callable[[], torch.nn.Module]]] = [
    ({"name": "res_unet_2d"}, (1, 1), 12_672_352, lambda: nets.UNet(2, 1, 1, CHANNELS, STRIDES, num_res_units=4)),
    ({"name": "res_unet"}, (1, 1), 37_744_498, lambda: nets.UNet(3, 1, 1, CHANNELS, STRIDES, num_res_units=4)),
    ({"name": "res_unet", "residual_units": 0}, (1, 2), 7_751_240, lambda: nets.UNet(3, 1, 2, CHANNELS, STRIDES)),
    ({"name": "attention_unet_2d"}, (1, 1), 7_874_093, lambda: nets.AttentionUnet(2, 1, 1, CHANNELS, STRIDES)),
    ({"name": "attention_unet"}, (1, 1), 23_431_853, lambda: nets.AttentionUnet(3, 1, 1, CHANNELS, STRIDES)),
    ({"name": "unetr", "patch_size": [96, 96, 96]}, (1, 1), 92_802_257, lambda: nets.UNETR(1, 1, (96, 96, 96))),
    ({"name": "segresnet"}, (4, 3), 18_798_627, lambda: nets.SegResNet(3, 32, 4, 3)),
    (
        {"name": "segresnet", "init_filters": 8, "dropout": 0.2, "upsample_mode": "deconv"},
        (1, 2),
        1_186_994,
        lambda: nets.SegResNet(3, 8, 1, 2, dropout_prob=0.2, upsample_mode="deconv"),
    ),
    ({"name": "mednext"}, (1, 1), 5_550_881, lambda: create_mednext("S", 3, 1, 1)),
    ({"name": "mednext", "size": "B"}, (1, 1), 10_510_817, lambda: create_mednext("B", 3, 1, 1)),
    ({"name": "mednext", "size": "M"}, (1, 1), 17_533_473, lambda: create_mednext("M", 3, 1, 1)),
    (
        {"name": "mednext", "size": "L", "kernel_size": 5, "deep_supervision": True},
        (1, 1),
        62_941_317,
        lambda: create_mednext("L", 3, 1, 1, 5, deep_supervision=True),
    ),
    (
        {"name": "dyn_unet", "patch_size": [128, 128, 128], "deep_supervision": True},
        (1, 3),
        31_191_759,
        lambda: nets.DynUNet(3, 1, 3, **NNUNETS, deep_supervision=True, deep_supr_num=4),
    ),
    (
        {"name": "dyn_unet", "patch_size": [40, 224, 224], "spacing": [2.5, 0.8, 0.8]},
        (1, 1),
        30_752_577,
        lambda: nets.DynUNet(3, 1, 1, **THICK),
    ),
    (
        {"name": "dyn_unet_2d", "patch_size": [512, 512]},
        (1, 1),
        46_309_441,
        lambda: nets.DynUNet(2, 1, 1, kernel_size=8 * [3], strides=[1, *7 * [2]], upsample_kernel_size=7 * [2]),
    ),
]


@pytest.mark.parametrize(("chosen", "channels", "n_parameters", "direct"), PAPER_SCALE)
def test_parameters_at_paper_scale_are_those_of_monais_class(
    chosen: dict[str, Any], channels: tuple[int, int], n_parameters: int, direct: Callable[[], torch.nn.Module]
) -> None:
    with torch.device("meta"):
        network, expected = build_network(chosen, *channels), direct()
    assert count(network) == n_parameters
    assert shapes(network) == shapes(expected)


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values.shape) for name, values in network.state_dict().items()}


def test_swin_unetr_at_paper_scale() -> None:
    """Not on torch's device without memory, where MONAI cannot build it."""
    network = build_network("swin_unetr", in_channels=4, out_channels=3)
    assert count(network) == 62_191_941
    assert shapes(network) == shapes(nets.SwinUNETR(4, 3, feature_size=48))


@pytest.mark.parametrize("name", OURS)
def test_the_same_seed_draws_the_same_weights(name: str) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(narrow(name).state_dict())
    assert all(torch.equal(values, states[1][key]) for key, values in states[0].items())


def test_no_residual_units_are_a_plain_unet() -> None:
    torch.manual_seed(0)
    network = narrow("res_unet_2d", residual_units=0, out_channels=2)
    torch.manual_seed(0)
    plain = nets.UNet(2, 1, 2, (4, 6, 8), (2, 2))
    x = drawn_input("res_unet_2d")
    assert torch.equal(network(x), plain(x))


@pytest.mark.parametrize("name", ["res_unet", "attention_unet", "unetr", "segresnet"])
def test_dropout_acts_in_training_alone(name: str) -> None:
    network, x = narrow(name, dropout=0.5), drawn_input(name)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_transformer_is_checkpointed_if_asked(checkpointing: bool) -> None:
    layers = narrow("swin_unetr", checkpointing=checkpointing).swinViT.modules()
    assert {layer.use_checkpoint for layer in layers if hasattr(layer, "use_checkpoint")} == {checkpointing}


@pytest.mark.parametrize(
    ("name", "coarser"),
    [
        ("dyn_unet", [(1, 1, 1), (2, 2, 2)]),
        ("dyn_unet_2d", [(1, 1), (1, 2), (2, 4), (4, 8)]),
        ("mednext", [3 * (2**level,) for level in range(5)]),
    ],
)
def test_in_training_all_levels_are_returned_at_their_own_resolution(name: str, coarser: list[tuple[int, ...]]) -> None:
    network, x = narrow(name, out_channels=3, deep_supervision=True), drawn_input(name)
    outputs = network(x)
    assert [output.shape[:2] for output in outputs] == len(coarser) * [(2, 3)]
    assert [tuple(output.shape[2:]) for output in outputs] == [
        tuple(length // step for length, step in zip(x.shape[2:], steps, strict=True)) for steps in coarser
    ]
    torch.testing.assert_close(network.eval()(x), outputs[0])
    chosen = NETWORKS.parse({"name": name, **NARROW[name], "deep_supervision": True})
    assert chosen.several_outputs
    assert len(chosen.output_weights) == len(coarser)


def test_outputs_of_dyn_unet_are_what_monai_enlarges() -> None:
    network, x = narrow("dyn_unet", deep_supervision=True), drawn_input("dyn_unet")
    stacked = nets.DynUNet.forward(network, x)
    for output, enlarged in zip(network(x), stacked.unbind(1), strict=True):
        assert torch.equal(torch.nn.functional.interpolate(output, x.shape[2:]), enlarged)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"name": "unetr"}, "network.patch_size: is missing"),
        (
            {"name": "unetr", "patch_size": [96, 90, 96]},
            "network.patch_size.1: 90 is not allowed; expected a multiple of 16",
        ),
        (
            {"name": "unetr", "patch_size": [96, 96]},
            "network.patch_size: [96, 96] is not allowed; expected at least 3 of",
        ),
        (
            {"name": "unetr", "patch_size": [64, 64, 32]},
            "sampling.patch_size (32, 32, 32) must be network.patch_size (64, 64, 32) for network 'unetr'",
        ),
        (
            {"name": "unetr", "patch_size": [32, 32, 32]},
            "inference.patch_size (48, 48, 48) must be network.patch_size (32, 32, 32) for network 'unetr'",
        ),
        ({"name": "unetr", "patch_size": [32, 32, 32], "num_heads": 7}, "hidden_size 768 must divide by num_heads 7"),
        (
            {"name": "swin_unetr"},
            "sampling.patch_size (32, 32, 32) must be larger along an axis: its coarsest level would have one voxel",
        ),
        (
            {"name": "swin_unetr", "feature_size": 16},
            "network.feature_size: 16 is not allowed; expected a multiple of 12",
        ),
        ({"name": "segresnet", "init_filters": 12}, "expected a multiple of 8"),
        ({"name": "res_unet", "channels": 7 * [4]}, "must have 3 lengths that divide by 64 for network 'res_unet'"),
        ({"name": "res_unet", "channels": 6 * [4]}, "sampling.patch_size (32, 32, 32) must be larger along an axis"),
        ({"name": "res_unet", "residual_units": 7}, "7 is not allowed; expected less than or equal to 6"),
        ({"name": "res_unet", "dropout": 1}, "1 is not allowed; expected less than 1"),
        ({"name": "attention_unet", "channels": [1, 8]}, "1 is not allowed; expected greater than or equal to 2"),
        ({"name": "mednext", "kernel_size": 7}, "network.kernel_size: 7 is not allowed; expected 3 or 5"),
        ({"name": "mednext", "size": "XL"}, "network.size: 'XL' is not allowed; expected 'S', 'B', 'M' or 'L'"),
        (
            {"name": "dyn_unet", "patch_size": [16, 256, 256], "spacing": [9, 1, 1]},
            "sampling.patch_size (32, 32, 32) must have 3 lengths that divide by 4, 64, 64 for network 'dyn_unet'",
        ),
        ({"name": "dyn_unet", "patch_size": [8, 8, 8]}, "patch_size (8, 8, 8): 2 stages by nnU-Net's rules, not 3"),
        (
            {"name": "dyn_unet", "patch_size": [36, 64, 64]},
            "patch_size (36, 64, 64) must divide by (8, 16, 16), the strides planned for it",
        ),
        (
            {"name": "dyn_unet", "patch_size": [32, 32, 32], "spacing": [1, 0, 1]},
            "0 is not allowed; expected greater than 0",
        ),
        ({"name": "dyn_unet_2d", "patch_size": [32, 32, 32]}, "expected at most 2 of them"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(chosen: dict[str, Any], message: str) -> None:
    sizes = {
        "sampling": {"patch_size": [32, 32, 32]},
        "inference": {"patch_size": [48, 48, 48], "stride": [16, 16, 16]},
    }
    with pytest.raises(SeglossError) as error:
        load({"studies": "inverse_weighting", "settings": {"network": chosen, **sizes}})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [name for name in OURS if name != "swin_unetr"])  # which takes a second
def test_sizes_that_are_not_refused_can_be_predicted(name: str) -> None:
    """Also the smallest ones, and by axis where strides differ."""
    chosen = NETWORKS.parse({"name": name, **NARROW[name]})
    assert size_refusal(chosen, size_for(name)) == ""
    divisor, dimensions = chosen.divisor, NETWORKS[name].dimensions
    divisors = dimensions * (divisor,) if isinstance(divisor, int) else divisor
    smallest = chosen.only_size or (*divisors[:-1], divisors[-1] * (1 + chosen.several_voxels))
    assert size_refusal(chosen, smallest) == ""
    network = narrow(name).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 1, *smallest)).shape == (1, 1, *smallest)


def test_importing_them_imports_no_packages_for_plots_and_tables_which_remain_usable() -> None:
    code = """
import sys, lib.networks.monai_networks
assert not {"matplotlib", "pandas", "scipy.signal"} & sys.modules.keys()
import matplotlib, pandas, scipy.signal, monai.transforms
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
