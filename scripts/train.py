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
    checkpoint: Path,
    weights: Path,
    history: Path,
    provenance: Path,
) -> None:
    import time

    import torch

    from lib.files import write_json, write_text
    from lib.losses import build_resolved
    from lib.networks import build_network
    from lib.provenance import circumstances
    from lib.store import open_cases
    from lib.training import checkpoints
    from lib.training.devices import prepare_device
    from lib.training.loop import Trainer, fingerprint
    from lib.training.sampling import PatchSampler

    start = time.monotonic()
    stored = open_cases(prepared, split, "train")
    for part in ("validation", "test"):  # better told now than after the training
        open_cases(prepared, split, part)
    torch.manual_seed(settings["seed"])
    network = build_network(settings["network"], stored[0].description["channels"])
    loss = build_resolved(settings["loss"])
    length = settings["training"]["epochs"] * settings["training"]["steps_per_epoch"]
    trainer = Trainer(
        network,
        loss,
        PatchSampler(stored, settings["sampling"], settings["maps"], settings["seed"], length),
        settings,
        prepare_device(device, threads),
        checkpoint,
        fingerprint(settings, [case.description for case in stored]),
        workers=threads - 1,
    )
    rows = trainer.train()
    checkpoints.save(weights, {"network": network.state_dict(), "loss": loss.state_dict()})
    write_text(history, rows.as_csv())
    write_json(provenance, circumstances(settings, threads, time.monotonic() - start, device))
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
