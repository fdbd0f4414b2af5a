"""The order of the images in an epoch, cut into batches.

Both are functions of (seed, epoch), so a position in the training is one integer.
"""

from __future__ import annotations

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.data import counter


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch: a random permutation of 0..n-1, int64, a function of (n, seed, epoch) alone."""
    return counter.permutation(n, (counter.ORDER, seed, epoch))


def batch_bounds(n: int, batch_size: int) -> list[tuple[int, int]]:
    """The (start, end) of each batch of ``n`` images.

    The last batch may be short. A last batch of one image is joined to the batch before it, which then holds
    ``batch_size + 1``: batch normalisation cannot train on one image. Only with ``batch_size`` 1 or n 1,
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
