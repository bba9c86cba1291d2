"""The networks: published sizes, kept shapes, one logit or several, what they keep of their releases."""

import hashlib
import io
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow_networks import count, drawn_input, narrow

from lib.errors import SeglossError
from lib.networks import build_network
from lib.networks.catalogue import NETWORKS, size_refusal
from lib.networks.space_to_depth_unet import depth_to_space, space_to_depth

RESNET_ENCODED = ("resnet_unet_2d", "resnet_fpn_2d", "deeplabv3plus_2d")
UNUSED = {
    "plain_unet_2d": ["heads.1.weight"],
    "plain_unet": ["heads.1.weight"],
    "enet_2d": [
        "back_to_half.unused_activation.weight",
        "back_to_quarter.unused_activation.weight",
        "unused_heads.0.bias",
        "unused_heads.0.weight",
        "unused_heads.1.bias",
        "unused_heads.1.weight",
    ],
    "unetr": sorted(f"vit.blocks.{layer}.norm_cross_attn.{kind}" for layer in range(12) for kind in ("bias", "weight")),
}
OF_TWO_LOGITS = ("plain_unet_2d", "plain_unet", "boundary_unet_2d", "boundary_unet", "enet_2d")


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


@pytest.mark.parametrize("name", ["plain_unet_2d", "plain_unet"])
def test_in_training_the_plain_network_returns_all_levels_but_the_coarsest(name: str) -> None:
    network = narrow(name, out_channels=3, channels=(4, 6, 8, 10), deep_supervision=True)
    x = drawn_input(name)
    outputs = network(x)
    assert [output.shape for output in outputs] == [
        (2, 3, *(length // shorter for length in x.shape[2:])) for shorter in (1, 2, 4)
    ]
    assert network.eval()(x).shape == (2, 3, *x.shape[2:])
    assert NETWORKS.parse({"name": name, "deep_supervision": True}).several_outputs


def test_the_plain_network_in_3d_normalises_each_instance_as_nnunet() -> None:
    with torch.device("meta"):
        network = build_network("plain_unet", in_channels=1, out_channels=3)
    widths = [level[1][0].out_channels for level in network.down]
    assert widths == [32, 64, 128, 256, 320, 320]
    # each stage: convolutions of 27 weights with a bias, and scale and shift of the normalisation
    stages = [(1, 32), *pairwise(widths), *((2 * width, width) for width in widths[:-1])]
    expected = sum(27 * (a + b) * b + 6 * b for a, b in stages)
    expected += sum(8 * a * b for a, b in pairwise(widths)) + 3 * sum(widths[:-1])
    assert count(network) == expected
    x = drawn_input("plain_unet")
    for normalisation, invariant in {"instance": True, "batch": False}.items():
        small = narrow("plain_unet", normalisation=normalisation).eval()
        assert torch.allclose(small(10 * x), small(x), atol=1e-3) == invariant


def test_one_voxel_of_an_instance_cannot_be_normalised() -> None:
    by_instance, by_batch = (NETWORKS.parse({"name": "plain_unet", "normalisation": n}) for n in ("instance", "batch"))
    assert "must be larger along an axis" in size_refusal(by_instance, (32, 32, 32))
    assert size_refusal(by_batch, (32, 32, 32)) == size_refusal(by_instance, (32, 32, 64)) == ""
    network = narrow("plain_unet").eval()
    with pytest.raises(ValueError, match="Expected more than 1 spatial element"):
        network(torch.zeros(1, 1, 4, 4, 4))


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
@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 1), (3, 2), (1, 5)])
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


# networks with a ResNet encoder; values of segmentation-models-pytorch 0.2.1


