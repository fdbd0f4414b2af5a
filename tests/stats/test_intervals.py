"""Summaries, Wilson's interval and the bootstrapped mean."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import bootstrap_mean, clopper_pearson, summarise, wilson


def test_summary_by_hand():
    summary = summarise([0.70, 0.72, 0.74], n_train=70, n_test=30)
    half = 4.302652729911275 * 0.02 * (1 / 3 + 3 / 7) ** 0.5  # t(0.975, 2 df) from a table
    assert summary.n == 3
    assert (summary.minimum, summary.maximum, summary.level) == (0.70, 0.74, 0.95)
    assert summary.mean == pytest.approx(0.72)
    assert summary.sd == pytest.approx(0.02)
    assert summary.low == pytest.approx(0.72 - half)
    assert summary.high == pytest.approx(0.72 + half)


def test_summary_of_one_repeat_has_no_spread():
    summary = summarise([0.7], n_train=70, n_test=30)
    assert (summary.mean, summary.sd, summary.low, summary.high) == (0.7, None, None, None)


def test_summary_of_equal_scores_keeps_the_width_of_the_grid():
    summary = summarise([0.7, 0.7, 0.7], n_train=70, n_test=30)
    assert summary.sd == 0
    assert summary.low < 0.7 < summary.high
    assert summary.high - summary.low < 2 * 4.31 / 30


def test_summary_is_wider_than_the_plain_interval():
    scores = np.random.default_rng(0).normal(0.7, 0.01, 10)
    summary = summarise(scores, n_train=70, n_test=30)
    low, high = scipy_stats.t.interval(0.95, 9, scores.mean(), scipy_stats.sem(scores))
    ratio = (summary.high - summary.low) / (high - low)
    assert ratio == pytest.approx(((1 / 10 + 3 / 7) / (1 / 10)) ** 0.5)


def test_interval_between_bounds_by_hand():
    """At 0.9 and 0.8 of 100: logits of 90.5/10.5 and 80.5/20.5, one degree of freedom."""
    y = np.log([90.5 / 10.5, 80.5 / 20.5])
    half = 12.706204736174698 * y.std(ddof=1) * (1 / 2 + 3 / 7) ** 0.5
    summary = summarise([0.9, 0.8], n_train=70 / 30 * 100, n_test=100, bounds=(0, 1))
    ends = 1 / (1 + np.exp(-(y.mean() + np.array([-half, half]))))
    assert (summary.low, summary.high) == pytest.approx(tuple(ends))
    assert (summary.mean, summary.sd) == (pytest.approx(0.85), pytest.approx(0.1 / 2**0.5))
    other = summarise([9.0, 8.0], n_train=70 / 30 * 100, n_test=100, bounds=(0, 10))
    assert (other.low, other.high) == pytest.approx((10 * summary.low, 10 * summary.high))
    # Shared examples: the variance moves to the other scale by the square of its slope at the mean.
    slope = 100 / 85.5 + 100 / 15.5
    seeds = y.var(ddof=1) / 2
    variance = seeds + 1e-4 * slope**2
    half = scipy_stats.t.ppf(0.975, (variance / seeds) ** 2) * variance**0.5
    ends = 1 / (1 + np.exp(-(y.mean() + np.array([-half, half]))))
    shared = summarise([0.9, 0.8], n_train=7, n_test=100, bounds=(0, 1), shared=1e-4)
    assert (shared.low, shared.high) == pytest.approx(tuple(ends))
    # Equal scores: the spread that steps of 1/100 can hide, on the other scale.
    sd = (100 / 80.5 + 100 / 20.5) / (100 * 12**0.5)
    half = 12.706204736174698 * sd * (1 / 2 + 3 / 7) ** 0.5
    ends = 1 / (1 + np.exp(-(np.log(80.5 / 20.5) + np.array([-half, half]))))
    equal = summarise([0.8, 0.8], n_train=70 / 30 * 100, n_test=100, bounds=(0, 1))
    assert (equal.low, equal.high) == pytest.approx(tuple(ends))


def test_far_from_the_bounds_both_scales_agree():
    scores = np.random.default_rng(0).normal(0.6, 0.003, 10)
    plain, logit = (summarise(scores, 35_000, 15_000, bounds=bounds) for bounds in ((-np.inf, np.inf), (0, 1)))
    assert (logit.low, logit.high) == pytest.approx((plain.low, plain.high), abs=1e-4)


@pytest.mark.parametrize("scores", [[1.0] * 3, [0.0] * 3, [1.0, 1.0, 0.99]])
def test_interval_holds_the_mean_and_stays_between_the_bounds(scores):
    summary = summarise(scores, n_train=233, n_test=100, bounds=(0, 1))
    assert 0 <= summary.low <= summary.mean <= summary.high <= 1
    assert summary.high - summary.low > 0.005


@pytest.mark.parametrize(("total", "repeats"), [(150, 3), (500, 10)])
def test_interval_of_a_model_near_one_covers(total, repeats):
    """98 % expected, some images hard, drawn anew in each training; the plain scale misses below too rarely and above
    too often, and ends beyond 1."""
    rng = np.random.default_rng(12)
    n_train = round(0.7 * total)
    n_test, studies = total - n_train, 400
    missed = np.zeros(2)
    for _ in range(studies):
        chance = 1 - np.where(rng.random(total) < 0.04, rng.random(total), 0.0)
        scores = [(rng.random(n_test) < chance[rng.permutation(total)[n_train:]]).mean() for _ in range(repeats)]
        summary = summarise(scores, n_train, n_test, bounds=(0, 1))
        missed += summary.low > 0.98, summary.high < 0.98
    assert missed.sum() / studies <= 0.08


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (1, 3), (773, 1000), (0, 1)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_clopper_pearson_equals_statsmodels(successes, n, level):
    interval = clopper_pearson(successes, n, level)
    low, high = proportion_confint(successes, n, alpha=1 - level, method="beta")
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (1, 3), (773, 1000), (0, 1)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_wilson_equals_statsmodels(successes, n, level):
    interval = wilson(successes, n, level)
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert interval.estimate == successes / n
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert 0 <= interval.low <= interval.high <= 1


def test_wilson_is_exact_at_the_ends():
    for n in range(1, 200):
        assert wilson(0, n).low == 0.0
        assert wilson(n, n).high == 1.0


def test_bootstrap_is_near_the_normal_interval_and_repeats_itself():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    interval = bootstrap_mean(values, seed=5)
    half = 1.96 * values.std() / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)
    assert bootstrap_mean(values, seed=5) == interval
    assert bootstrap_mean(values, seed=6) != interval


def test_bootstrap_in_several_pieces(monkeypatch):
    whole = bootstrap_mean([0.0, 1.0, 5.0], resamples=1000)
    bootstrap_mean([7.0], resamples=1000)  # leaves other values in the memory that is used next
    monkeypatch.setattr("ecrnn.stats.intervals._INDICES_AT_ONCE", 300)
    assert bootstrap_mean([0.0, 1.0, 5.0], resamples=1000) == whole


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: summarise([], 70, 30), "scores must hold at least 1 values, got 0"),
        (lambda: summarise([[0.1]], 70, 30), r"scores must be one-dimensional, got shape \(1, 1\)"),
        (lambda: summarise([0.1, np.nan], 70, 30), "scores must be finite, got 1 NaN or infinite values"),
        (lambda: summarise([0.1, 0.2], 0, 30), "n_train must be at least 1, got 0"),
        (lambda: summarise([0.1, 0.1], 70, 0), "n_test must be at least 1, got 0"),
        (lambda: summarise([0.1, 0.2], 70, 30, level=95), "level must lie strictly between 0 and 1, got 95"),
        (lambda: wilson(11, 10), "successes must lie between 0 and n = 10, got 11"),
        (lambda: wilson(0, 0), "n must be at least 1, got 0"),
        (lambda: bootstrap_mean([1.0], resamples=0), "resamples must be at least 1, got 0"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
