"""Learning rates: those of `torch.optim.lr_scheduler`, warm-up, a measure that no longer rises."""

import math

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from lib.training.catalogue import SCHEDULERS
from lib.training.schedulers import Scheduler

RATE, EPOCHS, STEPS = 0.1, 6, 5
LENGTH = EPOCHS * STEPS


def scheduler(name: str, length: tuple[int, int] = (EPOCHS, STEPS), **options: object) -> Scheduler:
    parameters = SCHEDULERS.parse({"name": name, **options})
    return SCHEDULERS.entry_of(parameters).loaded(parameters, RATE, *length)


def rates(name: str, **options: object) -> list[float]:
    made = scheduler(name, **options)
    return [made.rate(step) for step in range(LENGTH)]


def torchs(build: type, by_epoch: bool = False, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    theirs, seen = build(optimizer, **options), []
    for step in range(LENGTH):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if not by_epoch or (step + 1) % STEPS == 0:
            theirs.step()
    return seen


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (rates("constant"), [RATE] * LENGTH),
        (rates("step", every=2, factor=0.3), torchs(lr_scheduler.StepLR, True, step_size=2, gamma=0.3)),
        (
            rates("milestones", epochs=[1, 4], factor=0.5),
            torchs(lr_scheduler.MultiStepLR, True, milestones=[1, 4], gamma=0.5),
        ),
        (rates("poly", power=0.9), torchs(lr_scheduler.PolynomialLR, total_iters=LENGTH, power=0.9)),
        (
            rates("poly", minimum=0.01),  # as SegLossBias writes it
            [0.99 * RATE * (1 - step / LENGTH) ** 0.9 + 0.01 * RATE for step in range(LENGTH)],
        ),
        (
            rates("cosine", minimum=0.05),
            torchs(lr_scheduler.CosineAnnealingLR, T_max=LENGTH, eta_min=0.05 * RATE),
        ),
        (
            rates("one_cycle"),
            torchs(lr_scheduler.OneCycleLR, max_lr=RATE, total_steps=LENGTH, cycle_momentum=False),
        ),
        (
            rates("cyclic", rise_steps=4, fall_steps=3),
            torchs(
                lr_scheduler.CyclicLR,
                base_lr=0.1 * RATE,
                max_lr=RATE,
                step_size_up=4,
                step_size_down=3,
                cycle_momentum=False,
            ),
        ),
        (
            rates("cyclic", rise_steps=4, shrink=0.5),
            torchs(
                lr_scheduler.CyclicLR,
                base_lr=0.1 * RATE,
                max_lr=RATE,
                step_size_up=4,
                mode="triangular2",
                cycle_momentum=False,
            ),
        ),
    ],
    ids=["constant", "step", "milestones", "poly", "poly to a minimum", "cosine", "one_cycle", "cyclic", "triangular2"],
)
def test_rates_are_those_of_torch(ours: list[float], theirs: list[float]) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("options", [{}, {"cooldown": 2, "patience": 0}, {"threshold": 0.2, "minimum": 0.02}])
def test_a_plateau_is_torchs(seed: int, options: dict) -> None:
    options = {"patience": 2, "factor": 0.5, **options}
    values = np.random.default_rng(seed).uniform(size=60).cumsum() % 1
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    theirs = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max",
        patience=options["patience"],
        factor=0.5,
        threshold=options.get("threshold", 1e-4),
        cooldown=options.get("cooldown", 0),
        min_lr=options.get("minimum", 0) * RATE,
        eps=0,
    )
    ours = scheduler("plateau", (60, 1), **options)
    for epoch, value in enumerate(values):
        ours.after_epoch(values[:epoch])
        assert ours.rate(epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        theirs.step(value)
    assert ours.reductions > 0


@pytest.mark.parametrize("name", ["constant", "poly", "cosine", "one_cycle", "cyclic"])
def test_a_warm_up_stands_in_front(name: str) -> None:
    warm = scheduler(name, warmup_steps=STEPS, warmup_start=0.2)
    seen = [warm.rate(step) for step in range(LENGTH)]
    np.testing.assert_allclose(seen[:STEPS], RATE * np.linspace(0.2, 1, STEPS, endpoint=False))
    behind = scheduler(name, (EPOCHS - 1, STEPS))  # one epoch shorter
    np.testing.assert_allclose(seen[STEPS:], [behind.rate(step) for step in range(LENGTH - STEPS)])


def test_epochs_are_counted_from_the_start_of_the_warm_up() -> None:
    assert rates("milestones", epochs=[2], warmup_steps=3)[2 * STEPS - 1 : 2 * STEPS + 1] == [
        RATE,
        RATE * 0.1,
    ]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_rates_are_above_0_and_depend_on_nothing_but_step_and_state(name: str) -> None:
    needed = {"step": {"every": 1}, "milestones": {"epochs": [1]}}.get(name, {})
    one, other = scheduler(name, **needed), scheduler(name, **needed)
    for made in (one, other):
        made.after_epoch([0.5] * 30)
    other.load_state(one.state())
    order = np.random.default_rng(0).permutation(LENGTH)
    assert [one.rate(int(step)) for step in order] == [other.rate(int(step)) for step in order]
    assert all(0 < one.rate(step) <= RATE and math.isfinite(one.rate(step)) for step in range(LENGTH))


@pytest.mark.parametrize("rise", [0.01, 1 / LENGTH, 0.99])
def test_one_cycle_of_any_rise_stays_between_its_ends(rise: float) -> None:
    seen = rates("one_cycle", rise=rise)
    assert max(seen) <= RATE * (1 + 1e-12) and min(seen) > 0