@pytest.mark.parametrize(
    ("name", "encoder", "channels", "n_parameters", "digest"),
    [
        ("resnet_unet_2d", "resnet50", (3, 1), 32_521_105, "7dee008fa3697b09"),
        ("resnet_unet_2d", "resnet18", (4, 1), 14_331_345, "c8f94aa99e325f7e"),
        ("resnet_fpn_2d", "resnet50", (3, 19), 26_118_355, "edeab4876bce2fca"),
        ("resnet_fpn_2d", "resnet101", (3, 19), 45_110_483, "7e88a6a74158ff4c"),
        ("deeplabv3plus_2d", "resnet50", (3, 1), 26_677_585, "20e963402044159e"),
        ("deeplabv3plus_2d", "resnet18", (3, 1), 12_329_297, "a00241d36cc4f3c2"),
    ],
)
def test_names_and_shapes_are_those_of_the_publications_package(
    name: str, encoder: str, channels: tuple[int, int], n_parameters: int, digest: str
) -> None:
    with torch.device("meta"):
        network = build_network({"name": name, "encoder": encoder}, *channels)
    assert count(network) == n_parameters
    assert count(network.encoder) == {"resnet18": 11_176_512, "resnet50": 23_508_032, "resnet101": 42_500_160}[
        encoder
    ] + 64 * 49 * (channels[0] - 3)
    listed = "".join(f"{key} {tuple(values.shape)}\n" for key, values in network.state_dict().items())
    assert hashlib.sha256(listed.encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("name", "in_channels", "expected"),
    [
        ("resnet_unet_2d", 3, 294703.0859355109),
        ("resnet_unet_2d", 4, 294963.04175586905),
        ("resnet_fpn_2d", 3, 294488.935677507),
        ("deeplabv3plus_2d", 3, 260201.82202749644),
    ],
)
def test_first_weights_are_those_of_the_publications_package(name: str, in_channels: int, expected: float) -> None:
    values = narrow(name, in_channels).state_dict().values()  # after torch.manual_seed(0)
    assert sum(tensor.double().abs().sum().item() for tensor in values) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("name", "encoder", "channels", "size", "expected"),
    [
        ("resnet_unet_2d", "resnet18", (4, 1), (64, 96), (11.304555003171535, 16.426663574904605, -1.22248700905459)),
        ("resnet_unet_2d", "resnet50", (4, 2), (64, 96), (14.609998049836127, 9.444337756403169, 16.375128746104746)),
        ("resnet_fpn_2d", "resnet18", (3, 1), (64, 96), (76.55918325572003, 25.7882417636921, -10.512410498720982)),
        ("resnet_fpn_2d", "resnet50", (3, 19), (64, 96), (55.42530290167558, 29.09701980882997, 36.815439688202915)),
        (
            "deeplabv3plus_2d",
            "resnet18",
            (3, 1),
            (32, 640),  # so that all rates of dilation reach pixels
            (20.438537497027433, 11.409606889864875, -1.3587161334632398),
        ),
        (
            "deeplabv3plus_2d",
            "resnet50",
            (3, 19),
            (64, 96),
            (25.68632032327024, 14.647661493040749, 33.261399486199906),
        ),
    ],
)
def test_outputs_are_those_of_the_publications_package(
    name: str, encoder: str, channels: tuple[int, int], size: tuple[int, int], expected: tuple[float, ...]
) -> None:
    with torch.device("meta"):
        network = build_network({"name": name, "encoder": encoder}, *channels)
    network.to_empty(device="cpu")
    rng = np.random.default_rng(0)
    for values in network.state_dict().values():
        values.copy_(torch.from_numpy(rng.uniform(-0.5, 1, values.shape)))
    network.double()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
            module.eval()
    with torch.no_grad():
        outputs = network(torch.from_numpy(rng.standard_normal((2, channels[0], *size)))).numpy()
    weighed = (outputs.ravel() * np.cos(np.arange(outputs.size))).sum()
    assert (outputs.mean(), outputs.std(), weighed) == pytest.approx(expected, rel=1e-7)


def test_dropout_is_that_of_the_publications_package() -> None:
    with torch.device("meta"):
        modules = {name: [*narrow(name).modules()] for name in RESNET_ENCODED}
    dropout = {
        name: [(type(module).__name__, module.p) for module in found if hasattr(module, "p")]
        for name, found in modules.items()
    }
    assert dropout == {
        "resnet_unet_2d": [],
        "resnet_fpn_2d": [("Dropout2d", 0.2)],
        "deeplabv3plus_2d": [("Dropout", 0.5)],
    }


