"""Find the cases of a data set among its raw files, and make its splits."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(dataset: str, adapter: str, parameters: dict, places: list, output: Path) -> None:
    from importlib import import_module

    from lib.datasets.raw import RawFiles

    found = import_module(adapter).index(RawFiles(map(Path, places)), parameters)
    found.checked(dataset).write(output)


if __name__ == "__main__":
    run(main)
