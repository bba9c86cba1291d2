"""Train one run, from its checkpoint if it was interrupted; or take the weights that are given instead."""

from pathlib import Path
from typing import Any

import _root  # noqa: F401

from lib.cli import run


def main(
    settings: dict,
    identity: str,
    scale: str,
    prepared: Path,
    cases: Path,
    device: str,
    threads: int,
    gpu_percent: int,
    checkpoint: Path,
    save_every: int,
    weights: Path,
    history: Path,
    provenance: Path,
    measured: list[Path] | None = None,
    maps: list[Path] | None = None,
    noisy: Path | None = None,
    pretrained: Path | None = None,
    native: Path | None = None,
    fingerprint: Path | None = None,
) -> None:
    from functools import partial
    from itertools import chain

    from lib.provenance import provenance_record
    from lib.store import open_cases, open_noisy_cases
    from lib.training.code import training_code
    from lib.training.devices import prepare_device
    from lib.training.loop import digest
    from lib.training.outcome import take_weights, write_outcome
    from lib.training.settings import TrainingSettings

    given = settings.pop("weights", None)
    chosen = TrainingSettings.model_validate(settings)
    outputs, about = (weights, history, provenance), {"scale": scale, "identity": identity}
    if given:
        return take_weights(outputs, Path(given), chosen, open_cases(prepared, cases)[0], about)
    opened = partial(open_noisy_cases, noisy=noisy) if noisy else open_cases
    stored = opened(prepared, cases, maps={path.stem: path for path in maps or ()})
    of_part = {path.stem: open_cases(native or prepared, path) for path in measured or ()}
    data = [(case.description, case.maps) for case in chain(stored, *of_part.values())]
    code = training_code(chosen)
    key = digest(data, code if scale == "demo" else "")
    computing = prepare_device(device, threads, gpu_percent, chosen.computing.deterministic)
    options = {"checkpoint": checkpoint, "state_key": key, "code": code, "save_every": save_every}
    measures = _measures(chosen.measured, of_part, computing, fingerprint)
    trainer = _trainer(chosen, stored, computing, pretrained, measures=measures, workers=threads - 1, **options)
    rows = trainer.train()
    trained = {"network": trainer.network.state_dict(), "loss": trainer.loss.state_dict()}
    record = trainer.finished or provenance_record(chosen.as_json(), threads, trainer.parts)
    write_outcome(outputs, trained, rows, about | record)
    trainer.keep(trained, record)


def _measures(measured: Any, of_part: dict[str, list], computing: Any, fingerprint: Path | None) -> dict[str, Any]:
    """By part of the split, what measures a network on its cases while it is trained."""
    from functools import partial

    from lib.training.monitor import measure_cases

    if measured and fingerprint:
        from lib.datasets.fingerprint import resolved

        measured = measured.model_copy(update={"resampling": resolved(measured.resampling, fingerprint)})
    return {part: partial(measure_cases, cases, measured, computing) for part, cases in of_part.items()}


def _trainer(chosen: Any, stored: list, computing: Any, pretrained: Path | None, **options: Any) -> Any:
    """The trainer of a run, its first weights drawn from the seed but for those that are ``pretrained``."""
    import torch

    from lib.losses import build_resolved
    from lib.networks import build_network
    from lib.training.loop import Trainer
    from lib.training.sampling import PatchSampler

    torch.manual_seed(chosen.seed)
    channels = stored[0].description["channels"]
    network = build_network(chosen.network.network, channels, chosen.network.out_channels, pretrained)
    loss = build_resolved(chosen.loss)
    length = chosen.training.epochs * chosen.training.steps_per_epoch
    sampler = PatchSampler(stored, chosen.sampling, chosen.maps, chosen.seed, length, chosen.background)
    return Trainer(network, loss, sampler, chosen, computing, **options)


if __name__ == "__main__":
    run(main)
