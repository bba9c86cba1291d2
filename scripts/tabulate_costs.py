"""Gather what the runs of a study cost, with the number by which it judges and with what was published."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, published: Path, table: Path) -> None:
    from lib.comparison.costs import cost_table
    from lib.comparison.results import StudyResults
    from lib.files import write_text
    from lib.tables import read_published_costs

    results = StudyResults.of_study(configuration, study)
    named = results.published and results.published.costs
    printed = read_published_costs(published / f"{named}.csv") if named else []
    write_text(table, cost_table(results, printed).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    run(main)
