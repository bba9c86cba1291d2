"""Tiny trainings, for tests of what becomes of them."""

import sys
from pathlib import Path

import torch

from lib import ROOT
from lib.config.expand import merged
from lib.config.schema import Sampling
from lib.files import write_json
from lib.losses import build_resolved
from lib.losses.specification import resolved
from lib.networks import build_network
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler
from lib.training.settings import TrainingSettings


def settings(**changes: object) -> TrainingSettings:
    """Those of a tiny training in 3D; a section among the changes replaces the keys that it has."""
    network = {"name": "space_to_depth_unet", "channels": [4, 4]}
    return changed(
        TrainingSettings(
            run="study/data/base/bce/seed-3",
            seed=3,
            loss=resolved("cross_entropy"),
            network={"network": network, "out_channels": 1},
            sampling={"patch_size": (8, 8, 8), "batch_size": 2},
            training={
                "epochs": 4,
                "steps_per_epoch": 3,
                "optimizer": {"name": "adam", "learning_rate": 0.01},
                "scheduler": {"name": "milestones", "epochs": [2]},
            },
            maps=("components",),
        ),
        **changes,
    )


def changed(settings: TrainingSettings, **changes: object) -> TrainingSettings:
    loss = {"loss": changes.pop("loss")} if "loss" in changes else {}
    return TrainingSettings.model_validate(merged(settings.model_dump(mode="json"), changes) | loss)


def sampling(**options: object) -> Sampling:
    return Sampling(**{"patch_size": (8, 8, 8), "batch_size": 2, **options})


def sampler(cases: list[StoredCase], seed: int = 3, **options: object) -> PatchSampler:
    return PatchSampler(cases, sampling(**options), ["components"], seed, steps=400)


def make_trainer(cases: list[StoredCase], checkpoint: Path, key: str = "k", **changes: object) -> Trainer:
    chosen = settings(**changes)
    torch.manual_seed(chosen.seed)
    network = build_network(chosen.network.network, 1)
    loss = build_resolved(chosen.loss)
    return Trainer(network, loss, sampler(cases), chosen, torch.device("cpu"), checkpoint, key, save_every=0)


def train(cases: list[StoredCase], checkpoint: Path, **changes: object) -> tuple[dict, str]:
    trainer = make_trainer(cases, checkpoint, **changes)
    return trainer.train().as_csv(), {k: v.clone() for k, v in trainer.network.state_dict().items()}


def stop_after(epochs: int, trainer: Trainer) -> None:
    """Make the trainer end, as a kill would, when this many epochs are done and saved."""
    save = trainer._save

    def saving() -> None:
        save()
        if len(trainer.history.rows) == epochs:
            raise KeyboardInterrupt

    trainer._save = saving


LEFT = ["checkpoint.pt", "history.csv", "provenance.json", "weights.pt"]
"""Files of a finished run, the first so that it need not be trained again."""


def command(cases: list[StoredCase], folder: Path) -> list[str]:
    chosen = settings(training={"epochs": 30, "steps_per_epoch": 4})
    outputs = {
        "checkpoint": "checkpoint.pt",
        "weights": "weights.pt",
        "history": "history.csv",
        "provenance": "provenance.json",
    }
    options = [word for key, name in outputs.items() for word in (f"--{key}", str(folder / name))]
    prepared = cases[0].folder.parent
    write_json(prepared / "train.json", {case.name: case.description for case in cases})
    script = [
        sys.executable,
        str(ROOT / "scripts/train.py"),
        "--settings",
        chosen.model_dump_json(),
        "--identity",
        "i",
        "--scale",
        "demo",
    ]
    return [
        *script,
        "--prepared",
        str(prepared),
        "--cases",
        str(prepared / "train.json"),
        "--device",
        "cpu",
        "--threads",
        "1",
        "--gpu-percent",
        "0",
        "--save-every",
        "0",
        *options,
    ]
