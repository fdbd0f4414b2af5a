"""One model at a time: summaries over repeats, shares of images, bootstrapped means. Pairs are in paired.py.

Scores are fractions between 0 and 1, never percent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling

_INDICES_AT_ONCE = 2**22  # bounds the memory of a bootstrap at some 32 MiB


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval at confidence ``level``."""

    estimate: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Summary:
    """The scores of one model over ``n`` repeats; ``sd``, ``low`` and ``high`` are None for a single one."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    minimum: float
    maximum: float
    level: float


def summarise(
    scores: ArrayLike,
    n_train: float,
    n_test: float,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    shared: float | None = None,
) -> Summary:
    """Mean, spread and interval of one model's scores over repeats.

    The interval is mean +- t(r - 1) * sd * sqrt(1/r + n_test/n_train), the variance of Nadeau and Bengio
    (2003); with ``shared`` it has the crossed variance (crossed.py). Where a score lies between two ``bounds``, as
    shares do, the interval is made on the scale of log((x n + 1/2) / (n - x n + 1/2)), x the score between 0 and 1 and
    n = n_test, and brought back: near a bound the spread is lopsided, and an interval on the scale of the score would
    end beyond it. It always holds the mean.

    Args:
        scores: (r,) one score a repeat, fractions.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        level: confidence of the interval.
        bounds: what a score can be at all, (0, 1) for shares.
        shared: of repeats on one test set: the covariance of two of them, from `ecrnn.stats.shared_covariance`.

    Raises:
        EcrnnError: no scores, scores that are not finite, sizes below 1, a level outside (0, 1).
    """
    scores = _checks.vector("scores", scores)
    level = _checks.share("level", level)
    n, mean = scores.size, float(scores.mean())
    sd = low = high = None
    if n >= 2:
        sd = _resampling.sample_sd(scores)
        if math.isfinite(bounds[1] - bounds[0]):
            low, high = _between(scores, n_train, n_test, level, bounds, shared)
        else:
            error, df = _resampling.standard_error(sd, n, n_train, n_test), float(n - 1)
            if shared is not None:
                error, df = _resampling.crossed_error(sd, n, shared, n_test)
            half = _resampling.t_quantile(df, (1 + level) / 2) * error
            low, high = max(mean - half, bounds[0]), min(mean + half, bounds[1])
    return Summary(n, mean, sd, low, high, float(scores.min()), float(scores.max()), level)


def _between(
    scores: NDArray[np.float64],
    n_train: float,
    n_test: float,
    level: float,
    bounds: tuple[float, float],
    shared: float | None,
) -> tuple[float, float]:
    """The interval of a mean of scores between two bounds, made on the logit scale."""
    least, width = bounds[0], bounds[1] - bounds[0]
    correct = (scores - least) / width * n_test
    y = np.log((correct + 0.5) / (n_test - correct + 0.5))
    at = float(correct.mean())
    slope = n_test / (at + 0.5) + n_test / (n_test - at + 0.5)  # of the scale, at the mean
    hidden = slope / (n_test * math.sqrt(12.0))  # the spread that the grid of n_test examples can hide
    sd = max(_resampling.sample_sd(y), hidden)
    if shared is None:
        error, df = _resampling.standard_error(sd, y.size, n_train, n_test), float(y.size - 1)
    else:
        error, df = _resampling.crossed_error(sd / slope, y.size, shared / width**2, n_test)
        error *= slope
    centre, half = float(y.mean()), _resampling.t_quantile(df, (1 + level) / 2) * error
    low, high = (least + width * float(special.expit(end)) for end in (centre - half, centre + half))
    mean = float(scores.mean())
    return min(low, mean), max(high, mean)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share, e.g. of one model's accuracy on n images.

    From Wilson (1927), "Probable inference, the law of succession, and statistical inference". It covers the
    sampling of images only: nothing about training the model again.

    Args:
        successes: images that are right, 0..n.
        n: images, at least 1.
        level: confidence of the interval.

    Raises:
        EcrnnError: n below 1, successes outside 0..n, a level outside (0, 1).
    """
    n = _checks.whole("n", n)
    level = _checks.share("level", level)
    if not 0 <= successes <= n:
        raise EcrnnError(f"successes must lie between 0 and n = {n}, got {successes}")
    z = float(special.ndtri((1 + level) / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = 0.0 if successes == 0 else centre - half  # exact at the ends, where rounding leaves +-1e-17
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high, level)


def clopper_pearson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of a share of ``n`` independent trials.

    From Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the binomial".
    It covers at least as often as ``level`` says, for every true share.

    Args:
        successes: 0..n; a tie may count half, and a trial that is a mean its share.
        n: trials, at least 1.
        level: confidence of the interval.

    Raises:
        EcrnnError: n below 1, successes outside 0..n, a level outside (0, 1).
    """
    n, level = _checks.whole("n", n), _checks.share("level", level)
    if not 0 <= successes <= n:
        raise EcrnnError(f"successes must lie between 0 and n = {n}, got {successes}")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(successes / n, low, high, level)


def bootstrap_mean(values: ArrayLike, level: float = 0.95, seed: int = 0, resamples: int = 10_000) -> Interval:
    """Percentile bootstrap interval of a mean (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: (n,) independent values; repeats on overlapping splits are not, use :func:`summarise` for
            them.
        level: confidence of the interval.
        seed: of the resampling; the same seed gives the same interval.
        resamples: number of bootstrap samples.

    Raises:
        EcrnnError: no values, values that are not finite, no resamples, a level outside (0, 1).
    """
    values = _checks.vector("values", values)
    level = _checks.share("level", level)
    resamples = _checks.whole("resamples", resamples)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _INDICES_AT_ONCE // values.size)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        means[start : start + rows] = values[rng.integers(values.size, size=(rows, values.size))].mean(axis=1)
    low, high = percentiles(means, level)
    return Interval(float(values.mean()), low, high, level)


def percentiles(statistics: ArrayLike, level: float) -> tuple[float, float]:
    """The two percentiles that enclose the middle ``level`` of bootstrapped ``statistics``."""
    low, high = np.quantile(np.asarray(statistics), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
