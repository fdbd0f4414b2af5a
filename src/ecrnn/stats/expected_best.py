"""The best of n points of a search that one may expect, whatever their order: how a ranking turns with the budget.

Of N values, drawn without replacement, the best of n is v_(i), the i-th from below, with probability
C(i-1, n-1) / C(N, n), so its expectation is

    E_n = sum over i of v_(i) C(i-1, n-1) / C(N, n)

an unbiased estimate of the expected best of n new points (Tang et al., "Showing Your Work Doesn't Always Work", ACL
2020, equation 5; the idea and the curve are Dodge et al.'s, "Show Your Work", EMNLP 2019, whose estimate is with
replacement and biased).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.errors import EcrnnError

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class BestOfN:
    """The expected best of 1, 2, ..., N points, with the bounds of a bootstrap over the points."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    level: float


def expected_best(values: Sequence[float], *, higher_is_better: bool = True) -> NDArray[np.float64]:
    """E_n for n from 1 to N.

    Args:
        values: N scores of points, at least one, all finite.
        higher_is_better: whether the best is the largest.

    Returns:
        float64 (N,).

    Raises:
        EcrnnError: no value, or one that is not finite.
    """
    scores = _checked(values)
    return _of_sorted(np.sort(scores if higher_is_better else -scores)) * (1 if higher_is_better else -1)


def best_of_n(values: Sequence[float], *, higher_is_better: bool = True, level: float = 0.95, seed: int = 0) -> BestOfN:
    """`expected_best` with a percentile bootstrap over the points.

    Args:
        values: as of `expected_best`.
        higher_is_better: as of `expected_best`.
        level: of the bounds, each n by itself.
        seed: of the bootstrap; the same values and seed give the same bounds.

    Returns:
        The curve and its bounds.

    Raises:
        EcrnnError: as of `expected_best`.
    """
    scores = _checked(values)
    sign = 1 if higher_is_better else -1
    drawn = np.random.default_rng(seed).integers(len(scores), size=(BOOTSTRAPS, len(scores)))
    curves = _of_sorted(np.sort(sign * scores[drawn], axis=1))
    ends = sign * np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = ends if higher_is_better else ends[::-1]
    mean = expected_best(values, higher_is_better=higher_is_better)
    return BestOfN(tuple(map(float, mean)), tuple(map(float, low)), tuple(map(float, high)), level)


def crossings(a: Sequence[float], b: Sequence[float]) -> tuple[int, ...]:
    """Where a curve of expected bests comes to the other side of another one.

    Args:
        a: the one curve, for n from 1.
        b: the other.

    Returns:
        Each n, from 2 on, at which another one is the better than before.
    """
    sides = [int(np.sign(x - y)) for x, y in zip(a, b, strict=False)]
    found, last = [], 0
    for n, side in enumerate(sides, 1):
        if side and last and side != last:
            found.append(n)
        last = side or last
    return tuple(found)


def _of_sorted(ascending: NDArray[np.float64]) -> NDArray[np.float64]:
    """E_n of values that ascend along the last axis."""
    return np.asarray(ascending @ _weights(ascending.shape[-1]))


def _weights(count: int) -> NDArray[np.float64]:
    """C(i-1, n-1) / C(N, n): (i, n), from exact integers."""
    return np.array(
        [[math.comb(i - 1, n - 1) / math.comb(count, n) for n in range(1, count + 1)] for i in range(1, count + 1)]
    )


def _checked(values: Sequence[float]) -> NDArray[np.float64]:
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise EcrnnError("the expected best wants the scores of one point or more, all finite")
    return scores
