"""Verdicts on a study that is looked at while it is trained, and that trains only what is still open.

Everything is fixed before the first training: the pairs, alpha, the region of equivalence, the looks (of which the last
is never moved), and the rule by which a pair is given up. At each look a pair has the p of the corrected t test and
that of equivalence by two one-sided tests; `ecrnn.stats.boundaries` makes sequential p values of them, which may be
read at any look. Holm's procedure runs over those of all pairs at every look, for "equivalent" and for "better" or
"worse" apart: at most alpha of the studies say any false "equivalent", and at most alpha any false "better" or "worse".

A pair that can hardly be decided any more is closed as "undecided". This rule does not bind, errors stay below alpha
whether it is followed or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _resampling
from ecrnn.stats.boundaries import Boundaries, simulate_boundaries
from ecrnn.stats.paired import holm_rows

SLACK = 3.0  # standard errors that a mean may still move before a pair is given up
UNDECIDED, BETTER, WORSE, EQUIVALENT = 0, 1, -1, 2  # codes of verdicts; better: the difference is above 0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SequentialPlan:
    """What is fixed before the first training.

    Attributes:
        looks: repeats after which the study is looked at, ascending; the last is the most there will be.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        rope: half the width of the region of practical equivalence, in values of the metric; at 0 nothing is
            equivalent.
        alpha: level of both families of tests.
        slack: how far, in standard errors of what is still to come, a mean may move in the hope of a decision.
        seed: of the simulation of the boundaries.
    """

    looks: tuple[int, ...]
    n_train: int
    n_test: int
    rope: float
    alpha: float = 0.05
    slack: float = SLACK
    seed: int = 0

    def __post_init__(self) -> None:
        _checks.share("alpha", self.alpha)
        _checks.not_negative("rope", self.rope)
        _checks.not_negative("slack", self.slack)
        _checks.whole("n_train", self.n_train)
        _checks.whole("n_test", self.n_test)

    @property
    def q(self) -> float:
        """The variance that all repeats share, as a part of that of one alone."""
        return self.n_test / self.n_train

    @property
    def boundaries(self) -> Boundaries:
        """Simulated at the first call for these looks and sizes."""
        return simulate_boundaries(self.looks, self.q, self.seed)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the first r differences of each pair say at each look; arrays (studies, pairs, looks), of no meaning where
    there are fewer.

    ``p_sequential`` and ``p_equivalent`` are the least up to the look, and ``side`` is the sign of the mean at the look
    that gave the former. ``low`` and ``high`` are the repeated interval of one pair: all of them cover the true
    difference with probability 1 - alpha, whenever one stops.
    """

    mean: Floats
    sd: Floats
    error: Floats
    p: Floats
    p_sequential: Floats
    p_equivalent: Floats
    side: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Course:
    """How far studies came; arrays (studies, pairs).

    Attributes:
        verdict: code of the verdict.
        open: whether the pair waits for more repeats.
        stage: at which look of the study it was closed, or stands.
        look: the pair's own look then, -1 before its first. It is behind the study's where a training failed.
        p_holm, p_equivalent_holm: sequential p, adjusted over all pairs as they stand.
        level, level_equivalent: of the boundary that stood before the pair: alpha, divided by the pairs that Holm's
            procedure had not yet done with.
        evidence: all that was computed on the way, also of looks that were not taken.
    """

    verdict: Ints
    open: Bools
    stage: Ints
    look: Ints
    p_holm: Floats
    p_equivalent_holm: Floats
    level: Floats
    level_equivalent: Floats
    evidence: Evidence


def follow(differences: Floats, plan: SequentialPlan, ready: Bools | None = None) -> Course:
    """Take the looks of many studies, one after another, as far as their trainings allow.

    Args:
        differences: (studies, pairs, repeats) score of model_a minus that of model_b; NaN where a training failed or is
            not there (yet). A pair is looked at after so many differences as the look has repeats, in their order: the
            one that failed is left out, and the pair's looks come later.
        plan: of all of them.
        ready: (studies, pairs, looks) whether all trainings of a pair up to that look have ended; without it they have.

    Raises:
        EcrnnError: differences of another shape.
    """
    if differences.ndim != 3 or differences.shape[2] < plan.looks[-1] or not differences.shape[1]:
        expected = f"(studies, pairs, {plan.looks[-1]} repeats)"
        raise EcrnnError(f"differences must be {expected}, got shape {differences.shape}")
    there = ~np.isnan(differences)
    counts = np.stack([there[..., :repeats].sum(axis=-1) for repeats in plan.looks], axis=-1)
    evidence = _evidence(_to_the_front(differences, there), plan)
    return _Stages(plan, evidence, counts).run(ready)


def _to_the_front(differences: Floats, there: Bools) -> Floats:
    """The differences that are there first, in their order, then NaN."""
    return np.take_along_axis(differences, np.argsort(~there, axis=-1, kind="stable"), -1)


def _evidence(differences: Floats, plan: SequentialPlan) -> Evidence:
    table = plan.boundaries
    fields = ("mean", "sd", "error", "p", "p_sequential", "p_equivalent", "side", "low", "high")
    found = {name: np.empty((*differences.shape[:2], len(plan.looks))) for name in fields}
    least = least_equal = np.full(differences.shape[:2], np.inf)
    side = np.zeros_like(least)
    for look, repeats in enumerate(plan.looks):
        first = differences[..., :repeats]
        mean, sd = first.mean(axis=-1), first.std(axis=-1, ddof=1)
        sd = np.where(sd <= _resampling.SAME, 0.0, sd)
        error = _spread(sd, plan) * math.sqrt(1 / repeats + plan.q)
        p = 2.0 * special.stdtr(repeats - 1, -np.abs(mean / error))
        equal = special.stdtr(repeats - 1, (np.abs(mean) - plan.rope) / error)
        half = -special.stdtrit(repeats - 1, table.level(plan.alpha, look) / 2) * error
        sequential, equivalent = table.sequential_p(p, look), table.sequential_p(equal, look, sides=1)
        side = np.where(sequential < least, np.sign(mean), side)
        least, least_equal = np.fmin(least, sequential), np.fmin(least_equal, equivalent)
        columns = (mean, sd, error, p, least, least_equal, side, mean - half, mean + half)
        for name, column in zip(fields, columns, strict=True):
            found[name][..., look] = column
    return Evidence(**found)


