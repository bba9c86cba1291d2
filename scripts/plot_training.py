"""Draw what the trainings of a study recorded: Dice with noisy and clean masks, or the loss's own parameters."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, figure: str, note: str, output: Path) -> None:
    from lib.comparison.runs import EvaluatedRun
    from lib.plotting.training_curves import draw_loss_parameters, draw_training_dice

    evaluated = EvaluatedRun.of_study(configuration, study)
    draw = {"training_dice": draw_training_dice, "loss_parameters": draw_loss_parameters}[figure]
    draw(output, evaluated, note)


if __name__ == "__main__":
    run(main)
