"""What every loss of the catalogue keeps: gradients, finite values, types, order, and what it says about bad input."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from lib.errors import SeglossError
from lib.losses import build_loss
from lib.losses.catalogue import LOSSES, LossEntry
from lib.losses.specification import named_sums
from lib.maps import connected_components, published_distance, voronoi_cells

IGNORED = 255
SHAPES = {2: (5, 4), 3: (4, 3, 4)}
CHANNELS = {"binary": 1, "two classes": 2, "multi-class": 4, "multi-label": 3}


def problems_of(entry: LossEntry) -> Iterator[str]:
    for problem in CHANNELS:
        kind = "binary" if problem == "two classes" else problem
        if kind in entry.problems and not (entry is LOSSES["nacl"] and problem == "binary"):
            yield problem


EVERY = [(name, problem) for name, entry in LOSSES.items() for problem in problems_of(entry)]
VARIANTS = [
    ({"name": "dice", "batch": True, "squared_pred": True, "smooth_nr": 0, "smooth_dr": 0}, "multi-class"),
    ({"name": "log_dice", "absent_classes": "zero", "batch": True}, "multi-class"),
    ({"name": "generalized_dice", "form": "kervadec"}, "two classes"),
    ({"name": "generalized_dice", "form": "shirokikh"}, "binary"),
    ({"name": "generalized_dice", "form": "seglossbias"}, "multi-class"),
    ({"name": "focal", "alpha": 0.75, "gamma": 0.5}, "multi-class"),
    ({"name": "focal", "smooth": 1e-5}, "multi-class"),
    ({"name": "focal", "sigmoid": True, "sum_classes": True}, "multi-class"),
    ({"name": "cross_entropy", "class_weights": [0.1, 0.2, 0.3, 0.4], "epsilon": 1e-10}, "multi-class"),
    ({"name": "cross_entropy", "classes": [1, 3]}, "multi-class"),
    ({"name": "cross_entropy", "inverse_weights": {}}, "binary"),
    ({"name": "gce", "inverse_weights": {"formula": "lesions_only"}}, "multi-class"),
    ({"name": "dice", "inverse_weights": {"formula": "unclipped"}}, "two classes"),
    ({"name": "proportion_kl", "one_sided": True, "temperature": 10}, "multi-label"),
    ({"name": "t_loss", "log_precision": 1}, "binary"),
    ({"name": "boundary", "zero_minimum": True, "normalize": True}, "two classes"),
    ({"name": "hausdorff_dt", "form": "kervadec"}, "multi-class"),
    ({"name": "hausdorff_dt", "form": "kervadec"}, "binary"),
    ({"name": "generalized_surface", "class_weights": [1, 2, 3, 4]}, "multi-class"),
    ({"name": "ace", "binning": "soft"}, "binary"),
    ({"name": "nacl", "distance": "l2"}, "two classes"),
    ({"name": "dice", "classes": [0, 2]}, "multi-label"),
    ({"name": "proportion_kl", "classes": [1]}, "multi-label"),
    ({"name": "boundary", "classes": [0, 2]}, "multi-label"),
    ({"name": "ace", "classes": [1, 2]}, "multi-label"),
    ({"name": "hausdorff_dt", "form": "kervadec", "classes": [2]}, "multi-label"),
    ({"name": "t_loss", "include_background": False}, "multi-class"),
    ({"name": "generalized_dice", "form": "monai"}, "multi-label"),
]
ALL = [({"name": name}, problem) for name, problem in EVERY] + VARIANTS
over_all = pytest.mark.parametrize(("specification", "problem"), ALL, ids=lambda value: str(value))
in_2d_and_3d = pytest.mark.parametrize("dimensions", [2, 3])


def logits_of(problem: str, dimensions: int, batch: int = 2, scale: float = 1.5) -> Tensor:
    shape = (batch, CHANNELS[problem], *SHAPES[dimensions])
    return torch.from_numpy(np.random.default_rng(5).standard_normal(shape) * scale)


def target_of(problem: str, dimensions: int, filled: str = "mixed", batch: int = 2) -> Tensor:
    channels = CHANNELS[problem] if problem == "multi-label" else 1
    shape = (batch, channels, *SHAPES[dimensions])
    highest = CHANNELS[problem] if problem == "multi-class" else 2
    target = torch.zeros(shape, dtype=torch.long)
    if filled == "mixed":
        target = torch.from_numpy(np.random.default_rng(4).integers(0, highest, shape))
    elif filled == "full":
        target += highest - 1
    elif filled == "one voxel":
        target[..., 1, 2] = 0
        target.view(-1)[5] = 1
    elif filled == "ignored":
        target += IGNORED
    elif filled == "ignored image":
        target = target_of(problem, dimensions)
        target[0] = IGNORED
    return target


def maps_of(problem: str, target: Tensor) -> dict[str, Tensor]:
    """All maps, made from the labels; for several classes a distance map for each."""
    labels = target.numpy().copy()
    labels[labels == IGNORED] = 0
    components, cells, distances = [], [], []
    spacing = (5.0,) + (1.0,) * (labels.ndim - 3)
    channels = CHANNELS[problem]
    for sample in labels:
        whole = sample.max(0)
        components.append(connected_components(whole).astype(np.int64))
        cells.append(voronoi_cells(whole, spacing).astype(np.int64))
        if problem == "multi-label":
            masks = list(sample)
        else:
            masks = [whole == channel for channel in range(channels)] if channels > 1 else [whole]
        distances.append(np.stack([published_distance(mask, spacing) for mask in masks]))
    return {
        "components": torch.from_numpy(np.stack(components))[:, None],
        "voronoi": torch.from_numpy(np.stack(cells))[:, None],
        "published_distance": torch.from_numpy(np.stack(distances)),
        "signed_distance": torch.from_numpy(np.stack(distances)),
    }


def built(specification: dict, problem: str, **options: object) -> torch.nn.Module:
    options = {"sigmoid": True, **options} if problem == "multi-label" else options
    return build_loss(specification, **options)


@over_all
@in_2d_and_3d
def test_gradcheck(specification: dict, problem: str, dimensions: int) -> None:
    logits, target = logits_of(problem, dimensions), target_of(problem, dimensions)
    loss = built(specification, problem).double()
    maps = maps_of(problem, target)

    def value(z: Tensor, *_: Tensor) -> Tensor:
        return loss(z, target, maps)

    if specification["name"] == "hausdorff_dt":  # random directions instead of every voxel: it is slow
        assert torch.autograd.gradcheck(value, (logits.requires_grad_(),), atol=1e-7, fast_mode=True)
        return
    assert torch.autograd.gradcheck(value, (logits.requires_grad_(), *loss.parameters()), atol=1e-7)


@over_all
@in_2d_and_3d
@pytest.mark.parametrize("filled", ["empty", "full", "one voxel", "ignored", "ignored image", "mixed"])
def test_finite_value_and_gradient(specification: dict, problem: str, dimensions: int, filled: str) -> None:
    target = target_of(problem, dimensions, filled)
    loss = built(specification, problem, ignore_index=IGNORED)
    for scale in (1.5, 1e4, -1e4, 1e9):
        logits = logits_of(problem, dimensions, scale=1.5).float()
        logits = logits if scale == 1.5 else logits.sign() * scale
        for constant in (False, True):
            z = (torch.full_like(logits, scale) if constant else logits).requires_grad_()
            value = loss(z, target, maps_of(problem, target))
            (gradient,) = torch.autograd.grad(value, z)
            assert value.isfinite() and value.shape == ()
            assert gradient.isfinite().all()
            if filled == "ignored":
                assert not gradient.any()


@over_all
@in_2d_and_3d
def test_ignored_voxels_do_not_count(specification: dict, problem: str, dimensions: int) -> None:
    target = target_of(problem, dimensions)
    target[:, :, :3] = IGNORED
    maps = maps_of(problem, target)
    loss = built(specification, problem, ignore_index=IGNORED)
    logits = logits_of(problem, dimensions).requires_grad_()
    value = loss(logits, target, maps)
    value.backward()
    assert not logits.grad[:, :, :3].any()
    assert logits.grad[:, :, 3:].any()
    other = logits.detach().clone()
    other[:, :, :3] = -other[:, :, :3] - 1
    assert loss(other, target, maps).item() == pytest.approx(value.item(), rel=1e-12)


KNOWS_ITS_SURROUNDINGS = ("nacl", "hausdorff_dt", "top_k_cross_entropy")


@pytest.mark.parametrize(("name", "problem"), [pair for pair in EVERY if pair[0] not in KNOWS_ITS_SURROUNDINGS])
def test_ignoring_a_slab_equals_cutting_it_off(name: str, problem: str) -> None:
    logits, target = logits_of(problem, 3), target_of(problem, 3)
    cropped = (logits[:, :, 2:], target[:, :, 2:])
    masked = target.clone()
    masked[:, :, :2] = IGNORED
    maps = maps_of(problem, target)
    loss = built({"name": name}, problem, ignore_index=IGNORED)
    expected = loss(*cropped, {key: values[:, :, 2:] for key, values in maps.items()})
    assert loss(logits, masked, maps).item() == pytest.approx(expected.item(), rel=1e-9)


@over_all
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(specification: dict, problem: str, dtype: torch.dtype) -> None:
    target = target_of(problem, 3)
    maps = maps_of(problem, target)
    half = logits_of(problem, 3).to(dtype).requires_grad_()
    full = half.detach().float().requires_grad_()
    loss = built(specification, problem)
    values = [loss(z, target, maps) for z in (half, full)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values.append(loss(full, target, maps))
    gradients = [torch.autograd.grad(v, z)[0] for v, z in zip(values, (half, full, full), strict=True)]
    assert values[0].dtype == values[2].dtype == torch.float32
    assert values[0] == values[1] == values[2]
    assert torch.equal(gradients[1], gradients[2])
    torch.testing.assert_close(gradients[0], gradients[1].to(dtype))


@over_all
def test_float32_agrees_with_float64(specification: dict, problem: str) -> None:
    logits, target = logits_of(problem, 3), target_of(problem, 3)
    maps = maps_of(problem, target)
    results = []
    for z in (logits.float().double().requires_grad_(), logits.float().requires_grad_()):
        value = built(specification, problem)(z, target, maps)
        results.append((value, *torch.autograd.grad(value, z)))
    (value, gradient), (value_32, gradient_32) = results
    assert value_32.item() == pytest.approx(value.item(), rel=1e-5, abs=1e-6)
    assert (gradient_32 - gradient).norm() <= 1e-5 * gradient.norm() + 1e-9


@over_all
def test_the_order_of_samples_plays_no_part(specification: dict, problem: str) -> None:
    logits, target = logits_of(problem, 3, batch=3), target_of(problem, 3, batch=3)
    maps = maps_of(problem, target)
    loss = built(specification, problem)
    order = [2, 0, 1]
    shuffled = loss(logits[order], target[order], {name: values[order] for name, values in maps.items()})
    assert shuffled.item() == pytest.approx(loss(logits, target, maps).item(), rel=1e-12)


@pytest.mark.parametrize(("name", "problem"), EVERY)
def test_memory_layout_and_target_type_play_no_part(name: str, problem: str) -> None:
    logits, target = logits_of(problem, 3), target_of(problem, 3)
    maps = maps_of(problem, target)
    loss = built({"name": name}, problem)
    expected = loss(logits, target, maps).item()
    assert loss(logits.to(memory_format=torch.channels_last_3d), target, maps).item() == pytest.approx(expected)
    for dtype in (torch.uint8, torch.uint16, torch.int32, torch.float32, torch.float16):
        assert loss(logits, target.to(dtype), maps).item() == expected
    if problem == "two classes":
        one_hot = torch.cat([target == 0, target == 1], 1)
        assert loss(logits, one_hot, maps).item() == expected
        assert built({"name": name}, problem, to_onehot_y=False)(logits, one_hot.float(), maps).item() == expected
    if problem == "multi-class":
        one_hot = torch.cat([target == channel for channel in range(4)], 1)
        assert loss(logits, one_hot, maps).item() == expected


@pytest.mark.parametrize(("name", "problem"), EVERY)
def test_reductions(name: str, problem: str) -> None:
    target = target_of(problem, 2)
    logits, maps = logits_of(problem, 2), maps_of(problem, target)
    mean, total, each = (
        built({"name": name}, problem, reduction=reduction)(logits, target, maps)
        for reduction in ("mean", "sum", "none")
    )
    assert total.item() == pytest.approx(each.sum().item(), rel=1e-12)
    if name not in ("top_k_cross_entropy",):
        assert mean.item() == pytest.approx(each.mean().item(), rel=1e-12)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"nacl"}))
@pytest.mark.parametrize("filled", ["empty", "full"])
def test_gradient_of_empty_and_full_targets_as_the_catalogue_states(
    name: str, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, 3, (12, 12, 12))  # large enough for sums that a clamp may stop
    target = target_of("binary", 3, filled)
    logits = logits_of("binary", 3).requires_grad_()
    mixed = target_of("binary", 3)
    norms = []
    for labels in (target, mixed):
        value = build_loss(name)(logits, labels, maps_of("binary", labels))
        norms.append(torch.autograd.grad(value, logits)[0].norm())
    assert bool(norms[0] > 1e-3 * norms[1]) == getattr(LOSSES[name], filled)


@pytest.mark.parametrize(
    ("specification", "problem"),
    [pair for pair in ALL if pair[0]["name"] != "hausdorff_dt"],
    ids=lambda value: str(value),
)
def test_the_host_never_waits_for_a_value(specification: dict, problem: str) -> None:
    """Tensors on the device meta have no values: to ask for one, as for a GPU's to wait, is an error."""
    target = target_of(problem, 3)
    maps = {name: values.to("meta") for name, values in maps_of(problem, target).items()}
    logits = logits_of(problem, 3).to("meta").requires_grad_()
    loss = built(specification, problem, ignore_index=IGNORED).to("meta")
    loss(logits, target.to("meta"), maps).backward()
    assert logits.grad.shape == logits.shape


