"""The networks: published size, kept shapes."""

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


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_one_logit_channel_of_the_input_size(name: str, in_channels: int) -> None:
    narrow = {"residual_unet": [2, 3, 4], "space_to_depth_unet": [4, 6]}[name]
    network = build_network({"name": name, "channels": narrow}, in_channels)
    assert network(torch.randn(2, in_channels, 8, 16, 24)).shape == (2, 1, 8, 16, 24)


def test_depth_to_space_undoes_space_to_depth() -> None:
    x = torch.arange(2 * 3 * 4 * 6 * 8.0).view(2, 3, 4, 6, 8)
    assert space_to_depth(x).shape == (2, 24, 2, 3, 4)
    assert torch.equal(depth_to_space(space_to_depth(x)), x)
    assert torch.equal(space_to_depth(x)[0, :8, 0, 0, 0], x[0, 0, :2, :2, :2].flatten())
