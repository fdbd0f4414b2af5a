"""The hierarchical model: against a Markov chain over all of its parameters, and in its limits."""

import numpy as np
import pytest
from scipy import special
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import bayesian_correlated_t, corrected_resampled_t, hierarchical

ROPE = 0.005


def chains(x, rho, rope, *, steps=2500, burn_in=500, number=200):
    """Metropolis chains of the model as Corani et al. write it: every data set has a mean and a spread of its own, and
    its repeats are a normal vector with correlation rho. Gives the chances of a new data set, and all means."""
    rng = np.random.default_rng(0)
    r = x.shape[1]
    inverse = np.linalg.inv((1 - rho) * np.eye(r) + rho)
    squares = np.einsum("dr,rs,ds->d", x, inverse, x)
    cross, ones = x @ inverse.sum(axis=1), inverse.sum()

    def of_data(delta, log_sd):  # a prior flat on the logarithm of the spread
        return -r * log_sd - (squares - 2 * cross * delta + ones * delta**2) / (2 * np.exp(2 * log_sd))

    def between(delta, mean, log_spread, degrees):
        z = (delta - mean) / np.exp(log_spread)
        constant = special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2) - np.log(degrees * np.pi) / 2
        return constant - (degrees + 1) / 2 * np.log1p(z * z / degrees) - log_spread

    delta = np.tile(x.mean(axis=1), (number, 1))
    log_sd = np.tile(np.log(x.std(axis=1)), (number, 1))
    mean, log_spread, degrees = np.full((3, number, 1), [[[x.mean()]], [[np.log(x.mean(axis=1).std())]], [[10.0]]])
    most = np.log(1000 * x.mean(axis=1).std(ddof=1))
    chances, means = [], []
    for step in range(steps):
        size = np.exp(rng.uniform(-2.5, 0.7))
        scale = np.exp(log_sd) * size
        # each data set by itself, then what is common to all
        new, new_sd = (
            delta + scale * rng.standard_normal(delta.shape),
            log_sd + size * rng.standard_normal(log_sd.shape),
        )
        gain = of_data(new, new_sd) - of_data(delta, log_sd)
        gain += between(new, mean, log_spread, degrees) - between(delta, mean, log_spread, degrees)
        # the proposal of delta is as wide as its spread, which changes with it
        back = ((new - delta) / (np.exp(new_sd) * size)) ** 2 - ((new - delta) / scale) ** 2
        gain += -back / 2 - (new_sd - log_sd)
        taken = np.log(rng.random(gain.shape)) < gain
        delta, log_sd = np.where(taken, new, delta), np.where(taken, new_sd, log_sd)
        proposal = (
            mean + size * np.exp(log_spread) * rng.standard_normal(mean.shape) * (step % 3 == 0),
            log_spread + size * rng.standard_normal(mean.shape) * (step % 3 == 1),
            degrees * np.exp(size * rng.standard_normal(mean.shape) * (step % 3 == 2)),
        )
        gain = (between(delta, *proposal) - between(delta, mean, log_spread, degrees)).sum(axis=1, keepdims=True)
        gain += proposal[1] - log_spread + np.where(proposal[1] > most, -np.inf, 0)  # spread flat, walked on logarithms
        gain += np.log(proposal[2] / degrees) - (proposal[2] - degrees) / 10 + np.log(proposal[2] / degrees)
        taken = np.log(rng.random(gain.shape)) < gain
        mean, log_spread, degrees = (
            np.where(taken, new, old) for new, old in zip(proposal, (mean, log_spread, degrees), strict=True)
        )
        if step >= burn_in and step % 5 == 0:
            below, above = (special.stdtr(degrees, (sign * mean - rope) / np.exp(log_spread)) for sign in (-1, 1))
            chances.append([below.mean(), 1 - below.mean() - above.mean(), above.mean()])
            means.append(mean.ravel())
    return np.mean(chances, axis=0), np.concatenate(means)


