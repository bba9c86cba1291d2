"""Steps that fit a time, by hand."""

import pytest

from lib.budget import Work, budget, in_words
from lib.errors import SeglossError

COST = {"seconds_per_step": 0.5, "seconds_per_case": 2.0}
WORK = Work(trainings=6, trials=9, epochs=66, cases=60, parallel=2, share=0.5)


def test_the_time_of_a_number_of_steps() -> None:
    found = budget(WORK, COST, steps_per_epoch=100, minutes=None)
    jobs = 6 * 4 + 9
    assert found.minutes == pytest.approx((66 * 100 * 0.5 + 60 * 2 + jobs * 5) / 2 / 60)
    assert found.message.startswith("about 30 minutes for 6 trainings and 9 trials of searches, epochs of 100 steps")


def test_steps_fill_their_share_of_the_time() -> None:
    found = budget(WORK, COST, steps_per_epoch=None, minutes=60)
    one_more = WORK.minutes(found.steps_per_epoch + 1, **COST)
    assert found.minutes <= 30 < one_more


def test_too_short_a_time_is_refused_with_what_would_do() -> None:
    with pytest.raises(
        SeglossError, match=r"minutes: 4 are too few for 6 trainings and 9 trials of searches; give \d+"
    ):
        budget(WORK, COST, None, 4)
    assert budget(WORK, COST, None, 19).steps_per_epoch >= 25


@pytest.mark.parametrize(
    ("minutes", "text"), [(0.2, "1 minute"), (99, "99 minutes"), (150, "2.5 hours"), (4320, "3 days")]
)
def test_durations_in_words(minutes: float, text: str) -> None:
    assert in_words(minutes) == text
