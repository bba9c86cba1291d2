"""The losses against slow, independent evaluations of their formulas, against MONAI, and against hand-made cases."""

import math
from collections.abc import Callable

import monai.losses
import numpy as np
import pytest
import torch
from scipy import ndimage, special
from torch import Tensor

from lib.losses import build_loss, pointwise
from lib.losses.catalogue import LOSSES
from lib.losses.instance import sums_by_label
from lib.losses.pixelwise import kth_largest
from lib.maps import connected_components, published_distance, voronoi_cells

SHAPE = (9, 8, 10)


def inputs(channels: int, batch: int = 2, labels: int | None = None) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(17)
    target = rng.integers(0, labels or max(channels, 2), (batch, 1, *SHAPE))
    return torch.from_numpy(rng.standard_normal((batch, channels, *SHAPE)) * 2), torch.from_numpy(target)


def value_and_gradient(loss: Callable, logits: Tensor, *others: object) -> tuple[float, Tensor]:
    z = logits.clone().requires_grad_()
    value = loss(z, *others)
    return value.item(), torch.autograd.grad(value, z)[0]


def assert_equal(first: tuple[float, Tensor], second: tuple[float, Tensor], rtol: float) -> None:
    assert first[0] == pytest.approx(second[0], rel=rtol)
    assert (first[1] - second[1]).abs().max() <= rtol * second[1].abs().max()


# MONAI, which makes one-hot targets and some sums in float32

