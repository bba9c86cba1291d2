"""Learning rates, each a function of the step and of what was measured before it. Never imports torch.

A scheduler is made with its parameters from `lib.training.catalogue`, the optimizer's learning rate and the length of
the training. A resumed training asks for the rate of its next step; only what was seen of a loss is state.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

import numpy as np

from lib.training.selection import best_epoch

WINDOW = 5


@dataclass
class Scheduler:
    """The learning rate stays as it is, but for the warm-up. Base of the others, which multiply it by a factor."""

    parameters: Any
    learning_rate: float
    epochs: int
    steps_per_epoch: int

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warmup, start = self.parameters.warmup_steps, self.parameters.warmup_start
        if step < warmup:
            return self.learning_rate * (start + (1 - start) * step / warmup)
        return self.learning_rate * self.factor(step)

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied by in a step behind the warm-up."""
        return 1.0

    def after_step(self, step: int, numbers: Mapping[str, SupportsFloat]) -> None:
        """Take note of the loss's trainable ``numbers`` by name after so many steps."""

    def after_epoch(self, values: Sequence[float]) -> None:
        """Take note of what ``training.monitor`` has measured in each epoch so far."""

    def state(self) -> dict[str, Any]:
        """What does not follow from the step and the measured values."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state``."""

    @property
    def warmup(self) -> int:
        return self.parameters.warmup_steps

    @property
    def steps(self) -> int:
        """Length of the training behind the warm-up."""
        return self.epochs * self.steps_per_epoch - self.warmup

    def epoch(self, step: int) -> int:
        return step // self.steps_per_epoch


class Step(Scheduler):
    """Multiplied by ``factor`` after ``every`` so many epochs (`torch.optim.lr_scheduler.StepLR`)."""

    def factor(self, step: int) -> float:
        return self.parameters.factor ** (self.epoch(step) // self.parameters.every)


class Milestones(Scheduler):
    """Multiplied by ``factor`` after each of ``epochs`` (`torch.optim.lr_scheduler.MultiStepLR`)."""

    def factor(self, step: int) -> float:
        return self.parameters.factor ** sum(self.epoch(step) >= after for after in self.parameters.epochs)


class Poly(Scheduler):
    """(1 - step / steps) ** ``power`` (`torch.optim.lr_scheduler.PolynomialLR`), from 1 to ``minimum``."""

    def factor(self, step: int) -> float:
        lowest = self.parameters.minimum
        return lowest + (1 - lowest) * (1 - (step - self.warmup) / self.steps) ** self.parameters.power


class Cosine(Scheduler):
    """Half a cosine from 1 to ``minimum`` (`torch.optim.lr_scheduler.CosineAnnealingLR`)."""

    def factor(self, step: int) -> float:
        return _cosine(1, self.parameters.minimum, (step - self.warmup) / self.steps)


class OneCycle(Scheduler):
    """Half a cosine from ``initial`` to 1 in a part ``rise`` of the steps, then one to ``final``.

    As `torch.optim.lr_scheduler.OneCycleLR`, whose ``max_lr`` is the learning rate, but momentum stays as it is.
    """

    def factor(self, step: int) -> float:
        options, step = self.parameters, step - self.warmup
        top, last = options.rise * self.steps - 1, self.steps - 1
        if step < top:
            return _cosine(options.initial, 1, step / top)
        return _cosine(1, options.final, (step - top) / (last - top))


class Cyclic(Scheduler):
    """Triangles from ``lowest`` to 1 and back, in ``rise_steps`` and ``fall_steps`` (null: as many).

    As `torch.optim.lr_scheduler.CyclicLR`, momentum unchanged. Each triangle is ``shrink`` times as high as the one
    before: 0.5 is the mode ``triangular2``.
    """

    def factor(self, step: int) -> float:
        options, step = self.parameters, step - self.warmup
        rise, fall = options.rise_steps, options.fall_steps or options.rise_steps
        cycle, place = divmod(step, rise + fall)
        height = place / rise if place <= rise else (rise + fall - place) / fall
        return options.lowest + (1 - options.lowest) * height * options.shrink**cycle


def _cosine(start: float, stop: float, progress: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * progress)) / 2


