"""Shares of classes and whole groups, against exact fractions and a search through all possibilities."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from ecrnn.data.allocation import dealt, largest_remainder


def test_largest_remainder_by_hand():
    # 0.7 of 10, 5, 3 and 1: 7.0, 3.5, 2.1, 0.7; rounded down 7, 3, 2, 0; of 13.3, so 13, one is missing: to 0.7
    assert largest_remainder(np.array([10, 5, 3, 1]), Fraction(7, 10)).tolist() == [7, 3, 2, 1]
    assert largest_remainder(np.array([5, 5]), Fraction(1, 2)).tolist() == [3, 2]  # of equal remainders the first


def test_largest_remainder_is_the_nearest_of_all_allocations():
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts, share = rng.integers(0, 6, 3), Fraction(int(rng.integers(1, 10)), 10)
        found = largest_remainder(counts, share)
        total = int(share * int(counts.sum()) + Fraction(1, 2))
        assert found.sum() == total

        def error(parts, counts=counts, share=share):
            return sum(abs(part - share * int(count)) for part, count in zip(parts, counts, strict=True))

        every = itertools.product(*(range(count + 1) for count in counts))
        assert error(found.tolist()) == min(error(parts) for parts in every if sum(parts) == total)


def cost(parts, counts, targets):
    return sum(
        ((counts[parts == p].sum(axis=0) - target) ** 2 / counts.sum(axis=0)).sum() for p, target in enumerate(targets)
    )


def test_each_group_goes_where_it_costs_least():
    rng = np.random.default_rng(1)
    groups, classes = rng.integers(0, 12, 200), rng.integers(0, 3, 200)
    counts = np.zeros((12, 3))
    np.add.at(counts, (groups, classes), 1)
    targets = np.stack([counts.sum(axis=0) * 0.7, counts.sum(axis=0) * 0.3])
    order = rng.permutation(12)
    found = dealt(groups, classes, targets, order)
    parts = np.full(12, -1)
    for group in order:
        costs = []
        for part in (0, 1):
            parts[group] = part
            costs.append(cost(parts, counts, targets))
        parts[group] = int(np.argmin(costs))
    np.testing.assert_array_equal(found, parts)


@pytest.mark.parametrize("folds", [2, 5])
def test_groups_of_one_are_dealt_evenly(folds):
    found = dealt(np.arange(23), np.zeros(23, np.int64), np.full((folds, 1), 23 / folds), np.arange(23))
    sizes = np.bincount(found)
    assert len(sizes) == folds
    assert np.ptp(sizes) <= 1
