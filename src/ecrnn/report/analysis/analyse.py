"""From the record of a study to everything its report shows: numbers, sentences, no drawing.

The score of a trial is the task's metric over its validation examples (for classes, the share of them that is right),
the mean of the last epochs of its training that count, so nothing has been chosen on those examples. The statistics are
`ecrnn.stats.compare`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.report.analysis.fairness import command, environment_facts, fairness
from ecrnn.report.analysis.headline import certainty, failures, headline
from ecrnn.report.analysis.model_comparison import compare_models, trials_by_model
from ecrnn.report.analysis.plan import choices, notes
from ecrnn.report.analysis.read import StudyRecord
from ecrnn.report.analysis.rows import confusion_of, curves_of, model_row, score_rows, trial_row
from ecrnn.report.analysis.schema import Analysis, MissingTrial, Variation
from ecrnn.report.analysis.seeds_per_split import influence_of, note, variation
from ecrnn.report.analysis.sequential_verdicts import ByModel, sequential_certainty
from ecrnn.report.analysis.subject import subject_of
from ecrnn.report.analysis.trial_scores import scores_of
from ecrnn.report.analysis.tuned import losers
from ecrnn.report.formats import listed
from ecrnn.stats import METRICS, PAPER_TEST_WARNING, Comparison, Metric
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
    by_model = trials_by_model(record)
    chosen = choices(record.settings, by_model, baseline, pairs, rope, score_epochs, usual_pairs)
    if chosen.baseline in record.settings.models and chosen.baseline not in by_model:
        raise EcrnnError(f"baseline '{chosen.baseline}' has no finished trial, so nothing can be compared with it")
    task, seeds, counted = record.task, record.settings.seeds_per_split, chosen.score_epochs
    task_metric, metric = METRICS[task.metric], metric_for(task, record.settings.metric)
    of = compare_models(record, by_model, chosen, metric, difference, contrasts)
    comparison, record, plan, decided = of.comparison, of.record, of.plan, of.decided
    models = tuple(model_row(scores, by_model[scores.model], metric) for scores in comparison.models)
    data = Path(record.settings.data).name or record.settings.data
    subject = subject_of(record, comparison, data, of.epochs)
    return Analysis(
        title=f"{listed(list(by_model))} on {data}",
        headline=" ".join(
            [
                headline(comparison, models, subject, plan),
                *failures(comparison, record.failed),
                *losers(comparison.pairs, of.edges),
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
        class_scores=score_rows(by_model, counted, seeds, of.n_train, of.n_test, fixed_test=of.fixed_test),
        trials=tuple(trial_row(t, metric, counted, record.settings) for t in record.trials),
        curves=tuple(curve for model, trials in by_model.items() for curve in curves_of(model, trials, task_metric)),
        confusions=tuple(
            confusion_of(model, trials, record.classes) for model, trials in by_model.items() if record.classes
        ),
        fairness=fairness(record, comparison, models, of.epochs),
        missing=tuple(MissingTrial(u.model, u.repeat, u.state, u.reason) for u in record.unfinished),
        paper_warning=PAPER_TEST_WARNING,
        supplement=None,
        environment=environment_facts(record),
        command=command(record),
        finished=record.finished,
        subject=subject,
        plan=plan,
        variation=_variation(by_model, comparison, metric, counted, record.settings, by_examples=metric is task_metric)
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
