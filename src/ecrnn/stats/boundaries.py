"""When a study may stop: the p that a look at unfinished repeats must fall below, so that all looks together err alpha.

A study of at most R repeats is looked at after r_1 < ... < r_K = R of them. The differences of a pair are taken to be
correlated as Nadeau and Bengio (2003) take them: one luck u of the data set in all repeats, and a luck of its own in
each, D_i = delta + sd * (sqrt(q) u + e_i) with q = n_test/n_train. Then the means of two looks r < s satisfy
Cov(mean_r, mean_s) = Var(mean_s), so the looks have independent increments, and the theory of group-sequential tests
holds with the information 1 / (1/r + q) (Jennison and Turnbull 2000, "Group sequential methods", chapters 3 and 7).

Alpha is spent by the power family, alpha * tau**gamma by a look with the share tau of the last look's information
(Kim and DeMets 1987), with that gamma that leaves the first look, of which the spread is known worst, 5 % of it. With
few repeats the statistic is far from normal, so the levels are not computed but simulated, always with the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.verdicts import MIN_REPEATS

FIRST_SHARE = 0.05  # of alpha, spent at the first look
PATHS = 1_000_000  # that are simulated
MAX_LOOKS = 60
ALPHAS = (0.8, 0.4, 0.2, 0.1, 0.05, 0.025, 0.0125, 0.006, 0.003, 0.0014, 0.0007)  # at which levels are simulated
BONFERRONI_AT = 1e-5  # at which and below each look has the level that it spends: too strict, never too loose
_GROWTH = 1.25  # from one look to the next of studies that may have more than ten repeats


def usual_looks(repeats: int) -> tuple[int, ...]:
    """The looks of a study of at most ``repeats``: 3, 4, ..., 10, and in steps of a quarter where there are more.

    >>> usual_looks(30)
    (3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30)

    Args:
        repeats: of each model, at most.

    Raises:
        EcrnnError: fewer than three repeats, of which no verdict is made.
    """
    repeats = _checks.whole("repeats", repeats, at_least=MIN_REPEATS)
    if repeats <= 10:
        return tuple(range(MIN_REPEATS, repeats + 1))
    looks = [MIN_REPEATS]
    while (following := max(looks[-1] + 1, math.floor(_GROWTH * looks[-1] + 0.5))) < repeats:
        looks.append(following)
    return (*looks, repeats)


def information(looks: ArrayLike, q: float) -> NDArray[np.float64]:
    """What the mean of so many repeats tells, as a share of what infinitely many independent ones of variance 1 would.

    It is the reciprocal of the corrected variance, 1 / (1/r + q).
    """
    return 1.0 / (1.0 / np.asarray(looks, dtype=np.float64) + q)


def spent(looks: Sequence[int], q: float) -> NDArray[np.float64]:
    """The share of alpha that is spent by each look: tau**gamma, `FIRST_SHARE` by the first and all by the last."""
    tau = information(looks, q) / information(looks[-1], q)
    return np.ones(1) if len(looks) == 1 else tau ** (math.log(FIRST_SHARE) / math.log(tau[0]))


@dataclass(frozen=True, eq=False)
class Boundaries:
    """The levels of all looks, for every alpha.

    ``table`` has a row for each alpha of ``alphas``, ascending, and a column a look: the two-sided p below which the
    study stops. Between its rows levels are interpolated, log p over log alpha.
    """

    looks: tuple[int, ...]
    q: float
    alphas: NDArray[np.float64]
    table: NDArray[np.float64]

    def level(self, alpha: float | NDArray[np.float64], look: int, *, sides: int = 2) -> NDArray[np.float64]:
        """The p of look number ``look`` (from 0) below which a test at ``alpha`` stops there.

        Args:
            alpha: of all looks together; a one-sided alpha counts the paths that end on one side alone.
            look: its number.
            sides: of the test, and of the p that comes back: 2 or 1. Paths that reach both sides are so rare that one
                side has half the level of both at twice the alpha.
        """
        both = np.asarray(alpha, dtype=np.float64) * (2 / sides)
        inner = np.interp(np.log(both), np.log(self.alphas), np.log(self.table[:, look]))
        outer = np.minimum(both, self.alphas[0]) * (self.table[0, look] / self.alphas[0])
        return np.asarray(np.where(both < self.alphas[0], outer, np.exp(inner)) * (sides / 2))

    def sequential_p(self, p: ArrayLike, look: int, *, sides: int = 2) -> NDArray[np.float64]:
        """The smallest alpha at which ``p`` at this look stops the study; 1 where none up to `ALPHAS` does.

        The least of them over the looks so far is a p value whenever one stops.
        """
        both = np.asarray(p, dtype=np.float64) * (2 / sides)
        column = self.table[:, look]
        with np.errstate(divide="ignore"):
            inner = np.exp(np.interp(np.log(both), np.log(column), np.log(self.alphas)))
        alpha = np.where(both < column[0], both * (self.alphas[0] / column[0]), inner)
        return np.asarray(np.where(both > column[-1], 1.0, alpha * (sides / 2)))


def simulate_boundaries(looks: Sequence[int], q: float, seed: int = 0, paths: int = PATHS) -> Boundaries:
    """The levels of the looks, by simulation; some seconds, the second time at once.

    Args:
        looks: repeats at which the study is looked at, ascending; the first at least 3.
        q: n_test/n_train of a repeat.
        seed: of the simulation.
        paths: studies without a difference that are simulated.

    Raises:
        EcrnnError: looks that do not ascend, begin below three repeats or are too many, or q out of range.
    """
    looks = tuple(_checks.whole("looks", look, at_least=MIN_REPEATS) for look in looks)
    if not looks or list(looks) != sorted(set(looks)) or len(looks) > MAX_LOOKS:
        raise EcrnnError(f"looks must be 1 to {MAX_LOOKS} numbers of repeats that ascend, got {list(looks)[:10]}")
    return _simulated(looks, _checks.not_negative("q", q), seed, _checks.whole("paths", paths, at_least=1000))


@lru_cache(maxsize=8)
def _simulated(looks: tuple[int, ...], q: float, seed: int, paths: int) -> Boundaries:
    share = spent(looks, q)
    alone = np.diff(share, prepend=0.0)  # of alpha, spent at each look
    size = np.abs(null_statistics(np.random.default_rng(seed), looks, q, paths))
    rows = []
    for alpha in ALPHAS:
        row, stopped = _levels(size, looks, alpha * share, alpha * alone, paths)
        rows.append(row)
        size = size[:, stopped]  # a smaller alpha stops none but these
    ascending = np.array([BONFERRONI_AT * alone, *reversed(rows)])
    return Boundaries(looks, q, np.array([BONFERRONI_AT, *reversed(ALPHAS)]), np.maximum.accumulate(ascending))


def null_statistics(
    rng: np.random.Generator, looks: Sequence[int], q: float, paths: int, effect: float = 0.0
) -> NDArray[np.float64]:
    """The corrected t statistic at each look of studies whose pair differs by ``effect``.

    Mean and sum of squares of the repeats between two looks are drawn, not the repeats (Chan, Golub and LeVeque 1983
    join them), so that a thousand repeats cost what ten do.

    Args:
        rng: source of all randomness.
        looks: repeats at each look.
        q: n_test/n_train; the correlation of two repeats is q/(1 + q).
        paths: number of studies.
        effect: true difference, in standard deviations between the repeats of a study.

    Returns:
        (looks, paths)
    """
    luck = effect + math.sqrt(q) * rng.standard_normal(paths)
    mean, squares, before = np.zeros(paths), np.zeros(paths), 0
    statistics = np.empty((len(looks), paths))
    for look, repeats in enumerate(looks):
        fresh = repeats - before
        step = rng.standard_normal(paths) / math.sqrt(fresh) - mean
        squares += step**2 * (before * fresh / repeats)
        if fresh > 1:
            squares += 2.0 * rng.standard_gamma((fresh - 1) / 2, paths)
        mean += step * (fresh / repeats)
        statistics[look] = (mean + luck) / np.sqrt(squares / (repeats - 1) * (1 / repeats + q))
        before = repeats
    return statistics


def _levels(
    size: NDArray[np.float64],
    looks: tuple[int, ...],
    by: NDArray[np.float64],
    alone: NDArray[np.float64],
    paths: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The level of each look so that the share ``by`` of all paths has stopped by then; and which of ``size`` have.

    The first look's is known, since one p is uniform; ``alone`` is what each look spends, its level at the least.
    """
    stopped = np.zeros(size.shape[1], dtype=bool)
    levels = np.empty(len(looks))
    for look, repeats in enumerate(looks):
        going = size[look, ~stopped]
        more = round(by[look] * paths) - int(stopped.sum())
        if look == 0 or not 0 < more < going.size:
            critical = -float(special.stdtrit(repeats - 1, alone[look] / 2))
        else:
            critical = float(np.partition(going, going.size - more - 1)[going.size - more - 1])
        critical = min(critical, -float(special.stdtrit(repeats - 1, alone[look] / 2)))
        levels[look] = 2.0 * special.stdtr(repeats - 1, -critical)
        stopped |= size[look] > critical
    return levels, stopped
