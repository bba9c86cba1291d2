"""List what some bundles tell of their cases: descriptions, or the checksums of a map."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(folder: Path, bundles: list, output: Path) -> None:
    from lib.files import read_json, write_json

    told = [read_json(folder / f"{name}.json", "delete it and run again")["cases"] for name in bundles]
    write_json(output, {case: of_case for cases in told for case, of_case in cases.items()})


if __name__ == "__main__":
    run(main)
