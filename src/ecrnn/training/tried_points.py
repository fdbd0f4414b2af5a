"""The points of a search for recipes as they lie on the disk: what each scored, which is the best, and where it lies.

The study that goes on from the points, the comparison that takes the best of them and the report all read them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.recipe_search import Point, TuningSettings
from ecrnn.core.runs import read_settings
from ecrnn.core.search_space import read_space
from ecrnn.core.tasks import Task
from ecrnn.core.text import counted
from ecrnn.core.trial_of_study import check_planned, failure_of
from ecrnn.stats import Metric
from ecrnn.stats.class_scores import metric_for
from ecrnn.training.epoch_values import score
from ecrnn.training.finished import read_finished, trial_task


@dataclass(frozen=True)
class TriedPoint:
    """One point of one model.

    Attributes:
        number: from 0, which is the recipe without a search.
        point: settings of the training that it changes.
        score: the metric on the examples that the search validates on; None where there is none.
        seconds: of the training.
        error: why it failed; "" where it did not.
    """

    number: int
    point: Point
    score: float | None = None
    seconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class ModelSearch:
    """The search of one model.

    Attributes:
        model: its name.
        points: all of them, in order.
        best: the one with the best score, the first of equals; None where none is finished.
        edges: settings of the best recipe that lie at an end of the space.
        recipe: settings of the best recipe that differ from those of the study's training.
        fitted: it is a classifier of scikit-learn, which has one point.
    """

    model: str
    points: tuple[TriedPoint, ...]
    best: TriedPoint | None
    edges: tuple[str, ...] = ()
    recipe: Point | None = None
    fitted: bool = False

    @property
    def missing(self) -> int:
        """Points that neither have a score nor have failed."""
        return sum(point.score is None and not point.error for point in self.points)

    @property
    def seconds(self) -> float:
        """Of all trainings that are finished."""
        return sum(point.seconds or 0.0 for point in self.points)


@dataclass(frozen=True)
class Tuning:
    """A search for the recipes of several models, from its folder."""

    folder: Path
    settings: StudySettings
    tuning: TuningSettings
    task: Task
    metric: Metric
    n_train: int
    n_validation: int
    models: tuple[ModelSearch, ...]

    @property
    def missing(self) -> int:
        """Points of all models that are to be trained yet."""
        in_order = self.tuning.search == "tpe"  # further points of a network come after those that are known
        todo = [self.tuning.budget if in_order and len(of.points) > 1 else len(of.points) for of in self.models]
        return sum(todo) - sum(len(of.points) - of.missing for of in self.models)


def read_tuning(folder: Path) -> Tuning:
    """Read the folder of a tuning, finished or not.

    Raises:
        EcrnnError: it is none, or damaged, or nothing in it is finished.
    """
    settings = read_settings(folder)
    if settings.tuning is None:
        raise RunDirectoryError(f"{folder} holds a comparison, not a tuning; give the --out of 'ecrnn tune'")
    check_planned(folder, settings)
    facts, metric = _of_first(folder, settings)
    return Tuning(
        folder=folder,
        settings=settings,
        tuning=settings.tuning,
        task=trial_task(facts),
        metric=metric,
        n_train=facts["n_train"],
        n_validation=facts["n_validation"],
        models=tuple(search_of(folder, settings, model, metric) for model in settings.models),
    )


def _of_first(folder: Path, settings: StudySettings) -> tuple[dict[str, Any], Metric]:
    """The facts of a trial that is finished, and the metric of all."""
    assert settings.tuning is not None
    for model, points in settings.tuning.points.items():
        for number in range(len(points)):
            if (trial := read_finished(folder, settings, model, number)) is not None:
                return trial.facts, metric_for(trial_task(trial.facts), settings.metric)
    raise RunDirectoryError(f"no finished point in {folder}; 'ecrnn tune' with the same --out goes on with it")


def search_of(folder: Path, settings: StudySettings, model: str, metric: Metric) -> ModelSearch:
    """What the points of one model have scored so far.

    Raises:
        EcrnnError: a finished one is damaged, or one has failed in another study.
    """
    assert settings.tuning is not None
    tried, fitted = [], False
    for number, point in enumerate(settings.tuning.points.get(model, ())):
        trial = read_finished(folder, settings, model, number)
        if trial is None:
            tried.append(TriedPoint(number, point, error=failure_of(folder, settings, model, number) or ""))
            continue
        fitted = fitted or bool(trial.facts.get("estimator"))
        value = score(trial, metric, settings.score_epochs)
        tried.append(TriedPoint(number, point, value, trial.facts.get("seconds")))
    sign = 1 if metric.higher_is_better else -1
    scored = [point for point in tried if point.score is not None]
    best = max(scored, key=lambda point: sign * (point.score or 0.0), default=None)
    if best is None:
        return ModelSearch(model, tuple(tried), None)
    recipe = settings.recipe(model, best.number)
    edges = () if fitted else _edges(settings, recipe)
    return ModelSearch(model, tuple(tried), best, edges, recipe, fitted)


def _edges(settings: StudySettings, recipe: Point) -> tuple[str, ...]:
    assert settings.tuning is not None
    whole = {**settings.training.model_dump(), **recipe}
    space = read_space(settings.tuning.space)
    return tuple(dimension.name for dimension in space if dimension.near_end(whole[dimension.name]))


def best_recipe(search: ModelSearch) -> Point:
    """The settings that a search found for its model.

    Raises:
        EcrnnError: all of its points failed, or some are not finished.
    """
    if search.missing:
        are = "is" if search.missing == 1 else "are"
        raise EcrnnError(f"{counted(search.missing, 'points')} of {search.model} {are} not finished")
    if search.recipe is None:
        why = next((point.error for point in search.points), "none was tried")
        raise EcrnnError(f"all points of {search.model} failed: {why}")
    return search.recipe
