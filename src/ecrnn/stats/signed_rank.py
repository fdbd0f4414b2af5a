"""Signed ranks of the differences over data sets: Wilcoxon's exact test, and its Bayesian relative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ecrnn.stats import _checks, _resampling
from ecrnn.stats.bayes import Posterior


@dataclass(frozen=True)
class Wilcoxon:
    """Wilcoxon's signed-rank test over ``n`` data sets, of which ``zeros`` show no difference.

    ``statistic`` is the sum of the ranks of the positive differences.
    """

    n: int
    zeros: int
    statistic: float
    p: float


def wilcoxon(differences: ArrayLike) -> Wilcoxon:
    """The exact two-sided signed-rank test, with ties and zeros.

    From Wilcoxon (1945), "Individual comparisons by ranking methods"; zeros keep their ranks and count for neither side
    (Pratt 1959, "Remarks on zeros and ties in the Wilcoxon signed rank procedures"). The distribution is counted out
    over all signs of the ranks that there are, so p is exact for any number of data sets, with ties too.

    Args:
        differences: (D,) mean difference of each data set, D >= 1.

    Raises:
        EcrnnError: no differences, or not finite.
    """
    d = _checks.vector("differences", differences)
    d = np.where(np.abs(d) <= _resampling.SAME, 0.0, d)
    ranks = stats.rankdata(np.round(np.abs(d), 12))
    doubled = np.rint(2 * ranks[d != 0]).astype(int)  # ranks of ties end in a half
    chance = np.zeros(doubled.sum() + 1)  # of each sum of the positive ranks, doubled
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[: chance.size - rank]) / 2
        chance[:rank] /= 2
    found = int(np.rint(2 * ranks[d > 0]).sum())
    p = 2 * min(chance[: found + 1].sum(), chance[found:].sum())
    return Wilcoxon(d.size, int((d == 0).sum()), found / 2, min(1.0, float(p)))


def fewest_data_sets(pairs: int, alpha: float = 0.05) -> int:
    """The fewest data sets from which Wilcoxon's test can decide at all: all in favour of one model.

    D signs that are all alike have p = 2 / 2^D; Holm's first step multiplies it by the number of pairs.

    Args:
        pairs: that are compared.
        alpha: level of the tests.

    Raises:
        EcrnnError: no pairs, an alpha outside (0, 1).
    """
    pairs, alpha = _checks.whole("pairs", pairs), _checks.share("alpha", alpha)
    n = 1
    while pairs * 2.0 ** (1 - n) >= alpha:
        n += 1
    return n


def bayesian_signed_rank(
    differences: ArrayLike, rope: float = 0.005, *, strength: float = 0.5, seed: int = 0, draws: int = 50_000
) -> Posterior:
    """The Bayesian signed-rank test over data sets: which region holds most of the differences.

    From Benavoli et al. (2014), "A Bayesian Wilcoxon signed-rank test based on the Dirichlet process", with the region
    of practical equivalence of Benavoli et al. (2017), "Time for a change". Each draw weighs the data sets, and one
    more at 0 by ``strength``, by a Dirichlet distribution; the mean of two data sets falls below the region, into it
    or above it, and the region that most of the weight falls into counts for the draw.

    Args:
        differences: (D,) difference of each data set, positive in favour of a.
        rope: half the width of the region.
        strength: weight of the prior's data set at 0, between 0.5 and 1.
        seed: of the draws.
        draws: number of draws.

    Returns:
        The shares of the draws in which a is mostly worse, equivalent, better.

    Raises:
        EcrnnError: no differences, not finite, a rope or strength below 0, no draws.
    """
    worse, within, better = signed_rank_draws(differences, rope, strength=strength, seed=seed, draws=draws).T
    if rope == 0:  # nothing lies between, but for rounding
        lower = float((worse > better).mean() + (worse == better).mean() / 2)
        return Posterior(lower, 0.0, 1 - lower, rope)
    most = np.argmax([worse, within, better], axis=0)
    lower, equivalent, higher = (np.bincount(most, minlength=3) / draws).tolist()
    return Posterior(lower, equivalent, higher, rope)


def signed_rank_draws(
    differences: ArrayLike, rope: float = 0.005, *, strength: float = 0.5, seed: int = 0, draws: int = 50_000
) -> NDArray[np.float64]:
    """The draws of :func:`bayesian_signed_rank`, whose arguments and errors these are.

    Returns:
        (draws, 3) how much of the weight of a draw lies where a is worse, equivalent, better; they add up to 1.
    """
    d = _checks.vector("differences", differences)
    rope = _checks.not_negative("rope", rope)
    strength, draws = _checks.not_negative("strength", strength), _checks.whole("draws", draws)
    places = np.append(0.0, d)
    sums = places[:, None] + places
    above, below = (_step(sign * sums - 2 * rope) for sign in (1.0, -1.0))
    # A Dirichlet of gammas; one of shape 0 is 0.
    shapes = np.append(strength, np.ones(d.size))
    weights = np.random.default_rng(seed).gamma(shapes, size=(draws, places.size))
    weights /= weights.sum(axis=1, keepdims=True)
    better, worse = (((weights @ of) * weights).sum(axis=1) for of in (above, below))
    return np.stack([worse, 1 - worse - better, better], axis=1)


def _step(values: np.ndarray) -> np.ndarray:
    """1 above 0, a half at 0, up to rounding."""
    return (values > _resampling.SAME) + 0.5 * (np.abs(values) <= _resampling.SAME)
