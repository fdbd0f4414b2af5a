"""Any metric on the examples of one test set: bootstrap intervals of its value, and of the difference of two models.

They ask what other examples like these would change, for *trained networks*. None of them sees what training again
would change; that is what the repeats and paired.py are for. For accuracy, mcnemar.py has what is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.intervals import Interval, percentiles, wilson
from ecrnn.stats.metrics import Metric

_DRAWN_AT_ONCE = 2**22  # bounds the memory of a bootstrap at some 64 MiB


def bootstrap_metric(
    statistics: ArrayLike, metric: Metric, level: float = 0.95, seed: int = 0, resamples: int = 10_000
) -> Interval:
    """A metric over the examples of a test set, with a percentile bootstrap over the examples.

    For BLEU this is the bootstrap of Koehn (2004), "Statistical significance tests for machine translation
    evaluation".

    Args:
        statistics: (n, k), those of ``metric``, one row an example.
        metric: of `ecrnn.stats.metrics`.
        level: confidence of the interval.
        seed: of the resampling; the same seed gives the same interval.
        resamples: number of bootstrap samples.

    Raises:
        EcrnnError: statistics that are not the metric's, no resamples, a level outside (0, 1).
    """
    checked = metric.checked(statistics)
    low, high = percentiles(metric.of_sums(_resampled_sums(checked, seed, resamples)), _checks.share("level", level))
    return Interval(metric.value(checked), low, high, level)


def metric_interval(statistics: ArrayLike, metric: Metric, level: float = 0.95, seed: int = 0) -> Interval:
    """A metric over the examples of a test set with the interval that suits it.

    Wilson's for accuracy and the like, where each example is right or wrong, else `bootstrap_metric`.

    Args:
        statistics: (n, k), those of ``metric``, one row an example.
        metric: of `ecrnn.stats.metrics`.
        level: confidence of the interval.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        EcrnnError: statistics that are not the metric's, a level outside (0, 1).
    """
    if not metric.binary:
        return bootstrap_metric(statistics, metric, level, seed)
    correct, n = metric.checked(statistics).sum(axis=0)
    return wilson(int(correct), int(n), level)


def bootstrap_difference(
    a: ArrayLike, b: ArrayLike, metric: Metric, level: float = 0.95, seed: int = 0, resamples: int = 10_000
) -> Interval:
    """A metric of a minus that of b on the same examples, with a paired percentile bootstrap over the examples.

    Args:
        a: (n, k), the statistics of ``metric`` for model a, one row an example.
        b: (n, k), the same for b, the same examples in the same order.
        metric: of `ecrnn.stats.metrics`; where lower is better, a difference below 0 is in favour of a.
        level: confidence of the interval.
        seed: of the resampling; the same seed gives the same interval.
        resamples: number of bootstrap samples.

    Raises:
        EcrnnError: statistics that are not the metric's, different numbers of examples, no resamples, a level outside
            (0, 1).
    """
    a, b = metric.checked(a, "statistics of a"), metric.checked(b, "statistics of b")
    if len(a) != len(b):
        raise EcrnnError(f"both models must be scored on the same examples, got {len(a)} and {len(b)}")
    sums = _resampled_sums(np.hstack([a, b]), seed, resamples)
    k = a.shape[1]
    differences = metric.of_sums(sums[:, :k]) - metric.of_sums(sums[:, k:])
    low, high = percentiles(differences, _checks.share("level", level))
    return Interval(metric.value(a) - metric.value(b), low, high, level)


def _resampled_sums(statistics: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """(resamples, k) sums over n examples that are drawn from the n with replacement."""
    resamples = _checks.whole("resamples", resamples)
    rng = np.random.default_rng(seed)
    n, k = statistics.shape
    sums = np.empty((resamples, k))
    step = max(1, _DRAWN_AT_ONCE // n)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)  # how often each example was drawn
        sums[start : start + rows] = times @ statistics
    return sums
