"""The decisions of a sequential study: a function of its `study.yaml` and of the trials that are finished.

The study that trains and the report that is made of it both call `decide`, so nothing that was decided is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.stats import Metric, SequentialComparison, SequentialPlan, compare_sequentially
from ecrnn.stats._pairs import chosen


def decide(
    settings: StudySettings,
    metric: Metric,
    scores: Mapping[str, Mapping[int, float]],
    failed: Collection[tuple[str, int]] = (),
) -> SequentialComparison:
    """The looks that the trainings which have ended allow, and the trainings that the next one needs.

    Args:
        settings: resolved, of a study that trains until it is decided.
        metric: by which its models are compared.
        scores: of the finished trials, by model and repeat.
        failed: trials that have ended without one.

    Raises:
        EcrnnError: the plan is not whole, or no models are compared.
    """
    return compare_sequentially(
        scores,
        chosen(settings.models, settings.baseline, settings.pairs),
        plan_of(settings, metric),
        metric=metric,
        first_repeat=settings.first_repeat,
        failed=failed,
    )


def plan_of(settings: StudySettings, metric: Metric) -> SequentialPlan:
    """The plan that `study.yaml` holds.

    Raises:
        EcrnnError: something of it is missing.
    """
    plan = settings.sequential
    if plan is None or plan.looks is None or plan.n_train is None or plan.n_test is None:
        raise EcrnnError("study.yaml holds no whole plan of a sequential study: looks, n_train and n_test are needed")
    rope = metric.rope if settings.rope is None else settings.rope
    return SequentialPlan(plan.looks, plan.n_train, plan.n_test, rope, plan.alpha, plan.slack, plan.seed)
