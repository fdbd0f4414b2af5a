"""Error rates of the tests where there is nothing to find: the reason why this package exists."""

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import BITS, CER, equal_learners, false_positives


@pytest.fixture(scope="module")
def accuracies():
    return equal_learners(np.random.default_rng(2003), repeats=10, n_total=300, n_train=210, studies=2000)


def test_default_verdict_is_rarely_wrong_and_plain_t_often(accuracies):
    rates = false_positives(accuracies, n_train=210, n_test=90)
    assert (rates.studies, rates.repeats) == (2000, 10)
    assert rates.verdict <= 0.09
    assert rates.corrected == pytest.approx(0.045, abs=0.02)
    assert rates.plain > 0.15
    assert rates.images > 0.15


def test_three_repeats_too():
    accuracies = equal_learners(np.random.default_rng(3), 3, n_total=300, n_train=210)
    rates = false_positives(accuracies, n_train=210, n_test=90)
    assert rates.verdict <= 0.09
    assert rates.plain > rates.corrected


def test_learners_are_equal_and_useful(accuracies):
    first, second = accuracies.mean(axis=(0, 2))
    error = (accuracies[:, 0] - accuracies[:, 1]).mean(axis=1).std() / np.sqrt(len(accuracies))
    assert abs(first - second) < 4 * error
    assert 0.7 < first < 0.95


def test_overlap_makes_the_repeats_correlated(accuracies):
    covariance = np.cov((accuracies[:, 0] - accuracies[:, 1]).T)
    correlation = (covariance.sum() - np.trace(covariance)) / 9 / np.trace(covariance)
    assert correlation == pytest.approx(0.3, abs=0.06)  # n_test / n_total, as Nadeau and Bengio take it


def test_a_learner_by_hand():
    """One study in pieces gives what a nearest-centroid classifier written as a loop gives."""
    rng = np.random.default_rng(8)
    label = rng.choice([-1.0, 1.0], size=(1, 30, 1))
    x = (0.4 * label + rng.standard_normal((1, 30, 4)))[0]
    rank = rng.random((1, 2, 30)).argsort(axis=2).argsort(axis=2)[0]
    y = label[0, :, 0]
    expected = np.empty((2, 2))
    for learner, own in enumerate(([0, 1], [2, 3])):
        for repeat in range(2):
            train = rank[repeat] < 20
            high = x[train & (y > 0)][:, own].mean(axis=0)
            low = x[train & (y < 0)][:, own].mean(axis=0)
            nearer_high = [np.linalg.norm(row - high) < np.linalg.norm(row - low) for row in x[:, own]]
            expected[learner, repeat] = (np.array(nearer_high) == (y > 0))[~train].mean()
    actual = equal_learners(np.random.default_rng(8), 2, 30, 20, studies=1, features=2)
    np.testing.assert_allclose(actual[0], expected)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: equal_learners(np.random.default_rng(0), 0, 10, 5), "repeats must be at least 1, got 0"),
        (lambda: equal_learners(np.random.default_rng(0), 3, 10, 10), "n_train must lie between 2 and"),
        (lambda: equal_learners(np.random.default_rng(0), 3, 10, 7, metric=CER), "by accuracy or bits, not by cer"),
        (lambda: false_positives(np.zeros((2, 2, 2)), 7, 3), r"got shape \(2, 2, 2\)"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("repeats", [3, 10])
def test_a_metric_that_is_no_accuracy(repeats):
    """Bits, where lower is better and there is no grid: the verdict errs as rarely."""
    bits = equal_learners(np.random.default_rng(2003), repeats, n_total=300, n_train=210, metric=BITS)
    rates = false_positives(bits, n_train=210, n_test=90, metric=BITS)
    assert (rates.rope, rates.images) == (0.01, None)
    assert rates.verdict <= 0.07
    assert rates.plain > rates.corrected > 0.03
    assert 0.4 < bits.mean() < 0.8


def test_bits_by_hand():
    """Two examples to test on: the bits of a learner are those of its class odds, Gaussians about its centroids."""
    rng = np.random.default_rng(8)
    label = rng.choice([-1.0, 1.0], size=(1, 30, 1))
    x = (0.4 * label + rng.standard_normal((1, 30, 4)))[0]
    train = rng.random((1, 1, 30)).argsort(axis=2).argsort(axis=2)[0, 0] < 28
    y, own = label[0, :, 0], [0, 1]
    high, low = (x[train & (y == sign)][:, own].mean(axis=0) for sign in (1, -1))
    expected = 0.0
    for row, sign in zip(x[~train][:, own], y[~train], strict=True):
        densities = [np.exp(-((row - centre) ** 2).sum() / 2) for centre in (high, low)]
        expected -= np.log2(densities[0 if sign > 0 else 1] / sum(densities)) / 2
    actual = equal_learners(np.random.default_rng(8), 1, 30, 28, metric=BITS, studies=1, features=2)
    assert actual[0, 0, 0] == pytest.approx(expected)
