"""Predict whole cases with a trained network: a folder of <case>.<kind>.b2nd of what evaluation and figures read.

Kinds: ``labels`` (uint8, as prepared labels are), ``probability`` and ``logit`` (float16; of two exclusive classes the
second's, otherwise with an axis of classes in front). And `model.json`, by which :mod:`lib.predict` predicts other
images with the same weights.
"""

from pathlib import Path
from typing import Any

import _root  # noqa: F401

from lib.cli import run


def main(
    settings: dict,
    described: dict,
    weights: Path,
    prepared: Path,
    cases: list[Path],
    device: str,
    threads: int,
    gpu_percent: int,
    predictions: Path,
    checksums: Path,
    model: Path,
    fingerprint: Path | None = None,
    best: Path | None = None,
) -> None:
    from lib.arrays import write_array
    from lib.files import atomic_path, read_json, sha256, write_json
    from lib.inference import predict_case, stored_kinds
    from lib.networks import build_network
    from lib.prediction.postprocessing import choose, processed
    from lib.store import open_cases, open_prediction
    from lib.training import checkpoints
    from lib.training.devices import prepare_device
    from lib.training.settings import InferenceSettings

    if best:  # of a search's trials
        settings = read_json(best)["inference"] | {key: settings.get(key, {}) for key in ("reads", "postprocessing")}
    chosen = InferenceSettings.model_validate(settings)
    if fingerprint:
        from lib.datasets.fingerprint import resolved

        chosen = chosen.model_copy(update={"resampling": resolved(chosen.resampling, fingerprint)})
    computing = prepare_device(device, threads, gpu_percent)
    of_part = {path.stem: open_cases(prepared, path) for path in cases}
    channels = next(iter(of_part.values()))[0].description["channels"]
    network = build_network(chosen.network.network, channels, chosen.network.out_channels)
    checkpoints.load_weights(weights, network)
    network.to(computing)
    choices = []
    with atomic_path(predictions) as folder:
        for part, stored in sorted(of_part.items(), reverse=True):  # validation before test
            for case in stored:
                image, spacing = case.array("image")[...], case.description["spacing"]
                outputs = predict_case(network, image, spacing, chosen, computing)
                for kind, values in stored_kinds(*outputs, chosen.labels, chosen.reads[part]).items():
                    final = processed(values, choices, spacing, chosen.labels) if kind == "labels" else values
                    write_array(folder / f"{case.name}.{kind}.b2nd", final)
            if part == "validation":
                cases_with_predictions = [
                    (case.array("label"), open_prediction(folder, case.name), case.description["spacing"])
                    for case in stored
                ]
                choices = choose(chosen.postprocessing.steps, chosen.labels, cases_with_predictions)
    write_json(checksums, {file.name: sha256(file) for file in sorted(predictions.iterdir())})
    write_json(model, _model(described, chosen, choices))


def _model(described: dict[str, Any], chosen: Any, choices: list[Any]) -> dict[str, Any]:
    """What :class:`lib.prediction.model.Model` reads, of the run and its data set and of the settings of inference."""
    from importlib import import_module

    from lib.datasets.preparation import Preparation

    adapter, parameters = described.pop("adapter"), described.pop("parameters")
    declared = getattr(import_module(adapter), "preparation", None)
    preparation = declared(parameters) if declared else Preparation(refusal=f"{adapter} declares no preparation")
    settings = chosen.model_dump(mode="json", include={"labels", "network", "inference", "resampling"})
    kept = {"postprocessing": [choice.model_dump(mode="json") for choice in choices]} if choices else {}
    return {"format": 1, **described, **settings, **kept, "preparation": preparation.as_json()}


if __name__ == "__main__":
    run(main)
