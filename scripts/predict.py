"""Predict whole volumes with a trained network: a folder of <case>.probability.b2nd and <case>.logit.b2nd.

Of the second of two exclusive classes, otherwise with an axis of classes in front.
"""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    settings: dict,
    weights: Path,
    prepared: Path,
    cases: list[Path],
    device: str,
    threads: int,
    gpu_percent: int,
    predictions: Path,
    checksums: Path,
) -> None:
    import numpy as np

    from lib.arrays import write_array
    from lib.files import atomic_path, sha256, write_json
    from lib.inference import predict_volume
    from lib.networks import build_network
    from lib.store import open_cases
    from lib.training import checkpoints
    from lib.training.devices import prepare_device
    from lib.training.settings import InferenceSettings

    chosen = InferenceSettings.model_validate(settings)
    computing = prepare_device(device, threads, gpu_percent)
    stored = open_cases(prepared, *cases)
    network = build_network(
        chosen.network.network, stored[0].description["channels"], chosen.network.out_channels
    )
    checkpoints.load_weights(weights, network)
    network.to(computing)
    largest = np.finfo(np.float16).max
    with atomic_path(predictions) as folder:
        for case in stored:
            image = case.array("image")[...]
            probability, logit = predict_volume(
                network,
                image,
                chosen.inference.patch_size,
                chosen.inference.stride,
                computing,
                chosen.network.exclusive,
            )
            # float16 as published: logits keep the ranking where probabilities saturate
            write_array(folder / f"{case.name}.probability.b2nd", probability.astype(np.float16))
            write_array(folder / f"{case.name}.logit.b2nd", logit.clip(-largest, largest).astype(np.float16))
    write_json(checksums, {file.name: sha256(file) for file in sorted(predictions.iterdir())})


if __name__ == "__main__":
    run(main)
