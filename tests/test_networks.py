"""The networks: published sizes, kept shapes, what the plain one keeps of its release."""

import math

import pytest
import torch

from lib.networks import build_network
from lib.networks.catalogue import CATALOGUE
from lib.networks.space_to_depth_unet import depth_to_space, space_to_depth


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    network = build_network({"name": "residual_unet"}, in_channels=1)
    assert count(network) == 11_074_306
    assert [count(network.stem), count(network.bridge), count(network.head)] == [7_392, 7_588_352, 626]
    assert [count(level) for level in network.down] == [27_776, 360_864, 1_557_376]
    assert [count(level) for level in network.skip] == [304, 4_288, 16_768]
    assert [count(level) for level in network.up] == [27_776, 257_184, 1_225_600]


def plain_unet(in_channels: int, *channels: int) -> torch.nn.Module:
    specification = {"name": "plain_unet_2d"} | ({"channels": channels} if channels else {})
    return build_network(specification, in_channels)


@pytest.mark.parametrize(("in_channels", "n_parameters"), [(3, 18_670_368), (1, 18_669_792)])
def test_the_released_plain_network_has_its_number_of_parameters(in_channels: int, n_parameters: int) -> None:
    assert count(plain_unet(in_channels)) == n_parameters
    assert CATALOGUE["plain_unet_2d"].divisor(levels=6) == 32


def test_the_plain_network_is_initialised_as_released() -> None:
    network = plain_unet(1, 32, 64)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / 1.0001 / fan_in) ** 0.5, rel=0.2)
            assert module.bias is None or not module.bias.any()


def test_the_sigmoid_of_the_plain_network_is_the_softmax_of_its_two_logits() -> None:
    network = plain_unet(1, 4, 6, 8)
    two_logits = []
    network.heads[0].register_forward_hook(lambda *call: two_logits.append(call[-1]))
    probability = network(torch.randn(2, 1, 8, 12)).sigmoid()
    assert probability.std() > 0.01
    torch.testing.assert_close(probability, two_logits[0].softmax(1)[:, 1:])


def test_output_layers_of_coarser_levels_are_kept_and_not_trained() -> None:
    network = plain_unet(1, 4, 6, 8)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.randn(2, 1, 8, 12)).square().mean().backward()
    optimizer.step()
    unchanged = [
        name
        for name, _ in network.named_parameters()
        if torch.equal(before[name], network.state_dict()[name])
    ]
    assert unchanged == ["heads.1.weight"]


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_one_logit_channel_of_the_input_size(name: str, in_channels: int) -> None:
    narrow = [4, 6] if name.startswith("space_to_depth") else [2, 3, 4]
    size = (8, 16, 24)[: CATALOGUE[name].dimensions]
    network = build_network({"name": name, "channels": narrow}, in_channels)
    assert network(torch.randn(2, in_channels, *size)).shape == (2, 1, *size)


@pytest.mark.parametrize("size", [(4, 6), (4, 6, 8)])
def test_depth_to_space_undoes_space_to_depth(size: tuple[int, ...]) -> None:
    x = torch.arange(2 * 3 * math.prod(size)).view(2, 3, *size)
    n_in_block, n = 2 ** len(size), len(size)
    blocks = space_to_depth(x)
    assert blocks.shape == (2, 3 * n_in_block, *(length // 2 for length in size))
    assert torch.equal(depth_to_space(blocks), x)
    first_block = x[(0, 0, *n * [slice(2)])]
    assert torch.equal(blocks[(0, slice(n_in_block), *n * [0])], first_block.flatten())


def test_space_to_depth_in_2d_is_torchs_pixel_unshuffle() -> None:
    x = torch.randn(2, 3, 4, 6)
    assert torch.equal(space_to_depth(x), torch.nn.functional.pixel_unshuffle(x, 2))
