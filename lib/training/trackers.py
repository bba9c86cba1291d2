"""Trainings in TensorBoard, while they go on: a copy of the history for looking at, which no result depends on.

In a folder by run, ``events`` holds what ``tensorboard --logdir`` of it, or of any folder above it, shows.
"""

import logging
import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.training.history import Row
from lib.training.settings import TrainingSettings
from lib.training.tags import tag_of

log = logging.getLogger(__name__)
PANELS = 5
"""Epochs, evenly through the training, of which a picture is shown."""


def _never_fails(method: Callable[..., None]) -> Callable[..., None]:
    """A tracker that cannot write says so once, and the training goes on."""

    @wraps(method)
    def guarded(self: "TensorBoard", *arguments: Any, **options: Any) -> None:
        if self.failed:
            return
        try:
            method(self, *arguments, **options)
        except Exception as error:  # whatever TensorBoard or the disk may raise
            self.failed = True
            log.warning("TensorBoard: %s: %s; the training goes on without it", self.folder, error)

    return guarded


class TensorBoard:
    """Writes scalars of every epoch, pictures of some, and at the end hyper-parameters with the last measures.

    Args:
        folder: of the run; ``checkpoints`` and ``logs`` in it lead to the files of the run given in ``links``.
        links: path below the folder -> file.
    """

    def __init__(self, folder: Path, settings: TrainingSettings, links: Mapping[str, Path]) -> None:
        self.folder, self.settings, self.links = folder, settings, links
        self.failed = False
        self.writer: Any = None
        epochs = settings.training.epochs
        self.shown = {round(place) for place in np.linspace(1, epochs, min(PANELS, epochs))}

    @_never_fails
    def start(self, step: int) -> None:
        """Begin, or go on, behind a step; what was written of later ones does not count."""
        from torch.utils.tensorboard import SummaryWriter  # 0.2 s

        for name, target in self.links.items():
            _link(self.folder / name, target)
        self.writer = SummaryWriter(str(self.folder / "events"), purge_step=step + 1 if step else None)

    @_never_fails
    def after_epoch(self, row: Row, seconds: Mapping[str, float]) -> None:
        """Write the numbers of an epoch, and how long its parts took."""
        scalars = {tag_of(name): value for name, value in row.items() if name not in ("epoch", "step", "selected")}
        scalars |= {f"seconds/{name}": value for name, value in seconds.items()}
        for tag, value in scalars.items():
            if value is not None:
                self.writer.add_scalar(tag, value, row["step"])
        self.writer.flush()

    @_never_fails
    def show(self, epoch: int, step: int, image: Tensor, target: Tensor, logits: Tensor) -> None:
        """Show image, training mask and prediction of a patch next to each other, in some epochs (counted from 1)."""
        if epoch in self.shown:
            self.writer.add_image("patch/image, mask, prediction", _panel(image, target, logits), step)

    @_never_fails
    def end(self, row: Row) -> None:
        """Write the hyper-parameters with the measures of the last epoch."""
        measures = {f"hparam/{tag_of(name)}": value for name, value in row.items() if tag_of(name).startswith("dice/")}
        self.writer.add_hparams(_flat(self.settings), measures, run_name=".", global_step=row["step"])
        self.writer.close()


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))


def _flat(settings: TrainingSettings) -> dict[str, Any]:
    """Numbers, words and truth values of the settings by their place."""

    def places(value: Any, place: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return {key: one for name, inner in value.items() for key, one in places(inner, f"{place}.{name}").items()}
        return {place.lstrip("."): value if isinstance(value, int | float | str | bool) else str(value)}

    chosen = settings.model_dump(mode="json", include={"seed", "loss", "network", "sampling", "training"})
    return places(chosen, "")


def _panel(image: Tensor, target: Tensor, logits: Tensor) -> np.ndarray:
    """Image, mask and prediction of the first sample in a row, (1, rows, columns); of volumes the fullest slice."""
    channel, mask = image[0, 0].float().cpu(), target[0, 0].cpu()
    classes = logits[0].float().cpu()
    found = classes[0] > 0 if len(classes) == 1 or target.shape[1] > 1 else classes.argmax(0)
    if mask.ndim == 3:
        fullest = int(((mask > 0) & (mask < 255)).sum((0, 1)).argmax())
        channel, mask, found = channel[..., fullest], mask[..., fullest], found[..., fullest]
    panels = [channel, mask.float().clamp(max=max(len(classes) - 1, 1)), found.float()]
    return torch.cat([_stretched(panel) for panel in panels], dim=1)[None].numpy()


def _stretched(panel: Tensor) -> Tensor:
    low, high = panel.min(), panel.max()
    return (panel - low) / (high - low).clamp(min=1e-6)
