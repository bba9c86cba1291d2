"""A trainer with the cases and maps of a job."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from lib.losses import build_resolved
from lib.networks import build_network
from lib.store import StoredCase, open_cases, open_noisy_cases
from lib.training.code import training_code
from lib.training.devices import prepare_device
from lib.training.loop import Trainer, digest
from lib.training.monitor import measure_cases
from lib.training.sampling import PatchSampler
from lib.training.settings import Measured, TrainingSettings
from lib.training.trackers import TensorBoard


def trainer_for(
    chosen: TrainingSettings,
    prepared: Path,
    cases: Path,
    checkpoint: Path,
    save_every: int,
    scale: str,
    device: str,
    threads: int,
    gpu_percent: int,
    measured: Sequence[Path] = (),
    maps: Sequence[Path] = (),
    noisy: Path | None = None,
    pretrained: Path | None = None,
    native: Path | None = None,
    tracking: Path | None = None,
    links: Mapping[str, Path] | None = None,
) -> Trainer:
    """The trainer of a run; its first weights are drawn from the seed but for those that are ``pretrained``.

    Args:
        prepared: folder of the cases that it is trained on, listed by ``cases``.
        measured: lists of the cases that are measured while it is trained, below ``native`` where that is another
            folder.
        maps: lists of maps; those that no part of the training reads are left alone.
        noisy: folder of noisy masks.
        tracking: folder for TensorBoard, with ``links`` to files of the run; nothing is tracked without.
    """
    opened = partial(open_noisy_cases, noisy=noisy) if noisy else open_cases
    stored = opened(prepared, cases, maps={path.stem: path for path in maps if path.stem in chosen.maps})
    of_part = {path.stem: open_cases(native or prepared, path) for path in measured}
    data = [(case.description, case.maps) for case in chain(stored, *of_part.values())]
    code = training_code(chosen)
    computing = prepare_device(device, threads, gpu_percent, chosen.computing.deterministic)
    return Trainer(
        *_network_and_loss(chosen, stored[0], pretrained),
        _sampler(chosen, stored),
        chosen,
        computing,
        checkpoint=checkpoint,
        state_key=digest(data, code if scale == "demo" else ""),
        code=code,
        workers=threads - 1,
        measures=_measures(chosen.measured, of_part, computing),
        save_every=save_every,
        tracker=TensorBoard(tracking, chosen, links or {}) if tracking else None,
    )


def _network_and_loss(chosen: TrainingSettings, case: StoredCase, pretrained: Path | None) -> tuple[Any, Any]:
    torch.manual_seed(chosen.seed)
    channels = case.description["channels"]
    network = build_network(chosen.network.network, channels, chosen.network.out_channels, pretrained)
    return network, build_resolved(chosen.loss)


def _sampler(chosen: TrainingSettings, stored: list[StoredCase]) -> PatchSampler:
    length = chosen.training.epochs * chosen.training.steps_per_epoch
    return PatchSampler(stored, chosen.sampling, chosen.maps, chosen.seed, length, chosen.background)


def _measures(
    measured: Measured | None, of_part: dict[str, list[StoredCase]], computing: torch.device
) -> dict[str, Any]:
    """By part of the split, what measures a network on its cases while it is trained."""
    return {part: partial(measure_cases, cases, measured, computing) for part, cases in of_part.items()}
