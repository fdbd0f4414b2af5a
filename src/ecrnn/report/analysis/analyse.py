"""From the record of a study to everything its report shows: numbers, sentences, no drawing.

The score of a trial is the task's metric over its validation examples (for classes, the share of them that is right),
the mean of the last epochs of its training that count, so nothing has been chosen on those examples. The statistics are
`ecrnn.stats.compare`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.report.analysis.confusion import confusion
from ecrnn.report.analysis.fairness import command, environment_facts, fairness
from ecrnn.report.analysis.headline import certainty, failures, headline
from ecrnn.report.analysis.plan import choices, notes, plan_of, without_verdicts
from ecrnn.report.analysis.read import StudyRecord, Trial
from ecrnn.report.analysis.schema import (
    Analysis,
    Confusion,
    Curve,
    MissingTrial,
    ModelRow,
    ScoreRow,
    TrialRow,
    Variation,
)
from ecrnn.report.analysis.seeds_per_split import influence_of, note, variation, with_failed_trainings
from ecrnn.report.analysis.sequential_verdicts import (
    ByModel,
    decisions,
    sequential_certainty,
    with_sequential_verdicts,
    without_needless,
)
from ecrnn.report.analysis.subject import subject_of
from ecrnn.report.analysis.trial_scores import (
    class_scores_of_repeats,
    epoch_scores,
    epochs_of,
    examples_of,
    score,
    scores_of,
    with_tests_of_last_epoch,
)
from ecrnn.report.analysis.tuned import edges_of, losers, with_edges
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
from ecrnn.stats.contrasts import Contrasts


def analyse(
    record: StudyRecord,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    score_epochs: int | None = None,
    difference: float | None = None,
    contrasts: Contrasts | None = None,
    usual_pairs: Sequence[tuple[str, str]] | None = None,
) -> Analysis:
    """All figures of a study.

    What is not given here is as it was planned; what differs from the plan is said to be chosen after the results.

    Args:
        record: from `read_study`.
        baseline: compare every other model against this one; without it all pairs are compared.
        pairs: compare these models alone, in place of a baseline.
        rope: half the width of the region of practical equivalence, in values of the metric: 0.005 is half a point of
            accuracy. None takes the metric's own.
        score_epochs: last epochs whose mean is the score of a trial, at most as many as the study keeps.
        difference: one that would matter, in the metric's points as they are shown (1 is one point of accuracy), for
            which the report then says how many repeats would find it.
        contrasts: by name two groups of models to be compared by their means, where the study names none itself.
        usual_pairs: what is compared where neither this call nor the plan names models; None: all pairs.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not a model of the study.
        EcrnnError: the baseline has no finished trial, both baseline and pairs, or rope is below 0.
    """
    by_model = _by_model(record)
    chosen = choices(record.settings, by_model, baseline, pairs, rope, score_epochs, usual_pairs)
    baseline = chosen.baseline
    if baseline in record.settings.models and baseline not in by_model:
        raise EcrnnError(f"baseline '{baseline}' has no finished trial, so nothing can be compared with it")
    task = record.task
    task_metric, metric = METRICS[task.metric], metric_for(task, record.settings.metric)
    n_train = round(np.mean([trial.facts["n_train"] for trial in record.trials]))
    n_test = round(np.mean([trial.predictions.index.size for trial in record.trials]))
    fixed_test = all(trial.facts.get("fixed_test") is True for trial in record.trials)

    seeds = record.settings.seeds_per_split

    def compared(trials: ByModel, baseline: str | None, pairs: Sequence[tuple[str, str]] | None) -> Comparison:
        by = _by_examples if metric is task_metric else _by_scores
        found = by(trials, metric, chosen.score_epochs, seeds)(
            n_train=n_train,
            n_test=n_test,
            rope=chosen.rope,
            difference=None if difference is None else difference / metric.scale,
            failed=record.failed if seeds == 1 else None,
            contrasts=_contrasts(record, trials, contrasts),
            fixed_test=fixed_test,
            noun=task.noun or task.examples,
            baseline=baseline,
            pairs=pairs,
        )
        if seeds > 1:
            return with_failed_trainings(found, {model: len(of) for model, of in trials.items()}, record.failed)
        return with_tests_of_last_epoch(found, trials) if epochs > 1 and metric.binary else found

    epochs = max(min(chosen.score_epochs, epochs_of(trial)) for trial in record.trials)
    comparison = compared(by_model, baseline, chosen.pairs)
    decided = decisions(record, by_model, metric)
    record = without_needless(record, decided)
    plan = plan_of(record, chosen, metric)
    if plan and plan.chosen_after:
        decided = None  # the plan's decisions are not of what is compared here
    if decided:
        one = partial(compared, baseline=None)
        comparison = with_sequential_verdicts(
            comparison, decided, by_model, metric, lambda trials, names: one(trials, pairs=[names]).pairs[0], seeds
        )
    if plan and plan.unfinished:
        comparison = without_verdicts(comparison, plan, metric)
    edges = edges_of(record)
    comparison = replace(comparison, pairs=with_edges(comparison.pairs, edges))
    models = tuple(_row(scores, by_model[scores.model], metric) for scores in comparison.models)
    data = Path(record.settings.data).name or record.settings.data
    subject = subject_of(record, comparison, data, epochs)
    return Analysis(
        title=f"{listed(list(by_model))} on {data}",
        headline=" ".join(
            [
                headline(comparison, models, subject, plan),
                *failures(comparison, record.failed),
                *losers(comparison.pairs, edges),
            ]
        ),
        certainty=sequential_certainty(decided, len(record.trials), len(record.settings.models), metric, seeds)
        if decided and not decided.waiting
        else certainty(comparison, models, subject, plan, decided.plan.looks if decided else ()),
        warnings=(
            *([note(seeds)] if seeds > 1 else ()),
            *notes(plan, record.settings.sequential is not None),
            *comparison.warnings,
            *record.notes,
        ),
        task=task.name,
        data=data,
        classes=record.classes,
        settings=record.settings.model_dump(mode="json"),
        folders=tuple(str(folder) for folder in record.folders),
        planned=record.planned,
        comparison=comparison,
        models=models,
        class_scores=_class_scores(by_model, chosen.score_epochs, seeds, n_train, n_test, fixed_test=fixed_test),
        trials=tuple(_trial_row(t, metric, chosen.score_epochs, record.settings) for t in record.trials),
        curves=tuple(curve for model, trials in by_model.items() for curve in _curves(model, trials, task_metric)),
        confusions=tuple(
            _confusion(model, trials, record.classes) for model, trials in by_model.items() if record.classes
        ),
        fairness=fairness(record, comparison, models, epochs),
        missing=tuple(MissingTrial(u.model, u.repeat, u.state, u.reason) for u in record.unfinished),
        paper_warning=PAPER_TEST_WARNING,
        supplement=None,
        environment=environment_facts(record),
        command=command(record),
        finished=record.finished,
        subject=subject,
        plan=plan,
        variation=_variation(
            by_model, comparison, metric, chosen.score_epochs, record.settings, by_examples=metric is task_metric
        )
        if seeds > 1
        else (),
        sequential=decided,
    )


def _variation(
    by_model: ByModel,
    comparison: Comparison,
    metric: Metric,
    counted: int,
    settings: StudySettings,
    *,
    by_examples: bool,
) -> tuple[Variation, ...]:
    scores = scores_of(by_model, metric, counted)
    influence = influence_of(by_model, metric, counted) if by_examples else None
    split = {repeat: settings.split_number(repeat) for of in scores.values() for repeat in of}
    return variation(comparison, scores, influence, split, settings.seeds_per_split)


def _contrasts(record: StudyRecord, by_model: Mapping[str, object], usual: Contrasts | None) -> Contrasts:
    """The study's own, or the usual ones, as far as their models have a finished trial."""
    planned = (record.settings.contrasts or {}).items()
    wanted: Contrasts = {name: (of.get("plus", ()), of.get("minus", ())) for name, of in planned} or usual or {}
    return {name: of for name, of in wanted.items() if all(model in by_model for side in of for model in side)}