def test_an_ignore_index_that_the_target_cannot_hold_ignores_nothing() -> None:
    logits, target = logits_of("binary", 3), target_of("binary", 3)
    expected = build_loss("cross_entropy")(logits, target)
    for dtype, index in ((torch.uint8, 256), (torch.uint8, -255), (torch.int8, 257), (torch.bool, 255)):
        assert build_loss("cross_entropy", ignore_index=index)(logits, target.to(dtype)) == expected


@over_all
def test_the_result_has_the_type_of_the_logits(specification: dict, problem: str) -> None:
    target = target_of(problem, 3)
    loss = built(specification, problem, ignore_index=IGNORED)
    assert loss(logits_of(problem, 3).float(), target, maps_of(problem, target)).dtype == torch.float32


@pytest.mark.parametrize("options", [{"classes": [1, 3]}, {"class_weights": [1, 2, 3, 4]}])
def test_a_call_without_gradients_does_not_spoil_the_next(options: dict) -> None:
    name = "cross_entropy" if "class_weights" in options else "dice"
    loss = build_loss(name, **options)
    logits, target = torch.randn(1, 4, 3, 11), torch.zeros(1, 1, 3, 11)
    with torch.inference_mode():
        loss(logits, target)
    loss(logits.clone().requires_grad_(), target).backward()


