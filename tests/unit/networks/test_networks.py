"""The networks: published sizes, kept shapes, one logit or several, what they keep of their releases."""

import math

import pytest
import torch

from lib.networks import build_network
from lib.networks.catalogue import NETWORKS
from lib.networks.space_to_depth_unet import depth_to_space, space_to_depth

NARROW = {
    "residual_unet": (4, 6, 8),
    "space_to_depth_unet": (4, 6),
    "space_to_depth_unet_2d": (4, 6),
    "plain_unet_2d": (4, 6, 8),
    "boundary_unet_2d": (4, 6, 8),
    "boundary_unet": (4, 6, 8),
    "enet_2d": (8, 8, 16),
}
UNUSED = {
    "plain_unet_2d": ["heads.1.weight"],
    "enet_2d": [
        "back_to_half.unused_activation.weight",
        "back_to_quarter.unused_activation.weight",
        "unused_heads.0.bias",
        "unused_heads.0.weight",
        "unused_heads.1.bias",
        "unused_heads.1.weight",
    ],
}
OF_TWO_LOGITS = ("plain_unet_2d", "boundary_unet_2d", "boundary_unet", "enet_2d")


def narrow(name: str, in_channels: int = 1, out_channels: int = 1) -> torch.nn.Module:
    return build_network({"name": name, "channels": NARROW[name]}, in_channels, out_channels)


def drawn_input(name: str, in_channels: int = 1) -> torch.Tensor:
    size = {2: (32, 48), 3: (16, 8, 24)}[NETWORKS[name].dimensions]
    return torch.randn(2, in_channels, *size)


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
    assert NETWORKS.parse("plain_unet_2d").divisor == 32


@pytest.mark.parametrize(
    ("name", "in_channels", "out_channels", "n_parameters"),
    [
        ("boundary_unet_2d", 2, 2, 18_703_127),
        ("boundary_unet_2d", 5, 2, 18_704_855),
        ("boundary_unet", 1, 2, 56_083_799),
        ("enet_2d", 1, 4, 463_475),
    ],
)
def test_the_boundary_losss_networks_have_the_released_numbers_of_parameters(
    name: str, in_channels: int, out_channels: int, n_parameters: int
) -> None:
    with torch.device("meta"):
        network = build_network(name, in_channels, out_channels)
    assert count(network) == n_parameters
    assert NETWORKS.parse(name).divisor == 8


def test_the_parts_of_enet() -> None:
    network = build_network("enet_2d", in_channels=1, out_channels=4)
    assert [count(network.initial), count(network.head)] == [150, 68]
    assert [count(head) for head in network.unused_heads] == [4_612, 580]
    assert network(torch.randn(1, 1, 64, 32)).shape == (1, 4, 64, 32)
    half, quarter, eighth = (torch.zeros(1, width, 8, 8) for width in (16, 64, 128))
    assert [output.shape[1] for output in network.to_quarter(half)] == [64, 16]
    assert [output.shape[1] for output in network.to_eighth(quarter)] == [128, 64]
    assert network.at_eighth(eighth).shape == quarter.shape
    assert network.decode(quarter).shape == half.shape


def test_the_view_of_enet_widens_twice() -> None:
    modules = list(build_network({"name": "enet_2d"}, in_channels=1).at_eighth.modules())
    inner = [
        (module.kernel_size, module.dilation[0])
        for module in modules
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size != (1, 1)
    ]
    once = [((3, 3), 1), ((3, 3), 2), ((5, 1), 1), ((1, 5), 1), ((3, 3), 4)]
    once += [((3, 3), 1), ((3, 3), 8), ((5, 1), 1), ((1, 5), 1), ((3, 3), 16)]
    shortcut = [((3, 3), 1)]
    assert inner == once + once + shortcut
    dropout = [module.p for module in modules if isinstance(module, torch.nn.Dropout)]
    assert dropout == 8 * [0.1, 0.01]


@pytest.mark.parametrize("name", ["boundary_unet_2d", "enet_2d"])
def test_2d_networks_of_the_boundary_loss_are_initialised_as_released(name: str) -> None:
    channels = {"boundary_unet_2d": (32, 64), "enet_2d": (16, 64, 128)}[name]
    network = build_network({"name": name, "channels": channels}, in_channels=1)
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    for convolution in convolutions:
        n_out, n_in, *kernel = convolution.weight.shape
        expected = (2 / ((n_in + n_out) * math.prod(kernel))) ** 0.5
        tolerance = 4 / convolution.weight.numel() ** 0.5
        assert convolution.weight.std().item() == pytest.approx(expected, rel=tolerance)
    normalisations = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    weights = torch.cat([normalisation.weight for normalisation in normalisations])
    assert weights.mean().item() == pytest.approx(1, abs=0.005)
    assert weights.std().item() == pytest.approx(0.02, rel=0.2)
    assert not any(normalisation.bias.any() for normalisation in normalisations)


