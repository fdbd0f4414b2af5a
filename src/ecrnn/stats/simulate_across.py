"""How often the intervals over data sets miss: studies of two models on data sets that are drawn anew each time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.paired import corrected_resampled_t
from ecrnn.stats.random_effects import random_effects, weighted_random_effects
from ecrnn.stats.signed_rank import wilcoxon


@dataclass(frozen=True)
class AcrossMisses:
    """Shares of ``studies`` in which an interval leaves out what it is for, at level 0.95.

    ``mean`` and ``new`` are of `random_effects`: the true mean, and what one more data set shows. ``weighted_mean`` and
    ``weighted_new`` are of `weighted_random_effects` with the variances that the repeats show: the true mean, and the
    true difference on one more data set. ``wilcoxon`` is the share in which the signed-rank test finds a difference
    where the mean is 0.
    """

    studies: int
    data_sets: int
    repeats: int
    between: float
    correlation: float
    mean: float
    new: float
    weighted_mean: float
    weighted_new: float
    wilcoxon: float


def misses_across(
    rng: np.random.Generator,
    data_sets: int,
    repeats: int,
    between: float,
    *,
    correlation: float = 0.3,
    ratio: float = 3 / 7,
    unequal: float = 0.0,
    tails: float = math.inf,
    studies: int = 1000,
) -> AcrossMisses:
    """The rates at which the intervals over data sets miss.

    A data set has a true difference with mean 0 and standard deviation ``between``, and repeats around it with standard
    deviation 1, correlated by ``correlation``. Each repeat's variance is taken as the corrected resampled t does it,
    with n_test / n_train = ``ratio``, whatever the correlation really is.

    Args:
        rng: source of all randomness.
        data_sets: of each study.
        repeats: on each data set, at least 2.
        between: standard deviation of the true differences, in standard deviations between repeats.
        correlation: of two repeats on one data set.
        ratio: test examples for each training example; 3/7 is a split of 70:30.
        unequal: standard deviation of the logarithm of the data sets' standard deviations between repeats.
        tails: degrees of freedom of the true differences' t distribution, above 2; normal by default.
        studies: number of studies.

    Raises:
        EcrnnError: fewer than two data sets or repeats, a spread below 0, a correlation outside 0..1, tails of 2 or
            less.
    """
    data_sets, repeats = _checks.whole("data_sets", data_sets, 2), _checks.whole("repeats", repeats, 2)
    between, unequal = _checks.not_negative("between", between), _checks.not_negative("unequal", unequal)
    if not 0 <= correlation <= 1 or not tails > 2:
        raise EcrnnError(f"correlation must lie between 0 and 1 and tails above 2, got {correlation} and {tails}")
    misses = np.zeros(5)
    for _ in range(_checks.whole("studies", studies)):
        true = _true(rng, data_sets + 1, between, tails)  # the last one is new
        spread = np.exp(unequal * rng.standard_normal(data_sets + 1))[:, None]
        shared, alone = rng.standard_normal((data_sets + 1, 1)), rng.standard_normal((data_sets + 1, repeats))
        noise = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * alone
        shown = true[:, None] + spread * noise  # (D + 1, r)
        means = shown.mean(axis=1)
        tests = [corrected_resampled_t(differences, 1 / ratio, 1) for differences in shown[:-1]]
        variances = [test.standard_error**2 for test in tests]
        alike = random_effects(means[:-1], variances)
        weighted = weighted_random_effects(means[:-1], variances)
        misses += (
            not alike.low <= 0 <= alike.high,
            not alike.new_low <= means[-1] <= alike.new_high,
            not weighted.low <= 0 <= weighted.high,
            not weighted.new_low <= true[-1] <= weighted.new_high,
            wilcoxon(means[:-1]).p < 0.05,
        )
    rates = (float(rate) for rate in misses / studies)
    return AcrossMisses(studies, data_sets, repeats, between, correlation, *rates)


def _true(rng: np.random.Generator, n: int, between: float, tails: float) -> np.ndarray:
    """Differences with standard deviation ``between``."""
    if math.isinf(tails):
        return between * rng.standard_normal(n)
    return between * math.sqrt((tails - 2) / tails) * rng.standard_t(tails, n)
