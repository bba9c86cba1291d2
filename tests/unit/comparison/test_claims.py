"""Probability that a claim is false: against the paired t-test, simulation and the limits."""

import numpy as np
import pytest
from scipy import stats

from lib.comparison.claims import p_false


def test_it_is_the_one_sided_p_of_the_paired_t_test_where_all_cases_are_known() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=50)
    one, other = 0.1 + shared + 0.3 * rng.normal(size=50), shared + 0.3 * rng.normal(size=50)
    sds, r = (one.std(ddof=1), other.std(ddof=1)), np.corrcoef(one, other)[0, 1]
    expected = stats.ttest_rel(one, other, alternative="greater").pvalue
    assert p_false(one.mean() - other.mean(), sds, r, 50) == pytest.approx(expected)


def test_among_claims_with_a_probability_so_many_are_false() -> None:
    """True gains of every size, equally probable: of the claims with P around 0.2, a fifth are false."""
    rng = np.random.default_rng(1)
    true = rng.uniform(-0.3, 0.3, 12_000)
    gain = true + rng.normal(size=true.size) * np.sqrt(2 * (1 - 0.5) / 100)
    p = np.array([p_false(one, (1.0, 1.0), 0.5, 100) for one in gain])
    around = (p > 0.15) & (p < 0.25)
    assert around.sum() > 400 and (true[around] < 0).mean() == pytest.approx(p[around].mean(), abs=0.04)


@pytest.mark.parametrize(("gain", "expected"), [(0.01, 0.0), (0.0, 0.5), (-0.01, 1.0)])
def test_the_same_errors_in_every_case_leave_no_doubt(gain: float, expected: float) -> None:
    assert p_false(gain, (0.2, 0.2), 1.0, 10) == expected


@pytest.mark.parametrize(("n", "correlation"), [(1, 0.5), (10, 1.5), (10, np.nan)])
def test_what_cannot_be_is_refused(n: int, correlation: float) -> None:
    with pytest.raises(ValueError, match="two cases or more"):
        p_false(0.1, (0.2, 0.2), correlation, n)
