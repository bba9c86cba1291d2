"""Draw what a study of surfaces reached: over the epochs, or as a box per loss."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, figure: str, note: str, output: Path) -> None:
    from lib.comparison.runs import EvaluatedRun
    from lib.plotting.boxplots import draw_boxplots
    from lib.plotting.over_epochs import draw_over_epochs

    draw = {"over_epochs": draw_over_epochs, "boxplots": draw_boxplots}[figure]
    draw(output, EvaluatedRun.of_study(configuration, study), note)


if __name__ == "__main__":
    run(main)
