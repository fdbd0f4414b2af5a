"""How probable it is that a is worse than b, practically equivalent to it, or better."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from ecrnn.stats import _checks, _resampling
from ecrnn.stats.paired import PairedT, corrected_resampled_t


@dataclass(frozen=True)
class Posterior:
    """Probabilities, summing to 1, that the true difference a - b is below -rope, within, and above rope."""

    worse: float
    equivalent: float
    better: float
    rope: float


def bayesian_correlated_t(differences: ArrayLike, n_train: float, n_test: float, rope: float = 0.005) -> Posterior:
    """The Bayesian correlated t test with a region of practical equivalence.

    From Corani and Benavoli (2015), "A Bayesian approach for comparing cross-validated algorithms on multiple
    data sets", Machine Learning 100. With correlation rho = n_test/(n_test + n_train) and an uninformative
    prior, the posterior of the mean difference is Student's t with r - 1 degrees of freedom, location mean
    and scale sd * sqrt(1/r + rho/(1 - rho)), which is the standard error of :func:`corrected_resampled_t`.
    When all differences are equal, sd is replaced as there.

    Args:
        differences: (r,) score of a minus score of b, r >= 2.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        rope: half the width of the region, a fraction: 0.005 is half a point. At 0 nothing is equivalent.

    Raises:
        EcrnnError: fewer than two differences, not finite, sizes below 1, a rope below 0.
    """
    return posterior(corrected_resampled_t(differences, n_train, n_test), rope)


def posterior(test: PairedT, rope: float, *, higher_is_better: bool = True) -> Posterior:
    """The posterior that goes with a t test under an uninformative prior: location its mean, scale its standard error.

    Args:
        test: on the differences a - b, with a standard error above 0.
        rope: half the width of the region, in values of the metric.
        higher_is_better: False for scores that count errors or bits.

    Raises:
        EcrnnError: a rope below 0.
    """
    rope = _checks.not_negative("rope", rope)
    mean = test.difference if higher_is_better else -test.difference
    df, scale = test.degrees_of_freedom, test.standard_error
    worse = _resampling.t_cdf(df, (-rope - mean) / scale)
    better = _resampling.t_cdf(df, (mean - rope) / scale)  # the upper tail, by symmetry, without cancellation
    return Posterior(worse, max(0.0, 1.0 - worse - better), better, rope)
