"""Structures that may overlap, in 2D and 3D, from the store to the measures; and classes without a background."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from training_runs import changed, settings

from lib import ROOT
from lib.config.expand import _for_labels
from lib.config.load import load
from lib.datasets.fingerprint import fingerprint
from lib.errors import SeglossError
from lib.inference import predict_volume
from lib.labels import IGNORED, Labels
from lib.losses import build_resolved
from lib.losses.specification import resolved
from lib.maps import connected_components, signed_distance, signed_distance_2d
from lib.measures.catalogue import MEASURES
from lib.measures.crosscheck import disagreement
from lib.measures.evaluation import case_rows, segmentation_of
from lib.networks import build_network
from lib.noise import assign, noisy_label
from lib.plotting.data_report import draw_data_report
from lib.store import Case, StoredCase, write_case, write_map
from lib.training.loop import Trainer
from lib.training.patch_overlap import PatchOverlap
from lib.training.sampling import PatchSampler

ORGANS = Labels(("liver", "tumour", "vessel"), exclusive=False)
STREET = Labels(("road", "sky", "tree"), background=False, partly_annotated=True)
CPU = torch.device("cpu")
SHAPES = {2: (24, 32), 3: (16, 16, 8)}


def rows_of(predicted: np.ndarray, label: np.ndarray, spacing: Sequence[float], labels: Labels) -> list[dict]:
    """What is measured of the masks of each structure."""
    measures = [*map(MEASURES.parse, ("overlap", "slices", "surface", "lesions", "volume", "proportion"))]
    found = [
        ({"case": "a", "structure": name}, segmentation_of({"labels": predicted}, label, spacing, labels, name))
        for name in labels.structures
    ]
    return case_rows(found, measures, "any")


def overlapping(dimensions: int) -> np.ndarray:
    """A box, a smaller one within it, and one that lies across its edge: (3, *spatial)."""
    shape = SHAPES[dimensions]
    label = np.zeros((3, *shape), np.uint8)
    for channel, (start, stop) in enumerate(((2, 12), (4, 8), (9, 15))):
        label[(channel, *(slice(start // (1 + (n < 10)), stop // (1 + (n < 10))) for n in shape))] = 1
    return label


@pytest.fixture(params=[2, 3])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> StoredCase:
    label = overlapping(request.param)
    image = np.random.default_rng(0).normal(0, 0.2, (2, *label.shape[1:])) + label[:2]
    write_case(tmp_path / "a", "a", Case(image, label, (1.0,) * request.param, "a"))
    stored = StoredCase(tmp_path / "a")
    for name, make in (("components", connected_components), ("signed_distance", signed_distance)):
        stored.maps[name] = write_map(stored.folder / f"{name}.b2nd", stored, make, ORGANS)
    return stored


def test_the_store_keeps_every_channel_and_counts_its_voxels(case: StoredCase) -> None:
    label = overlapping(len(case.shape))
    np.testing.assert_array_equal(case.array("label")[...], label)
    assert case.shape == label.shape[1:] and case.n_lesions == 1 and case.shows_something
    counts = {str(number): int(channel.sum()) for number, channel in enumerate(label, start=1)}
    assert case.description["class_voxels"] == counts | {"0": int((~label.any(0)).sum())}


def test_maps_have_a_channel_for_each_structure(case: StoredCase) -> None:
    label, spacing = overlapping(len(case.shape)), case.description["spacing"]
    for make in (signed_distance, signed_distance_2d):
        maps = make(label, spacing, ORGANS)
        assert maps.shape == label.shape
        for channel, mask in zip(maps, label, strict=True):
            np.testing.assert_array_equal(channel, make(mask, spacing))
    np.testing.assert_array_equal(connected_components(label, spacing, ORGANS) > 0, label.any(0))


def test_patches_move_together(case: StoredCase) -> None:
    size = (12,) * 2 if len(case.shape) == 2 else (8, 8, 4)
    options = {"patch_size": size, "batch_size": 3, "augmentation": ["mirror", "turn"]}
    chosen = changed(settings(), sampling=options).sampling
    batch = PatchSampler([case], chosen, ["components", "signed_distance"], 0, 9)[0]
    assert batch["label"].shape == batch["signed_distance"].shape == (3, 3, *size)
    np.testing.assert_array_equal(batch["signed_distance"] < 0, batch["label"] == 1)
    np.testing.assert_array_equal(batch["components"] > 0, batch["label"].any(1, keepdims=True))


def test_a_network_learns_structures_that_overlap(case: StoredCase, tmp_path: Path) -> None:
    in_2d = len(case.shape) == 2
    name = "space_to_depth_unet_2d" if in_2d else "space_to_depth_unet"
    size = [16, 16] if in_2d else [8, 8, 8]
    chosen = changed(
        settings(loss=resolved({"name": "dice_ce", **ORGANS.loss_options})),
        network={"network": {"name": name, "channels": [8, 16]}, "out_channels": 3, "exclusive": False},
        sampling={"patch_size": size, "batch_size": 4},
        training={"epochs": 5, "steps_per_epoch": 30, "scheduler": "constant"},
    )
    torch.manual_seed(0)
    network = build_network(chosen.network.network, 2, chosen.network.out_channels)
    sampler = PatchSampler([case], chosen.sampling, ["components"], 0, 150)
    loss = build_resolved(chosen.loss)
    history = Trainer(network, loss, sampler, chosen, CPU, tmp_path / "c.pt", "k", save_every=99).train()
    assert history.rows[-1]["patch_dice"] > max(0.8, history.rows[0]["patch_dice"])
    image = case.array("image")[...]
    probability, logit = predict_volume(network, image, size, size, CPU, exclusive=False)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logit)), atol=1e-5)
    label = case.array("label")[...]
    predicted = ORGANS.decide(logit)
    assert predicted.shape == label.shape
    assert (predicted.sum(0) > 1).any()  # voxels of two structures
    rows = rows_of(predicted, label, case.description["spacing"], ORGANS)
    assert [row["structure"] for row in rows] == list(ORGANS.names)
    assert min(row["dice"] for row in rows[:2]) > 0.7


def test_one_structure_keeps_its_axis() -> None:
    network = torch.nn.Conv2d(1, 1, 1)
    image = np.zeros((1, 8, 8), np.float32)
    probability, logit = predict_volume(network, image, (8, 8), (8, 8), CPU, exclusive=False)
    assert probability.shape == logit.shape == (1, 8, 8)
    assert Labels(("a",), exclusive=False).decide(logit).shape == (1, 8, 8)


def test_noise_changes_each_structure_alike_and_leaves_what_is_not_annotated(case: StoredCase) -> None:
    label, spacing = case.array("label")[...].copy(), case.description["spacing"]
    label[2, ..., -1] = IGNORED
    noise = {"alpha": 1.0, "beta": 0.5, "form": "corrected", "kinds": ["dilate"], "seed": 0}
    draw = assign(["a"], noise, len(case.shape))["a"]
    noisy = noisy_label(label, draw, noise, spacing)
    np.testing.assert_array_equal(noisy == IGNORED, label == IGNORED)
    for before, after in zip(label, noisy, strict=True):
        np.testing.assert_array_equal(after, noisy_label(before, draw, noise, spacing))
        assert ((after == 1).sum() > (before == 1).sum()) and (after[before == 1] == 1).all()


def test_the_patch_dice_counts_each_structure() -> None:
    target = torch.tensor([[[[1, 1, 0, 0]], [[0, 1, 1, IGNORED]]]])
    logits = torch.tensor([[[[5.0, -5, 5, -5]], [[-5.0, 5, -5, 5]]]])
    overlap = PatchOverlap(False, CPU, exclusive=False)
    overlap.add(logits, target, None, None)
    # right: 1 and 1; predicted: 2 and 1, where annotated; present: 2 and 2
    assert overlap.dice() == {"patch_dice": pytest.approx(2 * 2 / (3 + 4))}


def test_measures_of_structures_are_those_of_their_masks_and_agree_with_monai(case: StoredCase) -> None:
    label, spacing = case.array("label")[...], case.description["spacing"]
    predicted = np.roll(label, 1, axis=1)
    rows = rows_of(predicted, label, spacing, ORGANS)
    for number, row in enumerate(rows):
        binary = Labels(("background", row["structure"]))
        assert rows_of(predicted[number], label[number], spacing, binary) == [row]
        segmentation = segmentation_of({"labels": predicted}, label, spacing, ORGANS, row["structure"])
        compared = disagreement(row, segmentation, 1)
        assert len(compared) == 6
        assert not any(one["above_tolerance"] for one in compared if one["measure"] != "hd95")


def test_without_a_background_what_lies_outside_is_not_annotated(tmp_path: Path) -> None:
    label = np.full((12, 16), 0, np.uint8)
    label[:, 8:], label[:2] = 1, IGNORED
    image = np.random.default_rng(0).normal(size=(1, *label.shape))
    write_case(tmp_path / "a", "a", Case(image, label, (1.0, 1.0), "a"), background=False)
    options = {"patch_size": [24, 24], "batch_size": 2, "cases": "passes", "foreground_fraction": 0}
    turning = {"name": "rotate", "probability": 1, "range": [20, 40]}
    for augmentation in ([], [turning]):
        chosen = changed(settings(), sampling=options | {"augmentation": augmentation}).sampling
        batch = PatchSampler([StoredCase(tmp_path / "a")], chosen, [], 0, 9, background=False)[0]
        counts = {value: int((batch["label"] == value).sum()) for value in (0, 1, IGNORED)}
        assert sum(counts.values()) == batch["label"].size
        assert 0.8 < counts[0] / (2 * 80) < 1.2 and 0.8 < counts[1] / (2 * 80) < 1.2


def test_without_a_background_class_0_counts(tmp_path: Path) -> None:
    target = torch.tensor([[[[0, 0, 0, 1, IGNORED]]]])
    logits = torch.nn.functional.one_hot(torch.tensor([[[0, 0, 1, 1, 1]]]), 3).movedim(-1, 1).float()
    overlap = PatchOverlap(False, CPU, background=False)
    overlap.add(logits, target, None, None)
    assert overlap.dice() == {"patch_dice": pytest.approx(3 / 4)}
    image = np.random.default_rng(0).normal(size=(1, 8, 8))
    road = Case(image, np.zeros((8, 8), np.uint8), (1.0, 1.0), "a")
    for background in (True, False):
        write_case(tmp_path / f"{background}", "a", road, background=background)
        assert StoredCase(tmp_path / f"{background}").shows_something != background


def test_the_data_report_counts_components_of_all_structures(case: StoredCase, tmp_path: Path) -> None:
    draw_data_report(tmp_path / "r.pdf", "Organs", [case], ORGANS, ["1 case"], fingerprint([case], ORGANS), "holdout")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


def test_without_a_background_every_class_is_measured_and_nothing_else() -> None:
    label = np.random.default_rng(0).integers(0, 3, (12, 16)).astype(np.uint8)
    label[:2] = IGNORED
    logits = np.stack([label == number for number in range(3)]).astype(np.float32)
    predicted = STREET.decide(logits)  # wrong where it is not annotated: class 0
    rows = rows_of(predicted, label, (1, 1), STREET)
    assert [row["structure"] for row in rows] == ["road", "sky", "tree"]
    assert all(row["dice"] == 1 and row["hd"] == 0 for row in rows)
    maps = signed_distance(label, (1, 1), STREET)
    assert maps.shape == (3, 12, 16)
    np.testing.assert_array_equal(maps < 0, [label == number for number in range(3)])


def test_options_reach_every_loss_of_the_library_and_no_other() -> None:
    labels = Labels(("a", "b"), exclusive=False, partly_annotated=True)
    own = {"name": "torch.nn.MSELoss"}
    chosen = _for_labels({"sum": ["dice", own, {"name": "focal", "weight": 2}]}, labels, len(labels.names), "here")
    first, second, third = (term["loss"] for term in resolved(chosen)["sum"])
    assert (first["parameters"]["sigmoid"], first["parameters"]["ignore_index"]) == (True, IGNORED)
    assert third["parameters"]["sigmoid"] and second["parameters"] == {}
    assert _for_labels(own, labels, len(labels.names), "here") == own
    assert _for_labels({"name": "dice", "ignore_index": 7}, labels, len(labels.names), "here")["ignore_index"] == 7


def test_losses_that_are_not_for_such_labels_are_refused() -> None:
    for specification in ("nacl", {"sum": ["dice", "blob"]}):
        with pytest.raises(SeglossError, match=r"^here: (nacl|blob) is for binary and multi-class labels"):
            _for_labels(specification, ORGANS, 2, "here")
        _for_labels(specification, STREET, 4, "here")
    with pytest.raises(SeglossError, match=r"^here: nacl needs a channel for each of two classes: network: \{backgr"):
        _for_labels("nacl", Labels(("background", "lesion")), 1, "here")


@pytest.mark.parametrize("in_the_study", [True, False])
def test_noise_is_refused_without_a_background(tmp_path: Path, in_the_study: bool) -> None:
    for part in ("studies", "published"):
        shutil.copytree(ROOT / part, tmp_path / part)
    path = tmp_path / "studies/t_loss.yaml"
    study = yaml.safe_load(path.read_text())
    study |= {"measures": ["overlap", "surface"], "figures": []}
    del study["published"]
    noise = [{"alpha": 0.5, "beta": 0.7}]
    study["demo"] |= {"datasets": ["cityscapes"], "factors": {"noise": noise if in_the_study else [{"alpha": 0}]}}
    del study["demo"]["variants"]
    path.write_text(yaml.safe_dump(study))
    values = {"studies": "t_loss", "noise": [] if in_the_study else noise}
    with pytest.raises(SeglossError, match="'cityscapes' has no background, which noise in masks needs"):
        load(values, tmp_path)
