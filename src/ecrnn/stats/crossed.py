"""The crossed variance of a mean over repeats: random trainings times random examples, both as measured.

Two repeats that score the same examples are correlated through them: an example that is easy for model a and hard for
model b is so in both. How much that is can be seen, because the same example is scored in several repeats, and then

    Var(mean) = S^2/r + C

with S^2 the variance between repeats and C the covariance of two repeats through the examples that both score. It is
the variance of studies with many readers and many cases, repeats in the place of readers (Gallas 2006, "One-shot
estimate of MRMC variance: AUC", Academic Radiology 13).

On one test set that all repeats share this is the variance of the mean: over other seeds and other test examples, the
one training set staying as it is. On random splits it leaves out what shared *training* examples add, which cannot be
seen in one data set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.paired import PairedT, t_test


def shared_covariance(values: Sequence[ArrayLike], index: Sequence[ArrayLike]) -> float:
    """Covariance of the means of two repeats through the examples that both score, averaged over pairs of repeats.

        C = sum over i of [(sum over r of e_ri)^2 - sum over r of e_ri^2] / (r (r - 1)),
        e_ri = (value of example i in repeat r, minus the mean of repeat r) / examples of repeat r

    An estimate can come out below 0, and is 0 then, as no true covariance of this kind is.

    Args:
        values: for each of the r repeats (n,) one number an example, whose mean is the score of the repeat, or is as
            good as it (`Metric.influence`).
        index: for each repeat (n,) which examples these are, whole numbers, none twice.

    Raises:
        EcrnnError: fewer than two repeats, lengths that differ, an example twice in a repeat.
    """
    if len(values) < 2 or len(values) != len(index):
        raise EcrnnError(
            f"values and index must have two repeats or more, and as many, got {len(values)}, {len(index)}"
        )
    for repeat, (numbers, places) in enumerate(zip(values, index, strict=True)):
        array, where = _checks.vector("values", numbers), np.asarray(places)
        if where.shape != array.shape:
            raise EcrnnError(f"index must name every example once, got {where.shape} for {array.shape} values")
        if np.unique(where).size < where.size:
            raise EcrnnError(f"index names an example twice in the repeat at place {repeat}")
    _, example = np.unique(np.concatenate([np.asarray(places) for places in index]), return_inverse=True)
    return covariance([np.asarray(numbers, np.float64) for numbers in values], example)


def covariance(values: Sequence[NDArray[np.float64]], example: NDArray[np.int64]) -> float:
    """`shared_covariance` of checked values and of small numbers of the examples, both repeat after repeat."""
    e = np.concatenate([(array - array.mean()) / array.size for array in values])
    sums, squares = np.bincount(example, weights=e), np.bincount(example, weights=e * e)
    r = len(values)
    return max(0.0, float((sums**2 - squares).sum()) / (r * (r - 1)))


def crossed_t(
    differences: ArrayLike, shared: float, n_test: float, level: float = 0.95, widest: float = np.inf
) -> PairedT:
    """The t test of a mean difference with the crossed variance, over seeds and test examples.

        statistic = mean / sqrt(S^2/r + C),   df = (S^2/r + C)^2 / ((S^2/r)^2 / (r - 1))

    where df, Satterthwaite's for a part with r - 1 degrees of freedom beside one with many, is at least r - 1 and at
    most n_test - 1. The standard error is at least 1/n_test, what a change of 1 in a single example weighs, so that two
    models that never disagree on a few examples are not shown to be equal.

    Args:
        differences: (r,) score of a minus score of b, one a repeat, r >= 2.
        shared: C, from `shared_covariance` on the differences of the examples.
        n_test: scored examples in a repeat.
        level: confidence of the interval.
        widest: the largest difference that there can be; the interval goes no further.

    Raises:
        EcrnnError: fewer than two differences, not finite, a covariance below 0, n_test below 1, a level outside
            (0, 1).
    """
    differences = _checks.vector("differences", differences, at_least=2)
    sd = _resampling.sample_sd(differences)
    error, df = _resampling.crossed_error(sd, differences.size, shared, n_test)
    return t_test("crossed t", differences, sd, error, df, level, widest)
