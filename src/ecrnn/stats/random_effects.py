"""The mean difference over data sets, and what a new one would show: data sets are the sample.

Each data set weighs alike. Then Hartung and Knapp's t is a t test over the data sets' mean differences, which errs as
often as it says however large the spread between data sets is and however well or badly each one's variance is known.
Weights by the variances that three to ten repeats show err two to four times as often (docs/statistics.md has the
table); :func:`weighted_random_effects` has them, for variances that are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling


@dataclass(frozen=True)
class RandomEffects:
    """A mean over ``n`` data sets with the t test of Hartung and Knapp and its interval at ``level``.

    ``between_sd`` is the standard deviation of the true differences between data sets, None where the variances of the
    data sets are not known. ``new_low`` and ``new_high`` enclose the difference that one more data set would show.
    """

    n: int
    mean: float
    standard_error: float
    statistic: float
    degrees_of_freedom: int
    p: float
    low: float
    high: float
    new_low: float
    new_high: float
    between_sd: float | None
    level: float


@dataclass(frozen=True)
class Slope:
    """How much the difference changes with a moderator: a line by least squares over ``n`` data sets."""

    moderator: str
    n: int
    slope: float
    standard_error: float
    p: float
    low: float
    high: float
    level: float


def random_effects(
    differences: ArrayLike,
    variances: ArrayLike | None = None,
    level: float = 0.95,
    widest: float = math.inf,
) -> RandomEffects:
    """The random-effects mean of data sets that weigh alike.

    The interval is mean +- t(D - 1) * sd / sqrt(D): Hartung and Knapp (2001), "A refined method for the meta-analysis
    of controlled clinical trials with binary outcome", Statistics in Medicine 20, with equal weights. The prediction
    interval is mean +- t(D - 1) * sd * sqrt(1 + 1/D), of what a study like these would show on a new data set: its
    noise is in it, so for the true difference there it is on the safe side. The variance between data sets is sd^2
    less the mean of ``variances``, at least 0 (Hedges and Olkin 1985), which of equal variances is the estimate of
    Paule and Mandel and of DerSimonian and Laird alike.

    Where all differences are equal, the root of the mean variance takes the place of sd.

    Args:
        differences: (D,) mean difference of each data set, D >= 2.
        variances: (D,) variance of each of them, such as the squared standard error of
            :func:`corrected_resampled_t`; None where they are not known.
        level: confidence of both intervals.
        widest: the largest difference that there can be; the intervals go no further.

    Raises:
        EcrnnError: fewer than two data sets, values that are not finite, variances that are not above 0 or of another
            number, all differences equal and no variances, a level outside (0, 1).
    """
    y = _checks.vector("differences", differences, at_least=2)
    level = _checks.share("level", level)
    known = None if variances is None else _variances(variances, y.size)
    sd = _resampling.sample_sd(y)
    if sd == 0:
        if known is None:
            raise EcrnnError("all differences are equal and their variances are not known, so nothing can be tested")
        sd = math.sqrt(known.mean())
    between = None if known is None else math.sqrt(max(0.0, float(y.var(ddof=1) - known.mean())))
    new = sd * math.sqrt(1 + 1 / y.size)
    return _result(float(y.mean()), sd / math.sqrt(y.size), new, between, y.size, level, widest)


def weighted_random_effects(differences: ArrayLike, variances: ArrayLike, level: float = 0.95) -> RandomEffects:
    """The random-effects mean of data sets that weigh by their variances, where these are known.

    The variance between data sets is that of Paule and Mandel (1982), "Consensus values and weighting factors", Journal
    of Research of the National Bureau of Standards 87; the test is Hartung and Knapp's (2001) with D - 1 degrees of
    freedom. The prediction interval is that of the true difference (Higgins, Thompson and Spiegelhalter 2009, with the
    standard error and the degrees of freedom of the test).

    Args:
        differences: (D,) difference of each data set, D >= 2.
        variances: (D,) variance of each of them.
        level: confidence of both intervals.

    Raises:
        EcrnnError: as :func:`random_effects`; all differences equal.
    """
    y = _checks.vector("differences", differences, at_least=2)
    level = _checks.share("level", level)
    known = _variances(variances, y.size)
    if _resampling.sample_sd(y) == 0:
        raise EcrnnError("all differences are equal, so nothing can be tested")
    between = _paule_mandel(y, known)
    weights = 1 / (known + between)
    mean = float(weights @ y / weights.sum())
    error = math.sqrt(float(weights @ (y - mean) ** 2) / ((y.size - 1) * float(weights.sum())))
    new = math.sqrt(between + error**2)
    return _result(mean, error, new, math.sqrt(between), y.size, level, math.inf)


def slope(moderator: str, values: ArrayLike, differences: ArrayLike, level: float = 0.95) -> Slope | None:
    """Meta-regression of the differences on one moderator, all data sets weighing alike.

    With equal weights the test of Knapp and Hartung (2003), "Improved tests for a random effects meta-regression with a
    single covariate", is least squares with D - 2 degrees of freedom.

    Args:
        moderator: its name.
        values: (D,) value of each data set.
        differences: (D,) mean difference of each data set.
        level: confidence of the interval.

    Returns:
        The slope; None below four data sets, where all values are the same, or where the line leaves nothing over.

    Raises:
        EcrnnError: values that are not finite or of another number than the differences, a level outside (0, 1).
    """
    y = _checks.vector("differences", differences)
    x = _checks.vector(f"values of {moderator}", values)
    level = _checks.share("level", level)
    if x.size != y.size:
        raise EcrnnError(f"{moderator} has {x.size} values for {y.size} data sets")
    spread = float(((x - x.mean()) ** 2).sum())
    if y.size < 4 or _resampling.sample_sd(x) == 0:
        return None
    gradient = float((x - x.mean()) @ y) / spread
    rest = y - y.mean() - gradient * (x - x.mean())
    error = math.sqrt(float(rest @ rest) / ((y.size - 2) * spread))
    if error * math.sqrt(spread) <= _resampling.SAME:
        return None
    half = _resampling.t_quantile(y.size - 2, (1 + level) / 2) * error
    p = _resampling.t_two_sided(y.size - 2, gradient / error)
    return Slope(moderator, y.size, gradient, error, p, gradient - half, gradient + half, level)


def _variances(variances: ArrayLike, n: int) -> NDArray[np.float64]:
    known = _checks.vector("variances", variances)
    if known.size != n or (known <= 0).any():
        raise EcrnnError(f"variances must be {n} numbers above 0, one a data set")
    return known


def _paule_mandel(y: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    """The variance between data sets at which the weighted squares are as large as they should be."""

    def excess(between: float) -> float:
        weights = 1 / (known + between)
        mean = weights @ y / weights.sum()
        return float(weights @ (y - mean) ** 2) - (y.size - 1)

    if excess(0.0) <= 0:
        return 0.0
    most = float(y.var(ddof=1))
    while excess(most) > 0:
        most *= 2
    return float(optimize.brentq(excess, 0.0, most, xtol=1e-15, rtol=1e-12))


def _result(
    mean: float, error: float, new: float, between: float | None, n: int, level: float, widest: float
) -> RandomEffects:
    """``new`` is the standard error of what a new data set shows less ``mean``."""
    quantile = _resampling.t_quantile(n - 1, (1 + level) / 2)
    ends = (mean - quantile * error, mean + quantile * error, mean - quantile * new, mean + quantile * new)
    low, high, new_low, new_high = (min(max(end, -widest), widest) for end in ends)
    statistic = mean / error
    p = _resampling.t_two_sided(n - 1, statistic)
    return RandomEffects(n, mean, error, statistic, n - 1, p, low, high, new_low, new_high, between, level)
