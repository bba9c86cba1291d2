"""Train a trial of a search to a rung, from where it was left, and record its result."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    trials: Path,
    slot: int,
    epochs: int,
    measure: str,
    scale: str,
    prepared: Path,
    cases: Path,
    device: str,
    threads: int,
    gpu_percent: int,
    save_every: int,
    output: Path,
    cost: str = "",
    promoted: Path | None = None,
    measured: list[Path] | None = None,
    maps: list[Path] | None = None,
    pretrained: Path | None = None,
    native: Path | None = None,
    of_data: list[Path] | None = None,
    tracking: Path | None = None,
) -> None:
    from lib.datasets.decided import decided
    from lib.files import read_json
    from lib.search.trials import train_trial, trial_folder, write_result
    from lib.training.job import trainer_for
    from lib.training.settings import TrainingSettings

    number = read_json(promoted)[slot] if promoted else slot
    folder = trial_folder(trials, number)
    proposed = read_json(folder / "settings.json")
    chosen = decided(TrainingSettings.model_validate(proposed["training"]), of_data or ())
    data = {"measured": measured or (), "maps": maps or (), "pretrained": pretrained}
    links = {"checkpoints/last.pt": folder / "checkpoint.pt"}
    tracking = trial_folder(tracking, number) if tracking else None
    data |= {"native": native, "tracking": tracking, "links": links}
    computing = {"device": device, "threads": threads, "gpu_percent": gpu_percent}
    trainer = trainer_for(chosen, prepared, cases, folder / "checkpoint.pt", save_every, scale, **computing, **data)
    write_result(output, number, train_trial(trainer, proposed["parameters"], epochs, measure, cost))


if __name__ == "__main__":
    run(main)
