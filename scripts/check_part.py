"""Check that a part of a split can be trained or measured on: that a case can be used, and that a mask is not empty."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(cases: Path, name: str, output: Path) -> None:
    from lib.files import read_json, write_text
    from lib.store import check_part

    check_part(read_json(cases), name)
    write_text(output, "")


if __name__ == "__main__":
    run(main)
