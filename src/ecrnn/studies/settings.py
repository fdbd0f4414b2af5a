"""From what was asked for to settings: the defaults of the models' task are laid under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ecrnn.core.config import StudySettings, TrainSettings, merge
from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import Task
from ecrnn.models.names import ModelName, common_task, parse
from ecrnn.models.own_code import check_digest, digests
from ecrnn.stats.class_scores import metric_for
from ecrnn.studies.tasks import has_validation

AnySettings = TypeVar("AnySettings", StudySettings, TrainSettings)


def read_settings(kind: type[AnySettings], asked: Mapping[str, Any], where: str = "") -> AnySettings:
    """Settings of a study or a training, checked, with the names of its models.

    Args:
        kind: `StudySettings` or `TrainSettings`.
        asked: nested plain data; None means "not given".
        where: what it comes from, for the error.

    Raises:
        EcrnnError: the first thing wrong, such as models of two tasks; one line.
    """
    named: Any = asked.get("models") if kind is StudySettings else [asked.get("model")]
    if not (isinstance(named, list | tuple) and named and all(isinstance(model, str) for model in named)):
        return kind.read(asked, where)  # which says what is wrong
    models = tuple(map(parse, named))
    task = common_task(models)
    defaults = merge(task.defaults, _recipes(kind, models, asked))
    if _own_split(kind, task, asked):
        defaults = {**defaults, "split": "own"}
    settings = kind.read(merge(defaults, asked), where)
    if isinstance(settings, StudySettings):
        metric_for(task, settings.metric)
    return settings


def models_of(settings: StudySettings | TrainSettings) -> tuple[ModelName, ...]:
    """The models of a study, each once, or the one of a training.

    Raises:
        EcrnnError: a name is none.
    """
    names = settings.models if isinstance(settings, StudySettings) else (settings.model,)
    return tuple(dict.fromkeys(map(parse, names)))


def _recipes(kind: type[AnySettings], models: Sequence[ModelName], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the recipes of the models' families say, where nothing was asked for."""
    training = asked.get("training")
    chosen = {key for key, value in training.items() if value is not None} if isinstance(training, Mapping) else set()
    found = {}
    for model in models:
        recipe = {key: value for key, value in model.row.recipe.items() if key not in chosen}
        if recipe:
            found[str(model)] = recipe
    if kind is StudySettings:
        return {} if "recipes" in asked or not found else {"recipes": found}
    return {"training": next(iter(found.values()))} if found else {}


def _own_split(kind: type[AnySettings], task: Task, asked: Mapping[str, Any]) -> bool:
    """Whether the default is to validate on the data's own part: for a training on a folder that has one, or --val.

    A study compares on repeated splits of train and val together unless a folder to validate on is named.
    """
    if asked.get("val") is not None:
        if asked.get("split") not in (None, "own"):
            raise EcrnnError(f"--split {asked['split']} and --val exclude each other; leave one of them away")
        return True
    data = asked.get("data")
    return kind is TrainSettings and isinstance(data, str) and has_validation(data, task)


def as_begun(settings: AnySettings, before: AnySettings, task: Task) -> AnySettings:
    """The settings of a run that is to go on, with those it was begun with where they were not given.

    Args:
        settings: as given, not resolved.
        before: of the run on disk, which may be older than some of the defaults of today.
        task: of both.
    """
    training, begun = settings.training, before.training
    update: dict[str, Any] = {"threads": training.threads or begun.threads}
    if "batch_statistics" not in training.model_fields_set:
        update["batch_statistics"] = begun.batch_statistics
    whole: dict[str, Any] = {"training": training.model_copy(update=update)}
    if isinstance(before, TrainSettings):
        if "keep_window" not in settings.model_fields_set:
            whole["keep_window"] = before.keep_window
    else:
        assert isinstance(settings, StudySettings)
        metric = settings.metric or before.metric
        unnamed = before.metric is None and metric == task.metric
        whole["metric"] = None if unnamed else metric
        new = {model: recipe for model, recipe in settings.recipes.items() if model not in before.models}
        whole["recipes"] = {**before.recipes, **new}
    return settings.model_copy(update=whole)


def with_sources(settings: AnySettings, models: Sequence[ModelName], before: AnySettings | None) -> AnySettings:
    """The settings with the digests of the models' own code, which must be that of the run they go on with.

    Args:
        settings: as given.
        models: of ``settings``.
        before: of the run on disk, if there is one.

    Raises:
        EcrnnError: the code of a model has changed since then.
    """
    for family, digest in (before.sources if before else {}).items():
        if any(model.family == family for model in models):
            check_digest(family, digest, "the run that is to go on; bring that one back, or choose another --out")
    sources = digests([model.family for model in models])
    return settings.model_copy(update={"sources": {**(before.sources if before else {}), **sources}})
