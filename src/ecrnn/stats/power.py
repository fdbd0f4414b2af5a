"""What a study could have shown: the smallest difference for its repeats, and the repeats for a difference.

Both answer for a two-sided t test with the noncentral t distribution: under a true difference d its statistic has the
noncentrality d / standard error; for the corrected resampled t that is d / (sd * sqrt(1/r + n_test/n_train)) with r - 1
degrees of freedom. The difference is one that somebody names because it would matter. The one that a study has observed
says nothing new here: power at the observed difference is a function of p alone (Hoenig and Heisey 2001, "The abuse of
power", The American Statistician 55).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from scipy import optimize, special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.paired import PairedT

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


def detectable(test: PairedT, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that a study like that behind ``test`` finds with probability ``power``.

    Args:
        test: whose standard error and degrees of freedom count; its difference does not.
        power: probability of finding it.
        alpha: level of the two-sided test.

    Raises:
        EcrnnError: an alpha or power outside (0, 1), a power that is not above alpha.
    """
    return _noncentrality(test.degrees_of_freedom, *_levels(power, alpha)) * test.standard_error


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
    size = _checks.not_negative("abs(difference)", abs(difference))
    return _fewest(lambda r: (size / _error(sd, r, n_train, n_test), r - 1), power, alpha, limit)


def seeds_needed(
    difference: float,
    sd: float,
    shared: float,
    n_test: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    limit: int = 10_000,
) -> int | None:
    """The fewest repeats on one test set whose `ecrnn.stats.crossed_t` finds a true ``difference``, or None.

    None means that no number up to ``limit`` can show it: the test examples stay the same ones, and ``shared`` with
    them.

    Args:
        difference: true difference, a fraction; its sign does not matter.
        sd: standard deviation of the differences between repeats.
        shared: covariance of two repeats, from `ecrnn.stats.shared_covariance`.
        n_test: test examples.
        power: probability of finding it.
        alpha: level of the two-sided test.
        limit: largest number of repeats considered, at least 2.

    Raises:
        EcrnnError: as of `repeats_needed`.
    """
    size, sd = _checks.not_negative("abs(difference)", abs(difference)), _checks.not_negative("sd", sd)

    def behind(r: int) -> tuple[float, float]:
        error, df = _resampling.crossed_error(sd, r, shared, n_test)
        return size / error, df

    return _fewest(behind, power, alpha, limit)


def _fewest(behind: Callable[[int], tuple[float, float]], power: float, alpha: float, limit: int) -> int | None:
    """The fewest repeats with ``power``; ``behind`` gives noncentrality and degrees of freedom of so many."""
    power, alpha = _levels(power, alpha)
    low, high = 2, _checks.whole("limit", limit, at_least=2)

    def enough(r: int) -> bool:
        return _power(*behind(r), alpha) >= power

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


def _power(noncentrality: float, df: float, alpha: float) -> float:
    """Probability that a noncentral t lies outside the two-sided critical values."""
    critical = _resampling.t_quantile(df, 1 - alpha / 2)
    if noncentrality > _LARGE:  # the normal in the numerator is as good as constant, chi-square remains
        ratio = min(noncentrality / critical, 1e150)  # whose square is finite
        return float(special.chdtr(df, df * ratio**2))
    above = 1.0 - float(special.nctdtr(df, noncentrality, critical))
    # Beyond 5 the far tail is below 1e-7, and SciPy loses it to NaN.
    below = float(special.nctdtr(df, noncentrality, -critical)) if noncentrality < 5 else 0.0
    return above + below


@lru_cache(maxsize=256)
def _noncentrality(df: float, power: float, alpha: float) -> float:
    """The noncentrality at which the test has ``power``."""
    critical = _resampling.t_quantile(df, 1 - alpha / 2)
    high = critical
    while _power(high, df, alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda noncentrality: _power(noncentrality, df, alpha) - power, 0.0, high))
