"""Draw published numbers with what was reached beside them, row by row."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(table: Path, note: str, output: Path) -> None:
    import pandas as pd

    from lib.plotting.beside_published import draw_beside_published

    draw_beside_published(output, pd.read_csv(table), note)


if __name__ == "__main__":
    run(main)
