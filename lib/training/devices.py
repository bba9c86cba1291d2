"""The device a job computes on, made to repeat itself."""

import os

import torch

from lib.errors import SeglossError


def prepare_device(name: str, threads: int) -> torch.device:
    """Return the device ``cpu`` or ``cuda`` with the number of threads and deterministic kernels set.

    Raises:
        SeglossError: CUDA is asked for and there is none, or the device is unknown.
    """
    if name not in ("cpu", "cuda") or threads < 1:
        raise SeglossError(f"device {name!r} with {threads} threads: cpu or cuda with at least 1 is allowed")
    torch.set_num_threads(threads)
    if name == "cuda":
        if not torch.cuda.is_available():
            raise SeglossError(
                "device 'cuda' was asked for and none is visible; set device=cpu or ask for a GPU"
            )
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)
