"""Inverse weights against a slow evaluation, golden values and their own promises."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.losses import build_loss
from lib.losses.inverse_weighting import inverse_weights

SHAPE = (9, 8, 10)


def weights_by_loop(components: np.ndarray, formula: str, clip: tuple[float, float]) -> np.ndarray:
    visible = [label for label in np.unique(components) if label]
    weights = np.ones(components.shape, np.float32)
    for label in [0, *visible]:
        mask = components == label
        if not mask.any():
            continue
        if formula == "lesions_only":
            weights[mask] = 1 if label == 0 else (components > 0).sum() / (components.max() * mask.sum())
        else:
            weights[mask] = components.size / ((len(visible) + 1) * mask.sum())
    return np.clip(weights, *clip) if formula == "published" else weights


@pytest.mark.parametrize("formula", ["published", "unclipped", "lesions_only"])
def test_weights_equal_a_loop_over_components_with_labels_missing(formula: str) -> None:
    rng = np.random.default_rng(1)
    for density in (0, 0.02, 0.2, 1):
        volume = np.where(rng.random((3, 1, *SHAPE)) < density, rng.integers(1, 40, (3, 1, *SHAPE)), 0)
        weights = inverse_weights(torch.from_numpy(volume), formula, clip=(1, 50)).numpy()
        for sample, found in zip(volume, weights, strict=True):
            np.testing.assert_allclose(found, weights_by_loop(sample, formula, (1, 50)), rtol=1e-6)


@pytest.mark.parametrize("target", ["multi", "one_empty", "touch"])
def test_golden_weights(shared: Path, iw_target: Callable, components_of: Callable, target: str) -> None:
    golden = json.loads((shared / "golden" / "inverse_weighting_losses.json").read_text())["cases"]
    weights = inverse_weights(components_of(iw_target(target)))
    for sample, unique, total in zip(
        weights, golden[target]["weights_unique"], golden[target]["weights_sum"], strict=True
    ):
        np.testing.assert_allclose(np.unique(sample.numpy()), unique, rtol=1e-8)
        assert sample.double().sum().item() == pytest.approx(total, rel=1e-9)


def test_every_component_has_the_same_total_weight_where_nothing_is_clipped(
    iw_target: Callable, components_of: Callable
) -> None:
    components = components_of(iw_target("multi"))[:1]
    weights = inverse_weights(components, "unclipped").double()
    totals = [weights[components == label].sum().item() for label in range(4)]
    assert totals == pytest.approx([components.numel() / 4] * 4, rel=1e-6)


@pytest.mark.parametrize("formula", ["published", "unclipped", "lesions_only"])
def test_ignored_voxels_belong_to_no_component(formula: str, iw_target: Callable, components_of: Callable) -> None:
    target = torch.from_numpy(iw_target("multi")).long()
    components = components_of(iw_target("multi"))
    logits = torch.from_numpy(np.random.default_rng(0).standard_normal(target.shape))
    masked = target.clone()
    masked[:, :, :7] = 255
    for name in ("cross_entropy", "dice"):
        loss = build_loss({"name": name, "inverse_weights": {"formula": formula}}, ignore_index=255)
        cut = loss(logits[:, :, 7:], target[:, :, 7:], {"components": components[:, :, 7:]})
        assert loss(logits, masked, {"components": components}).item() == pytest.approx(cut.item(), rel=1e-6)


def test_weights_of_different_samples_do_not_depend_on_each_other(iw_target: Callable, components_of: Callable) -> None:
    components = components_of(iw_target("multi"))
    together = inverse_weights(components)
    for number in range(2):
        assert torch.equal(together[number : number + 1], inverse_weights(components[number : number + 1]))