def test_the_3d_network_of_the_boundary_loss_keeps_torchs_initialisation() -> None:
    for module in build_network({"name": "boundary_unet", "channels": (8, 16)}, in_channels=1).modules():
        if isinstance(module, torch.nn.Conv3d):
            bound = module.weight[0].numel() ** -0.5
            assert 0.8 * bound < module.weight.abs().max().item() <= bound
        elif isinstance(module, torch.nn.BatchNorm3d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))


def test_the_bridge_adds_its_input() -> None:
    block = narrow("boundary_unet_2d").bridge[1]
    torch.nn.init.zeros_(block.path[-1].weight)
    x = torch.tensor([1.0, -1.0]).expand(1, 8, 4, 2)
    assert torch.equal(block(x), torch.tensor([1.0, -0.2]).expand(1, 8, 4, 2))


def test_unpooling_puts_values_where_the_maxima_lay() -> None:
    network = narrow("enet_2d").eval()
    x = torch.randn(1, 8, 4, 4)
    _, places = network.to_quarter(x)
    for parameter in network.back_to_half.path.parameters():
        torch.nn.init.zeros_(parameter)
    restored = network.back_to_half(torch.ones(1, 8, 2, 2), places, x)
    blockwise_maxima = torch.nn.functional.max_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(restored, (x == blockwise_maxima).float())


def test_the_plain_network_is_initialised_as_released() -> None:
    network = plain_unet(1, 32, 64)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx((2 / 1.0001 / fan_in) ** 0.5, rel=0.2)
            assert module.bias is None or not module.bias.any()


def test_the_plain_networks_head_has_the_releases_two_channels_for_one_logit() -> None:
    for out_channels, n_logits in {1: 2, 2: 2, 3: 3}.items():
        heads = narrow("plain_unet_2d", out_channels=out_channels).heads
        assert [head.out_channels for head in heads] == [n_logits, n_logits]


@pytest.mark.parametrize("name", OF_TWO_LOGITS)
def test_the_sigmoid_of_one_logit_is_the_softmax_of_two(name: str) -> None:
    one, two = narrow(name, out_channels=1).eval(), narrow(name, out_channels=2).eval()
    two.load_state_dict(one.state_dict())
    x = drawn_input(name)
    probability = one(x).sigmoid()
    assert probability.std() > 0.001
    torch.testing.assert_close(probability, two(x).softmax(1)[:, 1:])


def test_output_layers_of_coarser_levels_are_kept_and_not_trained() -> None:
    network = plain_unet(1, 4, 6, 8)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.randn(2, 1, 8, 12)).square().mean().backward()
    optimizer.step()
    unchanged = [
        name for name, _ in network.named_parameters() if torch.equal(before[name], network.state_dict()[name])
    ]
    assert unchanged == ["heads.1.weight"]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("in_channels", [1, 3])
@pytest.mark.parametrize("out_channels", [1, 2, 4])
def test_as_many_logits_as_asked_of_the_input_size(name: str, in_channels: int, out_channels: int) -> None:
    x = drawn_input(name, in_channels)
    logits = narrow(name, in_channels, out_channels=out_channels)(x)
    assert logits.shape == (len(x), out_channels, *x.shape[2:])
    assert all(channel.std() > 0 for channel in logits.unbind(1))


@pytest.mark.parametrize("name", NETWORKS)
def test_one_logit_unless_asked_for_more(name: str) -> None:
    x = drawn_input(name)
    assert narrow(name)(x).shape == x.shape


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("out_channels", [1, 3])
def test_the_gradient_reaches_all_parameters_in_use(name: str, out_channels: int) -> None:
    network = narrow(name, out_channels=out_channels)
    logits = network(drawn_input(name))
    (logits * torch.randn_like(logits)).sum().backward()
    without = []
    for parameter, values in network.named_parameters():
        cancelled = parameter.endswith(".bias")  # by the batch normalisation behind it
        if values.grad is None or not (cancelled or values.grad.any()):
            without.append(parameter)
    assert sorted(without) == UNUSED.get(name, [])


@pytest.mark.parametrize("name", ["space_to_depth_unet", "space_to_depth_unet_2d"])
def test_foreground_starts_rare(name: str) -> None:
    for out_channels, start in {1: [-3.0], 2: [3.0, 0.0], 4: [3.0, 0.0, 0.0, 0.0]}.items():
        network = narrow(name, out_channels=out_channels)
        torch.nn.init.zeros_(network.head.weight)
        x = drawn_input(name)
        expected = torch.tensor(start).view(-1, *(x.dim() - 2) * [1])
        assert torch.equal(network(x), expected.expand(len(x), out_channels, *x.shape[2:]))


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
