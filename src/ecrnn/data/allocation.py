"""How many examples of each class, and which whole groups, go into each part of a split.

`largest_remainder` is exact. Groups cannot be cut, so `dealt` comes as near to what is wanted as its one pass does: in
a random order each group goes to the part that then is nearest to its due. NumPy alone; nothing random is drawn here.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def largest_remainder(counts: np.ndarray, share: Fraction) -> np.ndarray:
    """How many examples of each class make up a share of all.

    Each class gets its share rounded down; what then is missing of the share of all, rounded half up, goes to the
    classes with the largest remainders, one each, of equal ones to the first (the method of Hamilton).

    Args:
        counts: int64 (C,), examples of each class.
        share: between 0 and 1, exact.

    Returns:
        int64 (C,); each differs from its exact share by less than one; the sum is the share of all, rounded half up.
    """
    exact = [share * int(count) for count in counts]
    parts = [math.floor(number) for number in exact]
    missing = math.floor(share * int(counts.sum()) + Fraction(1, 2)) - sum(parts)
    order = sorted(range(len(exact)), key=lambda c: (parts[c] - exact[c], c))
    for c in order[:missing]:
        parts[c] += 1
    return np.array(parts, np.int64)


def dealt(groups: np.ndarray, classes: np.ndarray, targets: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The part of each group, so that parts come near to their targets.

    The groups are taken in ``order``. Each goes to the part where the sum over the classes of (count - target)^2 / all
    of the class grows least, of equal ones to the first.

    Args:
        groups: int64 (n,), the group of each example, 0..G-1.
        classes: int64 (n,), the class of each; all 0 where classes do not matter.
        targets: float64 (P, C), examples of each class that each part should have.
        order: int64 (G,), a permutation of the groups.

    Returns:
        int64 (G,), the part of each group.
    """
    counts = np.zeros((len(order), targets.shape[1]))  # (G, C)
    np.add.at(counts, (groups, classes), 1)
    weights = 1 / np.maximum(1, counts.sum(axis=0))  # (C,)
    missing = targets.astype(np.float64)  # (P, C)
    parts = np.zeros(len(order), np.int64)
    for group in order:
        has = counts[group].nonzero()[0]  # most groups are of one class
        size = counts[group, has]
        cost = (size - 2 * missing[:, has]) @ (weights[has] * size)  # (P,)
        part = parts[group] = cost.argmin()
        missing[part, has] -= size
    return parts
