"""Two models, repeat by repeat: t tests, Holm's adjustment, the probability of being better.

A difference is always a minus b, in fractions; positive means that a is better. All functions take the (r,)
differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.intervals import Interval, percentiles

Method = Literal["corrected resampled t", "crossed t", "paired t"]


@dataclass(frozen=True)
class PairedT:
    """A t test on ``n`` paired differences, with the interval of the mean difference at ``level``.

    ``method`` says by which variance, and is `corrected_resampled_t`'s, `ecrnn.stats.crossed_t`'s or `paired_t`'s.
    ``statistic`` is None where it would be infinite, which only the plain test can give; nothing here is NaN or
    infinite.
    """

    n: int
    difference: float
    sd: float
    standard_error: float
    statistic: float | None
    degrees_of_freedom: float
    p: float
    low: float
    high: float
    level: float
    method: Method


def corrected_resampled_t(
    differences: ArrayLike, n_train: float, n_test: float, level: float = 0.95, widest: float = math.inf
) -> PairedT:
    """The t test for repeats on overlapping splits.

    From Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52, "corrected
    resampled t-test", two-sided with r - 1 degrees of freedom:

        statistic = mean / (sd * sqrt(1/r + n_test/n_train))

    The null is that both ways of training have the same expected score over training sets of size ``n_train``
    drawn from the population, not on this data set alone. For k-fold cross-validation the ratio
    n_test/n_train is 1/(k - 1).

    When all differences are equal, the variance that they show is 0 and the statistic would be infinite,
    which no handful of repeats justifies. Accuracies on ``n_test`` examples lie on a grid of step 1/n_test, so
    the spread that the grid can hide, 1/(n_test * sqrt(12)), takes the place of sd in ``standard_error``
    (``sd`` itself stays 0), for other metrics too, where it is cautious. Equal differences of 0 give statistic 0 and
    p = 1.

    Args:
        differences: (r,) score of a minus score of b, one a repeat, r >= 2.
        n_train: training examples in a repeat (a number of examples, not a ratio).
        n_test: scored examples in a repeat.
        level: confidence of the interval.
        widest: the largest difference that there can be, 1 of shares; the interval goes no further.

    Raises:
        EcrnnError: fewer than two differences, not finite, sizes below 1, a level outside (0, 1).
    """
    differences = _checks.vector("differences", differences, at_least=2)
    sd = _resampling.sample_sd(differences)
    error = _resampling.standard_error(sd, differences.size, n_train, n_test)
    return t_test("corrected resampled t", differences, sd, error, differences.size - 1, level, widest)


def paired_t(differences: ArrayLike, level: float = 0.95) -> PairedT:
    """The plain paired t test (Student 1908), for independent differences.

    Repeats on splits of one data set are not independent, and on them this test finds differences that are
    not there in a third of all studies (measured by simulate.py, 10 repeats, 70:30); it is here for other
    data and to show that. When all differences are equal and not 0, the statistic is infinite: it is given as
    None with p = 0 and an interval of no width, the limit of the formula.

    Args:
        differences: (r,) score of a minus score of b, r >= 2.
        level: confidence of the interval.

    Raises:
        EcrnnError: fewer than two differences, not finite, a level outside (0, 1).
    """
    differences = _checks.vector("differences", differences, at_least=2)
    sd = _resampling.sample_sd(differences)
    return t_test("paired t", differences, sd, sd / math.sqrt(differences.size), differences.size - 1, level)


def t_test(
    method: Method,
    differences: NDArray[np.float64],
    sd: float,
    error: float,
    df: float,
    level: float,
    widest: float = math.inf,
) -> PairedT:
    """Student's t on the mean of ``differences``, with a standard error and its degrees of freedom from elsewhere."""
    level = _checks.share("level", level)
    n, mean = differences.size, float(differences.mean())
    statistic: float | None
    if error > 0:
        statistic = mean / error
        p = _resampling.t_two_sided(df, statistic)
    elif mean == 0:
        statistic, p = 0.0, 1.0
    else:
        statistic, p = None, 0.0
    half = _resampling.t_quantile(df, (1 + level) / 2) * error
    low, high = max(mean - half, -widest), min(mean + half, widest)
    return PairedT(n, mean, sd, error, statistic, df, p, low, high, level, method)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment of the p values of one comparison.

    Rejecting where the adjusted p is below alpha keeps the probability of any false rejection below alpha,
    whatever their dependence (Holm 1979, "A simple sequentially rejective multiple test procedure").

    Args:
        p_values: (m,) p values in any order; m may be 0.

    Returns:
        (m,) adjusted p values in the order given, at most 1.

    Raises:
        EcrnnError: a p value outside 0..1.
    """
    p = _checks.vector("p_values", p_values, at_least=0)
    if ((p < 0) | (p > 1)).any():
        raise EcrnnError(f"p_values must lie between 0 and 1, got {p[(p < 0) | (p > 1)][0]}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def probability_better(differences: ArrayLike, level: float = 0.95, seed: int = 0, resamples: int = 10_000) -> Interval:
    """Share of the paired repeats in which a beats b, ties counted half, with a bootstrap interval.

    From Bouthillier et al. (2021), "Accounting for variance in machine learning benchmarks", who call a
    better where the share is well above one half (they take 0.75). The percentile bootstrap treats repeats
    as independent, so on overlapping splits the interval is too narrow, and r equal signs give an interval of
    no width.

    Args:
        differences: (r,) score of a minus score of b, r >= 1.
        level: confidence of the interval.
        seed: of the resampling.
        resamples: number of bootstrap samples.

    Raises:
        EcrnnError: no differences, not finite, no resamples, a level outside (0, 1).
    """
    differences = _checks.vector("differences", differences)
    level = _checks.share("level", level)
    resamples = _checks.whole("resamples", resamples)
    n = differences.size
    ties = np.count_nonzero(np.abs(differences) <= _resampling.SAME)
    wins = np.count_nonzero(differences > _resampling.SAME)
    # Resampling the repeats is drawing how many of them are wins, ties and losses.
    drawn = np.random.default_rng(seed).multinomial(n, [wins / n, ties / n, (n - wins - ties) / n], resamples)
    low, high = percentiles((drawn[:, 0] + drawn[:, 1] / 2) / n, level)
    return Interval((wins + ties / 2) / n, low, high, level)
