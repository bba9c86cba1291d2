"""Fetch one official file and check it.

The environment variable SEGLOSS_MIRROR names a folder or an address in place of the official one. It is no option, as a
password in it would be seen by all users of the machine, and kept by Snakemake.
"""

import os
from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(source: str, path: str, output: Path, manual: str = "", record: str = "") -> None:
    from lib.datasets.download import download
    from lib.datasets.sources import load_source

    archive = load_source(source)
    folder, known = (Path(given) if given else None for given in (manual, record))
    mirror = os.environ.get("SEGLOSS_MIRROR") or None
    download(archive.file(path), archive, output, mirror, folder, known)


if __name__ == "__main__":
    run(main)
