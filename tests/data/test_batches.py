from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.batches import batch_bounds, epoch_order


def test_the_order_is_a_permutation_of_seed_and_epoch():
    first = epoch_order(1000, 7, 3)
    assert first.dtype == np.int64
    assert sorted(first.tolist()) == list(range(1000))
    np.testing.assert_array_equal(first, epoch_order(1000, 7, 3))
    others = {tuple(epoch_order(1000, seed, epoch)) for seed in (6, 7) for epoch in (3, 4)}
    assert len(others) == 4
    assert epoch_order(0, 1, 1).tolist() == []


def test_orders_of_two_epochs_are_unrelated():
    a, b = epoch_order(10_000, 0, 0), epoch_order(10_000, 0, 1)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [
        (10, 5, [5, 5]),
        (12, 5, [5, 5, 2]),
        (11, 5, [5, 6]),  # one image alone would break batch normalisation
        (6, 5, [6]),
        (3, 2, [3]),
        (4, 5, [4]),
        (1, 5, [1]),
        (3, 1, [1, 1, 1]),
        (0, 5, []),
        (35_000, 128, [128] * 273 + [56]),
    ],
)
def test_batches_cover_the_order(n, size, sizes):
    order = epoch_order(n, 0, 0)
    parts = [order[start:end] for start, end in batch_bounds(len(order), size)]
    assert [len(p) for p in parts] == sizes
    if n:
        np.testing.assert_array_equal(np.concatenate(parts), order)
        assert all(np.shares_memory(p, order) for p in parts)
    assert [end - start for start, end in batch_bounds(n, size)] == sizes


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_size_below_one(size):
    with pytest.raises(DataError, match=f"batch size is {size}, but should be at least 1"):
        batch_bounds(3, size)
