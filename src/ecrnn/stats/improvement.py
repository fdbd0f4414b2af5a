"""How often one model beats another over data sets and repeats, and how many results reach a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.intervals import Interval, clopper_pearson

_NUMBERS_AT_ONCE = 2**22  # bounds the memory of a bootstrap


@dataclass(frozen=True)
class Profile:
    """The share of results, data sets weighing alike, that are at least ``scores``, with a pointwise band."""

    scores: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    level: float


def improvement(gains: Sequence[ArrayLike], level: float = 0.95) -> Interval:
    """The probability of improvement of Agarwal et al. (2021), "Deep reinforcement learning at the edge of the
    statistical precipice", of pairs: within a repeat both models have the same split.

    Data sets are the sample, not repeats, and no share varies more than a yes or no does. So the interval is Clopper
    and Pearson's (1934) for as many yeses of D as the shares add up to; it has a width where one model always wins.

    Args:
        gains: for each data set its repeats' differences, positive in favour of a.
        level: confidence of the interval.

    Raises:
        EcrnnError: no data sets, differences that are not finite, a level outside (0, 1).
    """
    level = _checks.share("level", level)
    shares = []
    for values in gains:
        checked = _checks.vector("gains", values)
        wins, ties = checked > _resampling.SAME, np.abs(checked) <= _resampling.SAME
        shares.append(float(wins.mean() + ties.mean() / 2))
    if not shares:
        raise EcrnnError("there are no data sets to compare on")
    return clopper_pearson(float(np.sum(shares)), len(shares), level)


def profile(
    scores: Sequence[ArrayLike], at: ArrayLike, level: float = 0.95, *, seed: int = 0, resamples: int = 2000
) -> Profile:
    """The score profile of one model (Agarwal et al. 2021): how many of its results reach each of the scores ``at``.

    Args:
        scores: for each data set its repeats' scores, higher is better.
        at: (T,) scores.
        level: confidence of the band, which is of each score by itself.
        seed: of the bootstrap over data sets.
        resamples: number of bootstrap samples.

    Raises:
        EcrnnError: no data sets, scores that are not finite, no resamples, a level outside (0, 1).
    """
    thresholds = _checks.vector("at", at)
    if not len(scores):
        raise EcrnnError("there are no data sets to compare on")
    level, resamples = _checks.share("level", level), _checks.whole("resamples", resamples)
    shares = np.stack(
        [(_checks.vector("scores", of_set)[:, None] >= thresholds).mean(axis=0) for of_set in scores]
    )  # (D, T)
    rng = np.random.default_rng(seed)
    # Of a bootstrap over data sets only how often each is drawn counts.
    often = rng.multinomial(len(scores), np.full(len(scores), 1 / len(scores)), size=resamples) / len(scores)
    bands: list[NDArray[np.float64]] = []
    step = max(1, _NUMBERS_AT_ONCE // resamples)
    for start in range(0, thresholds.size, step):
        drawn = often @ shares[:, start : start + step]
        bands.append(np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0))
    low, high = np.concatenate(bands, axis=1).tolist()
    return Profile(tuple(thresholds.tolist()), tuple(shares.mean(axis=0).tolist()), tuple(low), tuple(high), level)
