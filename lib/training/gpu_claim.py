"""Shares of the GPUs of one machine, given to the jobs that run on it at the same time.

A cluster gives each job GPUs of its own. On one machine every job sees all of them and Snakemake only counts, so the
jobs settle among themselves who computes where, by locks that the system drops when a process ends, however it ends.
"""

import fcntl
import math
import os
import tempfile
import time
from pathlib import Path
from typing import TextIO

from lib.errors import SeglossError

SLOT = 5  # percent of a GPU; the unit in which shares are claimed

_held: list[TextIO] = []  # each file's lock is a slot


def claim_gpu(gpus: int, percent: int) -> int:
    """Number, below ``gpus``, of the GPU of which this process holds ``percent`` until it ends.

    Waits until that much of one is free of other processes of this user that see the same GPUs.

    Raises:
        SeglossError: more than a whole GPU is asked for.
    """
    if not 0 <= percent <= 100:
        raise SeglossError(f"gpu_percent {percent}: a job can have between 0 and 100 percent of a GPU")
    folder = _folder()
    folder.mkdir(exist_ok=True)
    needed = math.ceil(percent / SLOT)
    while True:
        with (folder / "turn").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            free = [_lock_free_slots(folder, gpu) for gpu in range(gpus)]
            best = max(range(gpus), key=lambda gpu: len(free[gpu]))
            if len(free[best]) >= needed:
                _held.extend(free[best][:needed])
                return best
            del free  # closes the files, which gives their slots back
        time.sleep(1)


def _folder() -> Path:
    visible = (os.environ.get(name, "all") for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"))
    return Path(tempfile.gettempdir()) / "-".join(["segloss-gpus", str(os.getuid()), *visible])


def _lock_free_slots(folder: Path, gpu: int) -> list[TextIO]:
    slots = []
    for number in range(100 // SLOT):
        slot = (folder / f"{gpu}-{number}").open("w")
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            slot.close()
        else:
            slots.append(slot)
    return slots
