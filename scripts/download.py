"""Fetch one official file and check it."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(source: str, path: str, output: Path, mirror: str = "", manual: str = "", record: str = "") -> None:
    from lib.datasets.sources import load_source
    from lib.download import download

    archive = load_source(source)
    folder, known = (Path(given) if given else None for given in (manual, record))
    download(archive.file(path), archive, output, mirror or None, folder, known)


if __name__ == "__main__":
    run(main)
