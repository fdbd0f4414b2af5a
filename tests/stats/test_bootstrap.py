"""The bootstrap over examples for any metric: against a slow loop, against theory, and paired."""

from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import ACCURACY, BITS, BLEU, CER, METRICS, accuracy_difference_interval, wilson
from ecrnn.stats import bootstrap_difference as difference
from ecrnn.stats import bootstrap_metric as interval


def lines(n: int, rate: float, seed: int = 0) -> np.ndarray:
    """(n, 2): edits and characters of lines of 1 to 20 characters."""
    rng = np.random.default_rng(seed)
    characters = rng.integers(1, 21, n)
    return np.stack([rng.binomial(characters, rate), characters], axis=1)


def test_the_interval_is_that_of_a_slow_loop():
    own = lines(30, 0.2)
    rng = np.random.default_rng(5)
    values = []
    for rows in rng.integers(30, size=(500, 30)):
        values.append(sum(own[i][0] for i in rows) / sum(own[i][1] for i in rows))
    found = interval(own, CER, 0.9, seed=5, resamples=500)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))
    assert found.estimate == own[:, 0].sum() / own[:, 1].sum()
    assert found.level == 0.9


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch):
    own = lines(30, 0.2)
    whole = interval(own, CER, resamples=1000)
    monkeypatch.setattr("ecrnn.stats.bootstrap._DRAWN_AT_ONCE", 100)
    assert interval(own, CER, resamples=1000) == whole


def test_for_right_and_wrong_it_is_near_wilsons():
    right = np.arange(400) < 280
    found, exact = interval(np.stack([right, np.ones(400)], axis=1), ACCURACY), wilson(280, 400)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.005)
    other = np.arange(400) % 2 == 0
    a, b = (np.stack([own, np.ones(400)], axis=1) for own in (right, other))
    mine, theirs = difference(a, b, ACCURACY), accuracy_difference_interval(right, other)
    assert mine.estimate == pytest.approx(theirs.estimate)
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_it_covers_the_true_rate(rate):
    found = [interval(lines(150, rate, seed), CER, resamples=1000) for seed in range(300)]
    assert np.mean([own.low <= rate <= own.high for own in found]) == pytest.approx(0.94, abs=0.035)


def test_pairing_is_real():
    """Hard lines are hard for both: the difference is known better than either rate."""
    a = lines(200, 0.3)
    b = a + np.stack([np.random.default_rng(9).random(200) < 0.1, np.zeros(200)], axis=1)
    found = difference(a, b, CER)
    assert found.estimate == pytest.approx(CER.value(a) - CER.value(b))
    assert found.low < found.estimate < found.high < 0
    shuffled = difference(a, b[np.random.default_rng(2).permutation(200)], CER)
    assert shuffled.high - shuffled.low > 3 * (found.high - found.low)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_model_does_not_differ_from_itself(metric):
    own = np.sort(np.random.default_rng(0).integers(1, 9, (12, len(metric.statistics))), axis=1)
    found = difference(own, own, metric, resamples=200)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)
    one = interval(own[:1], metric, resamples=50)  # one example can only be drawn again
    assert one.low == pytest.approx(one.high)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: interval([[1.0]], BITS), r"statistics of bits a character should have the shape \(n, 2\)"),
        (lambda: interval([[1, 2]], BITS, level=1), "level must lie strictly between 0 and 1"),
        (lambda: interval([[1, 2]], BITS, resamples=0), "resamples must be at least 1"),
        (lambda: difference([[1, 2]], [[1, 2], [3, 4]], CER), "the same examples, got 1 and 2"),
        (lambda: difference([[1, 2]], [[1.0]], CER), "statistics of b of character error rate"),
        (lambda: difference(np.ones((2, 10)), -np.ones((2, 10)), BLEU), "statistics of b of BLEU must not be negative"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
