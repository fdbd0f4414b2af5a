"""One study under a sequential plan, as plain data: the looks of each pair, its verdict, and what is trained next.

Everything here is a function of the plan and of the scores that are there, so whoever computes it again, a report or a
study that goes on after it was killed, decides the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats.metrics import Metric
from ecrnn.stats.sequential import EQUIVALENT, UNDECIDED, Course, SequentialPlan, follow
from ecrnn.stats.verdicts import Verdict

Closed = Literal["decided", "given up", "last look", "open"]


@dataclass(frozen=True)
class Look:
    """What a pair showed when it was looked at.

    Attributes:
        repeats: differences of the pair at this look.
        difference: their mean, model_a minus model_b, in values of the metric.
        sd: of the differences.
        p: of the corrected t test at this look alone.
        p_sequential: the smallest alpha at which a look so far stops; a p value whenever one stops.
        p_equivalent: the same for equivalence.
        low, high: the repeated interval at level 1 - alpha of this pair alone, which holds at all looks together; it
            goes no further than the largest difference that there can be.
        boundary: how large a difference had to be here, at this spread, for "better" or "worse".
        boundary_equivalent: how small it had to be for "equivalent"; None: no difference was small enough.
    """

    repeats: int
    difference: float
    sd: float
    p: float
    p_sequential: float
    p_equivalent: float
    low: float
    high: float
    boundary: float
    boundary_equivalent: float | None


@dataclass(frozen=True)
class SequentialPair:
    """Two models, and the looks that were taken at them.

    ``verdict`` is None while the pair is open. ``closed`` says why no more is trained for it: "decided"; "given up",
    when the last look could hardly decide it; "last look", when there are no more repeats. ``p_holm`` and
    ``p_equivalent_holm`` are the sequential p, adjusted over all pairs.
    """

    model_a: str
    model_b: str
    looks: tuple[Look, ...]
    verdict: Verdict | None
    closed: Closed
    p_holm: float
    p_equivalent_holm: float


@dataclass(frozen=True)
class SequentialComparison:
    """A study as far as it is; ``waiting`` are the trainings (model, repeat) of its next look."""

    plan: SequentialPlan
    pairs: tuple[SequentialPair, ...]
    waiting: tuple[tuple[str, int], ...]


def compare_sequentially(
    scores: Mapping[str, Mapping[int, float]],
    pairs: Sequence[tuple[str, str]],
    plan: SequentialPlan,
    *,
    metric: Metric,
    first_repeat: int = 0,
    failed: Collection[tuple[str, int]] = (),
) -> SequentialComparison:
    """The looks of a study that the trainings which have ended allow.

    The study is looked at when every training that its open pairs need up to that look has ended, and no further, even
    if some models have more repeats.

    Args:
        scores: of the finished trainings, by model and repeat.
        pairs: (model_a, model_b) that were named before the first training.
        plan: fixed by then too.
        metric: only its direction and bounds count, and the rope of ``plan`` is in its values.
        first_repeat: number of the study's first repeat.
        failed: trainings (model, repeat) that have ended without a score. A pair of such a model is looked at with the
            repeats that both have, so later, and its last look may never come.

    Raises:
        EcrnnError: no pairs.
    """
    if not pairs:
        raise EcrnnError("a sequential comparison needs at least one pair of models")
    repeats = range(first_repeat, first_repeat + plan.looks[-1])
    none: dict[int, float] = {}

    def score(model: str, repeat: int) -> float:
        return scores.get(model, none).get(repeat, np.nan)

    def ended(model: str, count: int) -> bool:
        of = scores.get(model, none)
        return all(repeat in of or (model, repeat) in failed for repeat in repeats[:count])

    differences = np.array([[[score(a, repeat) - score(b, repeat) for repeat in repeats] for a, b in pairs]])
    ready = np.array([[[ended(a, count) and ended(b, count) for count in plan.looks] for a, b in pairs]])
    course = follow(differences, plan, ready)
    waiting: tuple[tuple[str, int], ...] = ()
    if course.open.any():
        stage = int((ready[0] | ~course.open[0][:, None]).all(axis=0).argmin())
        models = dict.fromkeys(model for at, pair in enumerate(pairs) if course.open[0, at] for model in pair)
        wanted = [(model, repeat) for repeat in repeats[: plan.looks[stage]] for model in models]
        waiting = tuple((m, r) for m, r in wanted if r not in scores.get(m, none) and (m, r) not in failed)
    return SequentialComparison(
        plan, tuple(_pair(course, at, *pair, plan, metric) for at, pair in enumerate(pairs)), waiting
    )


def _pair(course: Course, at: int, model_a: str, model_b: str, plan: SequentialPlan, metric: Metric) -> SequentialPair:
    is_open, code, last = bool(course.open[0, at]), int(course.verdict[0, at]), int(course.look[0, at])
    closed: Closed = "open" if is_open else "decided"
    if not is_open and code == UNDECIDED:
        closed = "last look" if course.stage[0, at] == len(plan.looks) - 1 else "given up"
    return SequentialPair(
        model_a,
        model_b,
        tuple(_look(course, at, look, plan, metric.widest) for look in range(last + 1)),
        None if is_open else _word(code, metric),
        closed,
        float(course.p_holm[0, at]),
        float(course.p_equivalent_holm[0, at]),
    )


def _word(code: int, metric: Metric) -> Verdict:
    if code in (UNDECIDED, EQUIVALENT):
        return "undecided" if code == UNDECIDED else "equivalent"
    return "better" if (code > 0) == metric.higher_is_better else "worse"


def _look(course: Course, at: int, look: int, plan: SequentialPlan, widest: float) -> Look:
    evidence, repeats = course.evidence, plan.looks[look]
    error, table = float(evidence.error[0, at, look]), plan.boundaries
    level = float(table.level(course.level[0, at], look))
    equal_level = float(table.level(course.level_equivalent[0, at], look, sides=1))
    small = plan.rope + float(special.stdtrit(repeats - 1, equal_level)) * error
    mean, sd, p, sequential, equivalent, low, high = (
        float(of[0, at, look])
        for of in (
            evidence.mean,
            evidence.sd,
            evidence.p,
            evidence.p_sequential,
            evidence.p_equivalent,
            evidence.low,
            evidence.high,
        )
    )
    boundary = -float(special.stdtrit(repeats - 1, level / 2)) * error
    low, high = max(low, -widest), min(high, widest)
    return Look(repeats, mean, sd, p, sequential, equivalent, low, high, boundary, small if small > 0 else None)
