"""Trials as jobs train them, and their results on disk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import Diverged, SeglossError
from lib.files import read_json, write_json
from lib.search.result import Result
from lib.search.rungs import Rung

if TYPE_CHECKING:
    from lib.training.loop import Trainer

_REMEDY = "delete it and run again"


def trial_folder(trials: Path, number: int) -> Path:
    """Where the proposed settings of a trial lie, and its checkpoint."""
    return trials / f"{number:03d}"


def train_trial(trainer: "Trainer", parameters: Mapping[str, Any], epochs: int, measure: str, cost: str = "") -> Result:
    """Train to the end of some epochs, from the checkpoint if there is one; its measure of the validation cases then.

    Raises:
        SeglossError: as of :meth:`lib.training.loop.Trainer.train`, but for a loss that diverges: that is a result.
    """
    try:
        trainer.train(epochs)
    except Diverged:
        return Result(dict(parameters), epochs)
    objectives = {measure: trainer.history.rows[epochs - 1][f"validation_{measure}"]}
    if cost == "parameters":
        objectives[cost] = float(sum(values.numel() for values in trainer.network.parameters()))
    if cost == "seconds":
        objectives[cost] = sum(part["seconds"] for part in trainer.parts)
    return Result(dict(parameters), epochs, objectives)


def write_result(path: Path, number: int, result: Result) -> None:
    write_json(path, {"trial": number, **asdict(result)})


def read_results(paths: Iterable[Path]) -> dict[int, Result]:
    """By number of the trial.

    Raises:
        SeglossError: a file is missing or damaged.
    """
    found = {}
    for path in paths:
        try:
            content = dict(read_json(path, _REMEDY))
            number = content.pop("trial")
            found[number] = Result(**content)
        except (TypeError, ValueError, KeyError) as error:
            raise SeglossError(f"{path}: not the result of a trial ({error}); {_REMEDY}") from error
    return found


def by_rung(paths: Sequence[Path], rungs: Sequence[Rung]) -> list[dict[int, Result]]:
    """The results of each rung, from files in their order."""
    files = iter(paths)
    return [read_results(next(files) for _ in range(rung.trials)) for rung in rungs]
