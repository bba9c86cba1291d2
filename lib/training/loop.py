"""The training loop: exact to repeat, exact to resume, loud when it diverges."""

import hashlib
import json
import logging
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from lib.errors import SeglossError
from lib.losses.base import set_progress
from lib.training import checkpoints
from lib.training.sampling import PatchSampler

log = logging.getLogger(__name__)

EXPLODED = 1e12  # T-Loss is of the size of a patch, sums of voxels are; beyond this the weights have run away


@dataclass
class History:
    """One row per epoch."""

    rows: list[dict[str, float]]

    def as_csv(self) -> str:
        lines = [",".join(self.rows[0]), *(",".join(f"{v!r}" for v in row.values()) for row in self.rows)]
        return "\n".join(lines) + "\n"


def learning_rate(training: dict[str, Any], epoch: int) -> float:
    """Learning rate of the epoch, counted from 0: multiplied by ``decay_factor`` after each of ``decay_after``."""
    decays = sum(epoch >= after for after in training["decay_after"])
    return training["optimizer"]["learning_rate"] * training["decay_factor"] ** decays


def build_optimizer(options: dict[str, Any], parameters: list[Tensor]) -> torch.optim.Optimizer:
    if options["name"] == "adam":
        return torch.optim.Adam(parameters, lr=options["learning_rate"])
    return torch.optim.SGD(
        parameters, lr=options["learning_rate"], momentum=options["momentum"], nesterov=options["nesterov"]
    )


def fingerprint(*parts: Any) -> str:
    """Hash of JSON values that must be equal for a checkpoint to be continued."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Trainer:
    """One run: ``train`` brings network and loss to the last epoch, from the checkpoint if there is one.

    Every epoch begins with the random state that seed and epoch give, and every batch is a function of seed
    and step: the state between epochs is weights, optimizer and history alone.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        sampler: PatchSampler,
        settings: dict[str, Any],
        device: torch.device,
        checkpoint: Path,
        state_key: str,
        workers: int = 0,
    ) -> None:
        self.network = network.to(device)
        self.loss = loss.to(device)
        self.sampler = sampler
        self.settings = settings
        self.device = device
        self.checkpoint = checkpoint
        self.state_key = state_key
        self.workers = workers
        parameters = [*network.parameters(), *loss.parameters()]
        self.optimizer = build_optimizer(settings["training"]["optimizer"], parameters)
        self.history = History([])

    def train(self) -> History:
        epochs, steps = self.settings["training"]["epochs"], self.settings["training"]["steps_per_epoch"]
        first = self._resume()
        batches = iter(
            DataLoader(
                self.sampler,
                batch_size=None,
                sampler=range(first * steps, epochs * steps),
                num_workers=self.workers,
            )
        )
        hidden = not sys.stderr.isatty()
        with tqdm(total=epochs * steps, initial=first * steps, unit="step", disable=hidden) as progress:
            for epoch in range(first, epochs):
                progress.set_description(f"epoch {epoch + 1}/{epochs}")
                row = self._epoch(epoch, batches, progress)
                self.history.rows.append(row)
                self._save(epoch + 1)
                told = {key: f"{row[key]:.4g}" for key in ("loss", "patch_dice", "learning_rate")}
                progress.set_postfix(told)
                if hidden:
                    log.info("epoch %d/%d  %s", epoch + 1, epochs, "  ".join(map(" ".join, told.items())))
        return self.history

    def _epoch(self, epoch: int, batches: Any, progress: tqdm) -> dict[str, float]:
        torch.manual_seed(self.settings["seed"] * 1_000_003 + epoch + 1)
        rate = learning_rate(self.settings["training"], epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        set_progress(self.loss, epoch, self.settings["training"]["epochs"])
        self.network.train()
        steps = self.settings["training"]["steps_per_epoch"]
        check_every = 1 if self.device.type == "cpu" else 25  # looking at a value makes a GPU wait
        losses: list[Tensor] = []
        checked = 0
        overlap = torch.zeros(3, dtype=torch.float64, device=self.device)
        for step in range(steps):
            try:
                loss, logits, target = self._step(next(batches))
            except SeglossError as error:
                where = f"run {self.settings['run']}: step {epoch * steps + step + 1}"
                raise SeglossError(f"{where}: {error}") from error
            losses.append(loss)
            overlap += _overlap(logits, target)
            if (step + 1) % check_every == 0 or step + 1 == steps:
                self._check(losses[checked:], epoch * steps + checked)
                checked = len(losses)
            progress.update()
        both, predicted, present = overlap.tolist()
        return {
            "epoch": epoch + 1,
            "learning_rate": rate,
            "loss": math.fsum(map(float, losses)) / steps,
            "patch_dice": 2 * both / (predicted + present) if predicted + present else 1.0,
        }

    def _step(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        tensors = {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}
        image, target = tensors.pop("image"), tensors.pop("label")
        logits = self.network(image)
        loss = self.loss(logits, target, tensors)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), logits.detach(), target

    def _check(self, losses: list[Tensor], first_step: int) -> None:
        for offset, loss in enumerate(losses):
            value = float(loss)
            if not abs(value) <= EXPLODED:
                raise SeglossError(
                    f"run {self.settings['run']}: its loss became {value:g} at step"
                    f" {first_step + offset + 1}; lower training.optimizer.learning_rate or look at the loss's"
                    f" parameters and the data"
                )

    def _resume(self) -> int:
        state = checkpoints.load(self.checkpoint, self.state_key)
        if state is None:
            return 0
        self.network.load_state_dict(state["network"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = History(state["history"])
        log.info("resumed after epoch %d from %s", state["epoch"], self.checkpoint)
        return state["epoch"]

    def _save(self, epoch: int) -> None:
        checkpoints.save(
            self.checkpoint,
            {
                "fingerprint": self.state_key,
                "epoch": epoch,
                "network": self.network.state_dict(),
                "loss": self.loss.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "history": self.history.rows,
            },
        )


def _overlap(logits: Tensor, target: Tensor) -> Tensor:
    """Voxels in prediction and target, in the prediction, in the target."""
    predicted, present = logits > 0, target > 0
    return torch.stack([(predicted & present).sum(), predicted.sum(), present.sum()]).double()