COMPILED = [pair for pair in ALL if pair[0]["name"] not in ("hausdorff_dt",) and "multi" not in pair[1]] + [
    ({"name": name}, "two classes") for name in named_sums() if name != "gdl_hausdorff"
]


@pytest.mark.parametrize(("specification", "problem"), COMPILED, ids=lambda value: str(value))
def test_compiles_to_one_graph(specification: dict, problem: str) -> None:
    torch._dynamo.reset()
    target = target_of(problem, 3)
    logits, maps = logits_of(problem, 3), maps_of(problem, target)
    loss = built(specification, problem)
    whole = torch.compile(loss, backend="eager", fullgraph=True)
    assert whole(logits, target, maps).item() == pytest.approx(loss(logits, target, maps).item(), rel=1e-9)


BAD_INPUTS = [
    (
        {"logits": torch.zeros(2, 4, 8)},
        r"logits \(2, 4, 8\): \(batch, channels, height, width\[, depth\]\) was exp",
    ),
    ({"logits": torch.zeros(0, 4, 8, 8)}, r"logits \(0, 4, 8, 8\) are empty"),
    (
        {"logits": torch.zeros(2, 4, 8, 8).long()},
        "logits are torch.int64: a floating-point type was expected",
    ),
    ({"logits": np.zeros((2, 4, 8, 8))}, "logits: a tensor was expected, found ndarray"),
    (
        {"target": torch.zeros(2, 1, 8, 7)},
        r"target \(2, 1, 8, 7\) does not fit logits .*: \(2, 1, 8, 8\) or \(2, 4",
    ),
    ({"target": torch.zeros(2, 8, 8)}, r"target \(2, 8, 8\) does not fit logits"),
    ({"target": torch.zeros(2, 3, 8, 8)}, r"target \(2, 3, 8, 8\) does not fit logits"),
    ({"target": torch.zeros(1, 1, 8, 8)}, r"target \(1, 1, 8, 8\) does not fit logits"),
    ({"target": torch.zeros(2, 1, 8, 8, dtype=torch.complex64)}, "target is torch.complex64"),
    (
        {"target": torch.full((2, 1, 8, 8), 4)},
        r"holds values from 4 to 4: 0\.\.3 was expected; a value for voxels",
    ),
    ({"target": torch.full((2, 1, 8, 8), -1)}, r"holds values from -1 to -1: 0\.\.3 was expected"),
    ({"target": torch.full((2, 1, 8, 8), 0.5)}, r"target \(2, 1, 8, 8\) holds fractions"),
    ({"target": torch.full((2, 1, 8, 8), float("nan"))}, "target .* holds values from nan"),
    ({"target": torch.ones(2, 4, 8, 8)}, r"target \(2, 4, 8, 8\) is not one-hot"),
    ({"logits": torch.full((2, 4, 8, 8), float("nan"))}, r"logits \(2, 4, 8, 8\) hold NaN or infinity"),
    ({"logits": torch.full((2, 4, 8, 8), float("inf"))}, r"logits \(2, 4, 8, 8\) hold NaN or infinity"),
]


