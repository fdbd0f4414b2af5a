"""Two models, repeat by repeat: t tests, Holm's adjustment, the probability of being better.

A difference is always a minus b, in fractions; positive means that a is better. All functions take the (r,)
differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.intervals import Interval, clopper_pearson

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


def equivalence(test: PairedT, rope: float) -> float:
    """p of the null that the true difference is ``rope`` or more away from 0, by two one-sided t tests.

    It is the larger one of both sides' p (Schuirmann 1987, "A comparison of the two one-sided tests procedure and the
    power approach for assessing the equivalence of average bioavailability"), with the standard error and the degrees
    of freedom of ``test``. A small p shows that a difference is too small to matter; at rope 0 none is.

    Args:
        test: on the differences, with a standard error above 0.
        rope: half the width of the region of practical equivalence, in values of the metric.

    Raises:
        EcrnnError: a rope below 0.
    """
    rope = _checks.not_negative("rope", rope)
    return _resampling.t_within(test.degrees_of_freedom, test.difference, test.standard_error, rope)


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
    return holm_rows(p)


def holm_rows(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's adjustment of each row of ``p``, (..., m), checked: each row is a family of its own."""
    order = np.argsort(p, axis=-1, kind="stable")
    steps = np.arange(p.shape[-1], 0, -1)
    stepped = np.minimum(np.maximum.accumulate(np.take_along_axis(p, order, -1) * steps, axis=-1), 1.0)
    adjusted = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, stepped, -1)
    return adjusted


def holm_of_known(p_values: Iterable[float | None]) -> list[float | None]:
    """Holm's adjustment over those p values that there are; None stays None."""
    known = list(p_values)
    adjusted = iter(holm([p for p in known if p is not None]))
    return [None if p is None else float(next(adjusted)) for p in known]


def probability_better(differences: ArrayLike, level: float = 0.95) -> Interval:
    """Share of the paired repeats in which a beats b, ties counted half, with its Clopper-Pearson interval.

    From Bouthillier et al. (2021), "Accounting for variance in machine learning benchmarks", who call a
    better where the share is well above one half (they take 0.75). The interval (Clopper and Pearson 1934, "The use of
    confidence or fiducial limits illustrated in the case of the binomial") takes the repeats as independent, which
    overlapping splits are not quite; where a wins all of ten it still begins at 0.69.

    Args:
        differences: (r,) score of a minus score of b, r >= 1.
        level: confidence of the interval.

    Raises:
        EcrnnError: no differences, not finite, a level outside (0, 1).
    """
    differences = _checks.vector("differences", differences)
    ties = np.count_nonzero(np.abs(differences) <= _resampling.SAME)
    wins = np.count_nonzero(differences > _resampling.SAME)
    return clopper_pearson(float(wins + ties / 2), differences.size, level)
