"""From the record of a study to everything its report shows: numbers, sentences, no drawing.

The score of a trial is the task's metric over its validation examples after the last epoch (for classes, the share of
them that is right), so nothing has been chosen on those examples. The statistics are `ecrnn.stats.compare`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.report.analysis.confusion import confusion
from ecrnn.report.analysis.fairness import command, environment_facts, fairness
from ecrnn.report.analysis.headline import certainty, headline
from ecrnn.report.analysis.read import StudyRecord, Trial
from ecrnn.report.analysis.schema import (
    Analysis,
    Confusion,
    Curve,
    MissingTrial,
    ModelRow,
    ScoreRow,
    TrialRow,
)
from ecrnn.report.analysis.subject import subject_of
from ecrnn.report.formats import listed
from ecrnn.stats import (
    CLASS_SCORES,
    METRICS,
    PAPER_TEST_WARNING,
    Comparison,
    Metric,
    ModelScores,
    compare,
    compare_scores,
    summarise,
)
from ecrnn.stats.class_scores import metric_for


def analyse(
    record: StudyRecord,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    difference: float | None = None,
) -> Analysis:
    """All figures of a study.

    Args:
        record: from `read_study`.
        baseline: compare every other model against this one; without it all pairs are compared.
        pairs: compare these models alone, in place of a baseline.
        rope: half the width of the region of practical equivalence, in values of the metric: 0.005 is half a point of
            accuracy. None takes the metric's own.
        difference: one that would matter, in the metric's points as they are shown (1 is one point of accuracy), for
            which the report then says how many repeats would find it.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not a model of the study.
        EcrnnError: the baseline has no finished trial, both baseline and pairs, or rope is below 0.
    """
    by_model = _by_model(record)
    if baseline in record.settings.models and baseline not in by_model:
        raise EcrnnError(f"baseline '{baseline}' has no finished trial, so nothing can be compared with it")
    task = record.task
    own, metric = METRICS[task.metric], metric_for(task, record.settings.metric)
    n_train = round(np.mean([trial.facts["n_train"] for trial in record.trials]))
    n_test = round(np.mean([trial.predictions.index.size for trial in record.trials]))
    fixed_test = all(trial.facts.get("fixed_test") is True for trial in record.trials)
    compared = partial(
        _by_examples(by_model) if metric is own else _by_scores(by_model, metric),
        n_train=n_train,
        n_test=n_test,
        metric=metric,
        rope=rope,
        difference=None if difference is None else difference / metric.scale,
        fixed_test=fixed_test,
        noun=task.noun or task.examples,
    )
    comparison = compared(baseline=baseline, pairs=pairs)
    models = tuple(_row(scores, by_model[scores.model], metric) for scores in comparison.models)
    data = Path(record.settings.data).name or record.settings.data
    subject = subject_of(record, comparison, data)
    return Analysis(
        title=f"{listed(list(by_model))} on {data}",
        headline=headline(comparison, models, subject),
        certainty=certainty(comparison, models, subject),
        warnings=(*comparison.warnings, *record.notes),
        task=task.name,
        data=data,
        classes=record.classes,
        settings=record.settings.model_dump(mode="json"),
        folders=tuple(str(folder) for folder in record.folders),
        planned=record.planned,
        comparison=comparison,
        models=models,
        class_scores=_class_scores(by_model, n_train, n_test, fixed_test=fixed_test),
        trials=tuple(_trial_row(trial, metric, record.settings.split) for trial in record.trials),
        curves=tuple(curve for model, trials in by_model.items() for curve in _curves(model, trials, own)),
        confusions=tuple(
            _confusion(model, trials, record.classes) for model, trials in by_model.items() if record.classes
        ),
        fairness=fairness(record, comparison, models),
        missing=tuple(MissingTrial(u.model, u.repeat, u.state, u.reason) for u in record.unfinished),
        paper_warning=PAPER_TEST_WARNING,
        supplement=None,
        environment=environment_facts(record),
        command=command(record),
        finished=record.finished,
        subject=subject,
    )


def _by_model(record: StudyRecord) -> dict[str, list[Trial]]:
    """The models that have a finished trial, in the study's order."""
    by_model: dict[str, list[Trial]] = {}
    for trial in record.trials:
        by_model.setdefault(trial.model, []).append(trial)
    return by_model


