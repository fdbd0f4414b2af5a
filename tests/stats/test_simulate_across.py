"""Simulated coverage of the intervals over data sets; the full grid is results/across/coverage.json."""

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import misses_across

STUDIES = 600
MOST = 0.05 + 3 * (0.05 * 0.95 / STUDIES) ** 0.5


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    ("data_sets", "repeats", "between", "correlation"), [(5, 3, 1.0, 0.3), (8, 10, 0.0, 0.0), (12, 3, 2.0, 0.02)]
)
def test_the_intervals_miss_as_often_as_they_say(data_sets, repeats, between, correlation):
    rng = np.random.default_rng(data_sets)
    found = misses_across(rng, data_sets, repeats, between, correlation=correlation, studies=STUDIES)
    assert 0.03 < found.mean < MOST
    assert 0.03 < found.new < MOST
    assert found.wilcoxon < MOST


def test_weights_by_few_repeats_miss_too_often():
    found = misses_across(np.random.default_rng(0), 12, 3, 0.5, correlation=0.02, studies=STUDIES)
    assert found.weighted_mean > 0.08
    assert found.mean < MOST


def test_an_interval_that_is_too_narrow_is_seen(monkeypatch):
    monkeypatch.setattr("ecrnn.stats._resampling.t_quantile", lambda df, probability: 1.96)
    found = misses_across(np.random.default_rng(0), 5, 3, 1.0, studies=STUDIES)
    assert found.mean > MOST
    assert found.new > MOST


def test_heavy_tails_and_unequal_noise_stay_near():
    rng = np.random.default_rng(4)
    found = misses_across(rng, 8, 3, 1.5, correlation=0.02, unequal=0.5, tails=4.0, studies=STUDIES)
    assert found.mean < 0.065
    assert found.new < 0.075


@pytest.mark.parametrize("wrong", [{"correlation": 1.5}, {"tails": 2.0}])
def test_what_is_refused(wrong):
    with pytest.raises(EcrnnError, match=r"^correlation must lie between 0 and 1 and tails above 2, got"):
        misses_across(np.random.default_rng(0), 5, 3, 1.0, **wrong)
