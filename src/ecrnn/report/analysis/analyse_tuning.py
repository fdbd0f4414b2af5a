"""From a search for recipes to what its report shows: the best of each model, and what a smaller budget had found."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from ecrnn.core.recipe_search import Point
from ecrnn.core.search_space import EDGE, shown
from ecrnn.core.text import counted
from ecrnn.report import formats
from ecrnn.stats import BestOfN, Metric, best_of_n
from ecrnn.stats.expected_best import crossings
from ecrnn.training.tried_points import ModelSearch, Tuning


@dataclass(frozen=True)
class PointRow:
    """One point of one model. ``score`` is None where it failed or is not finished; ``error`` then says why, or ""."""

    model: str
    number: int
    point: Point
    score: float | None
    seconds: float | None
    error: str


@dataclass(frozen=True)
class TunedModel:
    """The search of one model.

    Attributes:
        model: its name.
        number: the best point, 0 for the untuned one; None where none is finished.
        recipe: settings of the training that differ from those of all, with what the model's family brings.
        score, untuned: of the best point and of the first one.
        edges: settings of the recipe at an end of the space.
        finished, failed: points.
        seconds: of all trainings.
        best_of_n: the expected best of n points; None where nothing was searched, or the points followed each other.
        best_so_far: the best of the first n points, where they followed each other; else empty.
        fitted: it is a classifier of scikit-learn, which has one point.
    """

    model: str
    number: int | None
    recipe: Point
    score: float | None
    untuned: float | None
    edges: tuple[str, ...]
    finished: int
    failed: int
    seconds: float
    best_of_n: BestOfN | None
    best_so_far: tuple[float, ...]
    fitted: bool

    @property
    def curve(self) -> tuple[float, ...]:
        """The best of 1, 2, ... points."""
        return self.best_of_n.mean if self.best_of_n else self.best_so_far


@dataclass(frozen=True)
class Crossing:
    """Two models whose curves cross: from ``n`` points on, ``better`` is the better one."""

    n: int
    better: str
    worse: str


@dataclass(frozen=True)
class TuningAnalysis:
    """Everything that the report of a search shows. Scores are values of the metric, times are seconds."""

    title: str
    headline: str
    caution: str
    warnings: tuple[str, ...]
    data: str
    folder: str
    settings: dict[str, Any]
    budget: int
    search: str
    space: dict[str, str]
    part: str
    n_train: int
    n_validation: int
    examples: str
    models: tuple[TunedModel, ...]
    points: tuple[PointRow, ...]
    crossings: tuple[Crossing, ...]
    unfinished: int
    metric: Metric = field(metadata={"key": None})

    @property
    def searched(self) -> tuple[TunedModel, ...]:
        """The models of which more than one point has a score."""
        return tuple(of for of in self.models if len(of.curve) > 1)


def analyse_tuning(tuning: Tuning) -> TuningAnalysis:
    """What a tuning has found so far.

    Args:
        tuning: from `ecrnn.training.tried_points.read_tuning`.
    """
    settings, search, metric = tuning.settings, tuning.tuning, tuning.metric
    models = tuple(_model(of, metric, in_order=search.search == "tpe") for of in tuning.models)
    data = Path(settings.data).name or settings.data
    part = f"{float(search.part):.0%}".replace("%", " %") if search.part else ""
    rows = [
        PointRow(of.model, point.number, point.point, point.score, point.seconds, point.error)
        for of in tuning.models
        for point in of.points
    ]
    return TuningAnalysis(
        title=f"Recipes of {formats.listed([of.model for of in models])} on {data}",
        headline=_headline(models, metric, search.budget),
        caution=_caution(tuning, part),
        warnings=tuple(_warnings(tuning, models)),
        data=data,
        folder=str(tuning.folder),
        settings=settings.model_dump(mode="json"),
        budget=search.budget,
        search=search.search,
        space=search.space,
        part=part,
        n_train=tuning.n_train,
        n_validation=tuning.n_validation,
        examples=tuning.task.examples,
        models=models,
        points=tuple(rows),
        crossings=tuple(_crossings(models, metric)),
        unfinished=tuning.missing,
        metric=metric,
    )


def _model(search: ModelSearch, metric: Metric, *, in_order: bool) -> TunedModel:
    scores = [point.score for point in search.points if point.score is not None]
    failed = sum(bool(point.error) for point in search.points)
    best = max if metric.higher_is_better else min
    worst = min if metric.higher_is_better else max
    curve: BestOfN | None = None
    so_far: tuple[float, ...] = ()
    if scores and not search.fitted and not search.missing:
        counted_scores = [worst(scores) if point.score is None else point.score for point in search.points]
        if in_order:
            so_far = tuple(best(counted_scores[:n]) for n in range(1, len(counted_scores) + 1))
        else:
            curve = best_of_n(counted_scores, higher_is_better=metric.higher_is_better)
    return TunedModel(
        model=search.model,
        number=search.best.number if search.best else None,
        recipe=search.recipe or {},
        score=search.best.score if search.best else None,
        untuned=search.points[0].score if search.points else None,
        edges=search.edges,
        finished=len(scores),
        failed=failed,
        seconds=search.seconds,
        best_of_n=curve,
        best_so_far=so_far,
        fitted=search.fitted,
    )


def _headline(models: tuple[TunedModel, ...], metric: Metric, budget: int) -> str:
    found = [of for of in models if of.score is not None and not of.fitted]
    if not found:
        return "Nothing was searched: a classifier of scikit-learn has no recipe."
    parts = [f"{of.model} {formats.with_unit(of.score or 0.0, metric)} ({_from(of, metric)})" for of in found[:4]]
    more = f", and {len(found) - 4} more models" if len(found) > 4 else ""
    return f"Best of {budget} points each: {'; '.join(parts)}{more}."


def _from(of: TunedModel, metric: Metric) -> str:
    if of.number == 0:
        return "untuned"
    before = f", untuned {formats.value(of.untuned, metric)}" if of.untuned is not None else ""
    return f"{shown(of.recipe)}{before}"


def _caution(tuning: Tuning, part: str) -> str:
    on = f"{tuning.n_validation:,} {tuning.task.examples}"
    where = f"the {part} of {tuning.task.examples} that are for tuning" if part else "the training part of one repeat"
    return (
        f"No verdict: each figure is the best of several on {on} of {where}, and is optimistic for that. "
        "A comparison with these recipes, on other examples, gives verdicts."
    )


def _warnings(tuning: Tuning, models: tuple[TunedModel, ...]) -> list[str]:
    lines = []
    if tuning.missing:
        lines.append(f"Not finished: {counted(tuning.missing, 'points')} are missing, the same command goes on.")
    for of in models:
        if of.edges:
            lies = "lies" if len(of.edges) == 1 else "lie"
            line = f"{of.model}: {formats.listed(list(of.edges))} of its best recipe {lies} in the outer {EDGE:.0%} of "
            lines.append(f"{line.replace('%', ' %')}the space, so a better one may lie beyond; widen the space.")
        if of.failed:
            line = f"{of.model}: {counted(of.failed, 'points')} failed"
            lines.append(f"{line}; in the expected best of n they count as the worst of the others.")
        if of.fitted:
            lines.append(f"{of.model} is a classifier of scikit-learn and has one point: nothing of a training is its.")
    return lines


def _crossings(models: tuple[TunedModel, ...], metric: Metric) -> list[Crossing]:
    found = []
    for a, b in combinations([of for of in models if len(of.curve) > 1], 2):
        for n in crossings(a.curve, b.curve):
            first_better = (a.curve[n - 1] > b.curve[n - 1]) == metric.higher_is_better
            better, worse = (a, b) if first_better else (b, a)
            found.append(Crossing(n, better.model, worse.model))
    return sorted(found, key=lambda crossing: crossing.n)
