"""Corrected and plain t, Holm, and the probability of being better."""

import math

import numpy as np
import pytest
from baycomp.single import CorrelatedTTest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import corrected_resampled_t, holm, paired_t, probability_better


@pytest.fixture(params=[2, 3, 10, 100])
def scores(request):
    rng = np.random.default_rng(request.param)
    return rng.normal(0.72, 0.01, request.param), rng.normal(0.71, 0.01, request.param)


def test_plain_equals_scipy(scores):
    a, b = scores
    ours, theirs = paired_t(a - b), scipy_stats.ttest_rel(a, b)
    low, high = theirs.confidence_interval(0.95)
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.p == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == (pytest.approx(low), pytest.approx(high))
    assert (ours.n, ours.degrees_of_freedom) == (a.size, a.size - 1)


def test_corrected_by_hand():
    test = corrected_resampled_t([0.01, 0.02, 0.03], n_train=35_000, n_test=15_000)
    error = 0.01 * math.sqrt(1 / 3 + 3 / 7)
    assert test.difference == pytest.approx(0.02)
    assert test.sd == pytest.approx(0.01)
    assert test.standard_error == pytest.approx(error)
    assert test.statistic == pytest.approx(0.02 / error)
    t = 0.02 / error
    assert test.p == pytest.approx(1 - t / math.sqrt(2 + t * t))  # closed form at two degrees of freedom
    assert test.low == pytest.approx(0.02 - 4.302652729911275 * error)
    assert test.high == pytest.approx(0.02 + 4.302652729911275 * error)


@pytest.mark.parametrize("folds", [5, 10])
def test_corrected_variance_equals_baycomp_for_cross_validation(folds):
    rng = np.random.default_rng(folds)
    a, b = rng.normal(0.7, 0.02, 3 * folds), rng.normal(0.7, 0.02, 3 * folds)
    mean, variance, df = CorrelatedTTest.compute_statistics(b, a, runs=3)
    test = corrected_resampled_t(a - b, n_train=100 * (folds - 1), n_test=100)
    assert test.difference == pytest.approx(mean)
    assert test.standard_error**2 == pytest.approx(variance)
    assert test.degrees_of_freedom == df


def test_no_test_set_leaves_the_plain_test(scores):
    a, b = scores
    corrected = corrected_resampled_t(a - b, n_train=1e15, n_test=1)
    assert corrected.p == pytest.approx(paired_t(a - b).p)


def test_equal_differences_have_the_spread_of_the_grid():
    differences = [0.1 + 0.2 - 0.2, 0.1, 0.3 - 0.2]  # equal up to rounding
    test = corrected_resampled_t(differences, n_train=70, n_test=30)
    assert test.sd == 0
    assert test.standard_error == pytest.approx(1 / 30 / math.sqrt(12) * math.sqrt(1 / 3 + 3 / 7))
    assert test.statistic == pytest.approx(0.1 / test.standard_error)
    assert 0 < test.p < 1
    fine = corrected_resampled_t(differences, n_train=70_000, n_test=30_000)
    assert 0 < fine.p < test.p


def test_no_difference_at_all():
    for test in (corrected_resampled_t([0.0] * 3, 70, 30), paired_t([0.0] * 3)):
        assert (test.statistic, test.p, test.difference) == (0.0, 1.0, 0.0)


def test_plain_with_equal_differences_is_the_limit_without_infinity():
    test = paired_t([0.25] * 3)
    assert (test.statistic, test.p, test.low, test.high) == (None, 0.0, 0.25, 0.25)


def test_sign_is_a_minus_b(scores):
    a, b = scores
    forth, back = corrected_resampled_t(a - b, 70, 30), corrected_resampled_t(b - a, 70, 30)
    assert forth.statistic == pytest.approx(-back.statistic)
    assert forth.p == pytest.approx(back.p)
    assert forth.low == pytest.approx(-back.high)


@pytest.mark.sampled(most=3)
@pytest.mark.parametrize(
    "p", [[], [0.03], [0.01, 0.04, 0.03], [0.04, 0.01, 0.01, 1.0, 0.5], [0.0, 0.0], [0.2, 0.3, 0.4]]
)
def test_holm_equals_statsmodels(p):
    expected = multipletests(p, method="holm")[1] if p else []
    np.testing.assert_allclose(holm(p), expected, rtol=1e-12)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04]), [0.06, 0.03, 0.06])


def test_probability_better_counts_ties_half():
    interval = probability_better([0.1, 0.2, 0.0, -0.1])
    assert interval.estimate == 0.625
    assert 0 <= interval.low < 0.625 < interval.high <= 1


def test_probability_better_equals_resampling_the_differences():
    differences = np.array([0.1] * 6 + [0.0] * 2 + [-0.1] * 4)
    better = np.where(differences > 0, 1.0, np.where(differences == 0, 0.5, 0.0))
    rng = np.random.default_rng(3)
    shares = better[rng.integers(12, size=(20_000, 12))].mean(axis=1)
    interval = probability_better(differences, level=0.9, seed=1)
    # Shares lie on a grid of 1/24, and a percentile of a bootstrap can fall one step apart.
    np.testing.assert_allclose([interval.low, interval.high], np.quantile(shares, [0.05, 0.95]), atol=1 / 23)
    assert interval.level == 0.9


def test_probability_better_with_one_sign_is_certain_of_itself():
    interval = probability_better([0.1, 0.2, 0.3])
    assert (interval.estimate, interval.low, interval.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: corrected_resampled_t([0.1], 70, 30), "differences must hold at least 2 values, got 1"),
        (lambda: corrected_resampled_t([0.1, 0.2], 70, -1), "n_test must be at least 1, got -1"),
        (lambda: corrected_resampled_t([0.1, 0.2], math.inf, 30), "n_train must be at least 1, got inf"),
        (lambda: paired_t([0.1, math.inf]), "differences must be finite, got 1"),
        (lambda: paired_t([0.1, 0.2], level=1.0), "level must lie strictly between 0 and 1"),
        (lambda: holm([0.1, 1.5]), "p_values must lie between 0 and 1, got 1.5"),
        (lambda: holm([math.nan]), "p_values must be finite"),
        (lambda: probability_better([]), "differences must hold at least 1 values"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
