"""Write what a run has recorded as an offline session of ClearML."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run as run_script


def main(run: str, history: Path, provenance: Path, project: str, output: Path) -> None:
    from lib.training.clearml_session import export_session

    export_session(run, history, provenance, project, output)


if __name__ == "__main__":
    run_script(main)
