"""From what was asked for to settings: the defaults of the models' task are laid under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ecrnn.core.augmentations import KINDS, NONE, canonical, kinds_of
from ecrnn.core.config import PLAN, StudySettings, TrainSettings, merge
from ecrnn.core.errors import EcrnnError, RunDirectoryError, SettingsError, unknown_name
from ecrnn.core.form import FORM, Fit
from ecrnn.core.recipe_search import TunedSettings
from ecrnn.core.tasks import Task, known
from ecrnn.data.splits import parse_split
from ecrnn.models.names import ModelName, common_task, parse
from ecrnn.models.own_code import check_digest, digests
from ecrnn.stats._pairs import chosen
from ecrnn.stats.class_scores import metric_for
from ecrnn.stats.contrasts import check_sides
from ecrnn.studies.tasks import check_used, has_validation, task_settings

_OR = " or "  # between values with which several tunings of a study tuned
MOST_REPEATS = 10  # splits of a study that trains until it is decided, where nothing is said

AnySettings = TypeVar("AnySettings", StudySettings, TrainSettings)


def read_settings(kind: type[AnySettings], asked: Mapping[str, Any], where: str = "") -> AnySettings:
    """Settings of a study or a training, checked, with the names of its models.

    Args:
        kind: `StudySettings` or `TrainSettings`.
        asked: nested plain data; None means "not given". "stratify": whether the split is to be stratified.
        where: what it comes from, for the error.

    Raises:
        EcrnnError: the first thing wrong, such as models of two tasks; one line.
    """
    asked = dict(asked)
    stratify = asked.pop("stratify", None)
    named: Any = asked.get("models") if kind is StudySettings else [asked.get("model")]
    if not (isinstance(named, list | tuple) and named and all(isinstance(model, str) for model in named)):
        return kind.read(asked, where)  # which says what is wrong
    models = tuple(map(parse, named))
    task = common_task(models)
    defaults = merge(task.defaults, _recipes(kind, models, asked))
    if _own_split(kind, task, asked):
        defaults = {**defaults, "split": "own"}
    seeds = asked.get("seeds_per_split")
    seeds = seeds if isinstance(seeds, int) and seeds > 1 else 1
    if asked.get("sequential") is not None:
        defaults = {**defaults, "repeats": seeds * MOST_REPEATS}
    elif seeds > 1:
        defaults = {**defaults, "repeats": seeds * StudySettings.model_fields["repeats"].default}
    settings = kind.read(merge(defaults, asked), where)
    if stratify:
        if not task.classes:
            raise EcrnnError(f"--stratify keeps the shares of classes, and {task.name} has none; omit it")
        settings = settings.model_copy(update={"split": str(parse_split(settings.split).stratify())})
    task_settings(task, settings, where)  # which says what is wrong
    check_used(task, settings)
    _check_training(task, settings)
    if isinstance(settings, StudySettings):
        metric_for(task, settings.metric)
        check_seeds(settings)
    return settings


def _check_training(task: Task, settings: StudySettings | TrainSettings) -> None:
    """Look whether the training has what ``task`` can use and, of a study, what does not flatter it.

    Raises:
        SettingsError: it has not.
    """
    recipes = settings.recipes.values() if isinstance(settings, StudySettings) else ()
    if isinstance(settings, TrainSettings) and settings.freeze is not None and settings.start is None:
        raise SettingsError("freeze", "nothing to freeze: it keeps weights of a bundle, which --from names")
    for recipe in (settings.training.model_dump(), *recipes):
        if isinstance(settings, StudySettings) and recipe.get("batch_size") == "auto":
            line = "auto is for 'ecrnn train': a study says the number, which is the same on all of its machines"
            raise SettingsError("training.batch_size", line)
        if isinstance(settings, StudySettings) and recipe.get("patience"):
            line = "the examples that would stop a training also score it, and a score must not choose its own end"
            raise SettingsError("training.patience", f"{line}; it is for 'ecrnn train', omit it here")
        done = KINDS if task.augmentations is None else task.augmentations
        if foreign := [kind for kind in kinds_of(canonical(recipe.get("augment", NONE))) if kind not in done]:
            users = ", ".join(other.name for other in known() if foreign[0] in (other.augmentations or ()))
            raise SettingsError("training.augment", f"{foreign[0]} is for {users}, not for {task.name}")
        for key in ("label_smoothing", "class_weights"):
            if recipe.get(key) not in (None, 0, "none") and not task.classes:
                users = ", ".join(other.name for other in known() if other.classes)
                raise SettingsError(f"training.{key}", f"it is for {users}, not for {task.name}")


def check_seeds(settings: StudySettings) -> None:
    """Look whether the repeats of a study are whole splits, each with its number of seeds.

    Raises:
        SettingsError: they are not, or there is nothing to split.
    """
    seeds, repeats = settings.seeds_per_split, settings.repeats
    if seeds == 1:
        return
    if settings.split == "own":
        raise SettingsError("seeds_per_split", "the data's own part is one split; --repeats trains it with other seeds")
    if settings.tuning is not None or settings.nested:
        raise SettingsError("seeds_per_split", "a search for recipes tries each split once; leave one of them out")
    if repeats % seeds or settings.first_repeat % seeds:
        line = f"{repeats} repeats from {settings.first_repeat} are no whole splits with {seeds} seeds each"
        raise SettingsError(
            "seeds_per_split", f"{line}; --repeats counts trainings, as in {seeds * -(-repeats // seeds)}"
        )


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
            raise EcrnnError(f"--split {asked['split']} and --val exclude each other; omit one of them")
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
    if training.batch_size == "auto":
        update["batch_size"] = begun.batch_size
    if "batch_statistics" not in training.model_fields_set:
        update["batch_statistics"] = begun.batch_statistics
    whole: dict[str, Any] = {"training": training.model_copy(update=update)}
    used = task.code("settings").model_fields
    whole |= {key: getattr(before, key) for key in FORM if key not in used}  # older versions did not refuse them
    if isinstance(before, TrainSettings):
        if "keep_window" not in settings.model_fields_set:
            whole["keep_window"] = before.keep_window
    else:
        assert isinstance(settings, StudySettings)
        metric = settings.metric or before.metric
        unnamed = before.metric is None and metric == task.metric
        whole["metric"] = None if unnamed else metric
        for key in ("score_epochs", "seeds_per_split"):
            if key not in settings.model_fields_set:
                whole[key] = getattr(before, key)
        whole |= {key: getattr(before, key) for key in (*PLAN, "sequential", "tuning")}
        whole["tuned"] = _tuned(settings, before)
        new = {model: recipe for model, recipe in settings.recipes.items() if model not in before.models}
        whole["recipes"] = {**before.recipes, **new}
    return settings.model_copy(update=whole)


def with_fit(settings: AnySettings, before: AnySettings | None, task: Task) -> AnySettings:
    """The settings with how other shapes are brought to the size of the images: what the run was begun with, or "cut".

    Args:
        settings: as given.
        before: of the run on disk, if there is one.
        task: of both.
    """
    if settings.fit is not None or "fit" not in task.code("settings").model_fields:
        return settings
    fit: Fit = "cut" if before is None or before.fit is None else before.fit
    return settings.model_copy(update={"fit": fit})


def _tuned(settings: StudySettings, before: StudySettings) -> TunedSettings | None:
    """How the recipes were found, as a study was begun, with what is known of new models."""
    if settings.tuned is None or before.tuned is None:
        return before.tuned
    edges = {**settings.tuned.edges, **before.tuned.edges}
    others = dict(before.tuned.others)
    if set(settings.models) - set(before.models):  # whose recipes another tuning may have found
        for name, value in settings.tuned.others.items():
            known = others.get(name, value)
            others[name] = known if str(value) in str(known).split(_OR) else f"{known}{_OR}{value}"
    return before.tuned.model_copy(update={"edges": {model: edges[model] for model in sorted(edges)}, "others": others})


def check_plan(settings: StudySettings, before: StudySettings | None, out: Path) -> None:
    """Look whether what is planned fits the models, and the plan that a study was begun with.

    Args:
        settings: as given, not resolved.
        before: of the study on disk, if there is one; one from before there were plans has none to hold to.
        out: where it lies, for the error.

    Raises:
        UnknownNameError: baseline, pairs or contrasts name a model that the study does not have.
        EcrnnError: both baseline and pairs, a pair twice or of one model, or a contrast that is none.
        RunDirectoryError: the study on disk has another plan.
    """
    models = (*(before.models if before else ()), *settings.models)
    for what, name in _planned_models(settings):
        if name not in models:
            raise unknown_name(what, name, list(dict.fromkeys(models)))
    if settings.pairs is not None:
        chosen(models, settings.baseline, settings.pairs)  # which says what is wrong with them
    if before is None:
        return
    for key in ("score_epochs", *(PLAN if before.planned_repeats is not None else ())):
        mine, theirs = getattr(settings, key) if key in settings.model_fields_set else None, getattr(before, key)
        if mine not in (None, theirs):
            planned = f"{key} {_shown(theirs)}" if theirs is not None else f"no {key}"
            line = f"{out} was planned with {planned}, not {_shown(mine)}, and a plan does not change"
            raise RunDirectoryError(f"{line}: leave it out, and give it to 'ecrnn report', or choose another --out")


def _planned_models(settings: StudySettings) -> Iterator[tuple[str, str]]:
    if settings.baseline is not None:
        yield "baseline", settings.baseline
    yield from (("model of --pairs", name) for pair in settings.pairs or () for name in pair)
    for contrast, sides in (settings.contrasts or {}).items():
        if set(sides) != {"plus", "minus"}:
            raise EcrnnError(f"contrast '{contrast}' must have models under plus and under minus")
        check_sides(contrast, sides["plus"], sides["minus"])
        yield from ((f"model of contrast '{contrast}'", name) for side in sides.values() for name in side)


def _shown(value: Any) -> str:
    return ",".join(":".join(pair) for pair in value) if isinstance(value, tuple) else str(value)


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
