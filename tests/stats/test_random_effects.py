"""The mean over data sets: against statsmodels, SciPy, and by hand."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.tools import add_constant
from statsmodels.tools.sm_exceptions import InvalidTestWarning

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import random_effects, slope, weighted_random_effects


@pytest.fixture(params=[2, 3, 9, 30])
def study(request):
    rng = np.random.default_rng(request.param)
    return rng.normal(0.01, 0.02, request.param), rng.uniform(0.5e-4, 4e-4, request.param)


def by_statsmodels(y, variances):
    """The variance between data sets, and the row of Hartung and Knapp's test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InvalidTestWarning)  # of the intervals of single data sets
        found = combine_effects(y, variances, method_re="iterated", use_t=True, atol=1e-12)
        return max(0.0, found.tau2), found.summary_frame().loc["random effect wls"]


def test_equal_weights_are_a_t_test_over_data_sets(study):
    y, variances = study
    ours, theirs = random_effects(y, variances), scipy_stats.ttest_1samp(y, 0.0)
    low, high = theirs.confidence_interval(0.95)
    assert (ours.statistic, ours.p) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))
    assert (ours.low, ours.high) == (pytest.approx(low), pytest.approx(high))
    assert (ours.n, ours.degrees_of_freedom) == (y.size, y.size - 1)


def test_equal_weights_are_hartung_and_knapps(study):
    y, variances = study
    ours = random_effects(y, variances)
    between, frame = by_statsmodels(y, np.full(y.size, variances.mean()))
    assert (ours.mean, ours.standard_error) == (pytest.approx(frame["eff"]), pytest.approx(frame["sd_eff"]))
    assert ours.between_sd**2 == pytest.approx(between, abs=1e-9)


def test_weights_by_variances_equal_statsmodels(study):
    y, variances = study
    ours = weighted_random_effects(y, variances)
    between, frame = by_statsmodels(y, variances)
    assert ours.between_sd**2 == pytest.approx(between, abs=1e-9)
    assert (ours.mean, ours.standard_error) == (pytest.approx(frame["eff"]), pytest.approx(frame["sd_eff"]))
    assert (ours.low, ours.high) == (pytest.approx(frame["ci_low"]), pytest.approx(frame["ci_upp"]))
    half = scipy_stats.t.ppf(0.975, y.size - 1) * np.hypot(ours.between_sd, ours.standard_error)
    assert (ours.new_low, ours.new_high) == (pytest.approx(ours.mean - half), pytest.approx(ours.mean + half))


def test_by_hand():
    found = random_effects([0.01, 0.02, 0.03], [4e-5, 5e-5, 6e-5])
    assert found.mean == pytest.approx(0.02)
    assert found.standard_error == pytest.approx(0.01 / math.sqrt(3))
    assert found.between_sd == pytest.approx(math.sqrt(1e-4 - 5e-5))
    assert found.low == pytest.approx(0.02 - 4.302652729911275 * 0.01 / math.sqrt(3))
    assert found.new_high == pytest.approx(0.02 + 4.302652729911275 * 0.01 * math.sqrt(4 / 3))
    t = 0.02 / (0.01 / math.sqrt(3))
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))  # closed form at two degrees of freedom


def test_the_intervals_go_no_further_than_a_difference_can():
    found = random_effects([0.9, -0.9, 0.5], widest=1.0)
    assert (found.new_low, found.new_high) == (-1.0, 1.0)
    assert found.between_sd is None


def test_equal_differences_have_the_spread_of_their_noise():
    found = random_effects([0.01, 0.01, 0.01], [1e-4, 1e-4, 4e-4])
    assert found.standard_error == pytest.approx(math.sqrt(2e-4 / 3))
    assert found.between_sd == 0
    with pytest.raises(EcrnnError, match="nothing can be tested"):
        random_effects([0.01, 0.01])
    with pytest.raises(EcrnnError, match="nothing can be tested"):
        weighted_random_effects([0.01, 0.01], [1e-4, 1e-4])


def test_the_slope_is_that_of_least_squares():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(2, 5, 9), rng.normal(0, 0.02, 9)
    ours, theirs = slope("log n", x, y), OLS(y, add_constant(x)).fit()
    assert ours.slope == pytest.approx(theirs.params[1])
    assert ours.standard_error == pytest.approx(theirs.bse[1])
    assert ours.p == pytest.approx(theirs.pvalues[1])
    assert [ours.low, ours.high] == pytest.approx(theirs.conf_int()[1])


@pytest.mark.parametrize(
    ("x", "y"),
    [([1, 2, 3], [0.1, 0.2, 0.4]), ([1, 1, 1, 1], [0.1, 0.2, 0.3, 0.5]), ([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4])],
    ids=["three data sets", "one value", "nothing left over"],
)
def test_no_slope(x, y):
    assert slope("classes", x, y) is None


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: random_effects([0.1]), "differences must hold at least 2 values, got 1"),
        (lambda: random_effects([0.1, 0.2], [1e-4]), "variances must be 2 numbers above 0, one a data set"),
        (lambda: random_effects([0.1, 0.2], [1e-4, 0.0]), "variances must be 2 numbers above 0, one a data set"),
        (lambda: random_effects([0.1, math.nan]), "differences must be finite, got 1 NaN or infinite values"),
        (lambda: random_effects([0.1, 0.2], level=1), "level must lie strictly between 0 and 1, got 1"),
        (lambda: slope("n", [1, 2], [0.1, 0.2, 0.3]), "n has 2 values for 3 data sets"),
    ],
)
def test_what_is_refused(call, line):
    with pytest.raises(EcrnnError, match=f"^{line}$"):
        call()
