"""Put the finished workflow in one file: code, configuration, figures, tables and the provenance of every run."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, outcome: list[Path], crate: Path) -> None:
    from lib.config.load import load
    from lib.workflow.crate import write_crate

    write_crate(crate, load(configuration), outcome)


if __name__ == "__main__":
    run(main)