def _spread(sd: Floats, plan: SequentialPlan) -> Floats:
    """The standard deviation, and in the place of 0 what `ecrnn.stats.corrected_resampled_t` takes."""
    return np.where(sd > 0, sd, _resampling.hidden_spread(plan.n_test))


class _Stages:
    """The stages of studies: at each, one look of every open pair that has new differences."""

    def __init__(self, plan: SequentialPlan, evidence: Evidence, counts: Ints) -> None:
        self.plan, self.evidence = plan, evidence
        shape = counts.shape[:2]
        # the newest look of a pair at each stage: as many differences as it wants are there
        self.newest = np.searchsorted(plan.looks, counts, side="right") - 1
        self.verdict, self.stage = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self.look = np.full(shape, -1, dtype=np.int64)
        self.open = np.ones(shape, dtype=bool)
        self.given_up = np.zeros(shape, dtype=bool)
        self.p, self.p_equivalent = np.ones(shape), np.ones(shape)
        self.level, self.level_equivalent = np.full(shape, plan.alpha), np.full(shape, plan.alpha)

    def run(self, ready: Bools | None) -> Course:
        going = np.ones(len(self.open), dtype=bool)  # studies
        for stage in range(len(self.plan.looks)):
            if ready is not None:
                going &= (ready[..., stage] | ~self.open).all(axis=-1)
            looked = self.open & going[:, None]
            if not looked.any():
                break
            self._look(stage, looked)
            self._decide(looked)
            if stage == len(self.plan.looks) - 1:
                self.open &= ~looked
            else:
                self._give_up(looked)
        return Course(
            self.verdict,
            self.open,
            self.stage,
            self.look,
            holm_rows(self.p),
            holm_rows(self.p_equivalent),
            self.level,
            self.level_equivalent,
            self.evidence,
        )

    def _look(self, stage: int, looked: Bools) -> None:
        self.stage[looked] = stage
        self.look = np.where(looked, self.newest[..., stage], self.look)
        begun = looked & (self.look >= 0)
        for mine, of in ((self.p, self.evidence.p_sequential), (self.p_equivalent, self.evidence.p_equivalent)):
            mine[begun] = self._now(of)[begun]

    def _now(self, of: Floats) -> Floats:
        """The column of each pair's own look."""
        return np.take_along_axis(of, np.maximum(self.look, 0)[..., None], -1)[..., 0]

    def _decide(self, looked: Bools) -> None:
        """Equivalence first: of a difference that is surely not 0 and surely too small to matter, that is the word."""
        # what was given up keeps its p, and is decided where other pairs make Holm's steps easier
        candidates = looked | self.given_up
        self.level = np.where(candidates, self._steps(self.p), self.level)
        self.level_equivalent = np.where(candidates, self._steps(self.p_equivalent), self.level_equivalent)
        equivalent = candidates & (holm_rows(self.p_equivalent) < self.plan.alpha)
        different = candidates & ~equivalent & (holm_rows(self.p) < self.plan.alpha)
        sign = np.where(self._now(self.evidence.side) > 0, BETTER, WORSE)
        self.verdict = np.where(equivalent, EQUIVALENT, np.where(different, sign, self.verdict))
        self.given_up &= ~(equivalent | different)
        self.open &= ~(equivalent | different)

    def _steps(self, p: Floats) -> Floats:
        """The level that Holm's procedure has for each pair: alpha over the pairs not rejected before it."""
        rejected = holm_rows(p) < self.plan.alpha
        places = np.argsort(np.argsort(p, axis=-1, kind="stable"), axis=-1)
        before: Ints = np.minimum(places, rejected.sum(axis=-1)[:, None])
        return np.asarray(self.plan.alpha / (p.shape[-1] - np.minimum(before, p.shape[-1] - 1)))

    def _give_up(self, looked: Bools) -> None:
        """Close what the last look could decide only if the mean moved by more than ``slack`` standard errors."""
        plan, evidence, table = self.plan, self.evidence, self.plan.boundaries
        last, most = len(plan.looks) - 1, plan.looks[-1]
        repeats = np.asarray(plan.looks)[np.maximum(self.look, 0)]
        mean, spread = np.abs(self._now(evidence.mean)), _spread(self._now(evidence.sd), plan)
        moves = plan.slack * spread * np.sqrt(1 / repeats - 1 / most)
        error = spread * math.sqrt(1 / most + plan.q)
        level = table.level(self._left(np.abs(self.verdict) == BETTER), last)
        equal_level = table.level(self._left(self.verdict == EQUIVALENT), last, sides=1)
        differs = mean + moves >= -special.stdtrit(most - 1, level / 2) * error
        equals = mean - moves <= plan.rope + special.stdtrit(most - 1, equal_level) * error
        hopeless = looked & self.open & (self.look >= 0) & ~differs & ~equals
        self.given_up |= hopeless
        self.open &= ~hopeless

    def _left(self, rejected: Bools) -> Floats:
        """Alpha over the pairs of a study that are not rejected, with a column for its pairs."""
        remaining = np.maximum(rejected.shape[-1] - rejected.sum(axis=-1, keepdims=True), 1)
        return np.asarray(self.plan.alpha / remaining)
