"""Trainings that failed: no verdict is given without saying how many, and of what the scores are then."""

from __future__ import annotations

from collections.abc import Iterable

from ecrnn.stats.results import ModelScores


def failures_of(model: ModelScores) -> str:
    """How many trainings of a model failed, in a sentence; "" where none did.

    A model that diverges now and then is compared by the trainings that did not, so its score is that of a training
    that succeeds, and how often one does belongs beside it.
    """
    share = model.failure
    if share is None:
        return ""
    tried = len(model.failed) + (len(model.repeats) if model.trainings is None else model.trainings)
    ends = f"{100 * share.level:g} % interval {100 * share.low:.1f} to {100 * share.high:.1f} %"
    what = "and its score is of those that succeeded" if model.repeats else "so it has no score"
    return f"{model.model} failed in {len(model.failed)} of {tried} trainings ({ends}), {what}."


def with_failures(sentence: str, models: Iterable[ModelScores]) -> str:
    """What is said of models, and after it how many of their trainings failed."""
    return " ".join([sentence, *filter(None, map(failures_of, models))])
