"""A search for recipes, as a study: its repeats are points, all on one split of the part that is tuned on.

So trials, engines, kills and going on are those of any study. Here is what it adds: which points there are, what must
hold of them, and, where the next point depends on the scores so far, what comes next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.recipe_search import Point, SearchSettings, TuningSettings
from ecrnn.core.runs import write_settings
from ecrnn.core.search_space import read_space
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.splits import parse_split
from ecrnn.models.names import ModelName, parse
from ecrnn.stats import Metric
from ecrnn.stats.class_scores import metric_for
from ecrnn.studies.engines.protocol import OpenStudy, Trial
from ecrnn.studies.outcome import Outcome
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.points import beginning, check_optuna, next_tpe_point, sobol_points
from ecrnn.training.tried_points import search_of

_MOST_VALUES = 15_000  # of all points together, so that study.yaml can be read again
_SEARCH = ("space", "budget", "search", "part")
_USUAL = ("budget", "search")  # of which nothing need be said where a search goes on


def check_search(settings: StudySettings) -> None:
    """Look whether a study can search for recipes as it is asked to, before anything is read or written.

    Raises:
        EcrnnError: a space that is none, a split that is no fraction, too many points, or Optuna is missing.
    """
    search: SearchSettings | None = settings.tuning or settings.tuned
    if search is None:
        return
    read_space(search.space)
    inner = settings.split if settings.tuning else settings.tuned.split if settings.tuned else ""
    if parse_split(inner).kind != "fraction":
        raise EcrnnError(f"a tuning validates on a part of its examples, such as --split 0.7, not '{inner}'")
    if search.budget * len(settings.models) * (2 * len(search.space) + 1) > _MOST_VALUES:
        raise EcrnnError(f"{search.budget} points of {len(settings.models)} models are too many for one tuning")
    if search.search == "tpe" and (settings.tuning or settings.nested):
        check_optuna()


def check_tuned_data(settings: StudySettings, data: ExampleSet) -> None:
    """Look whether the recipes of a study were tuned on a part of its own data; else no part is left for its verdicts.

    Raises:
        EcrnnError: they were tuned on other examples.
    """
    if settings.tuned is not None and settings.tuned.fingerprint not in (None, data.fingerprint):
        raise EcrnnError(f"the recipes were tuned on other examples than those of {data.name}; tune them on these")


def check_same_search(settings: StudySettings, before: StudySettings, out: Path) -> None:
    """Look whether a study goes on with the search for recipes, or with the recipes, that it was begun with.

    Args:
        settings: as given, not resolved.
        before: of the study on disk.
        out: where it lies, for the error.

    Raises:
        RunDirectoryError: it has another search, or is something else.
    """
    if (settings.tuning is None) != (before.tuning is None):
        holds = "a comparison, not a tuning" if settings.tuning else "a tuning, not a comparison"
        raise RunDirectoryError(f"{out} holds {holds}; choose another --out")
    if settings.tuning is not None and before.tuning is not None:
        keys = [key for key in _SEARCH if key not in _USUAL or key in settings.tuning.model_fields_set]
        if before.tuning.search == "same" and settings.tuning.budget > before.tuning.budget:
            keys = [key for key in keys if key != "budget"]  # of a larger one, the first points are those of before
        _check_same(settings.tuning, before.tuning, keys, out)
    if settings.tuned is not None:
        if before.tuned is None:
            raise RunDirectoryError(f"{out} was begun without a search for recipes; choose another --out")
        _check_same(settings.tuned, before.tuned, (*_SEARCH, "split", "seed", "fingerprint"), out)
        _check_recipes(settings, before, out)


def _check_same(now: SearchSettings, before: SearchSettings, keys: Sequence[str], out: Path) -> None:
    for key in keys:
        mine, theirs = getattr(now, key), getattr(before, key)
        if mine != theirs:
            line = f"{out} was begun with the {key} {_shown(theirs)} of recipes, not {_shown(mine)}"
            raise RunDirectoryError(f"{line}; choose another --out")


def _check_recipes(settings: StudySettings, before: StudySettings, out: Path) -> None:
    if settings.nested:
        return
    for model in settings.models:
        if model in before.models and settings.recipes.get(model) != before.recipes.get(model):
            raise RunDirectoryError(f"{out} was begun with another recipe of {model}; choose another --out")


def _shown(value: object) -> str:
    return ",".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else str(value)


def going_on(tuning: TuningSettings, before: TuningSettings) -> TuningSettings:
    """The search that a study was begun with, with as many points as are asked for, or as it has.

    Args:
        tuning: as asked for, which `check_same_search` has passed.
        before: of the study on disk.
    """
    asked = tuning.budget if "budget" in tuning.model_fields_set else 0
    return before.model_copy(update={"budget": max(before.budget, asked)})


def with_points(settings: StudySettings, models: Sequence[ModelName]) -> StudySettings:
    """The settings of a tuning with the points that are known before its first training, and are not among them yet.

    A classifier of scikit-learn has one point: nothing of a training is its.

    Raises:
        EcrnnError: a budget is raised, and the points before were drawn by a SciPy that draws others.
    """
    tuning = settings.tuning
    if tuning is None:
        return settings
    count = tuning.budget if tuning.search == "same" else beginning(tuning.budget)
    points = sobol_points(read_space(tuning.space), count, settings.seed)
    found = dict(tuning.points)
    for of in models:
        drawn, known = tuple(points[:1] if of.row.estimator else points), found.get(str(of), ())
        if len(known) >= len(drawn):
            continue
        if drawn[: len(known)] != known:
            raise EcrnnError(f"the points of {of} are others than SciPy draws here, so there are no further ones")
        found[str(of)] = drawn
    return settings.model_copy(update={"tuning": tuning.model_copy(update={"points": found})})


def metric_of(settings: StudySettings, model: str) -> Metric:
    """By which the points of a model are compared."""
    return metric_for(parse(model).task, settings.metric)


def with_next_point(folder: Path, settings: StudySettings, model: str) -> StudySettings:
    """The settings with a further point of ``model``, after all of its others have ended.

    Args:
        folder: of the tuning.
        settings: of it.
        model: a network.
    """
    tuning = settings.tuning
    assert tuning is not None
    metric = metric_of(settings, model)
    search = search_of(folder, settings, model, metric)
    whole = {**settings.training.model_dump(), **settings.recipes.get(model, {})}
    point = next_tpe_point(
        read_space(tuning.space),
        [(of.point, of.score) for of in search.points],
        {name: whole[name] for name in tuning.space},
        settings.seed,
        higher_is_better=metric.higher_is_better,
    )
    points: dict[str, tuple[Point, ...]] = {**tuning.points, model: (*tuning.points[model], point)}
    return settings.model_copy(update={"tuning": tuning.model_copy(update={"points": points})})


def next_points(study: OpenStudy, outcome: Outcome) -> Iterator[tuple[OpenStudy, list[Trial]]]:
    """What of a tuning is to be trained, turn by turn: all at once, or one further point a model after the other.

    After each turn the caller has trained its trials into ``outcome``; one that failed counts as tried.
    """
    while True:
        tuning = study.settings.tuning
        assert tuning is not None
        ended = {*outcome.found, *outcome.trained, *outcome.failed}
        yield study, [trial for trial in planned_trials(study.settings) if trial not in ended]
        settings = study.settings
        for model, points in tuning.points.items():
            if tuning.search == "tpe" and 1 < len(points) < tuning.budget:
                settings = with_next_point(study.folder, settings, model)
        if settings is study.settings:
            return
        write_settings(study.folder, settings)  # the next turn's workers read it
        study = replace(study, settings=settings)
