"""Mean ranks of models over data sets, and which of them are not told apart: what a critical-difference diagram shows.

The places are mean ranks, which depend on who else is compared; what is told apart is not: it is each pair's own
signed-rank test (Benavoli, Corani and Mangili 2016, "Should we really use post-hoc tests based on mean-ranks?").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.paired import holm
from ecrnn.stats.signed_rank import wilcoxon

MIN_DATA_SETS = 8  # of a diagram


@dataclass(frozen=True)
class MeanRanks:
    """Models over ``n`` data sets, the best first, with their mean ranks; 1 is the best.

    ``cliques`` are the longest runs of neighbours, two models at least, of which no pair is told apart at ``alpha``.
    """

    models: tuple[str, ...]
    ranks: tuple[float, ...]
    cliques: tuple[tuple[str, ...], ...]
    n: int
    alpha: float


def mean_ranks(scores: Mapping[str, ArrayLike], alpha: float = 0.05, *, higher_is_better: bool = True) -> MeanRanks:
    """Mean ranks and the cliques of Wilcoxon's exact test, p adjusted by Holm over all pairs.

    Args:
        scores: for each model its (D,) mean score on each data set, D >= `MIN_DATA_SETS`. The data sets are different
            ones: splits of one data set are none, and the test takes them for more than they are.
        alpha: level of the tests.
        higher_is_better: False for scores that count errors or bits.

    Raises:
        EcrnnError: fewer than two models or eight data sets, models with different numbers of data sets, scores that
            are not finite, an alpha outside (0, 1).
    """
    alpha = _checks.share("alpha", alpha)
    names = list(scores)
    values = [_checks.vector(f"scores of {name}", scores[name], at_least=MIN_DATA_SETS) for name in names]
    if len(names) < 2 or len({value.size for value in values}) > 1:
        raise EcrnnError("mean ranks want two models or more, each scored on all data sets")
    table = np.round(np.stack(values) * (-1 if higher_is_better else 1), 12)  # (k, D), the lowest is the best
    means = stats.rankdata(table, axis=0).mean(axis=1)
    pairs = list(combinations(range(len(names)), 2))
    adjusted = holm([wilcoxon(table[i] - table[j]).p for i, j in pairs])
    apart = {frozenset(pair) for pair, p in zip(pairs, adjusted, strict=True) if p < alpha}
    order = [int(i) for i in np.argsort(means, kind="stable")]
    return MeanRanks(
        tuple(names[i] for i in order),
        tuple(float(means[i]) for i in order),
        tuple(tuple(names[i] for i in run) for run in _runs(order, apart)),
        table.shape[1],
        alpha,
    )


def _runs(order: list[int], apart: set[frozenset[int]]) -> list[list[int]]:
    """Runs of neighbours of whom no two are ``apart``, those within a longer one left out."""
    runs: list[list[int]] = []
    end = 0
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and not any(frozenset((order[stop], i)) in apart for i in order[start:stop]):
            stop += 1
        if stop - start > 1 and stop > end:
            runs.append(order[start:stop])
            end = stop
    return runs
