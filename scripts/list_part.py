"""List the cases of one part of a split with their descriptions, which tell the arrays by checksum."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, split: str, part: str, output: Path) -> None:
    from lib.datasets.index import read_index
    from lib.files import read_json, write_json

    cases = read_index(prepared / "index.json").splits[split][part]
    write_json(output, {case: read_json(prepared / case / "case.json") for case in cases})


if __name__ == "__main__":
    run(main)
