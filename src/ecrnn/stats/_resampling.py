"""The corrected variance of a mean over overlapping splits: what test, posterior and power stand on.

Repeats of a study split one finite data set again and again, so their scores are correlated and the variance
of their mean does not fall as 1/r. Nadeau and Bengio (2003, "Inference for the generalization error", section
3.3) correct it:

    Var(mean) = sd^2 * (1/r + n_test/n_train)

For k-fold cross-validation n_test/n_train = 1/(k - 1). The correction takes the correlation of two repeats to
be n_test/(n_test + n_train), the expected overlap of their test sets; the correlation that overlapping
training sets add is left out, so it is a good approximation and not a guarantee (simulate.py measures it).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecrnn.stats import _checks

# Differences of shares such as 0.9 - 0.8 and 0.8 - 0.7 are equal up to this; one image in a million is 1e-6.
SAME = 1e-12


def sample_sd(values: NDArray[np.float64]) -> float:
    """Standard deviation with r - 1 in the denominator; exactly 0 when all are equal up to rounding."""
    sd = float(np.std(values, ddof=1))
    return 0.0 if sd <= SAME else sd


def standard_error(sd: float, r: float, n_train: float, n_test: float) -> float:
    """Corrected standard error of the mean of r repeats; above 0 even when ``sd`` is exactly 0.

    An accuracy on n_test examples is a multiple of 1/n_test. Equal scores in all repeats therefore do not mean no
    spread but a spread below the grid; the error of rounding to a grid has the standard deviation
    (1/n_test)/sqrt(12), and that is put in the place of 0. So r equal differences give a finite statistic, a
    p above 0 and an interval with a width, narrow on many test examples and wide on few.

    Other metrics have a finer grid (characters, n-grams) or none (bits), and equal differences mostly mean that two
    models say the same. They get the same spread, which is what a change of 1 in the value of a single example weighs:
    more than their grid, so it errs on the side of "undecided", and without errors on 100 lines two readers are not
    shown to be equal to a tenth of a point.
    """
    n_train, n_test = _checks.count("n_train", n_train), _checks.count("n_test", n_test)
    return (sd if sd > 0 else hidden_spread(n_test)) * math.sqrt(1.0 / r + n_test / n_train)


def hidden_spread(n_test: float) -> float:
    """The spread that scores on a grid of step 1/n_test can hide: see `standard_error`."""
    return 1.0 / (n_test * math.sqrt(12.0))


def crossed_error(sd: float, r: int, shared: float, n_test: float) -> tuple[float, float]:
    """Standard error of the mean of r repeats on one test set, and its degrees of freedom: see crossed.py.

    Raises:
        EcrnnError: a covariance below 0, n_test below 1.
    """
    shared, n_test = _checks.not_negative("shared", shared), _checks.count("n_test", n_test)
    seeds = sd**2 / r
    variance = seeds + shared
    most = max(n_test - 1, r - 1)
    df = min((r - 1) * (variance / seeds) ** 2, most) if seeds > 0 else most if variance > 0 else r - 1
    return max(variance**0.5, 1.0 / n_test), float(df)


def t_quantile(df: float, probability: float) -> float:
    """Quantile of Student's t with ``df`` degrees of freedom."""
    return float(special.stdtrit(df, probability))


def t_cdf(df: float, t: float) -> float:
    """Distribution function of Student's t with ``df`` degrees of freedom."""
    return float(special.stdtr(df, t))


def t_two_sided(df: float, t: float) -> float:
    """Two-sided p of the statistic ``t``."""
    return 2.0 * t_cdf(df, -abs(t))


def t_within(df: float, mean: float, error: float, rope: float) -> float:
    """The larger p of two one-sided tests: that the mean is not above -rope, and that it is not below rope."""
    return t_cdf(df, (abs(mean) - rope) / error)  # the other side's p is never the larger one
