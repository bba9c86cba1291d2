"""Compute all tables and verdicts of some sets of per-case tables again, and hold them against those beside them."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(cases: Path, published: Path, output: Path) -> list[Path]:
    from lib.comparison.case_tables import CaseTables
    from lib.comparison.sets import CASES, case_sets
    from lib.comparison.study_tables import write_study

    written = []
    for name, file in case_sets(cases, output).items():
        archived = file.parent if file.name == CASES else None
        written += write_study(CaseTables.read(file), output / name, published, archived)
    return written


if __name__ == "__main__":
    run(main)
