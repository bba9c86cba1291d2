"""The environment variables that every job of the workflow inherits."""

import os
import sys
from pathlib import Path


def set_job_environment() -> None:
    """Let jobs find this interpreter where its environment is not activated, and keep their freed memory.

    glibc gives every freed patch back to the kernel, which faults it in anew for the next one: drawing a
    batch of patches costs three to five times as much without these thresholds.
    """
    here = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != here:
        os.environ["PATH"] = os.pathsep.join([here, os.environ["PATH"]])
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**28))
