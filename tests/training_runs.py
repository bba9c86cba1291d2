"""Tiny trainings, for tests of what becomes of them."""

import json
import sys
from pathlib import Path

import torch

from lib.files import write_json
from lib.losses import build_resolved
from lib.losses.specification import resolved
from lib.networks import build_network
from lib.schema import Computing, Optimizer, Sampling, Training
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler

ROOT = Path(__file__).resolve().parents[1]
SAMPLING = Sampling(patch_size=(8, 8, 8), batch_size=2).model_dump(mode="json", exclude_none=True)


def settings(**changes: object) -> dict:
    return {
        "run": "study/data/base/bce/seed-3",
        "seed": 3,
        "loss": resolved("cross_entropy"),
        "network": {"name": "space_to_depth_unet", "channels": [4, 4]},
        "sampling": SAMPLING,
        "training": Training(
            epochs=4,
            steps_per_epoch=3,
            optimizer=Optimizer(name="adam", learning_rate=0.01),
            decay_after=[2],
        ).model_dump(mode="json"),
        "computing": Computing().model_dump(),
        "maps": ["components"],
        **changes,
    }


def sampler(cases: list[StoredCase], seed: int = 3, **changes: object) -> PatchSampler:
    return PatchSampler(cases, {**SAMPLING, **changes}, ["components"], seed, steps=400)


def make_trainer(cases: list[StoredCase], checkpoint: Path, key: str = "k", **changes: object) -> Trainer:
    chosen = settings(**changes)
    torch.manual_seed(chosen["seed"])
    network = build_network(chosen["network"], 1)
    loss = build_resolved(chosen["loss"])
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
    chosen = settings()
    chosen["training"] |= {"epochs": 30, "steps_per_epoch": 4}
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
        json.dumps(chosen),
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
