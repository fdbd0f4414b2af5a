"""What a score varies with, where each split is trained several times: the seed, the split, the test examples.

A training j on split s has the score y_sj = mean + split_s + seed_sj. With k trainings on each of m splits the two
variances are told apart by the mean squares within and between splits (analysis of variance of one random factor):

    Var(seed) = MSW,    Var(split) = (MSB - MSW) / k,    MSB = k * variance of the m split means

The variance of a split has two sources: its training examples, and its test examples, which all its trainings score.
What the test examples add is the covariance of two trainings of one split through them (crossed.py, within a split);
the rest is the training examples'. The seed's variance holds what seed and test example do together.

Intervals: chi squared of Var(seed); of Var(split) the modified large-sample limits of Burdick and Graybill (1992,
"Confidence Intervals on Variance Components", chapter 3); of the test examples' part Student's t over the splits. All
take splits as independent. Estimates that come out below 0 are 0, and so are the ends of intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.intervals import Interval


@dataclass(frozen=True)
class SeedAndSplit:
    """The variances of one training's score, in squared values of the metric.

    Attributes:
        splits, seeds: m splits with k trainings each.
        seed: of trainings that differ in their seed alone.
        split: of splits; ``images`` and ``training`` are its parts.
        images: of the test examples; None where their scores are not known.
        training: of the training examples; None where ``images`` is.
    """

    splits: int
    seeds: int
    seed: Interval
    split: Interval
    images: Interval | None
    training: Interval | None

    @property
    def total(self) -> float:
        """The variance of one training's score on a split of its own."""
        if self.images is None or self.training is None:
            return self.seed.estimate + self.split.estimate
        return self.seed.estimate + self.training.estimate + self.images.estimate


def seed_and_split(scores: ArrayLike, examples: Sequence[ArrayLike] | None = None, level: float = 0.95) -> SeedAndSplit:
    """The parts of the variance of scores, or of differences of two models.

    Args:
        scores: (m, k) the score of each of k trainings on each of m splits, m and k at least 2.
        examples: for each split (k, n) one number a training and example, whose mean is the score or as good as it;
            None: not known.
        level: confidence of the intervals, each by itself.

    Raises:
        EcrnnError: fewer than two splits or trainings, values that are not finite, shapes that do not fit.
    """
    level = _checks.share("level", level)
    y = np.asarray(scores, np.float64)
    if y.ndim != 2 or min(y.shape) < 2 or not np.isfinite(y).all():
        raise EcrnnError(f"scores must be finite, of two splits or more with two trainings or more, got {y.shape}")
    m, k = y.shape
    within, between = float(y.var(axis=1, ddof=1).mean()), k * float(y.mean(axis=1).var(ddof=1))
    seed = Interval(within, *_chi_squared(within, m * (k - 1), level), level)
    split = _interval((between - within) / k, *_between(between, within, m, k, level), level)
    if examples is None:
        return SeedAndSplit(m, k, seed, split, None, None)
    if len(examples) != m:
        raise EcrnnError(f"examples must be of the {m} splits, got {len(examples)}")
    shared = np.array([_shared(np.asarray(one, np.float64), k) for one in examples])
    half = float(stats.t.ppf((1 + level) / 2, m - 1)) * float(shared.std(ddof=1)) / math.sqrt(m)
    mean = float(shared.mean())
    images = _interval(mean, mean - half, mean + half, level)
    low, high = _between(between, within, m, k, level)
    training = _interval((between - within) / k - mean, low - mean, high - mean, level)
    return SeedAndSplit(m, k, seed, split, images, training)


def _interval(estimate: float, low: float, high: float, level: float) -> Interval:
    return Interval(max(0.0, estimate), max(0.0, low), max(0.0, high), level)


def _chi_squared(variance: float, df: int, level: float) -> tuple[float, float]:
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], df)
    return variance * df / float(low), variance * df / float(high)


def _between(between: float, within: float, m: int, k: int, level: float) -> tuple[float, float]:
    """The modified large-sample limits of (between - within) / k, which may be below 0."""
    a, b, tail = m - 1, m * (k - 1), (1 - level) / 2
    upper, lower = float(stats.f.ppf(1 - tail, a, b)), float(stats.f.ppf(tail, a, b))
    g1, h1 = 1 - a / float(stats.chi2.ppf(1 - tail, a)), a / float(stats.chi2.ppf(tail, a)) - 1
    g2, h2 = 1 - b / float(stats.chi2.ppf(1 - tail, b)), b / float(stats.chi2.ppf(tail, b)) - 1
    g12 = ((upper - 1) ** 2 - (g1 * upper) ** 2 - h2**2) / upper
    h12 = ((1 - lower) ** 2 - (h1 * lower) ** 2 - g2**2) / lower
    down = (g1 * between) ** 2 + (h2 * within) ** 2 + g12 * between * within
    up = (h1 * between) ** 2 + (g2 * within) ** 2 + h12 * between * within
    middle = between - within
    return (middle - math.sqrt(max(0.0, down))) / k, (middle + math.sqrt(max(0.0, up))) / k


def _shared(values: NDArray[np.float64], k: int) -> float:
    """Covariance of two trainings' scores through the examples that both score, without a bias for few examples."""
    if values.ndim != 2 or len(values) != k or values.shape[1] < 2 or not np.isfinite(values).all():
        raise EcrnnError(f"examples must be finite, {k} trainings of the same examples a split, got {values.shape}")
    n = values.shape[1]
    e = (values - values.mean(axis=1, keepdims=True)) / n
    pairs = float((e.sum(axis=0) ** 2 - (e**2).sum(axis=0)).sum()) / (k * (k - 1))
    return pairs * n / (n - 1)