def _by_model(record: StudyRecord) -> dict[str, list[Trial]]:
    """The models that have a finished trial, in the study's order."""
    by_model: dict[str, list[Trial]] = {}
    for trial in record.trials:
        by_model.setdefault(trial.model, []).append(trial)
    return by_model


def _by_examples(by_model: ByModel, metric: Metric, counted: int, seeds: int) -> partial[Comparison]:
    """The comparison by what is known of each example."""
    examples, over_epochs = examples_of(by_model, metric, counted, seeds)
    index = {trial.repeat // seeds: trial.predictions.index for trials in by_model.values() for trial in trials}
    return partial(compare, examples, metric=over_epochs, index=index)


def _by_scores(by_model: ByModel, metric: Metric, counted: int, seeds: int) -> partial[Comparison]:
    """The comparison by one score a repeat."""
    return partial(compare_scores, scores_of(by_model, metric, counted, seeds), metric=metric)


def _class_scores(
    by_model: dict[str, list[Trial]], counted: int, seeds: int, n_train: int, n_test: int, *, fixed_test: bool
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


def _trial_row(trial: Trial, metric: Metric, counted: int, settings: StudySettings) -> TrialRow:
    """Every repeat has a split of its own, but for a test part of its own and several seeds a split."""
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


def _curves(model: str, trials: Sequence[Trial], metric: Metric) -> list[Curve]:
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


def _confusion(model: str, trials: Sequence[Trial], classes: tuple[str, ...]) -> Confusion:
    predictions = [trial.predictions for trial in trials]
    labels, predicted = (np.concatenate([getattr(g, of) for g in predictions]) for of in ("label", "predicted"))
    return confusion(model, labels, predicted, classes)
