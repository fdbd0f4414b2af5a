"""The probability of improvement, and score profiles."""

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import improvement, profile


def test_data_sets_weigh_alike():
    found = improvement([[0.1, 0.1, -0.1, 0.0], [0.1]])
    assert found.estimate == pytest.approx((2.5 / 4 + 1) / 2)
    assert found.low <= found.estimate <= found.high
    assert (found.low, found.high) == pytest.approx((2.5 / 4, 1.0))


def test_the_bootstrap_is_over_data_sets():
    """Of many data sets, each won or lost whole, the interval is that of a share."""
    n = 400
    found = improvement([[1.0] * 5] * (n // 4) + [[-1.0] * 5] * (3 * n // 4))
    half = 1.96 * (0.25 * 0.75 / n) ** 0.5
    assert (found.estimate, found.low, found.high) == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=0.006)
    assert improvement([[1.0], [-1.0]]) == improvement([[1.0], [-1.0]])


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
