"""Train one run; continue from its checkpoint if it was interrupted."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    settings: dict,
    prepared: Path,
    split: str,
    device: str,
    threads: int,
    evaluated: list,
    checkpoint: Path,
    weights: Path,
    history: Path,
    provenance: Path,
    noisy: Path | None = None,
) -> None:
    import time
    from functools import partial

    import torch

    from lib.files import write_json, write_text
    from lib.losses import build_resolved
    from lib.networks import build_network
    from lib.provenance import circumstances
    from lib.store import open_cases, open_noisy_cases
    from lib.training import checkpoints
    from lib.training.devices import prepare_device
    from lib.training.loop import Trainer, fingerprint
    from lib.training.sampling import PatchSampler
    from lib.training.testing import measure_cases

    start = time.monotonic()
    stored = open_noisy_cases(prepared, split, noisy) if noisy else open_cases(prepared, split, "train")
    of_part = {part: open_cases(prepared, split, part) for part in evaluated}  # better told now than after it
    torch.manual_seed(settings["seed"])
    network = build_network(settings["network"], stored[0].description["channels"])
    loss = build_resolved(settings["loss"])
    length = settings["training"]["epochs"] * settings["training"]["steps_per_epoch"]
    computing = prepare_device(device, threads)
    measures = {}
    if told := settings.get("measured"):
        how = (told["metrics"], told["classes"], settings["inference"], computing)
        measures = {part: partial(measure_cases, of_part[part], *how) for part in told["parts"]}
    trainer = Trainer(
        network,
        loss,
        PatchSampler(stored, settings["sampling"], settings["maps"], settings["seed"], length),
        settings,
        computing,
        checkpoint,
        fingerprint(settings, [case.description for case in stored]),
        workers=threads - 1,
        measures=measures,
    )
    rows = trainer.train()
    checkpoints.save(weights, {"network": network.state_dict(), "loss": loss.state_dict()})
    write_text(history, rows.as_csv())
    write_json(provenance, circumstances(settings, threads, time.monotonic() - start, device))
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
