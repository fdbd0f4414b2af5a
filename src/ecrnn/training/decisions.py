"""The decisions of a sequential study: a function of its `study.yaml` and of the trials that are finished.

The study that trains and the report that is made of it both call `decide`, so nothing that was decided is kept. Where
each split is trained several times, a repeat of the looks is a split: its score is the mean over its trainings, and it
counts when all of them have ended.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

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
    of_splits, lost = _whole_splits(settings, scores, failed)
    found = compare_sequentially(
        of_splits,
        chosen(settings.models, settings.baseline, settings.pairs),
        plan_of(settings, metric),
        metric=metric,
        first_repeat=settings.split_number(settings.first_repeat),
        failed=lost,
    )
    trainings = [(model, repeat) for model, split in found.waiting for repeat in settings.repeats_of(split)]
    return replace(
        found, waiting=tuple((m, r) for m, r in trainings if r not in scores.get(m, {}) and (m, r) not in failed)
    )


def _whole_splits(
    settings: StudySettings, scores: Mapping[str, Mapping[int, float]], failed: Collection[tuple[str, int]]
) -> tuple[dict[str, dict[int, float]], list[tuple[str, int]]]:
    """The scores of the splits of which every training has ended, by model; and those of which every one has failed."""
    found: dict[str, dict[int, float]] = {}
    lost = []
    none: dict[int, float] = {}
    for model in dict.fromkeys([*scores, *(model for model, _ in failed)]):
        of_model = scores.get(model, none)
        found[model] = {}
        ended = {*of_model, *(repeat for of, repeat in failed if of == model)}
        for split in sorted({settings.split_number(repeat) for repeat in ended}):
            repeats = settings.repeats_of(split)
            if not ended.issuperset(repeats):
                continue
            known = [of_model[repeat] for repeat in repeats if repeat in of_model]
            if known:
                found[model][split] = math.fsum(known) / len(known)
            else:
                lost.append((model, split))
    return found, lost


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
