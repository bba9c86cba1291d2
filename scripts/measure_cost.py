"""Measure what the training and the inference of a run cost."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    settings: dict,
    prepared: Path,
    cases: Path,
    native: Path,
    tested: Path,
    device: str,
    threads: int,
    gpu_percent: int,
    output: Path,
    best: Path | None = None,
    maps: list[Path] | None = None,
    noisy: Path | None = None,
    of_data: list[Path] | None = None,
) -> None:
    from lib.cost import measure_cost
    from lib.datasets.decided import decided
    from lib.files import write_json
    from lib.search.best import best_inference, best_training
    from lib.store import open_cases
    from lib.training.settings import InferenceSettings, TrainingSettings

    training = TrainingSettings.model_validate(settings["training"])
    inference = InferenceSettings.model_validate(settings["inference"])
    if best:
        training, inference = best_training(best, training), best_inference(best, inference)
    training, inference = decided(training, of_data or ()), decided(inference, of_data or ())
    computing = {"device": device, "threads": threads, "gpu_percent": gpu_percent}
    data = {"prepared": prepared, "cases": cases, "maps": maps or (), "noisy": noisy}
    write_json(output, measure_cost(training, inference, open_cases(native, tested), computing=computing, **data))


if __name__ == "__main__":
    run(main)