# pretrained weights


def torchvisions(encoder: str) -> dict[str, torch.Tensor]:
    """Weights as in torchvision's first files: with a layer of 1000 classes, without counts of batches."""
    torch.manual_seed(5)
    network = build_network({"name": "resnet_fpn_2d", "encoder": encoder}, 3)
    state = {
        name: values + 0.5 * (name == "bn1.running_mean")
        for name, values in network.encoder.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    return {**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def as_file(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize("zipped", [False, True])
def test_an_encoder_begins_with_the_weights_of_a_file(zipped: bool, tmp_path: Path) -> None:
    stored, path = torchvisions("resnet18"), tmp_path / "weights.pth"
    path.write_bytes(as_file(stored, _use_new_zipfile_serialization=zipped))
    torch.manual_seed(0)
    drawn = narrow("resnet_fpn_2d", 3)
    torch.manual_seed(0)
    loaded = build_network({"name": "resnet_fpn_2d", "encoder": "resnet18"}, 3, pretrained=path)
    for name, values in loaded.encoder.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(values, stored[name]), name
    assert not torch.equal(drawn.encoder.conv1.weight, loaded.encoder.conv1.weight)
    for name, values in drawn.decoder.state_dict().items():
        assert torch.equal(values, loaded.decoder.state_dict()[name]), name


class Executed:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


DAMAGES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "cut": (lambda _: as_file(torchvisions("resnet18"))[:-1000], "not the ImageNet weights"),
    "cut, first format": (
        lambda _: as_file(torchvisions("resnet18"), _use_new_zipfile_serialization=False)[:-1000],
        "not the ImageNet weights",
    ),
    "empty": (lambda _: b"", "not the ImageNet weights"),
    "a page": (lambda _: b"<html>404</html>", "damaged, or holds other things than tensors"),
    "other encoder": (lambda _: as_file(torchvisions("resnet34")), "of this encoder.*Unexpected key.*layer1.2"),
    "no names": (lambda _: as_file([torch.zeros(3)]), "not the ImageNet weights"),
    "code": (lambda path: as_file({"conv1.weight": Executed(path)}), "damaged, or holds other things than tensors"),
    "code, first format": (
        lambda path: as_file({"conv1.weight": Executed(path)}, _use_new_zipfile_serialization=False),
        "damaged, or holds other things than tensors",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_with_other_things_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    content, message = DAMAGES[damage]
    path, executed = tmp_path / "weights.pth", tmp_path / "executed"
    path.write_bytes(content(executed))
    with pytest.raises(SeglossError, match=rf"^[^\n]*weights\.pth: [^\n]*{message}[^\n]*get it again$"):
        build_network({"name": "resnet_unet_2d", "encoder": "resnet18"}, 3, pretrained=path)
    assert not executed.exists()


def test_weights_for_colours_are_refused_for_four_channels(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(as_file(torchvisions("resnet18")))
    with pytest.raises(SeglossError, match="images of 3 channels, these have 4; set encoder_weights: null"):
        build_network({"name": "resnet_unet_2d", "encoder": "resnet18"}, 4, pretrained=path)


def test_encoders_for_imagenet_see_its_colours() -> None:
    torch.manual_seed(0)
    plain = build_network({"name": "resnet_unet_2d", "encoder": "resnet50"}, 3).eval()
    with_weights = {"name": "resnet_unet_2d", "encoder": "resnet50", "encoder_weights": "imagenet"}
    for_imagenet = build_network(with_weights, 3).eval()
    for_imagenet.load_state_dict(plain.state_dict())  # which has no statistics of colours
    image = torch.rand(1, 3, 32, 32)
    mean, sd = (torch.tensor(values)[:, None, None] for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.inference_mode():
        assert torch.equal(for_imagenet(image), plain((image - mean) / sd))


def test_weights_exist_for_two_encoders_alone() -> None:
    with pytest.raises(ValueError, match="there are none for resnet18, only for resnet50, resnet101"):
        NETWORKS.parse({"name": "resnet_unet_2d", "encoder": "resnet18", "encoder_weights": "imagenet"})
