"""The score of a finished trial: the mean of a metric over its last epochs that count.

The study that decides and the report that is made of it take it from here, so they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import softmax

from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import AnyPredictions, PredictedClasses, Predictions
from ecrnn.core.runs import FinishedTrial
from ecrnn.stats import AUC, Metric, class_scores

ClassScores = Mapping[str, float | None]  # those of `ecrnn.stats.CLASS_SCORES` by name


def class_scores_of(trial: FinishedTrial) -> tuple[ClassScores, ...]:
    """The scores of a classifier after each epoch that counts, oldest first.

    The AUC, which needs logits, is that of the last epoch's, in an archive that of the manifest, and of epochs before
    it that of metrics.jsonl.
    """
    *before, last = trial.predictions.epochs()
    found = []
    for line, epoch in zip(trial.metrics[-len(before) - 1 : -1], before, strict=True):
        assert isinstance(epoch, PredictedClasses)
        found.append({**class_scores(epoch.label, epoch.predicted), AUC.name: line.get(f"validation_{AUC.name}")})
    if isinstance(last, Predictions):
        probability = softmax(last.logits.astype(np.float64), axis=1)
        return (*found, class_scores(last.label, last.predicted, probability))
    assert isinstance(last, PredictedClasses)
    return (*found, {**class_scores(last.label, last.predicted), AUC.name: trial.facts.get(AUC.name)})


def epoch_values(
    name: str, predictions: AnyPredictions, scores: Sequence[ClassScores], metric: Metric, counted: int
) -> list[float]:
    """The values of ``metric`` after the last ``counted`` epochs, or as many as there are, oldest first.

    Args:
        name: of the trial, for the error.
        predictions: of the trial.
        scores: from `class_scores_of`, for a metric that does not follow from single examples.
        metric: by which models are compared.
        counted: number of epochs.

    Raises:
        EcrnnError: after one of them it has none.
    """
    if metric.statistics:
        return [metric.value(of_epoch.statistics) for of_epoch in predictions.epochs()[-counted:]]
    values = [of_epoch[metric.name] for of_epoch in scores[-counted:]]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        why = "its examples are of one class, there are too many classes, or an early archive kept too little"
        raise EcrnnError(f"{name} has no {metric.title}: {why}")
    return known


def score(trial: FinishedTrial, metric: Metric, counted: int) -> float:
    """The mean of ``metric`` over the last ``counted`` epochs of a trial, or as many as it has.

    Raises:
        EcrnnError: it has none.
    """
    scores = () if metric.statistics else class_scores_of(trial)
    values = epoch_values(f"{trial.model}, repeat {trial.repeat}", trial.predictions, scores, metric, counted)
    return math.fsum(values) / len(values)
