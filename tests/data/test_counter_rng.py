from __future__ import annotations

import numpy as np
import pytest

from ecrnn.data import counter_rng


def test_splitmix64_gives_the_published_numbers():
    # The reference implementation (Vigna, splitmix64.c) from seed 1234567: it adds the same constant before
    # each output, so output k is splitmix64 of seed + k constants.
    seeds = np.array([(1234567 + k * 0x9E3779B97F4A7C15) % 2**64 for k in range(5)], np.uint64)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert counter_rng.splitmix64(seeds).tolist() == [*expected, 16408922859458223821]


def test_the_streams_never_change():
    """Or no training gives the bits that it gave."""
    names = ("SPLIT", "ORDER", "AUGMENT", "SCAN", "BATCHES", "CAPTION")
    assert [getattr(counter_rng, name) for name in names] == [1, 2, 3, 4, 5, 6]


def test_hashes_have_no_ties_and_balanced_bits():
    bits = counter_rng.hashed((1, 2, 3), np.arange(100_000))
    assert len(np.unique(bits)) == 100_000
    for shift in range(64):
        ones = int(((bits >> np.uint64(shift)) & np.uint64(1)).sum())
        assert abs(ones - 50_000) < 5 * np.sqrt(25_000)  # five standard deviations


def test_every_key_matters_and_so_does_their_order():
    draws = [counter_rng.hashed(keys, np.arange(4)).tolist() for keys in [(1, 2), (2, 1), (1, 3), (1,), (1, 2, 0)]]
    assert len({tuple(d) for d in draws}) == 5


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64 - 1, 2**200 + 5])
def test_any_whole_number_is_a_seed(seed):
    order = counter_rng.permutation(50, (counter_rng.ORDER, seed))
    assert sorted(order.tolist()) == list(range(50))
    assert order.dtype == np.int64


def test_permutations_are_uniform():
    counts = np.zeros((6, 6))
    for seed in range(3000):
        counts[np.arange(6), counter_rng.permutation(6, (seed,))] += 1
    chi = ((counts - 500) ** 2 / 500).sum()  # 25 degrees of freedom; the 99.99 % point is 61
    assert chi < 61


def test_permutations_never_change():
    # What a study on disk was split by; a change here would make every old study another one.
    assert counter_rng.permutation(8, (counter_rng.SPLIT, 0, 0)).tolist() == FIRST


FIRST = [3, 1, 6, 2, 4, 7, 0, 5]
