"""Train one run, from its checkpoint if it was interrupted; or take the weights that are given instead."""

from pathlib import Path

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
    best: Path | None = None,
    measured: list[Path] | None = None,
    maps: list[Path] | None = None,
    noisy: Path | None = None,
    pretrained: Path | None = None,
    native: Path | None = None,
    of_data: list[Path] | None = None,
    tracking: Path | None = None,
    log: Path | None = None,
) -> None:
    from lib.datasets.decided import decided
    from lib.provenance import provenance_record
    from lib.search.best import best_training
    from lib.store import open_cases
    from lib.training.job import trainer_for
    from lib.training.outcome import take_weights, write_outcome
    from lib.training.settings import TrainingSettings

    given = settings.pop("weights", None)
    chosen = asked = TrainingSettings.model_validate(settings)
    if best:
        chosen = best_training(best, chosen)
    chosen = decided(chosen, of_data or ())
    outputs, about = (weights, history, provenance), {"scale": scale, "identity": identity}
    if chosen != asked:  # by a search or by the data
        about["asked"] = asked.as_json()
    if given:
        return take_weights(outputs, Path(given), chosen, open_cases(prepared, cases)[0], about)
    data = {"measured": measured or (), "maps": maps or (), "noisy": noisy, "pretrained": pretrained}
    links = {"checkpoints/best.pt": weights, "checkpoints/last.pt": checkpoint}
    links |= {"logs/train.log": log} if log else {}
    data |= {"native": native, "tracking": tracking, "links": links}
    computing = {"device": device, "threads": threads, "gpu_percent": gpu_percent}
    trainer = trainer_for(chosen, prepared, cases, checkpoint, save_every, scale, **computing, **data)
    rows = trainer.train()
    trained = {"network": trainer.network.state_dict(), "loss": trainer.loss.state_dict()}
    record = trainer.finished or provenance_record(chosen.as_json(), threads, trainer.parts)
    write_outcome(outputs, trained, rows, about | record)
    trainer.keep(trained, record)


if __name__ == "__main__":
    run(main)
