"""List the checksums of one map of a split's training cases."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, split: str, map_name: str, output: Path) -> None:
    from lib.datasets.index import read_index
    from lib.files import sha256, write_json

    cases = read_index(prepared / "index.json").splits[split]["train"]
    write_json(output, {case: sha256(prepared / case / f"{map_name}.b2nd") for case in cases})


if __name__ == "__main__":
    run(main)
