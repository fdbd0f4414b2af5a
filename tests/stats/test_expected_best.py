"""The expected best of n: against all subsets, by hand, and where curves cross."""

import itertools

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import best_of_n, expected_best
from ecrnn.stats.expected_best import crossings

VALUES = [0.71, 0.55, 0.9, 0.62, 0.62, 0.3, 0.88]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_it_is_the_mean_over_all_subsets(higher_is_better):
    best = max if higher_is_better else min
    found = expected_best(VALUES, higher_is_better=higher_is_better)
    for n in range(1, len(VALUES) + 1):
        subsets = [best(subset) for subset in itertools.combinations(VALUES, n)]
        assert found[n - 1] == pytest.approx(np.mean(subsets), rel=1e-13)


def test_by_hand():
    """Of 1, 2, 4: two of them have the best 2, 4 and 4."""
    assert expected_best([4, 1, 2]) == pytest.approx([7 / 3, 10 / 3, 4])
    assert expected_best([4, 1, 2], higher_is_better=False) == pytest.approx([7 / 3, 4 / 3, 1])
    assert expected_best([0.5]) == pytest.approx([0.5])


def test_it_is_unbiased_for_new_points():
    """Means of E_3 of ten uniform numbers: the expected best of three is 3/4; with replacement it would be less."""
    draws = np.random.default_rng(0).random((4000, 10))
    means = np.mean([expected_best(row) for row in draws], axis=0)
    assert means == pytest.approx([n / (n + 1) for n in range(1, 11)], abs=0.006)


def test_large_budgets_stay_exact():
    values = np.random.default_rng(1).normal(size=256)
    found = expected_best(values)
    assert found[0] == pytest.approx(values.mean(), abs=1e-12)
    assert found[-1] == pytest.approx(values.max(), abs=1e-12)
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_the_band(higher_is_better):
    found = best_of_n(VALUES, higher_is_better=higher_is_better)
    assert all(low <= mean <= high for low, mean, high in zip(found.low, found.mean, found.high, strict=True))
    assert found == best_of_n(VALUES, higher_is_better=higher_is_better)
    flipped = best_of_n([-value for value in VALUES], higher_is_better=not higher_is_better)
    assert flipped.low == pytest.approx([-value for value in found.high])
    assert flipped.mean == pytest.approx([-value for value in found.mean])


def test_crossings():
    assert crossings([1, 2, 3], [2, 2, 1]) == (3,)
    assert crossings([1, 3, 1], [2, 2, 2]) == (2, 3)
    assert crossings([1, 2, 3], [1, 2, 3]) == ()
    assert crossings([1, 2], [1, 1]) == ()


@pytest.mark.parametrize("values", [[], [np.nan], [[1.0]], [np.inf, 1]])
def test_no_values(values):
    with pytest.raises(EcrnnError, match="the expected best wants"):
        expected_best(values)
