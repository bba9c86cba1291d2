"""How long the trainings of a planned variant take, and how many steps fit the time that a user gives."""

from dataclasses import asdict, dataclass
from typing import Any

from lib.errors import SeglossError

SECONDS_PER_JOB = 5.0
"""Besides steps and predictions, most of them imports. Each training is followed by a prediction and two tables."""
JOBS_PER_TRAINING = 4
FEWEST_STEPS = 25
"""Of an epoch, below which a comparison says nothing."""


@dataclass(frozen=True)
class Work:
    """What is to be computed for one network on one data set.

    ``trainings``, and ``trials`` of searches before them, have ``epochs`` together and predict ``cases`` together;
    ``parallel`` jobs run at once. ``share``: of the time for all networks and data sets.
    """

    trainings: int
    trials: int
    epochs: int
    cases: int
    parallel: int
    share: float

    def minutes(self, steps_per_epoch: int, seconds_per_step: float, seconds_per_case: float) -> float:
        """Of all of it, with so many steps in an epoch."""
        jobs = JOBS_PER_TRAINING * self.trainings + self.trials
        steps = self.epochs * steps_per_epoch
        seconds = steps * seconds_per_step + self.cases * seconds_per_case + jobs * SECONDS_PER_JOB
        return seconds / self.parallel / 60


@dataclass(frozen=True)
class Budget:
    """Steps of an epoch, and an estimate of the ``minutes`` that all takes with them."""

    work: Work
    cost: dict[str, Any]
    steps_per_epoch: int

    @property
    def minutes(self) -> float:
        return self.work.minutes(self.steps_per_epoch, self.cost["seconds_per_step"], self.cost["seconds_per_case"])

    @property
    def message(self) -> str:
        work = self.work
        return (
            f"about {in_words(self.minutes)} for {work.trainings} trainings and {work.trials} trials of searches,"
            f" epochs of {self.steps_per_epoch} steps of {self.cost['seconds_per_step']:.2g} s, {work.parallel} at once"
        )

    def as_json(self) -> dict[str, Any]:
        return {"steps_per_epoch": self.steps_per_epoch, "minutes": self.minutes, **asdict(self.work), **self.cost}


def budget(work: Work, cost: dict[str, Any], steps_per_epoch: int | None, minutes: float | None) -> Budget:
    """The budget of a study's number of steps, or of those that fit the time.

    Args:
        cost: ``seconds_per_step`` and ``seconds_per_case``, as :func:`lib.cost.measure_cost` gives them.
        steps_per_epoch: None where ``minutes`` decide.

    Raises:
        SeglossError: the time is too short for ``FEWEST_STEPS``.
    """
    if steps_per_epoch:
        return Budget(work, cost, steps_per_epoch)
    without, with_one = (work.minutes(steps, cost["seconds_per_step"], cost["seconds_per_case"]) for steps in (0, 1))
    per_step = with_one - without
    steps = int((minutes * work.share - without) / per_step)
    if steps < FEWEST_STEPS:
        needed = (without + FEWEST_STEPS * per_step) / work.share
        raise SeglossError(
            f"minutes: {minutes:g} are too few for {work.trainings} trainings and {work.trials} trials of searches;"
            f" give {needed + 1:.0f} or more, or choose fewer losses, seeds or variants"
        )
    return Budget(work, cost, steps)


def in_words(minutes: float) -> str:
    """Such as ``12 minutes`` or ``2.5 hours``."""
    if minutes < 1.5:
        return "1 minute"
    if minutes < 100:
        return f"{round(minutes)} minutes"
    return f"{minutes / 60:.2g} hours" if minutes < 2880 else f"{minutes / 1440:.2g} days"
