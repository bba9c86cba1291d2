"""What a loss is called where people read of it."""

from collections.abc import Mapping

from lib.config.study_schema import Look


def loss_label(loss: str, looks: Mapping[str, Look]) -> str:
    """The label that the study gives a loss, its name there if it gives none."""
    return (looks[loss].label if loss in looks else None) or loss
