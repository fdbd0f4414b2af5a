"""Corrected and plain t, Holm, and the probability of being better."""

import dataclasses
import math

import numpy as np
import pytest
from baycomp.single import CorrelatedTTest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import corrected_resampled_t, equivalence, holm, paired_t, probability_better
from ecrnn.stats.paired import holm_rows


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


def test_probability_better_has_clopper_and_pearsons_interval():
    interval = probability_better([0.1] * 7 + [-0.1] * 5, level=0.9)
    low, high = proportion_confint(7, 12, alpha=0.1, method="beta")
    assert (interval.estimate, interval.level) == (7 / 12, 0.9)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


def test_probability_better_with_one_sign_is_not_certain():
    won, lost = probability_better([0.1] * 10), probability_better([-0.1] * 10)
    assert (won.estimate, won.low, won.high) == (1.0, pytest.approx(0.025**0.1), 1.0), "0.025 = low to the power of 10"
    assert won.low == pytest.approx(0.69, abs=0.002)
    assert (lost.low, lost.high) == (0.0, pytest.approx(1 - won.low))


def test_probability_better_covers_with_ties_too():
    rng = np.random.default_rng(3)
    drawn = rng.choice([0.1, 0.0, -0.1], p=[0.5, 0.3, 0.2], size=(2000, 10))  # better with probability 0.65
    covered = [interval.low <= 0.65 <= interval.high for interval in map(probability_better, drawn)]
    assert np.mean(covered) >= 0.95


def test_equivalence_equals_statsmodels():
    differences = np.array([0.001, 0.004, -0.002, 0.003, 0.002])
    for shift in (0.0, 0.004, -0.01):
        expected, _, _ = DescrStatsW(differences + shift).ttost_mean(-0.005, 0.005)
        assert equivalence(paired_t(differences + shift), 0.005) == pytest.approx(expected)


def test_equivalence_by_hand():
    """A mean of 0.002 with standard error 0.001 and 4 df: the nearer edge is 3 errors away."""
    test = corrected_resampled_t([0.001, 0.004, -0.002, 0.003, 0.004], 70, 30)
    moved = dataclasses.replace(test, difference=0.002, standard_error=0.001)
    assert equivalence(moved, 0.005) == pytest.approx(0.019971, abs=1e-6)  # t(4) beyond 3, from a table
    assert equivalence(dataclasses.replace(moved, difference=-0.002), 0.005) == equivalence(moved, 0.005)
    assert equivalence(moved, 0.0) > 0.5, "no difference is within a region of no width"


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
        (lambda: equivalence(paired_t([0.1, 0.2]), -1), "rope must be zero or above"),
        (lambda: probability_better([]), "differences must hold at least 1 values"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()


def test_holm_of_many_rows_is_holm_of_each():
    p = np.random.default_rng(2).random((50, 5)) ** 3
    p[0] = 0.01  # ties
    for row, adjusted in zip(p, holm_rows(p), strict=True):
        np.testing.assert_allclose(adjusted, holm(row))
