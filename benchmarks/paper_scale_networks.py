"""Two steps of each network of the liver benchmark at paper scale on a CPU: trained, resumed between them, predicted.

    envs/run python benchmarks/paper_scale_networks.py

The settings are those of the study, the image is random. Prints a row a network as it is done.
"""

import argparse
import json
import resource
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.config.load import load  # noqa: E402
from lib.config.run import Run  # noqa: E402


def runs_by_network() -> dict[str, Run]:
    runs = load({"scale": "paper", "studies": ["liver_benchmark"], "losses": ["dice"]}, ROOT).runs
    return {run.settings.network.name: run for run in reversed(runs)}


def checked(name: str, threads: int) -> str:
    """A row of the table.

    Raises:
        AssertionError: the resumed training has other weights, or the prediction is not finite.
    """
    import numpy as np
    import torch

    from lib.inference import predict_volume
    from lib.store import Case, StoredCase, write_case
    from lib.training.job import trainer_for

    run = runs_by_network()[name]
    settings = run.training_settings
    training = settings.training.model_copy(update={"epochs": 2, "steps_per_epoch": 1, "monitor": None})
    sampling = settings.sampling.model_copy(update={"foreground_fraction": 0.0, "cases": "passes"})
    settings = settings.model_copy(update={"training": training, "sampling": sampling, "maps": (), "measured": None})
    size = run.settings.inference.patch_size
    shape = (*size, 4) if run.settings.slices else size
    with TemporaryDirectory() as folder:
        image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
        label = (image[0] > 1).astype(np.uint8)
        write_case(Path(folder) / "case", "case", Case(image, label, (1.0,) * label.ndim, patient="case"))
        case = StoredCase(Path(folder) / "case")
        listed = Path(folder) / "train.json"
        listed.write_text(json.dumps({"case": case.description}))

        def trainer(checkpoint: str):
            how = {"save_every": 10**6, "scale": "demo", "device": "cpu", "threads": threads, "gpu_percent": 0}
            return trainer_for(settings, Path(folder), listed, Path(folder) / checkpoint, **how)

        whole = trainer("whole.pt")
        begun = time.monotonic()
        whole.train(last=1)
        shutil.copy(Path(folder) / "whole.pt", Path(folder) / "killed.pt")
        whole.train()
        seconds = (time.monotonic() - begun) / 2
        resumed = trainer("killed.pt")
        resumed.train()
        expected = whole.network.state_dict()
        assert all(torch.equal(values, expected[key]) for key, values in resumed.network.state_dict().items())
        image = image[..., 0] if run.settings.slices else image
        probability, _ = predict_volume(resumed.network, image, size, size, torch.device("cpu"))
        assert np.isfinite(probability).all()
    parameters = sum(values.numel() for values in expected.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    patch = f"{run.settings.sampling.batch_size} x {' x '.join(map(str, settings.sampling.patch_size))}"
    return f"| {name} | {patch} | {parameters / 1e6:.1f} | {seconds:.0f} | {memory:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=[*runs_by_network()])
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    print("| network | batch | million parameters | s/step | GiB |\n|---|---|--:|--:|--:|", flush=True)
    for name in chosen.networks:
        with ProcessPoolExecutor(1) as process:  # by itself, as the peak of memory is a process's
            print(process.submit(checked, name, chosen.threads).result(), flush=True)


if __name__ == "__main__":
    main()
