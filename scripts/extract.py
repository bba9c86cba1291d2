"""Unpack one archive to a folder."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(archive: Path, output: Path) -> None:
    from lib.datasets.archives import extract

    extract(archive, output)


if __name__ == "__main__":
    run(main)
