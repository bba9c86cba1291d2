"""Predict images with a trained network, on the grid and in a format of their own (docs/predict.md).

envs/run python -m lib.predict --run <run id or weights file> --images <folder or file> --out <folder>
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import nn

from lib.datasets.file_notes import collected_notes
from lib.errors import CaseExcluded, SeglossError, faults_in_one_line
from lib.inference import predict_case, stored_kinds
from lib.prediction.cases import ImageCase, find_cases, read_case
from lib.prediction.model import Model, find_weights, read_stages
from lib.prediction.outputs import arrays_of, check_free, names_of, write_picture, write_volume
from lib.prediction.postprocessing import processed
from lib.prediction.second_stage import predict_inside
from lib.registry import load_plugins
from lib.training.devices import is_out_of_memory, prepare_device

Stages = Sequence[tuple[Model, nn.Module]]
"""A network, or those of a cascade's stages, the first one first."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Predict as the command line says; a fault ends it in one line with status 1."""
    parser = argparse.ArgumentParser(prog="python -m lib.predict", description=__doc__.partition("\n")[0])
    parser.add_argument("--run", required=True, help="id or folder of a run, or its weights next to model.json")
    parser.add_argument("--images", required=True, type=Path, help="a folder of images, or one image")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
    parser.add_argument("--probabilities", action="store_true", help="write probabilities too")
    parser.add_argument("--regions", type=Path, help="masks of the same names, for networks whose images have some")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; more than 1 may change last digits")
    parser.add_argument("--plugins", nargs="*", default=[], metavar="MODULE", help="modules that add networks")
    given = parser.parse_args(arguments)
    with faults_in_one_line():
        load_plugins(given.plugins)
        predict(
            find_weights(given.run, _results_folder()),
            given.images,
            given.out,
            prepare_device(given.device, given.threads),
            given.probabilities,
            given.regions,
        )


def _results_folder() -> Path:
    """Where the workflow of this folder puts its runs."""
    try:
        return Path(yaml.safe_load(Path("workflow_config.yaml").read_text(encoding="utf-8"))["folders"]["results"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):  # as by default
        return Path("results")


def predict(
    weights: Path,
    images: Path,
    out: Path,
    device: torch.device,
    probabilities: bool = False,
    regions: Path | None = None,
) -> None:
    """Predict the images with a run's network, say how, and write a file or more for each into ``out``.

    Raises:
        SeglossError: weights or images are missing, damaged or do not fit. Images that do are predicted before.
    """
    stages = read_stages(weights)
    _, model = stages[-1]
    if probabilities and model.cascade:
        raise SeglossError(f"{weights}: a cascade predicts labels alone; leave out --probabilities")
    cases = find_cases(images, model, regions)
    names = {case: names_of(case, model.labels, probabilities) for case in cases}
    check_free(out, [name for of_case in names.values() for name in of_case.values()])
    networks = [(stage, stage.load_network(path, device)) for path, stage in stages]
    print(f"{model.run}: prepared as {model.dataset}: {model.preparation}", flush=True)
    failed = []
    for case in cases:
        try:
            print(_predict_case(case, networks, device, {key: out / name for key, name in names[case].items()}))
        except CaseExcluded as reason:
            failed.append(f"{case.files[0]}: {reason}")
            if len(cases) > 1:
                print(f"{case.name}: not predicted: {reason}")
    if failed:
        some = f"{len(failed)} of {len(cases)} images were not predicted: " if len(cases) > 1 else ""
        raise SeglossError(f"{some}{failed[0]}; the network takes {model.takes}")


def _predict_case(case: ImageCase, stages: Stages, device: torch.device, files: dict[tuple[str, str], Path]) -> str:
    """Predict one image and write its files; what there is to say of it."""
    model, _ = stages[-1]
    with collected_notes() as notes:
        prepared, image = read_case(case, model)
    shape = image.array.shape
    spacing = [length * n / of for length, n, of in zip(image.spacing, shape, prepared.shape[1:], strict=True)]
    predicted = _predicted(prepared, spacing, stages, device)
    values = {kind: model.preparation.restore(array, shape) for kind, array in predicted.items()}
    arrays = arrays_of(values, model.labels)
    for key, path in files.items():
        if case.is_volume:
            write_volume(path, arrays[key], image)
        else:
            write_picture(path, arrays[key])
    shares = [f"{name} {mask.mean():.2%}" for name, mask in model.labels.masks(values["labels"])]
    size, (first, *others) = " x ".join(map(str, shape)), files.values()
    written = f"{first} and {len(others)} more" if others else str(first)
    return "; ".join([f"{case.name}: {size}, {', '.join(shares)}: {written}", *notes])


def _predicted(
    image: np.ndarray, spacing: Sequence[float], stages: Stages, device: torch.device
) -> dict[str, np.ndarray]:
    """Labels as the workflow decides them, and probabilities, but of a cascade, as float32."""
    found: dict[str, np.ndarray] = {}
    try:
        for model, network in stages:
            if model.cascade:
                found = {"labels": predict_inside(network, image, spacing, found["labels"], model, device)}
            else:
                probability, logit = predict_case(network, image, spacing, model, device)
                found = stored_kinds(probability, logit, model.labels, ["labels"]) | {"probability": probability}
            found["labels"] = processed(found["labels"], model.postprocessing, spacing, model.labels)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise CaseExcluded(f"too large for the memory of this {device.type}") from error
    return found


if __name__ == "__main__":
    main()
