"""A whole training step of inverse weighting at paper scale, in every way that `computing` offers.

    envs/run python benchmarks/training_step.py                            # on a GPU: patches of 128, two a step
    envs/run python benchmarks/training_step.py --device cpu --patch 32 --steps 10

Patches are read from a stored volume of the size of a CT by the loading processes, as in a run. The first epoch warms
up.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from lib.arrays import write_array
from lib.config.expand import merged
from lib.config.load import load
from lib.config.schema import Computing
from lib.losses import build_resolved
from lib.maps import connected_components
from lib.networks import build_network
from lib.provenance import peak_memory
from lib.store import Case, StoredCase, write_case
from lib.training.devices import prepare_device
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler
from lib.training.settings import TrainingSettings

WAYS = {
    "float32, deterministic": {},
    "float32": {"deterministic": False},
    "bfloat16": {"deterministic": False, "precision": "bfloat16"},
    "bfloat16, channels last": {"deterministic": False, "precision": "bfloat16", "channels_last": True},
    "bfloat16, compiled": {"deterministic": False, "precision": "bfloat16", "compile": True},
    "bfloat16, channels last, compiled": {
        "deterministic": False,
        "precision": "bfloat16",
        "channels_last": True,
        "compile": True,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--workers", type=int, default=0 if "cpu" in sys.argv else 7)
    parser.add_argument("--way", choices=WAYS, help="this way alone")
    options = parser.parse_args()
    if options.way:
        print(row(options))
        return
    print("| way | steps/s | times the first | GPU busy, % | peak MB, GPU | peak MB, host |\n|---|--:|--:|--:|--:|--:|")
    first = None
    for way in WAYS:  # a process each: memory, kernels and compiled code of one are not another's
        printed = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--way", way],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()[-1]
        speed, *others = printed.split()
        first = first or float(speed)
        print(f"| {way} | {speed} | {float(speed) / first:.2f} | {' | '.join(others)} |", flush=True)


def row(options: argparse.Namespace) -> str:
    computing = Computing(**WAYS[options.way])
    device = prepare_device(options.device, 1, deterministic=computing.deterministic)
    run = next(run for run in load({"scale": "paper", "losses": "iwbce"}).runs)
    changes = {
        "computing": computing.model_dump(),
        "sampling": {"patch_size": [options.patch] * 3},
        "training": {"epochs": 2, "steps_per_epoch": options.steps},
    }
    settings = TrainingSettings.model_validate(merged(run.training_settings.model_dump(mode="json"), changes))
    with tempfile.TemporaryDirectory() as folder:
        sampler = PatchSampler([stored_ct(Path(folder))], settings.sampling, run.maps, 0, 2 * options.steps)
        torch.manual_seed(0)
        trainer = Trainer(
            build_network(settings.network.network, 1),
            build_resolved(settings.loss),
            sampler,
            settings,
            device,
            Path(folder) / "checkpoint.pt",
            "key",
            workers=options.workers,
        )
        epoch, ends = trainer._epoch, []

        def timed(*arguments: object) -> object:
            row = epoch(*arguments)  # its losses are read at its end: the GPU is done
            ends.append(time.perf_counter())
            return row

        trainer._epoch = timed
        with Utilisation(options.device) as busy:
            trainer.train()
    memory = peak_memory(device.type)
    speed = options.steps / (ends[1] - ends[0])
    return f"{speed:.3f} {busy.mean} {memory.get('gpu_peak_memory_mb', '-')} {memory['peak_memory_mb']}"


def stored_ct(folder: Path) -> StoredCase:
    """A volume of 400×400×300 with forty lesions of some 8 voxels a side."""
    rng = np.random.default_rng(0)
    label = np.zeros((400, 400, 300), np.uint8)
    for centre in rng.integers(20, 280, (40, 3)):
        i, j, k = centre
        label[i : i + 8, j : j + 8, k : k + 8] = 1
    image = rng.standard_normal((1, *label.shape), dtype=np.float32)
    write_case(folder / "ct", "ct", Case(image, label, (1.0,) * 3, patient="ct"))
    write_array(folder / "ct" / "components.b2nd", connected_components(label))
    return StoredCase(folder / "ct")


class Utilisation:
    """The GPU's own word on how busy it is, asked twice a second; ``mean`` over the second half of the time."""

    def __init__(self, device: str) -> None:
        self.values: list[int] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.on_gpu = device == "cuda"

    def __enter__(self) -> "Utilisation":
        if self.on_gpu:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.on_gpu:
            self.thread.join()

    def _ask(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self.over.wait(0.5):
            self.values.append(int(subprocess.run(query, capture_output=True, text=True).stdout.split()[0]))

    @property
    def mean(self) -> str:
        late = self.values[len(self.values) // 2 :]
        return f"{np.mean(late):.0f}" if late else "-"


if __name__ == "__main__":
    main()