def _by_examples(by_model: dict[str, list[Trial]]) -> partial[Comparison]:
    """The comparison by what is known of each example."""
    return partial(
        compare,
        {model: {trial.repeat: trial.predictions.statistics for trial in trials} for model, trials in by_model.items()},
        index={trial.repeat: trial.predictions.index for trials in by_model.values() for trial in trials},
    )


def _by_scores(by_model: dict[str, list[Trial]], metric: Metric) -> partial[Comparison]:
    """The comparison by one score a repeat."""
    scores = {model: {trial.repeat: _score(trial, metric) for trial in trials} for model, trials in by_model.items()}
    return partial(compare_scores, scores)


def _score(trial: Trial, metric: Metric) -> float:
    """The value of ``metric`` over the examples of a trial.

    Raises:
        EcrnnError: it has none.
    """
    if metric.statistics:
        return metric.value(trial.predictions.statistics)
    score = trial.scores.get(metric.name)
    if score is None:
        why = "its examples are of one class, there are too many classes, or an early archive kept too little"
        raise EcrnnError(f"{trial.model}, repeat {trial.repeat} has no {metric.title}: {why}")
    return score


def _class_scores(
    by_model: dict[str, list[Trial]], n_train: int, n_test: int, *, fixed_test: bool
) -> tuple[ScoreRow, ...]:
    """All scores of all models, where the trials have them; on a fixed test set without intervals."""
    rows = []
    for model, trials in by_model.items():
        for name, metric in CLASS_SCORES.items():
            if all(trial.scores for trial in trials):
                scores = tuple(trial.scores[name] for trial in trials)
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


def _row(scores: ModelScores, trials: Sequence[Trial], metric: Metric) -> ModelRow:
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


def _trial_row(trial: Trial, metric: Metric, split: str) -> TrialRow:
    """``split`` is the study's; every repeat draws it anew, but for a test part of its own."""
    facts = trial.facts
    fixed = facts.get("fixed_test") is True
    return TrialRow(
        model=trial.model,
        repeat=trial.repeat,
        score=_score(trial, metric),
        best_score=_number(facts.get(f"best_{metric.name}")),
        best_epoch=_whole(facts.get("best_epoch")),
        seconds=_number(facts.get("seconds")),
        device=str(facts.get("device") or "unknown"),
        precision=str(facts.get("precision") or "unknown"),
        threads=_whole(facts.get("threads")),
        finished=str(facts.get("finished") or ""),
        split=split if fixed else f"{split} #{trial.repeat}",
    )


def _curves(model: str, trials: Sequence[Trial], metric: Metric) -> list[Curve]:
    curves = []
    for quantity in (f"{part}_{name}" for name in (metric.name, "loss") for part in ("train", "validation")):
        epochs: dict[int, list[float]] = {}
        for trial in trials:
            for line in trial.metrics:
                epoch, value = _whole(line.get("epoch")), _number(line.get(quantity))
                if epoch is not None and value is not None:
                    epochs.setdefault(epoch, []).append(value)
        order = sorted(epochs)
        means = tuple(float(np.mean(epochs[epoch])) for epoch in order)
        low, high = tuple(min(epochs[e]) for e in order), tuple(max(epochs[e]) for e in order)
        if order:
            curves.append(Curve(model, quantity, tuple(order), means, low, high))
    return curves


def _confusion(model: str, trials: Sequence[Trial], classes: tuple[str, ...]) -> Confusion:
    given = [trial.predictions for trial in trials]
    labels, predicted = (np.concatenate([getattr(g, of) for g in given]) for of in ("label", "predicted"))
    return confusion(model, labels, predicted, classes)
