"""Draw the FROC curves of a study's runs, mean and spread over seeds, for all or for small objects."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, per_run: Path, objects: str, note: str, output: Path) -> None:
    import pandas as pd

    from lib.comparison.summary import LesionRun
    from lib.plotting.study_froc import draw_study_froc

    evaluated = LesionRun.of_study(configuration, study)
    draw_study_froc(evaluated, pd.read_csv(per_run), objects, note, output)


if __name__ == "__main__":
    run(main)
