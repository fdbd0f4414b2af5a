"""The rows of a report on single models and trials: figures, curves, confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings
from ecrnn.report.analysis.confusion import confusion
from ecrnn.report.analysis.read import Trial
from ecrnn.report.analysis.schema import Confusion, Curve, ModelRow, ScoreRow, TrialRow
from ecrnn.report.analysis.sequential_verdicts import ByModel
from ecrnn.report.analysis.trial_scores import class_scores_of_repeats, epoch_scores, score
from ecrnn.stats import CLASS_SCORES, Metric, ModelScores, summarise


def score_rows(
    by_model: ByModel, counted: int, seeds: int, n_train: int, n_test: int, *, fixed_test: bool
) -> tuple[ScoreRow, ...]:
    """All scores of all models, where the trials have them; on a fixed test set without intervals."""
    rows = []
    for model, trials in by_model.items():
        for name, metric in CLASS_SCORES.items():
            if all(trial.scores for trial in trials):
                scores = class_scores_of_repeats(trials, name, counted, seeds)
                known = [score for score in scores if score is not None]
                bounds = metric.least, metric.most
                summary = summarise(known, n_train, n_test, bounds=bounds) if len(known) == len(scores) else None
                if summary and fixed_test:
                    summary = replace(summary, low=None, high=None)
                rows.append(ScoreRow(model, name, scores, summary))
    return tuple(rows)


def _number(value: Any) -> float | None:
    """A finite number, or None for whatever else stands there."""
    fine = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if fine else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


def _mean(values: Iterable[Any]) -> float | None:
    numbers = [number for number in map(_number, values) if number is not None]
    return float(np.mean(numbers)) if numbers else None


def model_row(scores: ModelScores, trials: Sequence[Trial], metric: Metric) -> ModelRow:
    """One model over its finished trials."""
    facts = [trial.facts for trial in trials]
    assert scores.summary is not None  # models without a finished trial are not compared
    seconds = [_number(fact.get("seconds")) for fact in facts]
    return ModelRow(
        model=scores.model,
        repeats=scores.repeats,
        scores=scores.scores,
        summary=scores.summary,
        parameters=_whole(facts[0].get("parameters")),
        trainable=_whole(facts[0].get("trainable")),
        multiply_adds=_whole(facts[0].get("multiply_adds")),
        seconds=_mean(seconds),
        total_seconds=None if None in seconds else math.fsum(s for s in seconds if s is not None),
        steps=_mean(fact.get("steps") for fact in facts),
        best_score=_mean(fact.get(f"best_{metric.name}") for fact in facts),
    )


def trial_row(trial: Trial, metric: Metric, counted: int, settings: StudySettings) -> TrialRow:
    """One trial. Every repeat has a split of its own, but for a test part of its own and several seeds a split."""
    facts, split = trial.facts, settings.split
    fixed = facts.get("fixed_test") is True
    return TrialRow(
        model=trial.model,
        repeat=trial.repeat,
        score=score(trial, metric, counted),
        epoch_scores=epoch_scores(trial, metric, counted),
        best_score=_number(facts.get(f"best_{metric.name}")),
        best_epoch=_whole(facts.get("best_epoch")),
        seconds=_number(facts.get("seconds")),
        device=str(facts.get("device") or "unknown"),
        precision=str(facts.get("precision") or "unknown"),
        threads=_whole(facts.get("threads")),
        finished=str(facts.get("finished") or ""),
        split=split if fixed else f"{split} #{settings.split_number(trial.repeat)}",
    )


def curves_of(model: str, trials: Sequence[Trial], metric: Metric) -> list[Curve]:
    """The courses of metric and loss of one model over the epochs, in training and validation."""
    curves = []
    for quantity in (f"{part}_{name}" for name in (metric.name, "loss") for part in ("train", "validation")):
        epochs: dict[int, list[float]] = {}
        lines: list[dict[int, float]] = []
        for trial in trials:
            lines.append({})
            for line in trial.metrics:
                epoch, value = _whole(line.get("epoch")), _number(line.get(quantity))
                if epoch is not None and value is not None:
                    epochs.setdefault(epoch, []).append(value)
                    lines[-1][epoch] = value
        order = sorted(epochs)
        means = tuple(float(np.mean(epochs[epoch])) for epoch in order)
        low, high = tuple(min(epochs[e]) for e in order), tuple(max(epochs[e]) for e in order)
        if order:
            single = tuple(tuple(map(of.get, order)) for of in lines if of)
            curves.append(Curve(model, quantity, tuple(order), means, low, high, single))
    return curves


def confusion_of(model: str, trials: Sequence[Trial], classes: tuple[str, ...]) -> Confusion:
    """The confusion matrix of one model, over all its trials."""
    predictions = [trial.predictions for trial in trials]
    labels, predicted = (np.concatenate([getattr(g, of) for g in predictions]) for of in ("label", "predicted"))
    return confusion(model, labels, predicted, classes)
