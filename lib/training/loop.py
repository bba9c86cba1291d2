"""The training loop: exact to repeat, exact to resume, loud when it diverges."""

import hashlib
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from lib.config.schema import Computing
from lib.errors import Diverged, SeglossError
from lib.losses.base import set_progress
from lib.losses.composition import weighted_sum
from lib.losses.specification import term_names
from lib.provenance import machine, peak_memory
from lib.training import checkpoints
from lib.training.devices import is_out_of_memory, random_state, set_random_state
from lib.training.history import History, Row
from lib.training.interruption import Interrupted, Interruption, ignore_signals
from lib.training.monitor import Monitor
from lib.training.optimizers import build_optimizer, build_scheduler
from lib.training.patch_overlap import PatchOverlap
from lib.training.sampling import PatchSampler
from lib.training.selection import BestNetwork
from lib.training.settings import TrainingSettings
from lib.training.trackers import TensorBoard

log = logging.getLogger(__name__)

EXPLODED = 1e12  # T-Loss is of the size of a patch, sums of voxels are; beyond this the weights have run away


def numbers_of(loss: nn.Module) -> dict[str, float]:
    """The loss's trainable numbers, such as T-Loss's nu, by name."""
    return {name: value.item() for name, value in loss.named_parameters() if value.numel() == 1}


def _mean(values: Sequence[Tensor | float]) -> float:
    return math.fsum(map(float, values)) / len(values)


