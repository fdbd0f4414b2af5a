"""The recipes that a tuning has found, for a comparison or a training: `ecrnn compare DATA --recipes TUNE`.

What is not said of the comparison is as it was tuned: models, the form of the examples, the training but for what is
the machine's. The recipes go into study.yaml, and with them how they were found and on which part of the examples, on
which then no trial trains or validates (docs/decisions/tuning-part.md). A training that is kept has no verdict, and all
examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecrnn.core.config import MAX_REPEATS, StudySettings, TrainingSettings, TrainSettings, merge
from ecrnn.core.errors import EcrnnError, RunDirectoryError, unknown_name
from ecrnn.core.events import Message, Progress
from ecrnn.core.form import FORM
from ecrnn.core.recipe_search import SearchSettings, TunedSettings
from ecrnn.core.search_space import DEFAULT, Space, parse_space
from ecrnn.core.text import counted
from ecrnn.models.names import parse
from ecrnn.serving.its_training import OF_MACHINES
from ecrnn.studies.fine_tuning import form_of
from ecrnn.studies.settings import read_settings
from ecrnn.training.tried_points import ModelSearch, Tuning, best_recipe, read_tuning

PART = "0.2"
INNER_SPLIT = "0.85"  # of the training examples of a trial that searches; more train, as they are fewer already


def tuning_search(space: Space | None, budget: int | None, search: str | None, part: str | None) -> dict[str, Any]:
    """What makes a study a tuning, as nested settings.

    Args:
        space: as `ecrnn.core.search_space.parse_space` takes it; None: the usual one.
        budget: points a model; None: 16.
        search: "same" or "tpe"; None: "same".
        part: part of the examples that is tuned on; None: 0.2.

    Raises:
        EcrnnError: the space is none.
    """
    points = SearchSettings.model_fields["budget"].default if budget is None else budget
    asked = {"budget": budget, "search": search}  # a tuning that goes on has its own where nothing is said
    fixed = {"space": parse_space(DEFAULT if space is None else space), "part": part or PART}
    repeats = min(max(points, 1), MAX_REPEATS)  # so that a budget which cannot be is told by its own name
    return {
        "repeats": repeats,
        "tuning": {**fixed, **{key: value for key, value in asked.items() if value is not None}},
    }


def nested_search(space: Space | None, budget: int | None, search: str | None) -> dict[str, Any]:
    """What makes each trial of a comparison search for its recipe first; arguments as of `tuning_search`."""
    tuning = tuning_search(space, budget, search, None)["tuning"]
    return {**{key: value for key, value in tuning.items() if key != "part"}, "split": INNER_SPLIT}


def check_searches(
    recipes: object, tune: str | None, many: bool, space: Space | None, budget: int | None, search: str | None
) -> None:
    """Look whether what a comparison is asked for of recipes goes together.

    Args:
        recipes: folder of a tuning, or None.
        tune: "nested" or None.
        many: over several data sets.
        space, budget, search: of the search inside each trial.

    Raises:
        EcrnnError: it does not.
    """
    if tune not in (None, "nested"):
        raise unknown_name("tune", tune, ["nested"])
    if recipes is not None and tune is not None:
        raise EcrnnError("recipes takes what a tuning has found, and tune searches anew; leave one of them out")
    if recipes is not None and many:
        raise EcrnnError("recipes are of one data set, a part of which is left out; over several take tune nested")
    if tune is None:
        for name, value in (("space", space), ("budget", budget), ("search", search)):
            if value is not None:
                raise EcrnnError(f"{name} is of a search inside each trial, tune nested, or of 'ecrnn tune'")


def read_recipes(folder: Path) -> Tuning:
    """The tuning of a folder, which must be finished and have a part of the examples for itself.

    Raises:
        EcrnnError: it is no tuning, is not finished, or tuned inside a trial of a comparison.
    """
    tuning = read_tuning(folder)
    if tuning.tuning.part is None:
        line = f"{folder} tuned inside a trial of another comparison, whose verdict its examples are"
        raise RunDirectoryError(f"{line}; give the --out of 'ecrnn tune'")
    if tuning.missing:
        are = "is" if tuning.missing == 1 else "are"
        line = f"{counted(tuning.missing, 'points')} of {folder} {are} not finished"
        raise RunDirectoryError(f"{line}; 'ecrnn tune' with the same --out goes on with it")
    return tuning


def tuned_defaults(tuning: Tuning) -> dict[str, Any]:
    """What a comparison with the recipes of a tuning is where nothing is said, as nested settings."""
    settings = tuning.settings
    training = settings.training.model_dump(exclude=set(OF_MACHINES))
    form = {key: getattr(settings, key) for key in (*FORM, "bad_data", "groups", "form", "metric", "score_epochs")}
    fixed = {key: value for key, value in form.items() if value not in (None, {})}
    return {"models": list(settings.models), "training": training, **fixed}


def trained_defaults(tuning: Tuning) -> dict[str, Any]:
    """What a training with a recipe of a tuning is where nothing is said, as nested settings."""
    return {key: value for key, value in tuned_defaults(tuning).items() if key in TrainSettings.model_fields}


def training_settings(
    asked: Mapping[str, Any], recipes: Path | None, progress: Progress, out: Path | None = None
) -> TrainSettings:
    """The settings of a training, with the form of the bundle that it starts from.

    Args:
        asked: nested plain data.
        recipes: folder of a tuning, whose recipe the model gets; None: no recipe.
        progress: called with a line about the recipe.
        out: folder of the training, which may have begun before.

    Raises:
        EcrnnError: as of `read_settings`, `read_recipes` and `with_recipe`.
    """
    form = form_of(asked["start"], out) if asked.get("start") else {}
    if recipes is None:
        return read_settings(TrainSettings, merge(form, asked))
    tuning = read_recipes(recipes)
    settings, line = with_recipe(read_settings(TrainSettings, merge(form, trained_defaults(tuning), asked)), tuning)
    progress(Message(line))
    return settings


def with_recipe(settings: TrainSettings, tuning: Tuning) -> tuple[TrainSettings, str]:
    """The settings of a training with the recipe that a tuning has found for its model, and a line that says it.

    Args:
        settings: as asked for, over `trained_defaults`.
        tuning: finished.

    Raises:
        EcrnnError: the model was not tuned or all of its points failed, or a setting is asked for that was tuned.
    """
    _check_untuned(settings.training, tuning)
    name = str(parse(settings.model))
    recipe = best_recipe(_search_of(name, tuning))
    training = TrainingSettings.read(merge(settings.training.model_dump(), recipe), name)
    shown = ", ".join(f"{key} {value}" for key, value in recipe.items()) or "untuned"
    line = f"recipe of {name} from {tuning.folder}: {shown}"
    if tuning.settings.data == settings.data:
        line += "; examples that it was tuned on are not left out, and where they validate the figure is too good"
    return settings.model_copy(update={"training": training}), line


def with_recipes(settings: StudySettings, tuning: Tuning) -> StudySettings:
    """The settings of a comparison with the recipes of a tuning.

    Args:
        settings: as asked for, over `tuned_defaults`.
        tuning: finished.

    Raises:
        EcrnnError: a model was not tuned or all of its points failed, or a setting is asked for that was tuned.
    """
    _check_untuned(settings.training, tuning)
    base, search = tuning.settings.training, tuning.tuning
    recipes, edges = {}, {}
    for model in settings.models:
        if parse(model).row.estimator and model not in tuning.settings.models:  # of which nothing can be tuned
            continue
        found = _search_of(model, tuning)
        recipes[model], edges[model] = best_recipe(found), found.edges
    then, now = (of.model_dump(exclude={*OF_MACHINES, *search.space}) for of in (base, settings.training))
    tuned = TunedSettings(
        space=search.space,
        budget=search.budget,
        search=search.search,
        split=tuning.settings.split,
        part=search.part,
        seed=tuning.settings.seed,
        fingerprint=tuning.settings.fingerprint,
        edges={model: names for model, names in edges.items() if names},
        others={name: value for name, value in then.items() if now[name] != value},
    )
    update = {"recipes": {model: recipe for model, recipe in recipes.items() if recipe}, "tuned": tuned}
    return settings.model_copy(update=update)


def _check_untuned(training: TrainingSettings, tuning: Tuning) -> None:
    """Look whether a training asks for nothing that the tuning has searched."""
    for name in tuning.tuning.space:
        if getattr(training, name) != getattr(tuning.settings.training, name):
            line = f"{name} was tuned in {tuning.folder}, and --recipes brings it"
            raise EcrnnError(f"{line}; leave one of them out")


def _search_of(model: str, tuning: Tuning) -> ModelSearch:
    """The search of one model.

    Raises:
        EcrnnError: it was not tuned.
    """
    found = next((of for of in tuning.models if of.model == model), None)
    if found is None:
        line = f"{model} was not tuned in {tuning.folder}"
        raise EcrnnError(f"{line}; 'ecrnn tune' with the same --out and --models {model} adds it")
    return found
