"""The models of a study compared as its plan says: at its end, or at the looks of a sequential one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ecrnn.report.analysis.plan import Choices, plan_of, without_verdicts
from ecrnn.report.analysis.read import StudyRecord, Trial
from ecrnn.report.analysis.schema import Plan
from ecrnn.report.analysis.seeds_per_split import with_failed_trainings
from ecrnn.report.analysis.sequential_verdicts import (
    ByModel,
    decisions,
    with_sequential_verdicts,
    without_needless,
)
from ecrnn.report.analysis.trial_scores import epochs_of, examples_of, scores_of, with_tests_of_last_epoch
from ecrnn.report.analysis.tuned import edges_of, with_edges
from ecrnn.stats import METRICS, Comparison, Metric, SequentialComparison, compare, compare_scores
from ecrnn.stats.contrasts import Contrasts


@dataclass(frozen=True)
class ModelComparison:
    """What came of comparing the models of a study.

    Attributes:
        comparison: with the verdicts that the plan allows.
        record: of the study, without trials that a sequential one did not need.
        plan: None where there is none.
        decided: of a sequential study whose plan was kept to, what its looks decided.
        edges: settings at an edge of their search, by model.
        n_train, n_test: examples of a trial, on average.
        fixed_test: all trials have one test part.
        epochs: last ones whose mean is a score.
    """

    comparison: Comparison
    record: StudyRecord
    plan: Plan | None
    decided: SequentialComparison | None
    edges: Mapping[str, tuple[str, ...]]
    n_train: int
    n_test: int
    fixed_test: bool
    epochs: int


def compare_models(
    record: StudyRecord,
    by_model: ByModel,
    chosen: Choices,
    metric: Metric,
    difference: float | None,
    contrasts: Contrasts | None,
) -> ModelComparison:
    """Compare the models that have a finished trial.

    Args:
        record: of the study.
        by_model: from `trials_by_model`.
        chosen: what is compared, and how.
        metric: of the verdict.
        difference: one that would matter, in the metric's points as they are shown.
        contrasts: by name two groups of models, where the study names none itself.
    """
    task, seeds = record.task, record.settings.seeds_per_split
    n_train = round(np.mean([trial.facts["n_train"] for trial in record.trials]))
    n_test = round(np.mean([trial.predictions.index.size for trial in record.trials]))
    fixed_test = all(trial.facts.get("fixed_test") is True for trial in record.trials)
    epochs = max(min(chosen.score_epochs, epochs_of(trial)) for trial in record.trials)

    def compared(trials: ByModel, baseline: str | None, pairs: Sequence[tuple[str, str]] | None) -> Comparison:
        by = _by_examples if metric is METRICS[task.metric] else _by_scores
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

    comparison = compared(by_model, chosen.baseline, chosen.pairs)
    decided = decisions(record, by_model, metric)
    needed = without_needless(record, decided)
    plan = plan_of(needed, chosen, metric)
    if plan and plan.chosen_after:
        decided = None  # the plan's decisions are not of what is compared here
    if decided:
        comparison = with_sequential_verdicts(
            comparison, decided, by_model, metric, lambda trials, pair: compared(trials, None, [pair]).pairs[0], seeds
        )
    if plan and plan.unfinished:
        comparison = without_verdicts(comparison, plan, metric)
    edges = edges_of(needed)
    comparison = replace(comparison, pairs=with_edges(comparison.pairs, edges))
    return ModelComparison(comparison, needed, plan, decided, edges, n_train, n_test, fixed_test, epochs)


def _contrasts(record: StudyRecord, by_model: Mapping[str, object], usual: Contrasts | None) -> Contrasts:
    """The study's own, or the usual ones, as far as their models have a finished trial."""
    planned = (record.settings.contrasts or {}).items()
    wanted: Contrasts = {name: (of.get("plus", ()), of.get("minus", ())) for name, of in planned} or usual or {}
    return {name: of for name, of in wanted.items() if all(model in by_model for side in of for model in side)}


def trials_by_model(record: StudyRecord) -> dict[str, list[Trial]]:
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
