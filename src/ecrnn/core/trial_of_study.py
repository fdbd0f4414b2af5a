"""Whether a finished trial is of the study in whose folder it lies.

Digests tie the files of a trial to each other, not to the study: a folder of another study, copied or left there, is
whole. So the settings that a trial keeps, and the plan that its manifest notes, are compared with study.yaml, and
trials that study.yaml does not plan are looked for.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecrnn.core.config import MAX_SETTINGS, StudySettings, TrainingSettings, merge, parse_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.manifests import MANIFEST
from ecrnn.core.packed import PACKED
from ecrnn.core.reading import is_file, names_in, read_json, read_text, there
from ecrnn.core.recipe_search import Point
from ecrnn.core.runs import FAILURE, STUDY, difference, plan_note, read_failure, trial_home
from ecrnn.core.seals import is_sealed, unsealed
from ecrnn.core.text import counted

CONFIG = "config.yaml"  # the settings of a trial, in its folder
SEARCH = "search"  # the folder of its search for a recipe, if there was one
_REPEAT = re.compile(r"^first_repeat: (\d{1,10})$", re.MULTILINE)


def with_recipe(trial: StudySettings, recipe: Point) -> StudySettings:
    """The settings of a trial that trains with the recipe that its search has found, as if it had been asked for.

    Args:
        trial: as it was before its search.
        recipe: settings of the training that change.
    """
    training = TrainingSettings.read(merge(trial.training.model_dump(), recipe), trial.models[0])
    return trial.model_copy(update={"training": training, "tuned": None})


def check_of_study(study: Path, settings: StudySettings, model: str, repeat: int, manifest: Mapping[str, Any]) -> None:
    """Look whether a finished trial was trained by this study, with its plan.

    Args:
        study: the run directory.
        settings: of its study.yaml.
        model, repeat: which trial.
        manifest: what its manifest says: ``facts`` and ``plan``.

    Raises:
        EcrnnError: it is another trial, or was trained with other settings; or study.yaml, unless somebody has changed
            it and deleted its digest, has another plan than then. The line names the file.
    """
    if line := another_trial(manifest["facts"], model, repeat):
        raise EcrnnError(f"{trial_home(study, model, repeat) / MANIFEST} {line}")
    if line := other_settings(study, settings, model, repeat, manifest["facts"]):
        raise EcrnnError(f"{trial_home(study, model, repeat) / CONFIG} is of another study than {STUDY}: {line}")
    key = other_plan(settings, manifest.get("plan"))
    if key and is_sealed(read_text(study / STUDY, MAX_SETTINGS, study)):
        raise EcrnnError(f"{study / STUDY} has another {key} than when {settings.label(model, repeat)} was trained")


def another_trial(facts: Mapping[str, Any], model: str, repeat: int) -> str | None:
    """That the facts of a manifest are those of another trial, in words; None where they are not, or name none."""
    if (facts.get("model", model), facts.get("repeat", repeat)) == (model, repeat):
        return None
    return f"is of another trial, {facts.get('model')}, repeat {facts.get('repeat')}"


def other_settings(
    study: Path, settings: StudySettings, model: str, repeat: int, facts: Mapping[str, Any]
) -> str | None:
    """The first difference between the settings of a study and those that a trial was trained with; None if none.

    Raises:
        EcrnnError: those of the trial cannot be read.
    """
    wanted = settings.of_trial(model, repeat)
    recipe = facts.get("recipe")
    if wanted.nested and isinstance(recipe, dict):  # which it has found by itself
        wanted = with_recipe(wanted, recipe)
    return _difference(_kept(trial_home(study, model, repeat) / CONFIG, study), wanted, model, repeat)


def _difference(kept: StudySettings, wanted: StudySettings, model: str, repeat: int) -> str | None:
    """The first difference between the settings that a trial kept and those that its study has for it."""
    ours = kept.of_trial(model, repeat)  # of older versions it held more of the study's
    if ours.tuning and wanted.tuning and ours.tuning.budget < wanted.tuning.budget:  # which was raised since
        ours = ours.model_copy(update={"tuning": ours.tuning.model_copy(update={"budget": wanted.tuning.budget})})
    return difference(ours, wanted, () if ours.sources else ("sources",))  # of which older versions noted none


def failure_of(study: Path, settings: StudySettings, model: str, repeat: int) -> str | None:
    """The line that a failed trial of a study left, or None.

    Raises:
        RunDirectoryError: it is of another trial, or of another study. Earlier versions noted neither.
    """
    line = read_failure(study, model, repeat)
    path, content = trial_home(study, model, repeat) / FAILURE, dict[str, Any]()
    if line is not None:
        with contextlib.suppress(EcrnnError):
            content = unsealed(read_json(path, within=study), path)
    if (content.get("model", model), content.get("repeat", repeat)) != (model, repeat):
        raise RunDirectoryError(f"{path} is of another trial, {content.get('model')}, repeat {content.get('repeat')}")
    if isinstance(content.get("settings"), dict):
        wanted = settings.of_trial(model, repeat)
        kept = StudySettings.read(content["settings"], str(path))
        if wanted.nested:  # its search may have ended before, so that the recipe is another
            kept = kept.model_copy(update={"training": wanted.training, "tuned": wanted.tuned})
        if other := _difference(kept, wanted, model, repeat):
            raise RunDirectoryError(f"{path} is of another study than {STUDY}: {other}; delete it")
    return line


def settings_beside(study: Path, model: str, repeat: int) -> dict[str, Any]:
    """What the `error.json` of a trial notes of its study: its name, and its settings where they were written."""
    path, noted = trial_home(study, model, repeat) / CONFIG, {"model": model, "repeat": repeat}
    with contextlib.suppress(EcrnnError):
        if there(path):
            noted["settings"] = parse_yaml(read_text(path, MAX_SETTINGS, study), path)
    return noted


def other_plan(settings: StudySettings, noted: object) -> str | None:
    """What of a study's plan is not as a trial noted it in its manifest; None where nothing is, or it noted none."""
    if noted is None:
        return None
    if not isinstance(noted, Mapping):
        return "plan"
    now = plan_note(settings)
    return next((key for key in sorted({*now, *noted}) if now.get(key) != noted.get(key)), None)


