"""Measure what a training of a planned variant costs, and say how long all trainings take, or how long each may be."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    settings: dict,
    work: dict,
    name: str,
    prepared: Path,
    cases: Path,
    native: Path,
    tested: Path,
    measured: Path,
    device: str,
    threads: int,
    gpu_percent: int,
    of_data: list[Path],
    output: Path,
    maps: list[Path] | None = None,
    steps_per_epoch: int | None = None,
    minutes: float | None = None,
) -> None:
    from lib.budget import Work, budget
    from lib.cost import measure_cost
    from lib.datasets.decided import decided
    from lib.files import write_json
    from lib.store import open_cases
    from lib.training.settings import InferenceSettings, TrainingSettings

    training = decided(TrainingSettings.model_validate(settings["training"]), of_data)
    inference = decided(InferenceSettings.model_validate(settings["inference"]), of_data)
    of_part = {path.stem: open_cases(native, path) for path in (tested, measured)}
    computing = {"device": device, "threads": threads, "gpu_percent": gpu_percent}
    cost = measure_cost(
        training, inference, of_part["test"], prepared=prepared, cases=cases, computing=computing, maps=maps or ()
    )
    work["cases"] = work["trainings"] * len(of_part["test"])
    if training.training.monitor:  # measures them after each epoch
        work["cases"] += work["epochs"] * len(of_part["validation"])
    found = budget(Work(**work), cost, steps_per_epoch, minutes)
    print(f"budget of {name}: {found.message}", flush=True)
    write_json(output, found.as_json())


if __name__ == "__main__":
    run(main)
