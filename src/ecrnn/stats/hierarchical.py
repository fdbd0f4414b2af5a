"""A Bayesian hierarchical model of the differences over data sets, integrated on a grid: no sampling, no seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, special, stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.bayes import Posterior
from ecrnn.stats.intervals import Interval

_TAILS = stats.gamma(2.0, scale=10.0)  # prior of the degrees of freedom: Juarez and Steel (2010)
_DEGREES = 6
_MEANS = 27
_SPREADS = 33
_FINER = 8  # times as many means, between which the logarithm is smooth
_NODES = 32  # of each of the two densities that are multiplied
_NEGLIGIBLE = 1e-8  # of the largest density


@dataclass(frozen=True)
class Hierarchical:
    """``new`` has the probabilities that a is worse, equivalent or better on a new data set.

    ``mean`` is the posterior of the mean difference over all data sets, its median and interval; ``spread`` the median
    of the scale of the true differences between data sets.
    """

    new: Posterior
    mean: Interval
    spread: float


def hierarchical(
    differences: ArrayLike,
    standard_errors: ArrayLike,
    degrees_of_freedom: ArrayLike,
    rope: float = 0.005,
    level: float = 0.95,
    widest: float = math.inf,
) -> Hierarchical:
    """The hierarchical model of Corani et al. (2017), "Statistical comparison of classifiers through Bayesian
    hierarchical modelling", Machine Learning 106.

    The true difference of data set d is delta_d ~ t(nu, mu, tau); what its repeats show, with the correlation
    rho = n_test / (n_test + n_train), is a likelihood t(r - 1) of delta_d around their mean with the standard error of
    :func:`corrected_resampled_t`. That is their model with the data set's own spread integrated out, under a prior flat
    on its logarithm, so that one data set by itself has the posterior of :func:`bayesian_correlated_t`. Priors: mu
    flat, tau uniform between 0 and 1000 standard deviations of the differences, nu gamma(2, 0.1).

    Args:
        differences: (D,) mean difference of each data set, positive in favour of a, D >= 3.
        standard_errors: (D,) of them, above 0.
        degrees_of_freedom: (D,) repeats less one, at least 1.
        rope: half the width of the region of practical equivalence.
        level: of the interval of the mean.
        widest: the largest difference that there can be; the interval goes no further.

    Raises:
        EcrnnError: fewer than three data sets, values that are not finite or of different numbers, standard errors that
            are not above 0, degrees of freedom below 1, a rope below 0, a level outside (0, 1).
    """
    y = _checks.vector("differences", differences, at_least=3)
    errors, degrees = _checks.vector("standard_errors", standard_errors), _checks.vector("df", degrees_of_freedom)
    rope, level = _checks.not_negative("rope", rope), _checks.share("level", level)
    if errors.size != y.size or degrees.size != y.size or (errors <= 0).any() or (degrees < 1).any():
        raise EcrnnError(f"of {y.size} data sets, standard errors must be above 0 and degrees of freedom at least 1")
    unit = max(_resampling.sample_sd(y), float(errors.mean()))
    tails = _TAILS.ppf((np.arange(_DEGREES) + 0.5) / _DEGREES)  # equally probable
    model = _Model(y / unit, errors / unit, degrees, tails)
    most = 1000 * max(_resampling.sample_sd(y), float(errors.min())) / unit
    coarse = np.geomspace(1e-4, most, 30)
    ends = _Model(y / unit, errors / unit, degrees, tails[[0, -1]])  # to see where the spread may lie
    density = ends.on_grid(coarse).weight.sum(axis=(1, 2))
    kept = np.flatnonzero(density > _NEGLIGIBLE * density.max())
    fine = np.geomspace(coarse[max(kept[0] - 1, 0)], coarse[min(kept[-1] + 1, coarse.size - 1)], _SPREADS)
    grid = model.on_grid(fine)
    weight = grid.weight / grid.weight.sum()  # (S, V, M)
    scaled = rope / unit
    # The chance of a new data set below -rope and above rope, at each point of the grid.
    degrees_, spreads = grid.degrees[:, None], grid.spreads[:, None, None]
    below = float((weight * special.stdtr(degrees_, (-scaled - grid.means) / spreads)).sum())
    above = float((weight * special.stdtr(degrees_, (grid.means - scaled) / spreads)).sum())
    means = np.broadcast_to(grid.means, weight.shape).ravel()
    low, middle, high = unit * _quantiles(means, weight.ravel(), [(1 - level) / 2, 0.5, (1 + level) / 2])
    (spread,) = unit * _quantiles(fine, weight.sum(axis=(1, 2)), [0.5])
    new = Posterior(below, max(0.0, 1 - below - above), above, rope)
    interval = Interval(float(middle), max(float(low), -widest), min(float(high), widest), level)
    return Hierarchical(new, interval, float(spread))


@dataclass(frozen=True)
class _Grid:
    """Posterior weights (S, V, M) of spreads (S,), degrees of freedom (V,) and means (S, 1, M), not normalised."""

    weight: NDArray[np.float64]
    spreads: NDArray[np.float64]
    degrees: NDArray[np.float64]
    means: NDArray[np.float64]


class _Model:
    def __init__(
        self,
        y: NDArray[np.float64],
        errors: NDArray[np.float64],
        degrees: NDArray[np.float64],
        tails: NDArray[np.float64],
    ) -> None:
        self.y, self.errors, self.own_degrees, self.tails = y, errors, degrees, tails
        levels = (np.arange(_NODES) + 0.5) / _NODES
        self.own_nodes = special.stdtrit(degrees[:, None], levels)  # (D, K)
        self.nodes = special.stdtrit(tails[:, None], levels)  # (V, K)
        self.steps = np.linspace(-np.arcsinh(30.0), np.arcsinh(30.0), _MEANS)
        self.finer = np.linspace(self.steps[0], self.steps[-1], (_MEANS - 1) * _FINER + 1)

    def on_grid(self, spreads: NDArray[np.float64]) -> _Grid:
        """The posterior at ``spreads``, equally far apart on a logarithmic scale."""
        logs, means = [], []
        for spread in spreads:
            precision = 1 / (self.errors**2 + spread**2)
            scale = 1 / np.sqrt(precision.sum())
            centre = precision @ self.y / precision.sum()
            log = self._log_likelihood(centre + scale * np.sinh(self.steps), spread)
            log = interpolate.CubicSpline(self.steps, log, axis=-1)(self.finer)
            # d(mean) of the grid, and d(spread) of one that is even on the logarithm
            logs.append(log + np.log(scale * np.cosh(self.finer) * spread))
            means.append(centre + scale * np.sinh(self.finer))
        weight = np.exp(np.array(logs) - np.max(logs))
        return _Grid(weight, spreads, self.tails, np.array(means)[:, None])

    def _log_likelihood(self, mean: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
        """(V, M): the sum over data sets of the log of their marginal likelihood.

        The integral of a product f g is taken at nodes of both, as 1/2 E_f[fg/h] + 1/2 E_g[fg/h] with h = (f + g)/2,
        which is bounded however much one of them is narrower than the other.
        """
        shape = self.tails[:, None, None, None]
        m = mean[:, None, None]  # axes are V, M, D, K
        total = np.zeros((self.tails.size, mean.size, self.y.size))
        for at in (
            self.y[:, None] + self.errors[:, None] * self.own_nodes,  # (D, K)
            m + spread * self.nodes[:, None, None, :],  # (V, M, 1, K)
        ):
            noise = _density(self.own_degrees[:, None], (at - self.y[:, None]) / self.errors[:, None])
            noise = noise / self.errors[:, None]
            between = _density(shape, (at - m) / spread) / spread
            total += (noise * between / (noise + between)).mean(axis=-1)
        return np.log(total).sum(axis=-1)


def _density(df: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of Student's t."""
    constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    return np.exp(constant - (df + 1) / 2 * np.log1p(z * z / df))


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64], levels: list[float]) -> NDArray[np.float64]:
    """Of points with weights, each of which stands for what lies around it."""
    order = np.argsort(values)
    passed = np.cumsum(weights[order])
    return np.interp(levels, (passed - weights[order] / 2) / passed[-1], values[order])