@dataclass
class Plateau(Scheduler):
    """Multiplied by ``factor``, not below ``minimum``, when more than ``patience`` epochs bring no better value.

    As `torch.optim.lr_scheduler.ReduceLROnPlateau` of a measure that should rise: better is by the share ``threshold``
    of the best; ``cooldown`` epochs after a reduction do not count.
    """

    reductions: int = field(default=0, init=False)

    def factor(self, step: int) -> float:
        return max(self.parameters.factor**self.reductions, self.parameters.minimum)

    def after_epoch(self, values: Sequence[float]) -> None:
        options = self.parameters
        self.reductions, best, bad, cooling = 0, -math.inf, 0, 0
        for value in values:
            if value > best * (1 + math.copysign(options.threshold, best)):
                best, bad = value, 0
            else:
                bad += 1
            if cooling:
                cooling, bad = cooling - 1, 0
            if bad > options.patience:
                self.reductions, bad, cooling = self.reductions + 1, 0, options.cooldown


@dataclass
class Halving(Scheduler):
    """Halved as the boundary loss's publication does.

    ``paper``: whenever ``patience`` epochs have gone by without a better value, counted anew after each halving.
    ``released``: after each epoch i, from 0, that divides by the best epoch's number plus ``patience``, as the code
    does: always after the first, and again only where i meets a multiple.
    """

    count: int = field(default=0, init=False)

    def factor(self, step: int) -> float:
        return 0.5**self.count

    def after_epoch(self, values: Sequence[float]) -> None:
        self.count = halvings(values, self.parameters.form, self.parameters.patience)


def halvings(values: Sequence[float], form: str, patience: int) -> int:
    """How often ``Halving`` has halved the learning rate after the epochs that measured ``values``."""
    rule = {"paper": _stagnant, "released": _divisible}[form]
    return rule(values, patience)


def _stagnant(values: Sequence[float], patience: int) -> int:
    count, best, waited = 0, -math.inf, 0
    for value in values:
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited == patience:
            count, waited = count + 1, 0
    return count


def _divisible(values: Sequence[float], patience: int) -> int:
    bests = (best_epoch(values[: epoch + 1]) for epoch in range(len(values)))
    return sum(epoch % (best + patience) == 0 for epoch, best in enumerate(bests))


@dataclass
class NuPlateau(Scheduler):
    """Multiplied by ``factor``, down to the rate ``minimum``, whenever T-Loss's nu has come to rest.

    nu is recorded every ``every`` steps (Gonzalez-Jimenez et al., MICCAI 2023, the released code). From ``patience``
    records on they are smoothed by a running mean of 5, and where any two neighbours then differ by at most
    ``threshold``, the rate falls and the records begin anew. In the form ``released`` the smoothed values replace the
    records, as in the code, so that they are smoothed again at each look and come to rest much earlier; ``corrected``
    keeps the records. With a loss that has no nu the rate stays, as published.
    """

    records: list[float] = field(default_factory=list, init=False)
    reductions: int = field(default=0, init=False)

    def rate(self, step: int) -> float:
        rate = super().rate(step)
        return max(rate * self.parameters.factor**self.reductions, min(rate, self.parameters.minimum))

    def after_step(self, step: int, numbers: Mapping[str, SupportsFloat]) -> None:
        options = self.parameters
        nu = next((value for name, value in numbers.items() if name.split(".")[-1] == "nu"), None)
        if nu is None or step % options.every:  # not even looked at, which would make a GPU wait
            return
        self.records.append(float(nu))
        if len(self.records) < options.patience:
            return
        smooth = np.convolve(self.records, np.full(WINDOW, 1 / WINDOW), mode="valid")
        if options.form == "released":
            self.records[: len(smooth)] = smooth.tolist()
        if (np.abs(np.diff(smooth)) <= options.threshold).any():
            self.records, self.reductions = [], self.reductions + 1

    def state(self) -> dict[str, Any]:
        return {"records": self.records, "reductions": self.reductions}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.records, self.reductions = list(state["records"]), state["reductions"]
