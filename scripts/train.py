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
    gpu_percent: int,
    evaluated: list,
    checkpoint: Path,
    save_every: int,
    weights: Path,
    history: Path,
    provenance: Path,
    noisy: Path | None = None,
) -> None:
    from functools import partial

    import torch

    from lib.files import held_alone, write_json, write_text
    from lib.losses import build_resolved
    from lib.networks import build_network
    from lib.provenance import circumstances
    from lib.store import open_cases, open_noisy_cases
    from lib.training import checkpoints
    from lib.training.code import training_code
    from lib.training.devices import prepare_device
    from lib.training.loop import Trainer, fingerprint
    from lib.training.sampling import PatchSampler
    from lib.training.testing import measure_cases

    stored = open_noisy_cases(prepared, split, noisy) if noisy else open_cases(prepared, split, "train")
    of_part = {part: open_cases(prepared, split, part) for part in evaluated}  # better told now than after it
    computing = prepare_device(device, threads, gpu_percent, settings["computing"]["deterministic"])
    torch.manual_seed(settings["seed"])
    network = build_network(settings["network"], stored[0].description["channels"])
    loss = build_resolved(settings["loss"])
    length = settings["training"]["epochs"] * settings["training"]["steps_per_epoch"]
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
        code=training_code(settings["network"]["name"], settings["loss"]),
        workers=threads - 1,
        measures=measures,
        save_every=save_every,
    )
    with held_alone(checkpoint.with_name(".training.lock")):
        rows = trainer.train()
        checkpoints.save(weights, {"network": network.state_dict(), "loss": loss.state_dict()})
        write_text(history, rows.as_csv())
        write_json(provenance, circumstances(settings, threads, trainer.parts))
        checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