MONAI_DIGITS = 1e-6
ACTIVATION = {1: {"sigmoid": True}, 2: {"softmax": True}, 4: {"softmax": True}}


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"name": "dice"}, lambda **o: monai.losses.DiceLoss(**o)),
        ({"name": "dice", "squared_pred": True}, lambda **o: monai.losses.DiceLoss(squared_pred=True, **o)),
        (
            {"name": "dice", "batch": True, "smooth_nr": 1, "smooth_dr": 1},
            lambda **o: monai.losses.DiceLoss(batch=True, smooth_nr=1, smooth_dr=1, **o),
        ),
        ({"name": "tversky"}, lambda **o: monai.losses.TverskyLoss(alpha=0.3, beta=0.7, **o)),
        ({"name": "generalized_dice", "form": "monai"}, lambda **o: monai.losses.GeneralizedDiceLoss(**o)),
        ({"name": "hausdorff_dt"}, lambda **o: monai.losses.HausdorffDTLoss(**o)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_equal_to_monai(ours: dict, theirs: Callable, channels: int, include_background: bool) -> None:
    if channels == 1 and (ours["name"] == "generalized_dice" or not include_background):
        return  # one channel: two regions here, one there; no background to leave out
    logits, target = inputs(channels, labels=max(channels, 2) - (ours["name"] == "generalized_dice"))
    other = theirs(
        include_background=include_background,
        to_onehot_y=channels > 1,
        **ACTIVATION[channels],
        reduction="mean",
    )
    loss = build_loss(ours, include_background=include_background)
    mine = value_and_gradient(loss, logits, target)
    assert_equal(mine, value_and_gradient(other, logits, target.double()), MONAI_DIGITS)


def test_what_the_catalogue_calls_equal_to_monai_is_compared_here() -> None:
    compared = {"dice", "tversky", "generalized_dice", "hausdorff_dt", "focal", "nacl", "boundary"}
    assert {name for name, entry in LOSSES.items() if entry.monai} == compared


@pytest.mark.parametrize("channels", [1, 4])
def test_focal_equals_monai(channels: int) -> None:
    logits, target = inputs(channels)
    other = monai.losses.FocalLoss(use_softmax=channels > 1, to_onehot_y=channels > 1, alpha=0.75, gamma=1.5)
    theirs = value_and_gradient(other, logits, target.double())
    mine = value_and_gradient(build_loss("focal", alpha=0.75, gamma=1.5), logits, target)
    assert_equal(mine, (theirs[0] * channels, theirs[1] * channels), MONAI_DIGITS)


@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("channels", [2, 4])
def test_sums_equal_monai(channels: int, include_background: bool) -> None:
    logits, target = inputs(channels)
    other = monai.losses.DiceCELoss(softmax=True, to_onehot_y=True, include_background=include_background)
    mine = value_and_gradient(build_loss("dice_ce", include_background=include_background), logits, target)
    assert_equal(mine, value_and_gradient(other, logits, target), MONAI_DIGITS)


def test_a_sum_without_background_still_punishes_false_positives() -> None:
    target, logits = torch.zeros(1, 1, 32, 32).long(), torch.zeros(1, 2, 32, 32)
    logits[:, 1] = 4.0
    for name in ("dice_ce", "ce_l1", "ce_kl", "nnunet_dice_ce"):
        value, gradient = value_and_gradient(build_loss(name, include_background=False), logits, target)
        assert value > 4 and gradient.norm() > 0.01


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("channels", [2, 4])
def test_nacl_equals_monai(distance: str, kernel_size: int, channels: int) -> None:
    logits, target = inputs(channels)
    other = monai.losses.NACLLoss(channels, 3, kernel_size=kernel_size, distance_type=distance, alpha=0.3)
    loss = build_loss("nacl", distance=distance, kernel_size=kernel_size, alpha=0.3)
    theirs = value_and_gradient(other, logits, target[:, 0])
    assert_equal(value_and_gradient(loss, logits, target), theirs, MONAI_DIGITS)


def test_boundary_equals_monai_on_maps_of_the_whole_patch() -> None:
    logits, _ = inputs(2)
    target = torch.zeros(2, 1, *SHAPE, dtype=torch.long)
    target[0, 0, 2:6, 2:5, 3:8] = target[1, 0, 4:, 1:3, 2:4] = 1
    maps = np.stack([[published_distance(s[0] == c, (1, 1, 1)) for c in (0, 1)] for s in target.numpy()])
    mine = value_and_gradient(build_loss("boundary"), logits, target, {"published_distance": torch.from_numpy(maps)})
    other = monai.losses.BoundaryLoss(softmax=True, to_onehot_y=True, include_background=True)
    assert_equal(mine, value_and_gradient(other, logits, target), MONAI_DIGITS)


# Slow evaluations


def probabilities(logits: Tensor) -> np.ndarray:
    z = logits.numpy()
    return special.expit(z) if z.shape[1] == 1 else special.softmax(z, 1)


def lesions() -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Two samples with several lesions and one without; component labels with gaps, as in a patch."""
    rng = np.random.default_rng(23)
    target = np.zeros((3, 1, *SHAPE), int)
    for sample in target[:2, 0]:
        sample[ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1) > 0.25] = 1
    components = np.stack([connected_components(sample[0]).astype(np.int64) * 3 for sample in target])
    cells = np.stack([voronoi_cells(sample[0], (3, 1, 1)).astype(np.int64) for sample in target])
    assert len(np.unique(components[0])) > 3
    maps = {"components": torch.from_numpy(components)[:, None], "voronoi": torch.from_numpy(cells)[:, None]}
    return torch.from_numpy(rng.standard_normal((3, 1, *SHAPE)) * 2), torch.from_numpy(target), maps


def instance_loss_by_loop(logits: Tensor, target: Tensor, labels: Tensor, masked: bool, weights: tuple) -> float:
    p, y, labels = probabilities(logits)[:, 0], target.numpy()[:, 0], labels.numpy()[:, 0]
    cross_entropy = -np.where(y, np.log(p), np.log1p(-p))
    samples = []
    for sample in range(len(p)):
        found = []
        for label in np.unique(labels[sample][labels[sample] > 0]):
            own = labels[sample] == label
            domain = own | (labels[sample] == 0) if masked else own
            inside = p[sample][domain]
            actual = y[sample][domain]
            dice = 2 * (inside * actual).sum() / (inside.sum() + actual.sum())
            found.append(weights[0] * (1 - dice) + weights[1] * cross_entropy[sample][domain].mean())
        if found:
            samples.append(np.mean(found))
    return float(np.mean(samples))


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
def test_instance_losses_equal_a_loop_over_lesions(weights: tuple[float, float]) -> None:
    logits, target, maps = lesions()
    for name, map_name in (("blob", "components"), ("cc_dice_ce", "voronoi")):
        loss = build_loss(name, dice_weight=weights[0], ce_weight=weights[1])
        expected = instance_loss_by_loop(logits, target, maps[map_name], name == "blob", weights)
        assert loss(logits, target, maps).item() == pytest.approx(expected, rel=1e-9)


def test_instance_losses_take_several_classes_as_one_foreground() -> None:
    logits, target, maps = lesions()
    two = torch.cat([-logits, logits], 1) / 2
    split = torch.cat([-logits, logits.expand(-1, 3, *SHAPE) - math.log(3)], 1)
    for name in ("blob", "cc_dice_ce"):
        expected = build_loss(name)(logits, target, maps).item()
        assert build_loss(name)(two, target, maps).item() == pytest.approx(expected, rel=1e-9)
        halved = torch.cat([split[:, :1] * 0, split[:, 1:] - split[:, :1]], 1)
        value = build_loss(name)(halved, target * 2, maps).item()
        assert value == pytest.approx(build_loss(name)(2 * logits, target, maps).item(), rel=1e-9)


def test_other_lesions_do_not_matter_to_blob() -> None:
    logits, target, _ = lesions()
    one = torch.zeros_like(target)
    one[:2, :, 3:5, 3:5, 3:5] = one[:2, :, 7:, 7:, 7:] = 1
    labels = one.clone()
    labels[:, :, 7:] *= 2
    loss = build_loss("blob", ce_weight=0, reduction="none")
    before = loss(logits, one, {"components": labels})
    better = logits.clone()
    better[:2, :, 7:, 7:, 7:] = 40.0  # the second lesion found: only its own half of the mean changes
    after = loss(better, one, {"components": labels})
    change = (before - after)[:2]
    only_second = one * (labels == 2)
    ignored = torch.where(labels == 1, 255, only_second)
    second = [
        build_loss("blob", ce_weight=0, reduction="none", ignore_index=255)(
            z, ignored, {"components": labels * (labels == 2)}
        )
        for z in (logits, better)
    ]
    assert change.tolist() == pytest.approx(((second[0] - second[1])[:2] / 2).tolist(), rel=1e-9)
    assert loss(logits, one * 0, {"components": labels * 0}).tolist() == [0, 0, 0]


@pytest.mark.parametrize("binning", ["hard", "soft"])
def test_calibration_error_equals_a_loop_over_bins(binning: str) -> None:
    logits, target = inputs(3)
    p, bins = probabilities(logits), 7
    centres = (np.arange(bins) + 0.5) / bins
    errors = []
    for sample in range(len(p)):
        for channel in range(3):
            q, y = p[sample, channel].ravel(), (target[sample, 0].numpy() == channel).ravel()
            if binning == "hard":
                shares = (np.minimum((q * bins).astype(int), bins - 1) == np.arange(bins)[:, None]).astype(float)
            else:
                shares = np.maximum(0, 1 - np.abs(q - centres[:, None]) * bins)
                shares[0] += q < centres[0]
                shares[0][q < centres[0]] = 1
                shares[-1][q > centres[-1]] = 1
            filled = shares.sum(1) >= 0.01
            weight = shares.sum(1)[filled]
            gaps = np.abs((shares @ y)[filled] / weight - (shares @ q)[filled] / weight)
            errors.append(gaps.mean())
    loss = build_loss("ace", bins=bins, binning=binning)
    assert loss(logits, target).item() == pytest.approx(np.mean(errors), rel=1e-9)


def test_calibration_error_of_a_calibrated_and_of_an_overconfident_prediction() -> None:
    target = (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) < 0.3).long()
    share = target.double().mean()
    calibrated = torch.full((1, 1, 64, 64), float(torch.logit(share)), dtype=torch.float64)
    for binning in ("hard", "soft"):
        assert build_loss("ace", binning=binning)(calibrated, target).item() == pytest.approx(0, abs=1e-9)
        confident = build_loss("ace", binning=binning)(torch.full_like(calibrated, -30.0), target)
        assert confident.item() == pytest.approx(float(share), rel=1e-6)


@pytest.mark.parametrize("ignore_index", [None, 255])
@pytest.mark.parametrize("k", [10.0, 37.5, 100.0])
def test_top_k_is_a_mean_of_the_largest(k: float, ignore_index: int | None) -> None:
    logits, target = inputs(4)
    cross_entropy = -np.log(np.take_along_axis(probabilities(logits), target.numpy(), 1))
    if ignore_index:
        target[:, :, :2] = ignore_index
        cross_entropy = cross_entropy[:, :, 2:]
    n_chosen = int(cross_entropy.size * k / 100)
    expected = np.sort(cross_entropy.ravel())[::-1][:n_chosen].mean()
    loss = build_loss("top_k_cross_entropy", k=k, ignore_index=ignore_index)
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["normal", "ties", "sorted", "periodic", "constant"])
def test_the_kth_largest_of_hostile_orders(kind: str) -> None:
    values = np.random.default_rng(0).standard_normal(300_000)
    values = {
        "normal": values,
        "ties": np.round(values),
        "sorted": np.sort(values),
        "periodic": np.where(np.arange(values.size) % 4, values, 9.0),
        "constant": 0 * values,
    }[kind]
    ordered = np.sort(values)[::-1]
    for k in (1, 7, 30_000, 299_999, 300_000):
        assert kth_largest(values, k) == ordered[k - 1]


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"hausdorff_dt", "blob", "cc_dice_ce", "ace", "nacl"}))
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_large_patches_are_evaluated_in_pieces_to_the_same_values(
    name: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    spatial = (33, 45, 64)
    assert np.prod(spatial) > pointwise.PIECE
    logits = torch.from_numpy(rng.standard_normal((2, channels, *spatial)) * 3)
    target = torch.from_numpy(rng.integers(0, max(channels, 2), (2, 1, *spatial)))
    target[:, :, :2] = 255
    maps = {
        "published_distance": torch.from_numpy(rng.standard_normal(logits.shape)),
        "components": target % 5,
    }
    if channels == 3 and LOSSES[name].problems == ("binary", "multi-label"):
        logits, target = logits[:, :1], target.clamp(max=1)
    specification = {"name": name, **({"inverse_weights": {}} if LOSSES[name].weightable else {})}
    results = []
    for piece in (pointwise.PIECE, 10**9):
        monkeypatch.setattr(pointwise, "PIECE", piece)
        loss = build_loss(specification, ignore_index=255).double()
        results.append(value_and_gradient(loss, logits, target, maps))
    assert_equal(*results, 1e-9)


def test_generalized_surface_lies_between_0_and_1_and_equals_its_formula() -> None:
    logits, target = inputs(3)
    phi = np.random.default_rng(2).standard_normal((2, 3, *SHAPE)) * 5
    maps = {"published_distance": torch.from_numpy(phi)}
    y = np.stack([target.numpy()[:, 0] == c for c in range(3)], 1)
    p, axes = probabilities(logits), (2, 3, 4)
    weight = 1 / (1 + y.sum(axes) ** 2)
    above = (weight * ((phi * (1 - (p + y))) ** 2).sum(axes)).sum(1)
    expected = 1 - above / (weight * (phi**2).sum(axes)).sum(1)
    loss = build_loss("generalized_surface")
    assert loss(logits, target, maps).item() == pytest.approx(expected.mean(), rel=1e-9)
    certain = 200.0 * torch.from_numpy(y).double()
    assert loss(certain, target, maps).item() == pytest.approx(0, abs=1e-9)
    binary = {"published_distance": maps["published_distance"][:, :1]}
    wrong = 200.0 * (0.5 - (target > 0).double())
    assert loss(wrong, (target > 0).long(), binary).item() == pytest.approx(1, abs=1e-9)


def test_boundary_with_its_constant_is_0_at_the_true_mask_and_normalised_maps_are_bounded() -> None:
    target = torch.zeros(1, 1, *SHAPE, dtype=torch.long)
    target[0, 0, 3:7, 2:6, 2:7] = 1
    phi = torch.from_numpy(published_distance(target[0, 0].numpy(), (5, 1, 1)))[None, None]
    maps = {"published_distance": phi}
    right = 200.0 * (target.double() - 0.5)
    assert build_loss("boundary")(right, target, maps).item() < 0
    assert build_loss("boundary", zero_minimum=True)(right, target, maps).item() == pytest.approx(0, abs=1e-9)
    assert build_loss("boundary", zero_minimum=True)(-right, target, maps).item() > 0
    scaled = [
        build_loss("boundary", normalize=True)(right, target, {"published_distance": f * phi}).item() for f in (1, 7)
    ]
    assert scaled[0] == pytest.approx(scaled[1], rel=1e-6)
    assert abs(scaled[0]) <= 1


@pytest.mark.parametrize("problem", ["binary", "multi-label"])
def test_proportion_kl_has_two_sides_and_the_released_one_has_one(problem: str) -> None:
    channels = 1 if problem == "binary" else 3
    rng = np.random.default_rng(5)
    logits = torch.from_numpy(rng.standard_normal((2, channels, *SHAPE)))
    target = torch.from_numpy(rng.integers(0, 2, (2, channels, *SHAPE)))
    g = (target.numpy().sum((2, 3, 4)) + 1e-10) / (720 + 1e-10)
    p = (special.expit(10 * logits.numpy()).sum((2, 3, 4)) + 1e-10) / (720 + 1e-10)
    one, other = g * np.log(g / p), (1 - g) * np.log((1 - g) / (1 - p))
    loss = build_loss("proportion_kl", temperature=10, sigmoid=True)
    assert loss(logits, target).item() == pytest.approx((one + other).sum(1).mean(), rel=1e-8)
    loss = build_loss("proportion_kl", temperature=10, sigmoid=True, one_sided=True)
    assert loss(logits, target).item() == pytest.approx(one.sum(1).mean(), rel=1e-8)


@pytest.mark.parametrize("options", [{"include_background": False}, {"classes": [1, 3]}])
def test_proportion_kl_of_chosen_classes_has_the_rest_as_one_more(options: dict) -> None:
    logits, target = inputs(4)
    chosen = options.get("classes", [1, 2, 3])
    y = np.stack([target.numpy()[:, 0] == c for c in range(4)], 1).mean((2, 3, 4))
    p = probabilities(logits).mean((2, 3, 4))
    g, q = (np.column_stack([v[:, chosen], 1 - v[:, chosen].sum(1)]) for v in (y, p))
    expected = (g * np.log(g / q)).sum(1).mean()
    assert build_loss("proportion_kl", **options)(logits, target).item() == pytest.approx(expected, rel=1e-8)


def test_an_ignored_image_counts_as_0_in_the_mean_over_images() -> None:
    logits, target = inputs(4)
    masked = target.clone()
    masked[1] = 255
    for name in ("proportion_l1", "proportion_kl"):
        loss = build_loss(name, ignore_index=255)
        assert loss(logits, masked).item() == pytest.approx(loss(logits[:1], target[:1]).item() / 2, rel=1e-12)


@pytest.mark.parametrize("name", ["dice", "asymmetric_similarity", "generalized_dice", "tversky", "log_dice", "t_loss"])
def test_a_fully_ignored_image_adds_nothing(name: str) -> None:
    logits, target = inputs(4)
    target[1] = 255
    for options in ({}, {"smooth_nr": 0, "smooth_dr": 0}, {"form": "shirokikh"}, {"form": "kervadec"}):
        if set(options) <= set(LOSSES[name].parameters.model_fields):
            loss = build_loss(name, ignore_index=255, **options)
            assert loss(logits, target).item() == pytest.approx(loss(logits[:1], target[:1]).item() / 2, rel=1e-12)


def test_generalized_dice_keeps_its_scale_in_large_patches() -> None:
    target = torch.zeros(1, 1, 64, 64, 64, dtype=torch.long)
    target[..., :32, :, :] = 1
    wrong = (1 - 2 * target.float()) * 50
    for form in ("bounded", "kervadec", "shirokikh", "seglossbias"):
        assert build_loss("generalized_dice", form=form)(wrong, target).item() == pytest.approx(1, abs=1e-4)


def test_sums_by_label_keep_their_digits() -> None:
    values = torch.full((1, 2_000_000), 0.1)
    total = sums_by_label(values, torch.zeros_like(values, dtype=torch.long), 1).item()
    assert total == pytest.approx(2e6 * values[0, 0].item(), rel=1e-9)


def test_the_largest_share_their_place_where_many_are_equal() -> None:
    logits = torch.zeros(1, 3, 100, 100)
    logits[:, 0] = 40.0
    target = torch.zeros(1, 1, 100, 100).long()
    target[..., :5, :] = 1
    every = torch.nn.functional.cross_entropy(logits, target[:, 0], reduction="none").flatten()
    loss = build_loss("top_k_cross_entropy")
    assert loss(logits, target).item() == pytest.approx(every.topk(1000).values.mean().item())
    flat = torch.zeros(1, 2, 10, 10)
    assert loss(flat, target[..., :10, :10]).item() == pytest.approx(math.log(2))
    _, gradient = value_and_gradient(loss, flat, target[..., :10, :10])
    assert gradient.abs().std() < 1e-9


def test_generalized_dice_of_an_absent_class_dies_as_published_and_lives_when_bounded() -> None:
    logits, target = inputs(4, labels=3)
    gradients = {
        form: value_and_gradient(build_loss("generalized_dice", form=form), logits, target)[1].norm().item()
        for form in ("kervadec", "bounded")
    }
    assert gradients["kervadec"] < 1e-20
    assert gradients["bounded"] > 1e-4


def test_t_loss_keeps_its_digits_in_float32() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.standard_normal((2, 1, 64, 128, 128)))
    target = torch.from_numpy(rng.random((2, 1, 64, 128, 128)) < 0.1)
    results = []
    for dtype in (torch.float64, torch.float32):
        loss = build_loss("t_loss", nu=-2.4)
        value = loss(logits.to(dtype), target)
        value.backward()
        results.append((value.item(), loss.nu.grad.item()))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-6)
    assert results[1][1] == pytest.approx(results[0][1], rel=1e-6)


def test_one_channel_two_channels_and_two_of_multi_label_agree() -> None:
    logits, target = inputs(1)
    two = torch.cat([0.3 - logits / 2, 0.3 + logits / 2], 1)
    for name in ("cross_entropy", "mae", "gce", "ngce", "nce", "focal", "t_loss", "adaptive_cross_entropy"):
        value = build_loss(name)(logits, target).item()
        assert build_loss(name)(two, target).item() == pytest.approx(value, rel=1e-9)
    for name in ("dice", "tversky", "log_dice", "ace", "proportion_l1", "t_loss"):
        value = build_loss(name)(logits, target).item()
        assert build_loss(name, include_background=False)(two, target).item() == pytest.approx(value, rel=1e-9)
        repeated = build_loss(name, sigmoid=True)(logits.expand(-1, 3, *SHAPE), target.expand(-1, 3, *SHAPE))
        assert repeated.item() == pytest.approx(value, rel=1e-9)


def test_perfect_predictions_beat_wrong_ones(iw_target: Callable, components_of: Callable) -> None:
    target = torch.from_numpy(iw_target("multi")).long()
    maps = {"components": components_of(iw_target("multi"))}
    maps["voronoi"] = torch.from_numpy(np.stack([voronoi_cells(s[0], (1, 1, 1)) for s in target.numpy()])[:, None])
    maps["published_distance"] = torch.from_numpy(
        np.stack([published_distance(s[0], (1, 1, 1)) for s in target.numpy()])[:, None]
    )
    for name in set(LOSSES) - {"nacl", "dice_bias"}:
        loss = build_loss(name).double()
        right, wrong = (loss(sign * (2 * target - 1) * 8.0, target, maps).item() for sign in (1.0, -1.0))
        assert right < wrong, name
