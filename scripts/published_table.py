"""Recompute the inverse-weighting publication's numbers from its record files, beside the printed ones."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(records: list[Path], printed: Path, table: Path) -> None:
    from lib.comparison.published_records import published_table, read_printed, read_published_records
    from lib.files import write_text

    numbers = published_table(read_published_records(records), read_printed(printed))
    write_text(table, numbers.to_csv(index=False))


if __name__ == "__main__":
    run(main)
