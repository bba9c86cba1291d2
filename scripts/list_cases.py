"""List what bundles hold about the cases of one part of a split: descriptions, or the checksums of a map."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(folder: Path, bundles: list, index: Path, split: str, part: str, output: Path) -> None:
    from lib.datasets.index import read_index
    from lib.errors import SeglossError
    from lib.files import read_json, write_json

    cases: dict = {}
    for name in bundles:
        cases |= read_json(folder / f"{name}.json", "delete it and run again")["cases"]
    named = read_index(index).splits[split][part]
    if missing := [case for case in named if case not in cases]:
        raise SeglossError(f"{index}: {missing[0]} is in none of the bundles; has it changed meanwhile? run again")
    write_json(output, {case: cases[case] for case in named})


if __name__ == "__main__":
    run(main)
