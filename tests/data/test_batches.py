from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.batches import batch_bounds, bucketed, by_length, epoch_order, padded, shuffled


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


def test_shuffled_is_the_order_cut_into_batches():
    batches = shuffled(11, 5, 3, 2)
    assert [len(own) for own in batches] == [5, 6]
    np.testing.assert_array_equal(np.concatenate(batches), epoch_order(11, 3, 2))
    assert shuffled(0, 5, 3, 2) == []


LENGTHS = np.random.default_rng(0).integers(0, 40, 1003)


@pytest.mark.parametrize(("n", "size", "pool"), [(1003, 10, 7), (1003, 17, 50), (11, 5, 1), (1, 5, 3), (0, 5, 2)])
def test_buckets_cover_the_order(n, size, pool):
    batches = bucketed(LENGTHS[:n], size, 4, 1, pool)
    assert sorted(p for own in batches for p in own.tolist()) == list(range(n))
    assert sorted(map(len, batches)) == sorted(len(own) for own in shuffled(n, size, 4, 1))
    assert all(own.dtype == np.int64 for own in batches)


def test_buckets_by_hand():
    """Pools of two batches of two, of the order of the epoch; each sorted, the longer of its batches last."""
    lengths = np.array([5, 1, 4, 1, 3, 2, 9, 9])
    order = epoch_order(8, 6, 0).tolist()
    expected = []
    for pool in (order[:4], order[4:]):
        ranked = sorted(pool, key=lambda p: lengths[p])  # stable
        expected += [ranked[:2], ranked[2:]]
    found = [own.tolist() for own in bucketed(lengths, 2, 6, 0, pool=2)]
    assert sorted(found) == sorted(expected)


def test_buckets_are_a_function_of_seed_epoch_and_lengths():
    def made(seed, epoch):
        return [tuple(own) for own in bucketed(LENGTHS, 10, seed, epoch)]

    assert made(1, 2) == made(1, 2)
    assert len({tuple(made(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert made(1, 2) != sorted(made(1, 2), key=lambda own: LENGTHS[list(own)].max()), "batches come in a random order"


def test_buckets_hold_little_padding():
    padding = [
        sum(LENGTHS[own].max() * len(own) - LENGTHS[own].sum() for own in made(LENGTHS, 10, 0, 0))
        for made in (bucketed, lambda lengths, *rest: shuffled(len(lengths), *rest))
    ]
    assert padding[0] < 0.1 * padding[1]


def test_padded():
    tokens, lengths = padded([[7, 8], [], [9, 9, 9]], pad=5)
    assert tokens.tolist() == [[7, 8, 5], [5, 5, 5], [9, 9, 9]]
    assert lengths.tolist() == [2, 0, 3]
    assert tokens.dtype == lengths.dtype == np.int64
    for sequences in ([[]], [[], []]):
        tokens, lengths = padded(sequences)
        assert tokens.tolist() == [[0]] * len(sequences), "a width of at least 1"
        assert lengths.tolist() == [0] * len(sequences)
    assert padded([])[0].shape == (0, 1)


def test_by_length():
    batches = by_length([3, 9, 3, 0, 9, 4], 2)
    assert [own.tolist() for own in batches] == [[1, 4], [5, 0], [2, 3]]
    assert by_length([], 2) == []