@pytest.mark.parametrize(("changed", "message"), BAD_INPUTS, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("name", ["cross_entropy", "dice", "ce_l1"])
def test_what_is_said_about_bad_input(name: str, changed: dict, message: str) -> None:
    arguments = {"logits": torch.zeros(2, 4, 8, 8), "target": torch.zeros(2, 1, 8, 8), **changed}
    with pytest.raises(SeglossError, match=message) as error:
        build_loss(name)(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        (
            {"to_onehot_y": True},
            torch.zeros(2, 4, 8, 8),
            r"\(2, 1, 8, 8\) was expected with to_onehot_y=True",
        ),
        (
            {"to_onehot_y": False},
            torch.zeros(2, 1, 8, 8),
            r"\(2, 4, 8, 8\) was expected with to_onehot_y=False",
        ),
        (
            {"classes": [4]},
            torch.zeros(2, 1, 8, 8),
            r"classes \[4\]: the logits have 4 channels; choose among 0..3",
        ),
        ({"ignore_index": 1}, torch.zeros(2, 4, 8, 8), "ignore_index 1 with target .* one-hot"),
        (
            {"ignore_index": -1},
            torch.full((2, 1, 8, 8), 255, dtype=torch.uint8),
            "holds values from 255 to 255",
        ),
        (
            {"class_weights": [1, 2]},
            torch.zeros(2, 1, 8, 8),
            r"2 class weights \(1.0, 2.0\): 4 were expected",
        ),
        ({"ignore_index": 9}, torch.full((2, 1, 8, 8), 8), r"holds values from 8 to 8: 0\.\.3 was expected$"),
        ({"sigmoid": True}, torch.full((2, 4, 8, 8), 2), r"holds values from 2 to 2: 0\.\.1 was expected"),
    ],
)
def test_options_that_do_not_fit_the_tensors(options: dict, target: Tensor, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        build_loss("cross_entropy", **options)(torch.zeros(2, 4, 8, 8), target)


@pytest.mark.parametrize(
    ("name", "maps", "message"),
    [
        (
            "boundary",
            torch.zeros(2, 2, 8, 8),
            "maps: a mapping of names to tensors was expected, found Tensor",
        ),
        ("boundary", {"published_distance": np.zeros((2, 2, 8, 8))}, "a tensor was expected, found ndarray"),
        ("boundary", {"published_distance": torch.ones(2, 2, 8, 8).bool()}, "is torch.bool: distances"),
        (
            "blob",
            {"components": torch.full((2, 1, 8, 8), 2**40)},
            r"holds labels from 1099511627776 .*: 0\.\.",
        ),
        ("boundary", {}, "map 'published_distance' is missing; given: none; pass maps="),
        ("boundary", {"components": torch.zeros(2, 1, 8, 8)}, "is missing; given: components"),
        (
            "boundary",
            {"published_distance": torch.zeros(2, 2, 8, 7)},
            r"\(2, 2, 8, 7\): \(batch 2, channels, \*\(8, 8",
        ),
        (
            "boundary",
            {"published_distance": torch.zeros(2, 1, 8, 8)},
            "1 channel.*: 2 were expected.*include_backgr",
        ),
        ("boundary", {"published_distance": torch.full((2, 2, 8, 8), float("nan"))}, "hold NaN or infinity"),
        ("blob", {"components": torch.zeros(2, 2, 8, 8).long()}, r"\(2, 2, 8, 8\): one channel was expected"),
        ("blob", {"components": torch.zeros(2, 1, 8, 8)}, "map 'components' .* whole numbers"),
        (
            "cc_dice_ce",
            {"voronoi": torch.full((2, 1, 8, 8), -1)},
            "map 'voronoi' .* holds labels from -1 to -1",
        ),
        ("blob_dice_ce", {}, "map 'components' is missing"),
    ],
)
def test_what_is_said_about_bad_maps(name: str, maps: dict, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        build_loss(name)(torch.zeros(2, 2, 8, 8), torch.zeros(2, 1, 8, 8), maps)


def test_losses_for_other_problems_say_so() -> None:
    logits, target = torch.zeros(2, 4, 8, 8), torch.zeros(2, 1, 8, 8)
    for name in ("adaptive_cross_entropy", "balanced_cross_entropy"):
        with pytest.raises(SeglossError, match=f"loss '{name}' is for binary problems: the logits have 4 softmax"):
            build_loss(name)(logits, target)
    with pytest.raises(SeglossError, match="loss 'nacl' needs softmax logits"):
        build_loss("nacl")(logits[:, :1], target)
    for name in ("blob", "cc_dice_ce"):
        with pytest.raises(SeglossError, match="needs one foreground"):
            build_loss(name, sigmoid=True)(logits, target)
