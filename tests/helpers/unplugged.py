"""Scripts in a process without a network, and the connections that they tried to make."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_UNPLUGGED = """
import runpy, socket, sys

attempts, script, *arguments = sys.argv[1:]

def refused(*called, **_):
    with open(attempts, "a") as file:
        print(called, file=file)
    raise OSError("no network")

socket.getaddrinfo = socket.create_connection = refused
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refused
sys.argv = [script, *arguments]
sys.path.insert(0, script.rpartition("/")[0])
runpy.run_path(script, run_name="__main__")
"""


def run_unplugged(
    script: Path, *arguments: object, attempts: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess:
    """Run a Python script, whose connections fail and are listed in the file ``attempts``."""
    attempts.touch()
    command = [sys.executable, "-c", _UNPLUGGED, attempts, script, *arguments]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=dict(environment), cwd=attempts.parent, timeout=120
    )
