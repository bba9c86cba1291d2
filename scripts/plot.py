"""Draw a figure of a study."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, figure: dict, output: Path) -> None:
    from lib.comparison.results import StudyResults
    from lib.plotting.catalogue import FIGURES
    from lib.plotting.style import save_pages

    chosen = FIGURES.parse(figure)
    results = StudyResults.of_study(configuration, study)
    save_pages(FIGURES.entry_of(chosen).loaded(results, **chosen.arguments()), output)


if __name__ == "__main__":
    run(main)
