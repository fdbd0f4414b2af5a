"""Random numbers as a pure function of integers: a counter-based hash, vectorised, with no state.

NumPy's generators keep a state, and their streams may change between versions. Here draw number ``i`` of a
stream is `splitmix64` of (stream, seed, ..., i): the same for ever, on every machine, in any order and in any
batch.
"""

from __future__ import annotations

import numpy as np

_MASK = 2**64 - 1

# the streams, so that equal seeds in different uses give unrelated draws
SPLIT, ORDER, AUGMENT, SCAN, BATCHES, CAPTION, TUNING = 1, 2, 3, 4, 5, 6, 7


def splitmix64(x: np.ndarray) -> np.ndarray:
    """One step of splitmix64 for each element; a bijection of the 64-bit integers.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    Args:
        x: uint64 array of at least one dimension (it wraps around at 2**64, without a warning).

    Returns:
        uint64 array of the same shape.
    """
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashed(keys: tuple[int, ...], counters: np.ndarray) -> np.ndarray:
    """64 random bits for each counter, given the keys. Distinct counters give distinct words.

    Args:
        keys: integers such as (stream, seed, epoch), each taken modulo 2**64.
        counters: integer array (n,), for example the indices of images.

    Returns:
        uint64 array (n,).
    """
    state = np.zeros(1, np.uint64)
    for key in keys:
        state = splitmix64(state ^ np.uint64(key & _MASK))
    return splitmix64(state ^ np.asarray(counters).astype(np.uint64))


def permutation(n: int, keys: tuple[int, ...]) -> np.ndarray:
    """A uniform random permutation of 0..n-1 (int64), a function of ``n`` and ``keys`` alone.

    The hash has no ties, so the order does not depend on the kind of sort.
    """
    return np.argsort(hashed(keys, np.arange(n))).astype(np.int64, copy=False)
