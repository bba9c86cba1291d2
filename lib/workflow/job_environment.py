"""The environment that every job of the workflow inherits, and what one machine has for all of them."""

import os
import subprocess
import sys
from pathlib import Path


def use_this_python() -> None:
    """Let jobs find this interpreter also where its environment is not activated."""
    here = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != here:
        os.environ["PATH"] = os.pathsep.join([here, os.environ["PATH"]])


def hand_over_mirror(mirror: str | None) -> None:
    """Name the mirror to jobs, on no command line: a password in its address would be seen there."""
    os.environ["SEGLOSS_MIRROR"] = mirror or ""


def visible_gpus() -> int:
    """How many GPUs the processes of this machine see."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([name for name in visible.split(",") if name])
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    except FileNotFoundError:
        return 0
    return listed.stdout.count("GPU ")
