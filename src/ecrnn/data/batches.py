"""The order of the examples in an epoch, cut into batches; and sequences of tokens side by side in one.

Order and batches are functions of (seed, epoch), so a position in the training is one integer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.data import counter_rng


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch: a random permutation of 0..n-1, int64, a function of (n, seed, epoch) alone."""
    return counter_rng.permutation(n, (counter_rng.ORDER, seed, epoch))


def batch_bounds(n: int, batch_size: int) -> list[tuple[int, int]]:
    """The (start, end) of each batch of ``n`` examples.

    The last batch may be short. A last batch of one example is joined to the batch before it, which then holds
    ``batch_size + 1``: batch normalisation cannot train on one. Only with ``batch_size`` 1 or n 1,
    where nothing else was asked for, do batches of one come.

    Raises:
        DataError: ``batch_size`` below 1.
    """
    if batch_size < 1:
        raise DataError(f"batch size is {batch_size}, but should be at least 1")
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and batch_size > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True)) if starts else []


def shuffled(n: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one epoch, each an array of positions below ``n``: `epoch_order` cut at `batch_bounds`."""
    order = epoch_order(n, seed, epoch)
    return [order[start:end] for start, end in batch_bounds(n, batch_size)]


def bucketed(lengths: np.ndarray, batch_size: int, seed: int, epoch: int, pool: int = 50) -> list[np.ndarray]:
    """The batches of one epoch, each of sequences of similar length, so that little is padding.

    The random order of the epoch is cut into pools of ``pool`` batches; each pool is sorted by length, equal ones in
    the random order, and cut into batches; the batches of an epoch then come in a random order. There are as many as
    `shuffled` gives.

    Args:
        lengths: (n,) whole numbers.
        batch_size: sequences a batch; the last one may be short.
        seed, epoch: what the order is a function of, with the lengths.
        pool: batches that are sorted together.
    """
    order = epoch_order(len(lengths), seed, epoch)
    size = pool * batch_size
    pools = [order[start : start + size] for start in range(0, len(order), size)]
    pools = [indices[np.argsort(lengths[indices], kind="stable")] for indices in pools]
    order = np.concatenate(pools) if pools else order
    batches = [order[start:end] for start, end in batch_bounds(len(order), batch_size)]
    return [batches[b] for b in counter_rng.permutation(len(batches), (counter_rng.BATCHES, seed, epoch))]


def padded(sequences: Sequence[Sequence[int]], pad: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of tokens side by side.

    Returns:
        int64 (B, T) with ``pad`` after the end of the shorter ones, T at least 1, and the lengths (B,), int64.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    tokens = np.full((len(sequences), max(1, lengths.max(initial=0))), pad, np.int64)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = sequence
    return tokens, lengths


def by_length(lengths: Sequence[int] | np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Positions in batches of similar length, the longest first, for predictions whose order does not matter."""
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
