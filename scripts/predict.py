"""Predict whole cases with a trained network: a folder of <case>.<kind>.b2nd of what evaluation and figures read.

Kinds: ``labels`` (uint8, as prepared labels are), ``labels_true_region`` (the same, where a cascade takes the region
from the true label, as it does in validation cases anyway), ``probability`` and ``logit`` (float16; of two exclusive
classes the second's, otherwise with an axis of classes in front). And `model.json`, by which :mod:`lib.predict`
predicts other images with the same weights.
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
    of_data: list[Path] | None = None,
    best: Path | None = None,
    first: Path | None = None,
) -> None:
    from lib.arrays import write_array
    from lib.datasets.decided import decided
    from lib.files import atomic_path, sha256, write_json
    from lib.networks import build_network
    from lib.prediction.postprocessing import choose, processed
    from lib.search.best import best_inference
    from lib.store import open_cases, open_prediction
    from lib.training import checkpoints
    from lib.training.devices import prepare_device
    from lib.training.settings import InferenceSettings

    chosen = InferenceSettings.model_validate(settings)
    chosen = decided(best_inference(best, chosen) if best else chosen, of_data or ())
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
                for kind, values in _predicted(case, part, network, chosen, computing, first).items():
                    if kind.startswith("labels"):
                        values = processed(values, choices, case.description["spacing"], chosen.labels)
                    write_array(folder / f"{case.name}.{kind}.b2nd", values)
            if part == "validation" and chosen.postprocessing.steps:
                cases_with_predictions = [
                    (case.array("label"), open_prediction(folder, case.name), case.description["spacing"])
                    for case in stored
                ]
                choices = choose(chosen.postprocessing.steps, chosen.labels, cases_with_predictions)
    write_json(checksums, {file.name: sha256(file) for file in sorted(predictions.iterdir())})
    write_json(model, _model(described, chosen, choices))


def _predicted(case: Any, part: str, network: Any, chosen: Any, device: Any, first: Path | None) -> dict[str, Any]:
    """By kind what is predicted of a case, before post-processing."""
    from lib.inference import predict_case, stored_kinds
    from lib.prediction.second_stage import predict_inside
    from lib.store import open_prediction

    image, spacing, kinds = case.array("image")[...], case.description["spacing"], chosen.reads[part]
    if not chosen.cascade:
        return stored_kinds(*predict_case(network, image, spacing, chosen, device), chosen.labels, kinds)
    of_first = {
        kind: open_prediction(first, case.name) if (part, kind) == ("test", "labels") else case.array("label")
        for kind in kinds
    }
    return {
        kind: predict_inside(network, image, spacing, label[...], chosen, device) for kind, label in of_first.items()
    }


def _model(described: dict[str, Any], chosen: Any, choices: list[Any]) -> dict[str, Any]:
    """What :class:`lib.prediction.model.Model` reads, of the run and its data set and of the settings of inference."""
    from importlib import import_module

    from lib.datasets.preparation import Preparation

    adapter, parameters = described.pop("adapter"), described.pop("parameters")
    declared = getattr(import_module(adapter), "preparation", None)
    preparation = declared(parameters) if declared else Preparation(refusal=f"{adapter} declares no preparation")
    settings = chosen.model_dump(mode="json", include={"labels", "network", "inference", "resampling"})
    if chosen.cascade:
        settings["cascade"] = chosen.cascade.model_dump(mode="json")
    if choices:
        settings["postprocessing"] = [choice.model_dump(mode="json") for choice in choices]
    return {"format": 1, **described, **settings, "preparation": preparation.as_json()}


if __name__ == "__main__":
    run(main)
