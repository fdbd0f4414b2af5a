"""The decisions of a sequential study: a function of its `study.yaml` and of the trials that are finished.

The study that trains and the report that is made of it both call `decide`, so nothing that was decided is kept.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
from scipy.special import softmax

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import AnyPredictions, Predictions, Scored, epochs
from ecrnn.core.runs import FinishedTrial
from ecrnn.stats import AUC, Metric, SequentialComparison, SequentialPlan, class_scores, compare_sequentially
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


def score(trial: FinishedTrial, metric: Metric, counted: int) -> float:
    """The score of a trial: the mean of ``metric`` over its last ``counted`` epochs, or as many as it has.

    Raises:
        EcrnnError: it has none, such as an AUC where all examples are of one class.
    """
    of_epochs = epochs(trial.predictions)
    lines = trial.metrics[-len(of_epochs) :]
    values: list[float | None] = []
    for at, predictions in list(enumerate(of_epochs))[-counted:]:
        if metric.statistics:
            values.append(metric.value(predictions.statistics))
            continue
        known = trial.facts.get(AUC.name) if at == len(of_epochs) - 1 else lines[at].get(f"validation_{AUC.name}")
        values.append(_class_score(predictions, metric, known))
    if any(value is None for value in values):
        raise EcrnnError(f"{trial.model}, repeat {trial.repeat} has no {metric.title}: its examples are of one class")
    numbers = [value for value in values if value is not None]
    return math.fsum(numbers) / len(numbers)


def _class_score(predictions: AnyPredictions, metric: Metric, auc: float | None) -> float | None:
    """A score of a classifier after an epoch; its AUC needs logits, or is ``auc``, which was computed then."""
    assert not isinstance(predictions, Scored)
    probability = None
    if isinstance(predictions, Predictions) and metric is AUC:
        probability = softmax(predictions.logits.astype(np.float64), axis=1)
    elif metric is AUC:
        return auc
    return class_scores(predictions.label, predictions.predicted, probability)[metric.name]