def _kept(path: Path, study: Path) -> StudySettings:
    """The settings that a trial keeps."""
    text = read_text(path, MAX_SETTINGS, study)
    repeat = _REPEAT.search(text)
    if repeat is None:
        return _parsed(text, path)
    settings = _parsed(_REPEAT.sub("first_repeat: 0", text), path.parent.parent)
    return settings.model_copy(update={"first_repeat": int(repeat[1])})


@functools.lru_cache(maxsize=64)
def _parsed(text: str, path: Path) -> StudySettings:
    """Parsed once for all trials of a model, whose settings differ in the repeat alone: YAML is slow."""
    return StudySettings.read(parse_yaml(text, path), str(path))


def check_planned(study: Path, settings: StudySettings) -> None:
    """Look whether study.yaml plans all finished trials that lie in its folder; an earlier one of it does not.

    Raises:
        RunDirectoryError: it does not; the line names the first of the others.
    """
    if others := unplanned(study, settings):
        raise RunDirectoryError(not_planned(study, others))


def not_planned(study: Path, others: Sequence[str]) -> str:
    """A sentence on trials that study.yaml does not plan."""
    more = f" and {counted(len(others) - 1, 'other trials')}" if len(others) > 1 else ""
    line = f"{study / others[0]}{more} {'lies' if len(others) == 1 else 'lie'} there, but {study / STUDY} does not plan"
    return f"{line} {'it' if len(others) == 1 else 'them'}; put back its last copy, or move them elsewhere"


def unplanned(study: Path, settings: StudySettings) -> list[str]:
    """Places of finished trials in a run directory that its study.yaml does not plan, as "cnn/repeat-7".

    Those in a folder with a study.yaml of its own are of that study, as of the search inside a trial; those in hidden
    folders are of workers that still train.
    """
    planned = {f"{model}/repeat-{repeat}" for model, repeat in _planned(settings)}
    homes = [path.parent for path in study.rglob(f"repeat-*/{MANIFEST}")]
    within = {place for home in homes for place in home.parents if place.is_relative_to(study) and place != study}
    others = {place for place in within if is_file(place / STUDY)}
    found = [home.relative_to(study) for home in homes if others.isdisjoint(home.parents)]
    places = {place.as_posix() for place in found if not any(part.startswith(".") for part in place.parts)}
    if is_file(study / PACKED):
        names = names_in(study / PACKED)
        places |= {name.removesuffix(f"/{MANIFEST}") for name in names if name.endswith(f"/{MANIFEST}")}
    return sorted(places - planned)


def _planned(settings: StudySettings) -> Iterator[tuple[str, int]]:
    for model in settings.models:
        first, count = settings.first_repeat, settings.repeats
        if settings.tuning is not None:
            first, count = 0, len(settings.tuning.points.get(model, ()))
        yield from ((model, repeat) for repeat in range(first, first + count))
