"""Networks with several outputs: trained with all of them, refused where the loss does not expect them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import store_case

from lib import ROOT
from lib.config.load import load
from lib.errors import SeglossError
from lib.inference import predict_volume
from lib.losses import build_resolved
from lib.losses.specification import resolved
from lib.networks import build_network
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler
from lib.training.settings import TrainingSettings

CPU = torch.device("cpu")
SUPERVISED = {"sum": ["dice", "cross_entropy"], "deep_supervision": {}}


@pytest.fixture
def pictures(tmp_path: Path) -> list[StoredCase]:
    rng = np.random.default_rng(0)
    cases = []
    for number in range(3):
        label = np.zeros((32, 32), np.uint8)
        label[4 + number : 14, 6:20] = 1
        cases.append(store_case(tmp_path, f"p{number}", (rng.normal(0, 0.3, label.shape) + label)[None], label))
    return cases


def trainer(cases: list[StoredCase], checkpoint: Path, deep: bool = True) -> Trainer:
    settings = TrainingSettings(
        run="study/data/base/dice_ce/seed-1",
        seed=1,
        loss=resolved(SUPERVISED if deep else {"sum": SUPERVISED["sum"]}),
        network={
            "network": {"name": "plain_unet_2d", "channels": [4, 4, 8, 8], "deep_supervision": deep},
            "out_channels": 1,
        },
        sampling={"patch_size": (16, 16), "batch_size": 2, "cases": "passes", "foreground_fraction": 0},
        training={"epochs": 4, "steps_per_epoch": 3, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    )
    torch.manual_seed(settings.seed)
    network = build_network(settings.network.network, 1)
    sampler = PatchSampler(cases, settings.sampling, [], 1, 12)
    return Trainer(network, build_resolved(settings.loss), sampler, settings, CPU, checkpoint, "k", save_every=1e9)


def test_every_output_has_a_part_in_the_training(pictures: list[StoredCase], tmp_path: Path) -> None:
    deep, plain = trainer(pictures, tmp_path / "deep.pt"), trainer(pictures, tmp_path / "plain.pt", deep=False)
    before = [head.weight.clone() for head in deep.network.heads]
    assert len(before) == 3
    for one in (deep, plain):
        one.train()
    assert all(not torch.equal(head.weight, first) for head, first in zip(deep.network.heads, before, strict=True))
    assert [torch.equal(head.weight, first) for head, first in zip(plain.network.heads, before, strict=True)] == [
        False,
        True,
        True,
    ]
    image = pictures[0].array("image")[...]
    probability, _ = predict_volume(deep.network, image, (32, 32), (32, 32), CPU)
    assert probability.shape == (32, 32)  # the finest output alone


def test_a_training_that_nobody_listens_to_goes_on_from_there(pictures: list[StoredCase], tmp_path: Path) -> None:
    whole = trainer(pictures, tmp_path / "whole.pt")
    rows = [row["epoch"] for row in whole.epochs()]
    assert rows == [1, 2, 3, 4]
    pruned = trainer(pictures, tmp_path / "part.pt")
    for row in pruned.epochs():
        if row["epoch"] == 2:
            break
    continued = trainer(pictures, tmp_path / "part.pt")
    assert [row["epoch"] for row in continued.epochs()] == [3, 4]
    assert continued.history.as_csv() == whole.history.as_csv()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(continued.network.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("network", "loss", "message"),
    [
        (
            {},
            {"name": "dice", "deep_supervision": {}},
            r"studies/t_loss.yaml: demo \(base\): losses.mae: deep_supervision needs several outputs, network"
            " 'plain_unet_2d' has one as it is set; choose one with deep_supervision: true, such as plain_unet_2d",
        ),
        (
            {"deep_supervision": True},
            "mae",
            r"losses.mae: network 'plain_unet_2d' returns several outputs; give the loss deep_supervision: {}",
        ),
        ({"deep_supervision": True}, {"name": "mae", "deep_supervision": {}}, None),
    ],
)
def test_network_and_loss_must_agree(tmp_path: Path, network: dict, loss: object, message: str | None) -> None:
    for folder in ("studies", "published"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "studies/t_loss.yaml"
    study = yaml.safe_load(path.read_text())
    study["losses"]["mae"] = loss
    study["demo"] |= {"losses": ["mae"], "variants": {"base": {}}}
    study["demo"]["network"] = {"name": "plain_unet_2d", "channels": [4, 4, 8], **network}
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    if message is None:
        assert load({"studies": "t_loss"}, tmp_path).runs
    else:
        with pytest.raises(SeglossError, match=message):
            load({"studies": "t_loss"}, tmp_path)
