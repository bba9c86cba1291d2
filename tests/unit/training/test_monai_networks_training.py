"""Every network of MONAI trains, goes on after a kill as if there had been none, and predicts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import store_case
from narrow_networks import NARROW, size_for

from lib.inference import predict_volume
from lib.losses import build_resolved
from lib.losses.specification import resolved
from lib.networks import build_network
from lib.networks.catalogue import NETWORKS
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler
from lib.training.settings import TrainingSettings

CPU = torch.device("cpu")
OURS = {
    "res_unet": {"dropout": 0.1},
    "res_unet_2d": {"residual_units": 0},
    "attention_unet": {"dropout": 0.1},
    "attention_unet_2d": {},
    "unetr": {"dropout": 0.1},
    "segresnet": {"dropout": 0.1},
    "swin_unetr": {"dropout": 0.1},
    "mednext": {"deep_supervision": True},
    "dyn_unet": {"deep_supervision": True},
    "dyn_unet_2d": {},
}


def cases_for(name: str, folder: Path) -> list[StoredCase]:
    rng = np.random.default_rng(0)
    label = np.zeros(size_for(name), np.uint8)
    label[tuple(slice(length // 4, length // 2) for length in label.shape)] = 1
    images = (rng.normal(0, 0.3, label.shape) + label for _ in range(2))
    return [store_case(folder, f"p{number}", image[None], label) for number, image in enumerate(images)]


def trainer_of(name: str, cases: list[StoredCase], checkpoint: Path) -> Trainer:
    """Two epochs of a step; with deep supervision the loss is weighed as the network says."""
    chosen = NETWORKS.parse({"name": name, **NARROW[name], **OURS[name]})
    outputs = {"deep_supervision": {"weights": chosen.output_weights}} if chosen.several_outputs else {}
    settings = TrainingSettings(
        run="study/data/base/dice_ce/seed-1",
        seed=1,
        loss=resolved({"sum": ["dice", "cross_entropy"], **outputs}),
        network={"network": chosen, "out_channels": 1},
        sampling={
            "patch_size": size_for(name),
            "batch_size": 1 if name in ("swin_unetr", "mednext") else 2,  # for these take seconds
            "cases": "passes",
            "foreground_fraction": 0,
        },
        training={"epochs": 2, "steps_per_epoch": 1, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    )
    torch.manual_seed(settings.seed)
    network = build_network(settings.network.network, 1)
    sampler = PatchSampler(cases, settings.sampling, [], 1, 2)
    loss = build_resolved(settings.loss)
    return Trainer(network, loss, sampler, settings, CPU, checkpoint, "k")


@pytest.mark.parametrize("name", OURS)
def test_a_network_trains_goes_on_and_predicts(name: str, tmp_path: Path) -> None:
    cases = cases_for(name, tmp_path)
    whole = trainer_of(name, cases, tmp_path / "whole.pt")
    first = {key: values.clone() for key, values in whole.network.state_dict().items()}
    assert len(whole.train(last=1).rows) == 1
    shutil.copy(whole.checkpoint, tmp_path / "killed.pt")
    assert len(whole.train().rows) == 2
    weights = whole.network.state_dict()
    assert any(not torch.equal(values, first[key]) for key, values in weights.items())

    resumed = trainer_of(name, cases, tmp_path / "killed.pt")
    assert resumed.train().rows == whole.history.rows
    for key, values in resumed.network.state_dict().items():
        assert torch.equal(values, weights[key]), key

    image, size = cases[0].array("image")[...], size_for(name)
    probability, _ = predict_volume(resumed.network, image, size, size, CPU)
    assert probability.shape == size
    assert np.isfinite(probability).all()


def test_no_network_of_monai_is_left_out() -> None:
    modules = {"lib.networks.monai_networks", "lib.networks.dyn_unet"}
    assert {name for name, entry in NETWORKS.items() if entry.module in modules} == OURS.keys()
