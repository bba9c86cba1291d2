"""The device a job computes on, and whether it repeats itself."""

import os

import torch
from torch import Tensor

from lib.errors import SeglossError
from lib.training.gpu_claim import claim_gpu

DEVICES = ("cpu", "cuda", "allocated")


def prepare_device(name: str, threads: int, gpu_percent: int = 0, deterministic: bool = True) -> torch.device:
    """Return the device with the number of threads and the kind of kernels set.

    ``allocated`` is a GPU where a cluster gave this job one that works, and otherwise the CPU. Of the GPUs that it
    sees, a job takes one of which ``gpu_percent`` are free of the workflow's other jobs, and waits for it.
    Deterministic kernels give the same bits each time.

    Raises:
        SeglossError: CUDA is asked for and there is none, or the device is unknown.
    """
    if name not in DEVICES or threads < 1:
        raise SeglossError(
            f"device {name!r} with {threads} threads: {', '.join(DEVICES)} are known, with at least 1 thread"
        )
    torch.set_num_threads(threads)
    # the same as use_deterministic_algorithms, which also imports the compiler: a second or more
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    if name == "allocated":
        name = "cuda" if "SLURM_JOB_ID" in os.environ and torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SeglossError("device 'cuda' was asked for and none is visible; set device=cpu or ask for a GPU")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic
    device = torch.device("cuda", claim_gpu(torch.cuda.device_count(), gpu_percent))
    torch.cuda.set_device(device)
    return device


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of the random numbers that a network may draw on the device."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch or Python says that memory was refused."""
    refused = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return refused or "can't allocate memory" in str(error)
