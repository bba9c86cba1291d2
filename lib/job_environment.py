"""The environment that every job of the workflow inherits."""

import os
import sys
from pathlib import Path


def use_this_python() -> None:
    """Let jobs find this interpreter also where its environment is not activated."""
    here = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != here:
        os.environ["PATH"] = os.pathsep.join([here, os.environ["PATH"]])
