"""Successive halving by rungs: its plan and cost, who goes on."""

import math
from typing import Any

import pytest

from lib.errors import SeglossError
from lib.search.result import Result
from lib.search.rungs import budget, promoted, schedule, total_epochs
from lib.search.settings import Search

SPACE = {"sampling.foreground_fraction": {"float": [0, 1]}}


def search_of(trials: int, **rungs: Any) -> Search:
    return Search.model_validate({"trials": trials, "space": SPACE, "rungs": rungs or None})


@pytest.mark.parametrize(
    ("search", "rungs", "epochs", "text"),
    [
        (
            search_of(16, epochs=[3, 12]),
            [(3, 16), (12, 4), (48, 1)],
            16 * 3 + 4 * 9 + 36,
            "16 trials of 3 epochs, 4 of them to 12, 1 of them to 48: 120 epochs in place of 768",
        ),
        (
            search_of(25, epochs=[4, 10, 20], factor=2),
            [(4, 25), (10, 12), (20, 6), (48, 3)],
            25 * 4 + 12 * 6 + 6 * 10 + 3 * 28,
            "25 trials of 4 epochs, 12 of them to 10, 6 of them to 20, 3 of them to 48: 316 epochs in place of 1200",
        ),
        (search_of(16), [(48, 16)], 16 * 48, "16 trials of 48 epochs: 768 epochs"),
    ],
)
def test_the_plan_and_its_cost(search: Search, rungs: list[tuple[int, int]], epochs: int, text: str) -> None:
    assert schedule(search, 48) == rungs
    assert total_epochs(schedule(search, 48)) == epochs
    assert budget(schedule(search, 48)) == text


def test_a_rung_must_lie_within_the_training() -> None:
    for epochs in (12, 5):
        with pytest.raises(SeglossError, match=r"^rungs\.epochs: 12 must be below the .* epochs of the training"):
            schedule(search_of(16, epochs=[3, 12]), epochs)


def results_of(*values: float | None) -> dict[int, Result]:
    return {number: Result({}, 3, None if value is None else {"dice": value}) for number, value in enumerate(values)}


def test_the_best_go_on_ties_by_number_diverged_last() -> None:
    results = results_of(0.5, None, 0.7, math.nan, 0.7, 0.0, math.inf, 0.6)
    ranked = [2, 4, 7, 0, 5, 1, 3, 6]
    for keep in range(1, 9):
        assert promoted(results, keep, "dice") == ranked[:keep]
        assert promoted(dict(reversed(results.items())), keep, "dice") == ranked[:keep]


def test_trials_diverge_by_what_they_leave() -> None:
    for values in (None, {"dice": None}, {"dice": math.nan}, {"dice": 0.5, "seconds": math.inf}):
        assert Result({}, 1, values).diverged
    assert not Result({}, 1, {"dice": 0.0}).diverged


def test_who_reaches_the_end_is_known_by_hand() -> None:
    """Values that grow at different rates: the best at 12 epochs of those that were among the best at 3."""
    search = search_of(16, epochs=[3, 12])

    def dice(number: int, epochs: int) -> float:
        return number / 100 + epochs * ((7 * number) % 5) / 100

    left = list(range(16))
    for rung in schedule(search, 48)[:-1]:
        results = {number: Result({}, rung.epochs, {"dice": dice(number, rung.epochs)}) for number in left}
        keep = next(after.trials for after in schedule(search, 48) if after.epochs > rung.epochs)
        left = promoted(results, keep, "dice")
        if rung.epochs == 3:
            # n + 3 (7 n mod 5) is 24, 23, 19 and 18 for these, then 16 for 13
            assert left == [12, 14, 7, 9]
    assert left == [12]
