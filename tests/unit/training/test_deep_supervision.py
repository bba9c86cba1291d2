"""Networks with several outputs: trained with all of them, weighed as the loss says or as nnU-Net."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import store_case

from lib import ROOT
from lib.config.load import load
from lib.config.run import Configuration
from lib.errors import SeglossError
from lib.inference import predict_volume
from lib.losses import build_loss, build_resolved
from lib.losses.specification import resolved
from lib.networks import build_network
from lib.networks import catalogue as networks
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler
from lib.training.settings import TrainingSettings

CPU = torch.device("cpu")
SUPERVISED = {"sum": ["dice", "cross_entropy"], "deep_supervision": {}}


NETWORKS = {2: "plain_unet_2d", 3: "plain_unet"}


@pytest.fixture(params=NETWORKS)
def cases(request: pytest.FixtureRequest, tmp_path: Path) -> list[StoredCase]:
    """Three cases in 2D and three in 3D."""
    rng = np.random.default_rng(0)
    stored = []
    for number in range(3):
        label = np.zeros(request.param * (32,), np.uint8)
        label[(slice(4 + number, 14), *(request.param - 1) * [slice(6, 20)])] = 1
        stored.append(store_case(tmp_path, f"p{number}", (rng.normal(0, 0.3, label.shape) + label)[None], label))
    return stored


def trainer(cases: list[StoredCase], checkpoint: Path, loss: object = SUPERVISED, deep: bool = True) -> Trainer:
    dimensions = cases[0].array("image").ndim - 1
    settings = TrainingSettings(
        run="study/data/base/dice_ce/seed-1",
        seed=1,
        loss=resolved(loss),
        network={
            "network": {"name": NETWORKS[dimensions], "channels": [4, 4, 8, 8], "deep_supervision": deep},
            "out_channels": 1,
        },
        sampling={"patch_size": dimensions * (16,), "batch_size": 2, "cases": "passes", "foreground_fraction": 0},
        training={"epochs": 4, "steps_per_epoch": 3, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    )
    torch.manual_seed(settings.seed)
    network = build_network(settings.network.network, 1)
    sampler = PatchSampler(cases, settings.sampling, [], 1, 12)
    return Trainer(network, build_resolved(settings.loss), sampler, settings, CPU, checkpoint, "k", save_every=1e9)


def heads_trained(of: Trainer) -> list[bool]:
    before = [head.weight.clone() for head in of.network.heads]
    of.train()
    return [not torch.equal(head.weight, first) for head, first in zip(of.network.heads, before, strict=True)]


def test_every_output_has_a_part_in_the_training(cases: list[StoredCase], tmp_path: Path) -> None:
    deep = trainer(cases, tmp_path / "deep.pt")
    assert heads_trained(deep) == [True, True, True]
    plain = trainer(cases, tmp_path / "plain.pt", {"sum": SUPERVISED["sum"]}, deep=False)
    assert heads_trained(plain) == [True, False, False]
    image = cases[0].array("image")[...]
    size = image.shape[1:]
    probability, _ = predict_volume(deep.network, image, size, size, CPU)
    assert probability.shape == size  # the finest output alone


def test_a_training_that_ends_at_an_epoch_goes_on_from_there(cases: list[StoredCase], tmp_path: Path) -> None:
    whole = trainer(cases, tmp_path / "whole.pt")
    assert [row["epoch"] for row in whole.train().rows] == [1, 2, 3, 4]
    for last, epochs in ((2, [1, 2]), (1, [1, 2]), (3, [1, 2, 3])):
        part = trainer(cases, tmp_path / "part.pt")
        assert [row["epoch"] for row in part.train(last).rows] == epochs
    continued = trainer(cases, tmp_path / "part.pt")
    continued.train()
    assert continued.history.as_csv() == whole.history.as_csv()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(continued.network.state_dict()[name], tensor), name


def study_with(root: Path, network: dict, loss: object) -> Configuration:
    """The study of T-Loss with one loss and network."""
    for folder in ("studies", "published"):
        shutil.copytree(ROOT / folder, root / folder)
    path = root / "studies/t_loss.yaml"
    study = yaml.safe_load(path.read_text())
    study["losses"]["mae"] = loss
    study["demo"] |= {"losses": ["mae"], "variants": {"base": {}}}
    study["demo"]["network"] = {"name": "plain_unet_2d", "channels": [4, 4, 8, 8], **network}
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return load({"studies": "t_loss"}, root)


def test_several_resolutions_are_refused_for_one_output(tmp_path: Path) -> None:
    message = (
        r"studies/t_loss.yaml: demo \(base\): losses.mae: deep_supervision needs several outputs, network"
        " 'plain_unet_2d' has one as it is set; choose one with deep_supervision: true, such as plain_unet_2d"
    )
    with pytest.raises(SeglossError, match=message):
        study_with(tmp_path, {}, {"name": "dice", "deep_supervision": {}})


NNUNETS = [2 / 3, 1 / 3, 0]


@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        ("mae", NNUNETS),
        ({"name": "dice", "batch": True}, NNUNETS),
        ({"sum": ["dice", "cross_entropy"]}, NNUNETS),
        ({"name": "mae", "deep_supervision": {}}, None),
        ({"name": "mae", "deep_supervision": {"weights": [1, 0, 2]}}, [1, 0, 2]),
    ],
)
def test_outputs_are_weighed_as_the_loss_says_or_as_nnunet(
    tmp_path: Path, loss: object, weights: list[float] | None
) -> None:
    runs = study_with(tmp_path, {"deep_supervision": True}, loss).runs
    assert runs
    for run in runs:
        chosen = resolved(run.loss_specification)
        assert chosen["deep_supervision"]["weights"] == (weights and pytest.approx(weights))
        inner = {key: value for key, value in chosen.items() if key != "deep_supervision"}
        alone = {key: value for key, value in dict(resolved(loss)).items() if key != "deep_supervision"}
        assert inner == alone
        assert run.training_settings.loss == chosen
    one_output = study_with(tmp_path / "one", {}, "mae").runs
    assert "deep_supervision" not in resolved(one_output[0].loss_specification)


@pytest.mark.parametrize("cases", [2], indirect=True)
def test_a_studys_loss_trains_with_nnunets_weights(cases: list[StoredCase], tmp_path: Path) -> None:
    loss = {"sum": ["dice", "cross_entropy"]}
    run, *_ = study_with(tmp_path / "study", {"deep_supervision": True}, loss).runs
    deep = trainer(cases, tmp_path / "deep.pt", run.loss_specification)
    outputs = [torch.randn(2, 1, side, side) for side in (16, 8, 4)]
    target = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    target[..., 2:9, 4:13] = 1
    alone = build_loss(loss)
    expected = 2 / 3 * alone(outputs[0], target) + 1 / 3 * alone(outputs[1], target[..., 1::2, 1::2])
    torch.testing.assert_close(deep.loss(outputs, target), expected)
    assert heads_trained(deep) == [True, True, False]


@pytest.mark.parametrize(
    ("levels", "weights"),
    [(2, [1]), (3, [1, 0]), (6, [8 / 15, 4 / 15, 2 / 15, 1 / 15, 0])],
)
@pytest.mark.parametrize("name", NETWORKS.values())
def test_weights_of_the_outputs_by_hand(name: str, levels: int, weights: list[float]) -> None:
    """nnU-Net v1: 1, 1/2, 1/4, ... but for the coarsest of several outputs, divided by their sum."""
    network = networks.NETWORKS.parse({"name": name, "channels": levels * [4], "deep_supervision": True})
    assert network.output_weights == pytest.approx(weights)
