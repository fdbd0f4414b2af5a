"""What a study could have shown: the smallest difference for its repeats, and the repeats for a difference.

Both answer for the corrected resampled t test, two-sided, with the noncentral t distribution: under a true
difference d its statistic has r - 1 degrees of freedom and noncentrality d / (sd * sqrt(1/r +
n_test/n_train)).
"""

from __future__ import annotations

from functools import lru_cache

from scipy import optimize, special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling

_LARGE = 1000.0  # SciPy's noncentral t is slow and then NaN far beyond


def detection_power(
    difference: float, sd: float, r: int, n_train: float, n_test: float, *, alpha: float = 0.05
) -> float:
    """Probability that the corrected t test with ``r`` repeats finds a true ``difference``.

    Args:
        difference: true difference of the two models, a fraction; its sign does not matter.
        sd: standard deviation of the differences between repeats; 0 is read as in
            :func:`corrected_resampled_t`.
        r: repeats, at least 2.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        alpha: level of the two-sided test.

    Raises:
        EcrnnError: a difference that is not finite, r below 2, an sd below 0, sizes below 1, an alpha outside (0, 1).
    """
    alpha = _checks.share("alpha", alpha)
    size = _checks.not_negative("abs(difference)", abs(difference))
    return _power(size / _error(sd, r, n_train, n_test), int(r) - 1, alpha)


def smallest_detectable(
    sd: float, r: int, n_train: float, n_test: float, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The smallest true difference, a fraction, that ``r`` repeats find with probability ``power``.

    Args:
        sd: standard deviation of the differences between repeats; 0 is read as in
            :func:`corrected_resampled_t`.
        r: repeats, at least 2.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        power: probability of finding it.
        alpha: level of the two-sided test; for one of m tests, alpha/m is on the safe side.

    Raises:
        EcrnnError: r below 2, an sd below 0, sizes below 1, an alpha or power outside (0, 1), a power that is
            not above alpha.
    """
    error = _error(sd, r, n_train, n_test)
    return _noncentrality(int(r) - 1, *_levels(power, alpha)) * error


def repeats_needed(
    difference: float,
    sd: float,
    n_train: float,
    n_test: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    limit: int = 10_000,
) -> int | None:
    """The fewest repeats that find a true ``difference`` with probability ``power``, or None.

    None means that no number of repeats up to ``limit`` can show it, and mostly that none ever can: all
    repeats split the same data, so the corrected variance never falls below its floor sd^2 * n_test/n_train.
    Only more data, or a larger share of it for training, shows a smaller difference.

    Args:
        difference: true difference, a fraction; its sign does not matter.
        sd: standard deviation of the differences between repeats; 0 is read as in
            :func:`corrected_resampled_t`.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        power: probability of finding it.
        alpha: level of the two-sided test.
        limit: largest number of repeats considered, at least 2.

    Raises:
        EcrnnError: a difference that is not finite, an sd below 0, sizes below 1, an alpha or power outside (0, 1), a
            power that is not above alpha, a limit below 2.
    """
    power, alpha = _levels(power, alpha)
    low, high = 2, _checks.whole("limit", limit, at_least=2)
    size = _checks.not_negative("abs(difference)", abs(difference))

    def enough(r: int) -> bool:
        return _power(size / _error(sd, r, n_train, n_test), r - 1, alpha) >= power

    if not enough(high):
        return None
    while low < high:  # power grows with r, so bisection finds the first r that is enough
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _levels(power: float, alpha: float) -> tuple[float, float]:
    power, alpha = _checks.share("power", power), _checks.share("alpha", alpha)
    if power <= alpha:
        raise EcrnnError(f"power must be above alpha, got power {power} and alpha {alpha}")
    return power, alpha


def _error(sd: float, r: int, n_train: float, n_test: float) -> float:
    r = _checks.whole("r", r, at_least=2)
    return _resampling.standard_error(_checks.not_negative("sd", sd), r, n_train, n_test)


def _power(noncentrality: float, df: int, alpha: float) -> float:
    """Probability that a noncentral t lies outside the two-sided critical values."""
    critical = _resampling.t_quantile(df, 1 - alpha / 2)
    if noncentrality > _LARGE:  # the normal in the numerator is as good as constant, chi-square remains
        return float(special.chdtr(df, df * (noncentrality / critical) ** 2))
    above = 1.0 - float(special.nctdtr(df, noncentrality, critical))
    # Beyond 5 the far tail is below 1e-7, and SciPy loses it to NaN.
    below = float(special.nctdtr(df, noncentrality, -critical)) if noncentrality < 5 else 0.0
    return above + below


@lru_cache(maxsize=256)
def _noncentrality(df: int, power: float, alpha: float) -> float:
    """The noncentrality at which the test has ``power``."""
    critical = _resampling.t_quantile(df, 1 - alpha / 2)
    high = critical
    while _power(high, df, alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda noncentrality: _power(noncentrality, df, alpha) - power, 0.0, high))
