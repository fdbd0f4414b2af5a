"""Calibration: by hand, against a loop, and temperatures against a search."""

import math

import numpy as np
import pytest
from core.lines import one_line
from scipy import optimize, special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import calibration, cross_fitted, fit_temperature, wilson
from ecrnn.stats.calibration import TEMPERATURES


def drawn(n: int, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that is sure of itself by ``scale``, and labels; with 1 it is calibrated."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 4))
    shares = special.softmax(logits, axis=1)
    return scale * logits, (rng.random((n, 1)) > shares.cumsum(axis=1)).sum(axis=1)


def test_four_examples_by_hand():
    found = calibration([0.55, 0.6, 0.9, 1.0], [True, False, True, True], bins=5)
    assert [one.n for one in found.bins] == [0, 0, 2, 0, 2]  # 0.6 belongs to (0.4, 0.6]
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.575) + 2 * abs(1 - 0.95)) / 4)
    assert (found.confidence, found.accuracy) == (pytest.approx(0.7625), 0.75)
    assert (found.bins[2].confidence, found.bins[2].accuracy) == (pytest.approx(0.575), wilson(1, 2))
    assert found.bins[0].accuracy is None


def test_ece_is_that_of_a_loop_and_of_a_calibrated_model():
    logits, label = drawn(3000, 1.0)
    share = special.softmax(logits, axis=1)
    sure, right = share.max(axis=1), share.argmax(axis=1) == label
    found = calibration(sure, right)
    slow = 0.0
    for k in range(15):
        inside = (sure > k / 15) & (sure <= (k + 1) / 15)
        slow += abs(right[inside].sum() - sure[inside].sum()) / len(sure)
    assert found.ece == pytest.approx(slow)
    assert 0.3 * found.expected_ece < found.ece < found.expected_ece_high
    sharp = calibration(special.softmax(3 * logits, axis=1).max(axis=1), right)
    assert sharp.ece > 5 * sharp.expected_ece_high


def test_expected_ece_of_one_bin_is_the_mean_of_a_binomial_distance():
    n, p = 40, 0.95
    found = calibration(np.full(n, p), np.ones(n, bool), bins=2)
    exact = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) * abs(k / n - p) for k in range(n + 1))
    assert found.expected_ece == pytest.approx(exact, rel=0.1)


def test_temperature_is_that_of_a_search_and_undoes_a_scale():
    logits, label = drawn(3000, 2.5)
    found = fit_temperature(logits, label)
    searched = optimize.minimize_scalar(
        lambda t: -special.log_softmax(logits / t, axis=1)[np.arange(len(label)), label].mean(), bounds=(0.1, 10)
    )
    assert found == pytest.approx(searched.x, abs=1e-4)
    assert found == pytest.approx(2.5, rel=0.08)
    assert fit_temperature(np.eye(4)[label], label) == TEMPERATURES[0]
    assert fit_temperature(-logits, logits.argmax(axis=1)) == TEMPERATURES[1]


def test_no_example_judges_the_temperature_that_it_fitted():
    logits, label = drawn(11, 2.0)
    scaled, temperatures = cross_fitted(logits, label)
    of = (logits / scaled)[:, 0]
    halves = [np.isclose(of, temperature) for temperature in reversed(temperatures)]
    assert [half.sum() for half in halves] == [5, 6]
    for half, temperature in zip(halves, temperatures, strict=True):
        assert fit_temperature(logits[half], label[half]) == pytest.approx(temperature)
    with one_line(EcrnnError, "one example is not enough"):
        cross_fitted(logits[:1], label[:1])


@pytest.mark.parametrize(
    ("sure", "right", "line"),
    [
        ([], [], "at least 1"),
        ([0.5], [1, 0], "1 confidences for 2"),
        ([1.5], [1], "0 and 1"),
        ([0.5], [0.5], "correct"),
    ],
)
def test_what_cannot_be_compared_is_one_line(sure, right, line):
    with one_line(EcrnnError, line):
        calibration(sure, right)
