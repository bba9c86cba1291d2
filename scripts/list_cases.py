"""List what some bundles say about their cases: descriptions, or the checksums of a map."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(folder: Path, bundles: list, output: Path) -> None:
    from lib.files import read_json, write_json

    contents = [read_json(folder / f"{name}.json", "delete it and run again")["cases"] for name in bundles]
    write_json(output, {case: of_case for content in contents for case, of_case in content.items()})


if __name__ == "__main__":
    run(main)
