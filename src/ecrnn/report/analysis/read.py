"""Run directories in, one record out: the finished trials of one study, and what is not there and why.

Several directories are one study when data, split, seed and training are the same; models and repeats may
differ. Of each image only the class that was given is kept, so a thousand trials fit in memory; of tasks without
classes, the statistics of each example.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecrnn.core.attempts import WORK, begun_in
from ecrnn.core.config import PLAN, StudySettings, TrainingSettings, differences
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import path_of
from ecrnn.core.predictions import PredictedClasses, Scored
from ecrnn.core.reading import there
from ecrnn.core.runs import ENVIRONMENT, FinishedTrial, read_environment, read_settings, trial_home
from ecrnn.core.spelling import on_disk
from ecrnn.core.tasks import Task, default
from ecrnn.core.trial_of_study import failure_of, not_planned, unplanned
from ecrnn.stats import ACCURACY
from ecrnn.training.epoch_values import class_scores_of
from ecrnn.training.finished import read_finished, trial_task

State = Literal["failed", "damaged", "unfinished", "not started"]


@dataclass(frozen=True)
class Trial:
    """One finished trial: its facts, one mapping an epoch, and what the model did with each validation example."""

    model: str
    repeat: int
    facts: dict[str, Any]
    metrics: tuple[dict[str, Any], ...]
    predictions: PredictedClasses | Scored
    scores: tuple[Mapping[str, float | None], ...] = ()  # of each epoch; of tasks with classes, where they are wanted


@dataclass(frozen=True)
class Unfinished:
    """A trial that the study wants and that has no valid result, with the reason in a line."""

    model: str
    repeat: int
    state: State
    reason: str


@dataclass(frozen=True)
class StudyRecord:
    """All that a report is made from. Trials are in the order of the models, then of the repeats.

    ``settings`` are those of the first folder, with the models of all; ``planned`` counts the trials of all
    folders together; ``environments`` has one mapping a folder, empty where `environment.json` cannot be
    read. ``task`` is that of all trials, ``classes`` is empty where it has none. ``one_plan``: all folders compare the
    same models in the same way.
    """

    folders: tuple[Path, ...]
    settings: StudySettings
    planned: int
    classes: tuple[str, ...]
    environments: tuple[dict[str, Any], ...]
    trials: tuple[Trial, ...]
    unfinished: tuple[Unfinished, ...]
    notes: tuple[str, ...]
    task: Task = field(default_factory=default)
    one_plan: bool = True

    @property
    def failed(self) -> dict[str, list[int]]:
        """The repeats in which the training of a model failed."""
        failed: dict[str, list[int]] = {}
        for trial in self.unfinished:
            if trial.state == "failed":
                failed.setdefault(trial.model, []).append(trial.repeat)
        return failed

    @property
    def finished(self) -> str:
        """When the last trial ended, ISO; "" where no trial says it."""
        return max((str(trial.facts.get("finished") or "") for trial in self.trials), default="")


def read_study(folders: Sequence[Path]) -> StudyRecord:
    """Read one or more run directories as one study.

    Args:
        folders: run directories, at least one; where two hold the same trial, the first one's counts.

    Raises:
        EcrnnError: a folder is not a run directory, the folders belong to different studies (the line names
            the first difference), or no trial in them is finished.
    """
    folders = tuple(dict.fromkeys(on_disk(path_of(folder, "a run directory")) for folder in folders))
    if not folders:
        raise RunDirectoryError("give at least one run directory, the --out of an earlier compare")
    settings = [read_settings(folder) for folder in folders]
    for folder, of in zip(folders, settings, strict=True):
        if of.tuning is not None:
            raise RunDirectoryError(f"{folder} holds a tuning, not a comparison; give it alone to 'ecrnn report'")
    for folder, other in zip(folders[1:], settings[1:], strict=True):
        _same_study(folders[0], settings[0], folder, other)
    models = tuple(dict.fromkeys(model for study in settings for model in study.models))

    environments, notes = [], []
    for folder in folders:
        environment, fault = _environment(folder)
        environments.append(environment)
        if fault:
            notes.append(f"{fault}: machine and versions are not known.")
    for folder, of in zip(folders, settings, strict=True):
        if others := unplanned(folder, of):
            notes.append(f"{not_planned(folder, others)}.")
    found, unfinished = _trials(folders, settings, models, notes)
    kept, misfits = _consistent(found, settings[0])
    if not kept:
        why = next((f"; {u.model}, repeat {u.repeat}: {u.reason}" for u in (*unfinished, *misfits)), "")
        raise RunDirectoryError(f"no finished trial in {', '.join(map(str, folders))}{why}")
    task = trial_task(kept[0].facts)
    return StudyRecord(
        folders=folders,
        settings=_together(settings, models),
        planned=len(found) + len(unfinished),
        classes=tuple(kept[0].facts["classes"]) if task.classes else (),
        environments=tuple(environments),
        trials=tuple(kept),
        unfinished=(*unfinished, *misfits),
        notes=tuple(notes),
        task=task,
        one_plan=len({(of.baseline, of.pairs, of.rope) for of in settings}) == 1,
    )


def _together(settings: Sequence[StudySettings], models: tuple[str, ...]) -> StudySettings:
    """The settings of one study in several folders."""
    sources = {name: digest for one in settings for name, digest in one.sources.items()}
    recipes = {model: recipe for one in settings for model, recipe in one.recipes.items()}
    update: dict[str, Any] = {"models": models, "sources": sources, "recipes": recipes}
    if settings[0].tuned is not None:
        edges = {model: names for one in settings if one.tuned for model, names in one.tuned.edges.items()}
        update["tuned"] = settings[0].tuned.model_copy(update={"edges": edges})
    if len(settings) > 1:  # repeats of one study may lie in several folders
        planned = [one.planned_repeats for one in settings]
        known = [repeats for repeats in planned if repeats is not None]
        update["planned_repeats"] = _over_folders(settings, known) if len(known) == len(planned) else None
        update["repeats"] = _over_folders(settings, [one.repeats for one in settings])
    return settings[0].model_copy(update=update)


def _over_folders(settings: Sequence[StudySettings], repeats: Sequence[int]) -> int:
    """How many repeats folders have together that have so many each."""
    return len({one.first_repeat + r for one, count in zip(settings, repeats, strict=True) for r in range(count)})


def _environment(folder: Path) -> tuple[dict[str, Any], str]:
    """Machine and versions, and why they are not known, if so."""
    path = folder / ENVIRONMENT
    if not there(path):
        return {}, f"{folder} has no readable {ENVIRONMENT}"
    try:
        environment = read_environment(folder)
    except EcrnnError as error:
        return {}, str(error)
    return environment, "" if environment else f"{path} says nothing"


def _same_study(folder: Path, mine: StudySettings, other_folder: Path, theirs: StudySettings) -> None:
    """Models, repeats, and what cannot change a result may differ; nothing else."""
    same_images = mine.fingerprint is not None and mine.fingerprint == theirs.fingerprint
    both = [model for model in mine.models if model in theirs.models]
    found = differences(_essence(mine, same_images, both), _essence(theirs, same_images, both))
    if found:
        raise RunDirectoryError(f"{folder} and {other_folder} are not one study: {found[0]}")


def _essence(settings: StudySettings, same_images: bool, models: Sequence[str]) -> StudySettings:
    fields = TrainingSettings.model_fields
    place = {key: fields[key].default for key in ("device", "threads", "checkpoint_seconds")}
    neutral: dict[str, Any] = {"models": ("any",), "repeats": 1, "first_repeat": 0, "data_dir": None}
    neutral |= dict.fromkeys(PLAN)
    if settings.tuned is not None:
        edges = {model: names for model, names in settings.tuned.edges.items() if model in models}
        neutral["tuned"] = settings.tuned.model_copy(update={"edges": edges})
    of_models = [settings.of_trial(model, 0).sources for model in models]
    neutral["sources"] = {name: digest for sources in of_models for name, digest in sources.items()}
    neutral["recipes"] = {model: settings.recipes[model] for model in models if model in settings.recipes}
    if same_images:  # the same images under another name are the same data
        neutral |= {"data": "same", "val": None, "test": None}
    if settings.metric == ACCURACY.name:  # as in studies that name none
        neutral["metric"] = None
    neutral["training"] = settings.training.model_copy(update=place)
    return settings.model_copy(update=neutral)


def _trials(
    folders: Sequence[Path], settings: Sequence[StudySettings], models: Sequence[str], notes: list[str]
) -> tuple[list[Trial], list[Unfinished]]:
    found: list[Trial] = []
    unfinished: list[Unfinished] = []
    begun = {folder: begun_in(folder / WORK) for folder in folders}
    for model, repeat, homes in _wanted(folders, settings, models):
        read = [_read(home, model, repeat, of, (model, repeat) in begun[home]) for home, of in homes]
        finished = [trial for trial in read if isinstance(trial, Trial)]
        if finished:
            found.append(finished[0])
        else:
            unfinished.append(next(other for other in read if isinstance(other, Unfinished)))
        if len(finished) > 1:
            notes.append(f"{model}, repeat {repeat} is finished in {len(finished)} folders; the first one counts.")
    return found, unfinished


def _wanted(
    folders: Sequence[Path], settings: Sequence[StudySettings], models: Sequence[str]
) -> Iterator[tuple[str, int, list[tuple[Path, StudySettings]]]]:
    """Each trial that any folder plans, in order, with the folders that plan it."""
    for model in models:
        homes: dict[int, list[tuple[Path, StudySettings]]] = {}
        for folder, study in zip(folders, settings, strict=True):
            if model in study.models:
                for repeat in range(study.first_repeat, study.first_repeat + study.repeats):
                    homes.setdefault(repeat, []).append((folder, study))
        for repeat in sorted(homes):
            yield model, repeat, homes[repeat]


def _read(study: Path, model: str, repeat: int, settings: StudySettings, begun: bool) -> Trial | Unfinished:
    """A trial; ``begun``: a worker trains it, or has left what it had of it."""
    try:
        folder = trial_home(study, model, repeat)
        if not there(folder) and not begun:
            return Unfinished(model, repeat, "not started", "no folder of this trial")
        finished = read_finished(study, settings, model, repeat)
        if finished is not None:
            return _trial(finished, settings)
        failure = failure_of(study, settings, model, repeat)
    except EcrnnError as error:
        return Unfinished(model, repeat, "damaged", str(error))
    if failure is not None:
        return Unfinished(model, repeat, "failed", failure)
    if os.path.isdir(folder) or not there(folder):  # or a worker takes it over at this moment
        return Unfinished(model, repeat, "unfinished", "training was interrupted or still runs")
    return Unfinished(model, repeat, "damaged", f"{folder} is no folder")


def _trial(finished: FinishedTrial, settings: StudySettings) -> Trial | Unfinished:
    """What a report keeps of a trial; with all scores of a classifier where the study names one of them."""
    predictions, model, repeat = finished.predictions, finished.model, finished.repeat
    kept, wanted = len(predictions.epochs()), min(settings.score_epochs, len(finished.metrics))
    if kept < wanted:
        reason = f"keeps the predictions of {kept} of the {wanted} last epochs that count in this study"
        return Unfinished(model, repeat, "damaged", reason)
    scores: tuple[Mapping[str, float | None], ...] = ()
    if settings.metric is not None and not isinstance(predictions, Scored):
        scores = class_scores_of(finished)
    return Trial(model, repeat, finished.facts, tuple(finished.metrics), predictions.without_logits(), scores)


def _consistent(found: Sequence[Trial], settings: StudySettings) -> tuple[list[Trial], list[Unfinished]]:
    """Trials that share task and classes with the first, and examples with the first of their split; pairing needs
    all of it."""
    kept: list[Trial] = []
    misfits: list[Unfinished] = []
    first: dict[int, Trial] = {}
    for trial in found:
        if kept and trial_task(trial.facts) != trial_task(kept[0].facts):
            reason = f"another task than {kept[0].model}, repeat {kept[0].repeat}"
        elif kept and trial.facts.get("classes") != kept[0].facts.get("classes"):
            reason = f"other classes than {kept[0].model}, repeat {kept[0].repeat}"
        elif not _same_examples(trial, same := first.setdefault(settings.split_number(trial.repeat), trial)):
            reason = f"scored on other {trial_task(trial.facts).examples} than {same.model} in this repeat"
        else:
            kept.append(trial)
            continue
        misfits.append(Unfinished(trial.model, trial.repeat, "damaged", reason))
    return kept, misfits


def _same_examples(trial: Trial, other: Trial) -> bool:
    """Of two trials of one task."""
    mine, theirs = trial.predictions, other.predictions
    same = np.array_equal(mine.index, theirs.index)
    if isinstance(mine, PredictedClasses) and isinstance(theirs, PredictedClasses):
        return same and np.array_equal(mine.label, theirs.label)
    return same
