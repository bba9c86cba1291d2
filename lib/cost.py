"""What a run costs: the parameters and multiply-adds of its network, time and memory of its training and inference."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib.inference import predict_case
from lib.networks import build_network
from lib.prediction.second_stage import predict_inside
from lib.provenance import peak_memory
from lib.store import StoredCase
from lib.training.job import trainer_for
from lib.training.settings import InferenceSettings, TrainingSettings

WARM_UP, STEPS = 3, 10
"""Steps that are left out, and that are timed."""
CASES = 2


def measure_cost(
    training: TrainingSettings,
    inference: InferenceSettings,
    tested: Sequence[StoredCase],
    prepared: Path,
    cases: Path,
    computing: Mapping[str, Any],
    **data: Any,
) -> dict[str, Any]:
    """The costs of a run, and the conditions under which they were measured.

    The steps are those of :class:`lib.training.loop.Trainer`, with data loading, loss and optimizer, of a training with
    drawn weights of which nothing is kept. Seconds are those of the processor on a CPU, which other jobs disturb
    little, and of a clock on a GPU, which is waited for. Memory is the peak of the training, on the host beyond what
    this process held before, which should have done nothing else.

    Args:
        tested: test cases, of which the first are predicted.
        prepared: folder of the training cases, listed by ``cases``.
        computing: ``device``, ``threads`` and ``gpu_percent``.
        data: ``maps`` and ``noisy`` as :func:`lib.training.job.trainer_for` takes them.

    Raises:
        SeglossError: a step ran out of memory, or the loss diverged.
    """
    channels, patch = tested[0].description["channels"], training.sampling.patch_size
    per_epoch = training.training.steps_per_epoch
    network = build_network(inference.network.network, channels, inference.network.out_channels)
    before = peak_memory("cpu")["peak_memory_mb"]  # with the network's packages, which are imported by now
    device, seconds = time_steps(training, prepared=prepared, cases=cases, **computing, **data)
    memory = peak_memory(device.type)
    network.to(device)
    return {
        "parameters": sum(values.numel() for values in network.parameters()),
        "multiply_adds": multiply_adds(network, (1, channels, *patch), device),
        "seconds_per_step": median(seconds),
        "seconds_per_epoch": None if per_epoch == "planned" else median(seconds) * per_epoch,
        "seconds_per_case": fmean(time_cases(network, tested[:CASES], inference, device)),
        "host_memory_mb": memory["peak_memory_mb"] - before,
        "device_memory_mb": memory.get("gpu_peak_memory_mb"),
        "conditions": {
            "device": device_name(device),
            "threads": computing["threads"],
            "precision": training.computing.precision,
            "batch_size": training.sampling.batch_size,
            "patch_size": "x".join(map(str, patch)),
            "steps_timed": len(seconds),
            "cases_timed": len(tested[:CASES]),
            "torch": torch.__version__,
        },
    }


def time_steps(chosen: TrainingSettings, **data: Any) -> tuple[torch.device, list[float]]:
    """The device of a training, and seconds of ``STEPS`` steps of it, each from one call of the loss to the next.

    Args:
        data: further arguments of :func:`lib.training.job.trainer_for`.
    """
    short = {"steps_per_epoch": WARM_UP + STEPS + 1, "monitor": None}
    chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update=short), "measured": None})
    times: list[float] = []
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.pt"
        trainer = trainer_for(chosen, checkpoint=checkpoint, save_every=3600, scale="", **data)
        now = clock(trainer.device)
        trainer.loss.register_forward_pre_hook(lambda *_: times.append(now()))
        trainer.train(last=1)
    return trainer.device, [stop - start for start, stop in pairwise(times[WARM_UP:])]


def time_cases(
    network: nn.Module, cases: Sequence[StoredCase], chosen: InferenceSettings, device: torch.device
) -> list[float]:
    """Seconds of the prediction of each case, from reading its image on; the first is predicted once before.

    Of a cascade they are those of the second stage, whose first is taken to predict the annotated label.
    """
    now, times = clock(device), []
    for case in [*cases[:1], *cases]:
        begun = now()
        image, spacing = case.array("image")[...], case.description["spacing"]
        if chosen.cascade:
            predict_inside(network, image, spacing, case.array("label")[...], chosen, device)
        else:
            predict_case(network, image, spacing, chosen, device)
        times.append(now() - begun)
    return times[1:]


def multiply_adds(network: nn.Module, shape: Sequence[int], device: torch.device) -> int:
    """Multiply-adds of a forward pass of an input of this shape: of convolutions, matrix products and attention.

    All else, such as normalisation and activation, counts nothing. The network is left in evaluation.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        network.eval()(torch.zeros(*shape, device=device))
    return counted.get_total_flops() // 2


def clock(device: torch.device) -> Callable[[], float]:
    """What tells the seconds: those of the processor, or of a clock once the GPU has done its work."""
    if device.type == "cpu":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def device_name(device: torch.device) -> str:
    """The model of the GPU, or of the processor where Linux knows it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
