"""The probability of improvement, and score profiles."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import improvement, profile


def test_data_sets_weigh_alike():
    found = improvement([[0.1, 0.1, -0.1, 0.0], [0.1]])
    assert found.estimate == pytest.approx((2.5 / 4 + 1) / 2)
    assert found.low < found.estimate < found.high


@pytest.mark.parametrize(("won", "n"), [(0, 5), (2, 5), (5, 5), (100, 400)])
def test_the_interval_is_clopper_and_pearsons_over_data_sets(won, n):
    found = improvement([[1.0] * 5] * won + [[-1.0] * 5] * (n - won))
    theirs = binomtest(won, n).proportion_ci(0.95, "exact")
    assert (found.estimate, found.low, found.high) == pytest.approx((won / n, theirs.low, theirs.high))


def test_a_profile_counts_what_reaches_a_score():
    found = profile([[0.5, 0.7], [0.9, 0.9]], [0.4, 0.6, 0.7, 0.8, 1.0])
    assert found.share == pytest.approx((1, 0.75, 0.75, 0.5, 0))
    assert found.low == pytest.approx((1, 0.5, 0.5, 0, 0))
    assert found.high == pytest.approx((1, 1, 1, 1, 0))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: improvement([]), "there are no data sets to compare on"),
        (lambda: improvement([[]]), "gains must hold at least 1 values, got 0"),
        (lambda: profile([], [0.5]), "there are no data sets to compare on"),
        (lambda: profile([[0.5]], [np.nan]), "at must be finite, got 1 NaN or infinite values"),
    ],
)
def test_what_is_refused(call, line):
    with pytest.raises(EcrnnError, match=f"^{line}$"):
        call()
