"""List what some bundles hold of their cases: descriptions, or the checksums of a map."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(folder: Path, bundles: list, output: Path, part: str | None = None) -> None:
    """``part`` names the part of a split that the cases are, which is checked then."""
    from lib.files import read_json, write_json
    from lib.store import check_part

    contents = [read_json(folder / f"{name}.json", "delete it and run again")["cases"] for name in bundles]
    cases = {case: of_case for content in contents for case, of_case in content.items()}
    if part:
        check_part(cases, part)
    write_json(output, cases)


if __name__ == "__main__":
    run(main)
