"""Power, the smallest detectable difference and the repeats needed, against simulated t statistics."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import (
    corrected_resampled_t,
    crossed_t,
    detectable,
    detection_power,
    repeats_needed,
    seeds_needed,
    smallest_detectable,
)

STUDY = {"n_train": 35_000, "n_test": 15_000}


@pytest.mark.parametrize("r", [2, 3, 10, 50])
def test_power_equals_drawn_statistics(r):
    sd, difference, draws = 0.01, 0.02, 200_000
    rng = np.random.default_rng(r)
    error = sd * math.sqrt(1 / r + 3 / 7)
    # Under the model of the test: mean and variance of the differences independent, as for the plain t.
    means = rng.normal(difference, error, draws)
    errors = error * np.sqrt(rng.chisquare(r - 1, draws) / (r - 1))
    found = np.abs(means / errors) > scipy_stats.t.ppf(0.975, r - 1)
    assert detection_power(difference, sd, r, **STUDY) == pytest.approx(found.mean(), abs=0.005)


@pytest.mark.parametrize("effect", [0.0, 0.3, 1.0, 2.5])
def test_power_without_overlap_equals_statsmodels(effect):
    expected = TTestPower().power(effect, nobs=12, alpha=0.05)
    assert detection_power(effect, 1.0, 12, n_train=1e15, n_test=1) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("r", [2, 3, 5, 10, 100])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 136])
def test_smallest_detectable_has_the_power(r, alpha):
    smallest = smallest_detectable(0.01, r, **STUDY, power=0.8, alpha=alpha)
    assert detection_power(smallest, 0.01, r, **STUDY, alpha=alpha) == pytest.approx(0.8, abs=1e-6)
    hardly = smallest_detectable(0.01, r, **STUDY, power=alpha + 0.001, alpha=alpha)
    assert detection_power(hardly, 0.01, r, **STUDY, alpha=alpha) == pytest.approx(alpha + 0.001, abs=1e-6)


def test_smallest_detectable_falls_with_repeats_to_a_floor():
    sizes = [smallest_detectable(0.01, r, **STUDY) for r in (2, 3, 10, 100, 10_000)]
    assert sizes == sorted(sizes, reverse=True)
    floor = (1.959964 + 0.841621) * 0.01 * math.sqrt(3 / 7)  # both normal quantiles, sd of the floor
    assert sizes[-1] == pytest.approx(floor, rel=1e-3)
    assert sizes[-1] > floor


@pytest.mark.parametrize("difference", [0.019, 0.02, -0.03, 0.05, 0.5])
def test_repeats_needed_is_the_first_that_is_enough(difference):
    r = repeats_needed(difference, 0.01, **STUDY)
    assert detection_power(difference, 0.01, r, **STUDY) >= 0.8
    assert r == 2 or detection_power(difference, 0.01, r - 1, **STUDY) < 0.8


def test_detectable_is_the_smallest_detectable_of_a_test():
    differences = np.array([0.01, 0.02, 0.04, 0.02])
    test = corrected_resampled_t(differences, **STUDY)
    assert detectable(test, alpha=0.01) == smallest_detectable(test.sd, 4, **STUDY, alpha=0.01)


def test_seeds_needed_on_one_test_set_against_drawn_studies():
    """Seeds of SD 0.01, images that add 2e-5: the first number of seeds that finds 0.02 in four of five studies."""
    rng, sd, shared, draws = np.random.default_rng(1), 0.01, 2e-5, 4000
    r = seeds_needed(0.02, sd, shared, n_test=100_000)

    def power(r):
        means = 0.02 + math.sqrt(shared) * rng.normal(size=(draws, 1)) + sd * rng.normal(size=(draws, r))
        return np.mean([crossed_t(d, shared, 100_000).p < 0.05 for d in means])

    assert r == 5
    assert power(r) == pytest.approx(0.8, abs=0.06)
    assert power(r) > power(r - 1)
    assert seeds_needed(0.012, sd, shared, n_test=100_000) is None, "below 2.8 times the images' deviation"


@pytest.mark.parametrize("difference", [1e5, 1e200, 1e300])
def test_a_huge_difference_is_always_found(difference):
    assert detection_power(difference, 0.01, 10, **STUDY) == 1.0
    assert repeats_needed(difference, 0.01, **STUDY) == 2


def test_no_number_of_repeats_shows_a_difference_below_the_floor():
    assert repeats_needed(0.018, 0.01, **STUDY) is None  # the floor is 0.01834
    assert repeats_needed(0.0, 0.01, **STUDY) is None
    assert repeats_needed(0.02, 0.01, **STUDY, limit=10) is None


def test_no_spread_is_read_as_the_grid():
    grid = 1 / 15_000 / math.sqrt(12)
    assert smallest_detectable(0.0, 3, **STUDY) == smallest_detectable(grid, 3, **STUDY)
    assert repeats_needed(0.1, 0.0, **STUDY) == repeats_needed(0.1, grid, **STUDY)


def test_far_noncentralities_are_finite_and_join():
    near, far = (detection_power(nc, 1.0, 2, n_train=1e15, n_test=1, alpha=1e-3) for nc in (706.0, 708.0))
    assert near < far < near + 0.01  # the noncentrality passes 1000 between the two
    assert detection_power(1e9, 1.0, 3, **STUDY) == 1.0


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: smallest_detectable(0.01, 1, **STUDY), "r must be at least 2, got 1"),
        (lambda: smallest_detectable(-0.01, 3, **STUDY), "sd must be zero or above, got -0.01"),
        (lambda: smallest_detectable(0.01, 3, **STUDY, power=1.0), "power must lie strictly between"),
        (lambda: smallest_detectable(0.01, 3, **STUDY, power=0.05), "power must be above alpha"),
        (lambda: repeats_needed(0.1, 0.01, **STUDY, limit=1), "limit must be at least 2, got 1"),
        (lambda: repeats_needed(0.1, 0.01, 0, 1), "n_train must be at least 1, got 0"),
        (lambda: detection_power(0.1, 0.01, 3, **STUDY, alpha=2), "alpha must lie strictly between"),
        (lambda: detection_power(math.nan, 0.0, 3, **STUDY), r"abs\(difference\) must be zero or above, got nan"),
        (lambda: repeats_needed(-math.inf, 0.01, **STUDY), r"abs\(difference\) must be zero or above, got inf"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
