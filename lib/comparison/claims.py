"""How probable it is that a published claim of a better loss is false."""

import numpy as np
from scipy import stats


def p_false(gain: float, sds: tuple[float, float], correlation: float, n: int) -> float:
    """Probability that the loss that is claimed to be better is not, given what was reported of one training of each.

    Equation of Christodoulou et al. 2025 (arXiv 2505.04720) for segmentation, a posterior with a flat prior:
    P = T_{n-1}(-sqrt(n) gain / sqrt(s1^2 + s2^2 - 2 r s1 s2)), with Student's distribution T. Another training could
    have reversed the order too: it says nothing about that, and is too low.

    Args:
        gain: reported mean of the one minus that of the other, positive where the claim has it.
        sds: standard deviation of each over the test cases.
        correlation: r, of both over the cases.
        n: number of test cases.

    Raises:
        ValueError: fewer than two cases, or a correlation beyond -1 to 1.
    """
    if n < 2 or not -1 <= correlation <= 1:
        raise ValueError(
            f"{n} cases with a correlation of {correlation}: two cases or more, and -1 to 1, were expected"
        )
    one, other = sds
    spread = np.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))
    if spread == 0:
        return 0.5 if gain == 0 else float(gain < 0)
    return float(stats.t.cdf(-np.sqrt(n) * gain / spread, n - 1))