@pytest.mark.parametrize(("data_sets", "between"), [(5, 0.01), pytest.param(9, 0.001, marks=pytest.mark.slow)])
def test_equals_markov_chains(data_sets, between):
    rng = np.random.default_rng(data_sets)
    n_train, n_test, repeats = 700, 300, 4
    x = 0.01 + between * rng.standard_normal((data_sets, 1)) + 0.008 * rng.standard_normal((data_sets, repeats))
    tests = [corrected_resampled_t(own, n_train, n_test) for own in x]
    ours = hierarchical(x.mean(axis=1), [test.standard_error for test in tests], [repeats - 1] * data_sets, ROPE)
    chances, means = chains(x, 0.3, ROPE)
    assert [ours.new.worse, ours.new.equivalent, ours.new.better] == pytest.approx(chances, abs=0.015)
    low, middle, high = np.quantile(means, [0.025, 0.5, 0.975])
    spread = high - low
    assert [ours.mean.low, ours.mean.estimate, ours.mean.high] == pytest.approx([low, middle, high], abs=0.04 * spread)


def test_many_data_sets_without_noise_are_a_sample():
    """Then the new data set is as those that were seen."""
    y = 0.01 + 0.02 * scipy_stats.norm.ppf((np.arange(60) + 0.5) / 60)
    found = hierarchical(y, np.full(60, 1e-5), np.full(60, 30.0), ROPE)
    assert found.new.better == pytest.approx(scipy_stats.norm.sf((ROPE - 0.01) / 0.02), abs=0.01)
    assert found.new.worse == pytest.approx(scipy_stats.norm.cdf((-ROPE - 0.01) / 0.02), abs=0.01)
    assert found.mean.estimate == pytest.approx(0.01, abs=1e-4)
    assert found.mean.high - found.mean.low == pytest.approx(2 * 1.96 * 0.02 / np.sqrt(60), rel=0.05)
    assert found.spread == pytest.approx(0.02, rel=0.06)


def test_a_mirror_swaps_better_and_worse():
    y, errors, degrees = np.array([0.02, 0.01, -0.005, 0.03]), np.full(4, 0.01), np.full(4, 2.0)
    one, other = hierarchical(y, errors, degrees, ROPE), hierarchical(-y, errors, degrees, ROPE)
    assert (one.new.worse, one.new.better) == pytest.approx((other.new.better, other.new.worse), abs=1e-9)
    assert one.mean.low == pytest.approx(-other.mean.high, abs=1e-9)
    percent = hierarchical(100 * y, 100 * errors, degrees, 100 * ROPE)
    assert percent.new.better == pytest.approx(one.new.better)
    assert percent.mean.high == pytest.approx(100 * one.mean.high)


def test_equal_differences_are_those_of_their_noise():
    """With no spread to be seen, the sets together know the mean as well as one that is as large as all."""
    test = corrected_resampled_t([0.01, 0.02, 0.03, 0.02], 700, 300)
    found = hierarchical([0.02] * 8, [test.standard_error] * 8, [3] * 8, ROPE)
    alone = bayesian_correlated_t([0.01, 0.02, 0.03, 0.02], 700, 300, ROPE)
    assert found.new.better > alone.better
    assert found.mean.estimate == pytest.approx(0.02, abs=1e-6)


def test_the_interval_goes_no_further_than_a_difference_can():
    y, errors, degrees = [0.9, -0.8, 0.7], [0.3] * 3, [2] * 3
    free, bound = hierarchical(y, errors, degrees, ROPE), hierarchical(y, errors, degrees, ROPE, widest=1.0)
    assert free.mean.low < -1 < 1 < free.mean.high
    assert (bound.mean.low, bound.mean.high, bound.mean.estimate) == (-1.0, 1.0, free.mean.estimate)
    assert bound.new == free.new


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (([0.1, 0.2], [0.1] * 2, [2] * 2), "differences must hold at least 3 values, got 2"),
        (([0.1] * 3, [0.1] * 2, [2] * 3), "of 3 data sets, standard errors must be above 0"),
        (([0.1] * 3, [0.0] * 3, [2] * 3), "of 3 data sets, standard errors must be above 0"),
        (([0.1] * 3, [0.1] * 3, [0] * 3), "of 3 data sets, standard errors must be above 0"),
        (([0.1] * 3, [0.1] * 3, [2] * 3, -1), "rope must be zero or above, got -1"),
    ],
)
def test_what_is_refused(arguments, line):
    with pytest.raises(EcrnnError, match=f"^{line}"):
        hierarchical(*arguments)
