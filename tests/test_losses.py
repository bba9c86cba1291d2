"""The losses of the inverse-weighting study against golden values, and their behaviour at the edges."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.config import ROOT, load
from lib.errors import SeglossError
from lib.losses import build_loss
from lib.losses.catalogue import CATALOGUE
from lib.losses.inverse_weighting import inverse_weights
from lib.maps import connected_components

SPECIFICATIONS = load({}, ROOT).studies["inverse_weighting"].losses
TEN = ("bce", "dl", "asl", "fl", "gdl", "wce", "iwbce", "iwdl", "iwasl", "iwfl")


def golden_target(name: str) -> np.ndarray:
    target = np.zeros((2, 1, 12, 14, 16))
    if name == "multi":
        target[0, 0, 1:4, 1:4, 1:4] = target[0, 0, 6:8, 6:8, 6:8] = target[0, 0, 10, 12, 14] = 1
        target[1, 0, 4:8, 4:8, 4:8] = 1
    elif name == "one_empty":
        target[0, 0, 1:4, 1:4, 1:4] = 1
    elif name == "touch":
        target[0, 0, 2:4, 2:4, 2:4] = target[0, 0, 4:6, 4:6, 4:6] = target[0, 0, 0:2, 8:14, 8:16] = 1
        target[1, 0, 0:12, 0:13, 0:15] = 1
    return target


def components_of(target: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(
        np.stack([connected_components(sample[0])[None].astype(np.int64) for sample in target])
    )


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict:
    return json.loads((shared / "golden" / "inverse_weighting_losses.json").read_text())["cases"]


@pytest.mark.parametrize("name", TEN)
@pytest.mark.parametrize("target", ["multi", "one_empty", "touch"])
def test_golden_values_and_gradients(golden: dict, target: str, name: str) -> None:
    y = golden_target(target)
    z = torch.tensor(np.random.default_rng(7).standard_normal(y.shape) * 2, requires_grad=True)
    loss = build_loss(SPECIFICATIONS[name])(z, torch.from_numpy(y), {"components": components_of(y)})
    loss.backward()
    expected = golden[target]["losses"][name]
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-9)
    assert z.grad.norm().item() == pytest.approx(expected["grad_l2"], rel=1e-9)
    assert z.grad.sum().item() == pytest.approx(expected["grad_sum"], rel=1e-9)
    assert z.grad.flatten()[:5].tolist() == pytest.approx(expected["grad_first5"], rel=1e-9)


@pytest.mark.parametrize("target", ["multi", "one_empty", "touch"])
def test_golden_weights(golden: dict, target: str) -> None:
    weights = inverse_weights(components_of(golden_target(target)))
    for sample, unique, total in zip(
        weights, golden[target]["weights_unique"], golden[target]["weights_sum"], strict=True
    ):
        np.testing.assert_allclose(np.unique(sample.numpy()), unique, rtol=1e-8)
        assert sample.double().sum().item() == pytest.approx(total, rel=1e-9)


def weights_by_loop(components: np.ndarray, clip: tuple[float, float]) -> np.ndarray:
    labels = np.unique(np.append(components, 0))
    weights = np.ones(components.shape, np.float32)
    for label in labels:
        mask = components == label
        if mask.any():
            weights[mask] = np.clip(components.size / (len(labels) * mask.sum()), *clip)
    return weights


def test_weights_equal_a_loop_over_components_with_labels_missing() -> None:
    rng = np.random.default_rng(1)
    for density in (0, 0.02, 0.2, 1):
        volume = np.where(rng.random((3, 1, 9, 8, 7)) < density, rng.integers(1, 40, (3, 1, 9, 8, 7)), 0)
        weights = inverse_weights(torch.from_numpy(volume), clip=(1, 50)).numpy()
        for sample, found in zip(volume, weights, strict=True):
            np.testing.assert_array_equal(found, weights_by_loop(sample, (1, 50)))


def test_weights_when_the_records_were_made() -> None:
    components = torch.zeros(2, 1, 4, 4, 4, dtype=torch.long)
    components[0, 0, 0, 0, :2] = 2  # label 1 is outside the patch, the largest label still counts 2
    components[0, 0, 3, 3, 3] = 1
    weights = inverse_weights(components, "lesions_only")
    assert weights[0, 0, 0, 0, 0] == pytest.approx(3 / (2 * 2))
    assert weights[0, 0, 3, 3, 3] == pytest.approx(3 / (2 * 1))
    assert weights[0, 0, 1, 1, 1] == weights[1].min() == weights[1].max() == 1


def test_every_component_has_the_same_total_weight_where_nothing_is_clipped() -> None:
    components = components_of(golden_target("multi"))[:1]
    weights = inverse_weights(components, clip=(0, 1e9)).double()
    totals = [weights[components == label].sum().item() for label in range(4)]
    assert totals == pytest.approx([components.numel() / 4] * 4, rel=1e-6)


@pytest.mark.parametrize("name", TEN)
@pytest.mark.parametrize("spatial", [(6, 7), (4, 5, 6)])
@pytest.mark.parametrize("filled", ["empty", "full", "one voxel"])
@pytest.mark.parametrize("logit", [0.0, 80.0, -80.0])
def test_finite_value_and_gradient(name: str, spatial: tuple[int, ...], filled: str, logit: float) -> None:
    target = torch.full((2, 1, *spatial), float(filled == "full"))
    if filled == "one voxel":
        target.view(-1)[0] = 1
    logits = torch.full((2, 1, *spatial), logit, requires_grad=True)
    loss = build_loss(SPECIFICATIONS[name])(logits, target, {"components": target.long()})
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", TEN)
def test_perfect_predictions_beat_wrong_ones(name: str) -> None:
    target = torch.from_numpy(golden_target("multi")).float()
    maps = {"components": components_of(golden_target("multi"))}
    loss = build_loss(SPECIFICATIONS[name])
    right, wrong = (float(loss(sign * (2 * target - 1) * 8, target, maps)) for sign in (1, -1))
    assert right < 0.01 < wrong


@pytest.mark.parametrize(
    ("specification", "told"),
    [
        ("bec", "unknown loss 'bec'; did you mean 'bce'?"),
        ({"name": "focal", "gama": 1}, "gama: unknown parameter of loss 'focal'; did you mean 'gamma'?"),
    ],
)
def test_faulty_specifications(specification: object, told: str) -> None:
    with pytest.raises(SeglossError) as error:
        build_loss(specification)
    assert told in str(error.value)


def test_inputs_that_do_not_fit() -> None:
    logits = torch.zeros(1, 1, 4, 4, 4)
    weighted = build_loss(SPECIFICATIONS["iwbce"])
    with pytest.raises(SeglossError, match="differ in shape"):
        build_loss("bce")(logits, logits[..., :3])
    with pytest.raises(SeglossError, match=r"\(batch, 1, height, width"):
        build_loss("bce")(logits.expand(1, 2, 4, 4, 4), logits.expand(1, 2, 4, 4, 4))
    with pytest.raises(SeglossError, match="floating-point"):
        build_loss("bce")(logits.long(), logits)
    with pytest.raises(SeglossError, match="map 'components' is missing; given: none"):
        weighted(logits, logits)
    with pytest.raises(SeglossError, match=r"map 'components' .* differ in shape"):
        weighted(logits, logits, {"components": torch.zeros(1, 1, 2, 2, 2)})


def test_every_catalogue_entry_can_be_built_and_names_its_source() -> None:
    for name, entry in CATALOGUE.items():
        assert build_loss(name) is not None
        assert entry.source
        assert entry.formula
