"""Prepare one case of a data set: image, label and description, in the store's format."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(adapter: str, parameters: dict, case: str, folder: Path) -> None:
    from importlib import import_module

    from lib.store import write_case

    write_case(folder, case, import_module(adapter).prepare(case, parameters))


if __name__ == "__main__":
    run(main)
