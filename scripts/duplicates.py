"""Find the test cases of a data set that are training or validation cases of another, and list the remaining ones."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    prepared: Path, tested: Path, trained_prepared: Path, trained: list[Path], name: str, table: Path, remaining: Path
) -> None:
    import pandas as pd

    from lib.datasets.duplicates import matches, without_duplicates
    from lib.files import read_json, write_json, write_text
    from lib.store import open_cases

    found = matches(open_cases(prepared, tested), open_cases(trained_prepared, *trained))
    left = without_duplicates(read_json(tested), found, name)
    write_text(table, pd.DataFrame(match.row() for match in found).to_csv(index=False))
    write_json(remaining, left)


if __name__ == "__main__":
    run(main)
