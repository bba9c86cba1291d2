"""Gather the runs of a study in tables: cases, runs, losses, their differences and ranks, what was published."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, published: Path, tables: list[Path]) -> list[Path]:
    from lib.comparison.case_tables import CaseTables
    from lib.comparison.results import StudyResults
    from lib.comparison.study_tables import write_study

    return write_study(CaseTables.of_study(StudyResults.of_study(configuration, study)), tables[0].parent, published)


if __name__ == "__main__":
    run(main)