def digest(*parts: Any) -> str:
    """Hash of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Trainer:
    """One run: ``train`` brings network and loss to the last epoch, from the checkpoint if there is one.

    Every epoch begins with the random state that seed and epoch give, and every batch is a function of seed and step.
    What else the steps leave is in the checkpoint. It is written between two steps: when ``save_every`` seconds have
    passed since the last time, and when SIGTERM or SIGINT asks for the end. So it makes no difference to the outcome
    where, or how often, a run is interrupted.

    The history holds, per epoch, the loss; each term of a sum, without its weight, and the weight; the overlap of
    predictions and training masks and, where these are noisy, the overlap with noisy and with clean masks for each kind
    of noise; the loss's own parameters; and what ``measures`` returns for the network by part of the split, in the
    epochs for which the settings ask for it.
    ``parts`` holds code, machine, steps, time and memory of every process that had a share in the run.

    A finished run that ``keep`` has kept is not trained again: ``finished`` then holds what was kept with it.

    ``train`` raises:
        SeglossError: interrupted, diverged, or out of memory; the checkpoint is kept.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        sampler: PatchSampler,
        settings: TrainingSettings,
        device: torch.device,
        checkpoint: Path,
        state_key: str,
        code: str = "",
        workers: int = 0,
        measures: Mapping[str, Callable[[nn.Module], Mapping[str, float]]] | None = None,
        save_every: float = 300,
        tracker: TensorBoard | None = None,
    ) -> None:
        self.computing = settings.computing
        self.memory_format = memory_format(self.computing, network)
        self.network = network.to(device, memory_format=self.memory_format)
        if self.computing.compile:
            self.network.compile()
        self.loss = loss.to(device)
        self.sampler = sampler
        self.settings = settings
        self.training = settings.training
        self.device = device
        self.checkpoint = checkpoint
        self.state_key = state_key
        self.code = code
        self.workers = workers
        self.save_every = save_every
        self.tracker = tracker
        self.monitor = Monitor(settings, measures or {})
        self.best = BestNetwork()
        self.optimizer = build_optimizer(self.training.optimizer, network, loss, self.computing.compile)
        self.scheduler = build_scheduler(self.training)
        # gradients of float16 need scaling, or small ones vanish
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.computing.precision == "float16")
        self.loss_numbers = {name: value.detach() for name, value in self.loss.named_parameters() if value.numel() == 1}
        self.history = History()
        self.sum, self.terms = weighted_sum(loss), term_names(settings.loss)
        self.losses: list[Tensor | float] = []  # of this epoch's steps, as are the values of terms and the overlap
        self.values: list[list[Tensor | float]] = []
        self.overlap = self._no_overlap()
        self.parts: list[dict[str, Any]] = []
        self.finished: Any = None

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.history.rows) * self.training.steps_per_epoch + len(self.losses)

    def train(self, last: int | None = None) -> History:
        """Train to the end; the history, of the best epoch's network if the settings say so.

        With ``last`` train no further than to the end of that epoch, along the learning rates of the whole training; a
        checkpoint stays from which it goes on.
        """
        if not self._resume():
            if self.tracker:
                self.tracker.start(len(self.history.rows) * self.training.steps_per_epoch)
            self._train(last)
            self._save()  # what fails now, such as writing the weights on a full disk, costs no step
            if self.best.weights:
                self.network.load_state_dict(self.best.weights)
            if self.tracker and self.history.rows:
                self.tracker.end(self.history.rows[-1])
        return self.history

    def _train(self, last: int | None) -> None:
        epochs, steps = last or self.training.epochs, self.training.steps_per_epoch
        batches = iter(self._loader(range(self.step, epochs * steps)))
        hidden = not sys.stderr.isatty()
        with (
            Interruption() as self.interruption,
            self._sound_kernels(),
            tqdm(total=epochs * steps, initial=self.step, unit="step", disable=hidden) as progress,
        ):
            try:
                for epoch in range(len(self.history.rows), epochs):
                    progress.set_description(f"epoch {epoch + 1}/{epochs}")
                    row = self._epoch(epoch, batches, progress)
                    self._end_epoch(row)
                    shown = {key: f"{row[key]:.4g}" for key in ("loss", "patch_dice", "learning_rate")}
                    progress.set_postfix(shown)
                    if hidden:
                        log.info("epoch %d/%d  %s", epoch + 1, epochs, "  ".join(map(" ".join, shown.items())))
            except Interrupted as signal:
                self._save()
                raise SeglossError(
                    f"run {self.settings.run}: ended by {signal} after step {self.step} of {epochs * steps}; its"
                    f" state is in {self.checkpoint}, and it goes on from there when it is started again"
                ) from None

    def keep(self, trained: dict[str, Any], circumstances: Any) -> None:
        """Leave the finished run in the place of its checkpoint, with what is to be in ``finished`` another time.

        A plan that runs it again, as when a file that it was made of had been lost, then costs seconds.
        """
        state = {"finished": circumstances, **self._identity(), "history": self.history.rows}
        checkpoints.save(self.checkpoint, trained | state)

    def _identity(self) -> dict[str, Any]:
        return {"settings": self.settings.as_json(), "state_key": self.state_key}

    def _is_own(self, state: Mapping[str, Any]) -> bool:
        """Whether a checkpoint is of these settings, data and code."""
        return state.get("state_key") == self.state_key and self.settings.same_as(state.get("settings"))

    def _loader(self, steps: range) -> DataLoader:
        on_gpu = self.device.type == "cuda"
        return DataLoader(
            self.sampler,
            batch_size=None,
            sampler=steps,
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
            pin_memory=on_gpu,
            worker_init_fn=ignore_signals,
            generator=torch.Generator(),  # its own, as a seed is drawn that would change the state a resumed epoch has
        )

    def _epoch(self, epoch: int, batches: Any, progress: tqdm) -> Row:
        if not self.losses:  # otherwise the checkpoint has set it
            torch.manual_seed(self.settings.seed * 1_000_003 + epoch + 1)
        if self.training.monitor:
            self.scheduler.after_epoch(self.monitor.values(self.history))
        set_progress(self.loss, epoch, self.training.epochs)
        self.network.train()
        begun, steps = time.monotonic(), self.training.steps_per_epoch
        check_every = 1 if self.device.type == "cpu" else 25  # looking at a value makes a GPU wait
        checked = len(self.losses)
        while len(self.losses) < steps:
            self._between_steps()
            self._set_learning_rate()
            with self._with_place():
                self.losses.append(self._step(next(batches)))
                self.values.append(self.sum.values if self.sum else [])
            if len(self.losses) % check_every == 0 or len(self.losses) == steps:
                self._check(self.losses[checked:], epoch * steps + checked)
                checked = len(self.losses)
            self.scheduler.after_step(self.step, self.loss_numbers)
            progress.update()
        trained = time.monotonic()
        with self.interruption.at_once():
            measured = self.monitor.measure(self.network, epoch)
        self.seconds = {"train": trained - begun, "measure": time.monotonic() - trained}
        return {
            "epoch": epoch + 1,
            "step": self.step,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "loss": _mean(self.losses),
            **self._of_terms(),
            **self.overlap.dice(),
            **numbers_of(self.loss),
            **measured,
        }

    def _end_epoch(self, row: Row) -> None:
        self.history.rows.append(row)
        self.losses, self.values, self.overlap = [], [], self._no_overlap()
        if self.tracker:
            self.tracker.after_epoch(row, self.seconds)
        if self.training.monitor and self.training.monitor.keep_best:
            self.best.after_epoch(self.monitor.values(self.history), self.history, self.network)

    def _of_terms(self) -> Row:
        """Mean over the epoch's steps of each term of a sum, and its weight."""
        if not self.sum:
            return {}
        means = map(_mean, zip(*self.values, strict=True))
        by_name = zip(self.terms, means, self.sum.weights.tolist(), strict=True)
        rows = [{f"loss.{name}": value, f"weight.{name}": weight} for name, value, weight in by_name]
        return {key: value for row in rows for key, value in row.items()}

    def _no_overlap(self) -> PatchOverlap:
        settings = self.settings
        return PatchOverlap(self.sampler.noisy, self.device, settings.network.exclusive, settings.background)

    def _between_steps(self) -> None:
        self.interruption.check()
        if time.monotonic() - self.saved >= self.save_every:
            self._save()

    @contextmanager
    def _with_place(self) -> Iterator[None]:
        where = f"run {self.settings.run}: step {self.step + 1}"
        try:
            yield
        except SeglossError as error:
            raise type(error)(f"{where}: {error}") from error
        except OSError as error:
            raise SeglossError(f"{where}: {error}; is the file system of the data still there?") from error
        except ValueError as error:
            if "Expected more than 1" not in str(error):  # value per channel, or spatial element
                raise
            raise SeglossError(
                f"{where}: a patch is too small, or the batch, for the network's normalisation ({error}); raise"
                " sampling.patch_size or sampling.batch_size"
            ) from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise SeglossError(
                f"{where}: out of memory on {self.device}; lower sampling.batch_size or sampling.patch_size, take"
                " computing.precision bfloat16, or give the job more (README, docs/cluster.md)"
            ) from error

    def _set_learning_rate(self) -> None:
        rate = self.scheduler.rate(self.step)
        network, *of_loss = self.optimizer.param_groups
        network["lr"] = rate
        if self.training.optimizer.loss_learning_rate is None:
            for group in of_loss:
                group["lr"] = rate

    def _step(self, batch: dict[str, Tensor]) -> Tensor:
        tensors = {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}
        image, target = tensors.pop("image").to(memory_format=self.memory_format), tensors.pop("label")
        clean, kind = tensors.pop("clean", None), tensors.pop("kind", None)
        with self._autocast():
            outputs = self.network(image)
        several = [output.float() for output in outputs] if isinstance(outputs, list | tuple) else None
        logits = several[0] if several else outputs.float()
        loss = self.loss(several or logits, target, tensors)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.training.gradient_clipping:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.training.gradient_clipping)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.overlap.add(logits.detach(), target, clean, kind)
        if self.tracker and len(self.losses) == self.training.steps_per_epoch - 1:
            self.tracker.show(len(self.history.rows) + 1, self.step + 1, image, target, logits.detach())
        return loss.detach()

    def _autocast(self) -> AbstractContextManager:
        precision = self.computing.precision
        if precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, precision))

    def _sound_kernels(self) -> AbstractContextManager:
        """oneDNN of torch 2.13 reads memory that nobody has written, for few channels in bfloat16."""
        if self.device.type == "cpu" and self.computing.precision == "bfloat16":
            return torch.backends.mkldnn.flags(enabled=False)
        return nullcontext()

    def _check(self, losses: list[Tensor | float], first_step: int) -> None:
        for offset, loss in enumerate(losses):
            value = float(loss)
            if not abs(value) <= EXPLODED:
                raise Diverged(
                    f"run {self.settings.run}: its loss became {value:g} at step"
                    f" {first_step + offset + 1}; lower training.optimizer.learning_rate or look at the loss's"
                    f" parameters and the data"
                )

    def _resume(self) -> bool:
        """Take up the checkpoint, if there is one; whether it is of a run that is finished."""
        state = checkpoints.load(self.checkpoint, self._is_own)
        if state and "finished" in state:
            self.network.load_state_dict(state["network"])
            self.loss.load_state_dict(state["loss"])
            self.history, self.finished = History(state["history"]), state["finished"]
            log.info("trained before, of the same data with the same settings: taken from %s", self.checkpoint)
            return True
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.loss.load_state_dict(state["loss"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            self.scheduler.load_state(state["scheduler"])
            self.history = History(state["history"])
            self.losses, self.values = state["losses"], state.get("values", [])
            self.overlap.load_state(state["overlap"])
            set_random_state(state["random"], self.device)
            self.best.weights = state["best"]
            self.parts = state["parts"]
            log.info("resumed after step %d from %s", self.step, self.checkpoint)
        self.begun = self.saved = time.monotonic()
        self.parts.append({"first_step": self.step + 1, "code": self.code, **machine(self.device.type)})
        return False

    def _save(self) -> None:
        self._record_part()
        checkpoints.save(
            self.checkpoint,
            {
                **self._identity(),
                "network": self.network.state_dict(),
                "loss": self.loss.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "scheduler": self.scheduler.state(),
                "history": self.history.rows,
                "losses": list(map(float, self.losses)),
                "values": [list(map(float, values)) for values in self.values],
                "overlap": self.overlap.state(),
                "random": random_state(self.device),
                "best": self.best.weights,
                "parts": self.parts,
            },
        )
        self.saved = time.monotonic()

    def _record_part(self) -> None:
        self.parts[-1] |= {
            "last_step": self.step,
            "seconds": round(time.monotonic() - self.begun, 2),
            **peak_memory(self.device.type),
        }


def memory_format(computing: Computing, network: nn.Module) -> torch.memory_format:
    """How the network's tensors lie in memory; channels last suits the tensor cores of GPUs."""
    if not computing.channels_last:
        return torch.preserve_format
    in_3d = any(values.dim() == 5 for values in network.parameters())
    return torch.channels_last_3d if in_3d else torch.channels_last
