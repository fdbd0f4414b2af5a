"""The search for a recipe inside a trial, among its training examples alone: `ecrnn compare --tune nested`.

It lies in the trial's folder as a tuning of one model, and its examples are what the trial trains on, so that nothing
the trial is scored on is seen.
"""

from __future__ import annotations

from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.recipe_search import TuningSettings
from ecrnn.models.names import parse
from ecrnn.studies.tuning import with_points
from ecrnn.training.tried_points import ModelSearch


def inner_settings(settings: StudySettings, trial: StudySettings) -> StudySettings:
    """The tuning inside a trial.

    Args:
        settings: of the study.
        trial: of the trial, from `StudySettings.of_trial`.
    """
    tuned = settings.tuned
    assert tuned is not None
    tuning = TuningSettings(
        space=tuned.space,
        budget=tuned.budget,
        search=tuned.search,
        within=settings.split,
        split_number=settings.split_number(trial.first_repeat),
        repeat=trial.first_repeat,
    )
    update = {
        "split": tuned.split,
        "seeds_per_split": 1,
        "metric": settings.metric,
        "first_repeat": 0,
        "repeats": tuned.budget,
        "tuning": tuning,
        "tuned": None,
    }
    return with_points(trial.model_copy(update=update), [parse(model) for model in trial.models])


def search_facts(search: ModelSearch) -> dict[str, Any]:
    """What the manifest of a trial says of the search inside it."""
    assert search.best is not None
    return {
        "recipe": search.recipe,
        "recipe_edges": list(search.edges),
        "search_score": search.best.score,
        "search_untuned": search.points[0].score,
        "search_points": len(search.points),
        "search_seconds": search.seconds,
    }
