"""What a sequential plan costs and finds, by simulation: studies of models whose true scores are known.

A plan with its last look alone is the fixed design, judged by the same verdict.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.sequential import BETTER, EQUIVALENT, SequentialPlan, follow
from ecrnn.stats.verdicts import MIN_REPEATS

_VALUES_AT_ONCE = 2**21  # differences; bounds the memory at some hundred MiB


@dataclass(frozen=True)
class Outcomes:
    """Shares of ``studies`` simulated studies, and how often each model was trained.

    Attributes:
        studies: how many.
        false_difference: with a "better" or "worse" that is not so, in any pair.
        false_equivalent: with an "equivalent" in any pair whose true difference is at the region's edge or beyond.
        found: of the pairs that differ, the share with the right "better" or "worse"; None where none differs.
        equivalent: of all pairs, the share with "equivalent".
        repeats: (k,) trainings of each model, mean over the studies.
    """

    studies: int
    false_difference: float
    false_equivalent: float
    found: float | None
    equivalent: float
    repeats: tuple[float, ...]

    @property
    def trainings(self) -> float:
        """Mean number of trainings of a study, all models together."""
        return sum(self.repeats)


def fixed(plan: SequentialPlan) -> SequentialPlan:
    """The plan that looks once, after all repeats."""
    return replace(plan, looks=plan.looks[-1:])


def simulate_plan(
    plan: SequentialPlan,
    means: ArrayLike,
    pairs: Sequence[tuple[int, int]],
    *,
    sd: float,
    correlation: float | None = None,
    studies: int = 2000,
    seed: int = 0,
) -> Outcomes:
    """Carry out ``studies`` studies under a plan.

    Args:
        plan: of each.
        means: (k,) true scores of the models, in values of the metric.
        pairs: which are compared, by number of the model.
        sd: standard deviation of a pair's differences between the repeats of one study.
        correlation: of two repeats; None takes n_test / (n_train + n_test), which the corrected t test assumes.
        studies: number of studies.
        seed: of the simulation.

    Raises:
        EcrnnError: fewer than two models, no pairs, an sd below 0, a correlation outside 0..1.
    """
    means, sd = _checks.vector("means", means, at_least=2), _checks.not_negative("sd", sd)
    rho = plan.q / (1 + plan.q) if correlation is None else correlation
    if not 0 <= rho < 1 or not pairs:
        raise EcrnnError(f"give at least one pair and a correlation from 0 to below 1, got {len(pairs)} and {rho}")
    studies = _checks.whole("studies", studies)
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    truth = means[first] - means[second]
    totals, trainings = np.zeros(4), np.zeros(means.size)
    for scores in _scores(np.random.default_rng(seed), means, sd, rho, plan.looks[-1], len(pairs), studies):
        course = follow(scores[:, first] - scores[:, second], plan)
        correct = np.sign(truth) == course.verdict
        differs = np.abs(course.verdict) == BETTER
        same = course.verdict == EQUIVALENT
        used = np.asarray(plan.looks)[course.stage]
        totals += (
            (differs & ~correct).any(axis=1).sum(),
            (same & (np.abs(truth) >= plan.rope)).any(axis=1).sum(),
            (differs & correct)[:, truth != 0].sum(),
            same.sum(),
        )
        trainings += [_most(used, (first == model) | (second == model)) for model in range(means.size)]
    false, false_equal, found, equal = (float(total) / studies for total in totals)
    differing = int((truth != 0).sum())
    share = found / differing if differing else None
    repeats = tuple(float(mean) for mean in trainings / studies)
    return Outcomes(studies, false, false_equal, share, equal / len(pairs), repeats)


def least_repeats(
    plan: SequentialPlan,
    means: ArrayLike,
    pairs: Sequence[tuple[int, int]],
    *,
    sd: float,
    power: float = 0.8,
    most: int = 60,
    studies: int = 2000,
    seed: int = 0,
) -> tuple[int | None, int | None]:
    """The fewest repeats at the most with which a difference is found: by the fixed and by the sequential design.

    Args:
        plan: of which all but the looks counts.
        means: (k,) true scores of the models.
        pairs: which are compared, by number of the model.
        sd: standard deviation of a pair's differences between the repeats of one study.
        power: probability, mean over the pairs that differ.
        most: repeats that are considered; beyond, the figure is None.
        studies: that are simulated for each number of repeats.
        seed: of the simulation.

    Raises:
        EcrnnError: as of `simulate_plan`.
    """
    candidates = [repeats for repeats in range(MIN_REPEATS, most + 1) if repeats <= 12 or repeats % 5 == 0]

    def enough(looks: tuple[int, ...]) -> bool:
        outcome = simulate_plan(replace(plan, looks=looks), means, pairs, sd=sd, studies=studies, seed=seed)
        return (outcome.found or 0.0) >= power

    low = bisect_left(candidates, True, key=lambda repeats: enough((repeats,)))  # more repeats find more
    if low == len(candidates):
        return None, None
    needed = (repeats for repeats in candidates[low:] if enough(usual_looks(repeats)))  # looks cost a repeat or two
    return candidates[low], next(needed, None)


def _most(used: NDArray[np.int64], pairs: NDArray[np.bool_]) -> float:
    """Repeats of one model, summed over the studies: those of the longest of its pairs."""
    return float(used[:, pairs].max(axis=1).sum()) if pairs.any() else 0.0


def _scores(
    rng: np.random.Generator,
    means: NDArray[np.float64],
    sd: float,
    rho: float,
    repeats: int,
    pairs: int,
    studies: int,
) -> Iterator[NDArray[np.float64]]:
    """(some studies, k, repeats) scores at a time, with ``sd`` between the differences of a study."""
    spread = sd / math.sqrt(2)  # of a model, between the repeats of a study
    shared = spread * math.sqrt(rho / (1 - rho))
    step = max(1, _VALUES_AT_ONCE // (pairs * repeats))
    for begin in range(0, studies, step):
        some = min(step, studies - begin)
        luck = shared * rng.standard_normal((some, means.size, 1))
        yield means[:, None] + luck + spread * rng.standard_normal((some, means.size, repeats))
