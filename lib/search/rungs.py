"""Successive halving with a barrier at each rung: who goes on, and what it costs. Never imports torch, numpy or Optuna.

All trials are trained to the first rung, the best of them on to the next, and so on, each along the learning rates of
the whole training, so that a trial that reaches the end is an ordinary run. Whoever finishes first changes nothing.
(Jamieson and Talwalkar, AISTATS 2016; the asynchronous pruners of Optuna keep whom the order of arrival favours.)
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lib.errors import SeglossError
from lib.search.result import Result
from lib.search.settings import Search


class Rung(NamedTuple):
    """So many ``trials`` are trained to ``epochs``, counted from the beginning."""

    epochs: int
    trials: int


def schedule(search: Search, epochs: int) -> list[Rung]:
    """The rungs of a search whose trainings take ``epochs``; a single one where no trial is dropped.

    Raises:
        SeglossError: a rung is no part of the training.
    """
    stops = search.rungs.epochs if search.rungs else []
    factor = search.rungs.factor if search.rungs else 1
    if stops and stops[-1] >= epochs:
        raise SeglossError(
            f"rungs.epochs: {stops[-1]} must be below the {epochs} epochs of the training, where the last trials end"
        )
    return [Rung(stop, search.trials // factor**number) for number, stop in enumerate([*stops, epochs])]


def total_epochs(rungs: Sequence[Rung]) -> int:
    """Epochs that all trials are trained together."""
    before = [0, *(rung.epochs for rung in rungs)]
    return sum(rung.trials * (rung.epochs - earlier) for rung, earlier in zip(rungs, before, strict=False))


def budget(rungs: Sequence[Rung]) -> str:
    """What a search costs, in words."""
    first, *others = rungs
    text = f"{first.trials} trials of {first.epochs} epochs"
    text += "".join(f", {rung.trials} of them to {rung.epochs}" for rung in others)
    whole = first.trials * rungs[-1].epochs
    return f"{text}: {total_epochs(rungs)} epochs" + (f" in place of {whole}" if others else "")


def promoted(results: Mapping[int, Result], keep: int, measure: str) -> list[int]:
    """Numbers of the ``keep`` trials with the highest values, the best first.

    Of equal values the lower number comes first; trials that diverged come last.
    """

    def rank(number: int) -> tuple[bool, float, int]:
        result = results[number]
        return (True, 0.0, number) if result.diverged else (False, -result.objectives[measure], number)

    return sorted(results, key=rank)[:keep]
