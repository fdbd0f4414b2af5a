"""Run directories in, one record out: the finished trials of one study, and what is not there and why.

Several directories are one study when data, split, seed and training are the same; models and repeats may
differ. Of each picture only the class that was given is kept, so a thousand trials fit in memory; of tasks without
classes, the statistics of each example.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecrnn.core.config import StudySettings, TrainingSettings, differences, read_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError, unknown_name
from ecrnn.core.files import read_json
from ecrnn.core.runs import (
    AnyPredictions,
    FinishedTrial,
    PredictedClasses,
    Predictions,
    Scored,
    read_failure,
    read_trial,
    trial_folder,
)
from ecrnn.core.tasks import IMAGE_CLASSIFICATION, TASKS, Task
from ecrnn.stats import METRICS

State = Literal["failed", "damaged", "unfinished", "not started"]


@dataclass(frozen=True)
class Trial:
    """One finished trial: its facts, one mapping an epoch, and what the model did with each validation example."""

    model: str
    repeat: int
    facts: dict[str, Any]
    metrics: tuple[dict[str, Any], ...]
    predictions: PredictedClasses | Scored


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
    read. ``task`` is that of all trials, ``classes`` is empty where it has none.
    """

    folders: tuple[Path, ...]
    settings: StudySettings
    planned: int
    classes: tuple[str, ...]
    environments: tuple[dict[str, Any], ...]
    trials: tuple[Trial, ...]
    unfinished: tuple[Unfinished, ...]
    notes: tuple[str, ...]
    task: Task = IMAGE_CLASSIFICATION


def read_study(folders: Sequence[Path]) -> StudyRecord:
    """Read one or more run directories as one study.

    Args:
        folders: run directories, at least one; where two hold the same trial, the first one's counts.

    Raises:
        EcrnnError: a folder is not a run directory, the folders belong to different studies (the line names
            the first difference), or no trial in them is finished.
    """
    folders = tuple(dict.fromkeys(Path(folder) for folder in folders))
    if not folders:
        raise RunDirectoryError("give at least one run directory, the --out of an earlier compare")
    settings = [read_settings(folder) for folder in folders]
    for folder, other in zip(folders[1:], settings[1:], strict=True):
        _same_study(folders[0], settings[0], folder, other)
    models = tuple(dict.fromkeys(model for own in settings for model in own.models))

    environments, notes = [], []
    for folder in folders:
        environment = _environment(folder)
        environments.append(environment)
        if not environment:
            notes.append(f"{folder} has no readable environment.json: machine and versions are not known.")
    found, unfinished = _trials(folders, settings, models, notes)
    kept, misfits = _consistent(found)
    if not kept:
        why = next((f"; {u.model}, repeat {u.repeat}: {u.reason}" for u in (*unfinished, *misfits)), "")
        raise RunDirectoryError(f"no finished trial in {', '.join(map(str, folders))}{why}")
    task = _task(kept[0].facts)
    return StudyRecord(
        folders=folders,
        settings=settings[0].model_copy(update={"models": models}),
        planned=len(found) + len(unfinished),
        classes=tuple(kept[0].facts["classes"]) if task.classes else (),
        environments=tuple(environments),
        trials=tuple(kept),
        unfinished=(*unfinished, *misfits),
        notes=tuple(notes),
        task=task,
    )


def read_settings(folder: Path) -> StudySettings:
    """The settings of a run directory.

    Raises:
        EcrnnError: it is none, or its `study.yaml` cannot be read.
    """
    if not (folder / "study.yaml").is_file():
        raise RunDirectoryError(
            f"{folder} is not a run directory: it has no study.yaml; give the --out of an earlier compare"
        )
    settings = StudySettings.read(read_yaml(folder / "study.yaml"), where=str(folder / "study.yaml"))
    for model in settings.models:
        if Path(model).is_absolute() or ".." in Path(model).parts or "\0" in model:
            raise RunDirectoryError(f"{folder / 'study.yaml'}: model {model!r} is a path, not a name")
    return settings


def _environment(folder: Path) -> dict[str, Any]:
    try:
        environment = read_json(folder / "environment.json")
    except EcrnnError:
        return {}
    return environment if isinstance(environment, dict) else {}


def _same_study(folder: Path, mine: StudySettings, other_folder: Path, theirs: StudySettings) -> None:
    """Models, repeats, and what cannot change a result may differ; nothing else."""
    same_pictures = mine.fingerprint is not None and mine.fingerprint == theirs.fingerprint
    found = differences(_essence(mine, same_pictures), _essence(theirs, same_pictures))
    if found:
        raise RunDirectoryError(f"{folder} and {other_folder} are not one study: {found[0]}")


def _essence(settings: StudySettings, same_pictures: bool) -> StudySettings:
    fields = TrainingSettings.model_fields
    place = {key: fields[key].default for key in ("device", "threads", "checkpoint_seconds")}
    neutral: dict[str, Any] = {"models": ("any",), "repeats": 1, "first_repeat": 0, "data_dir": None}
    if same_pictures:  # the same pictures under another name are the same data
        neutral["data"] = "same"
    neutral["training"] = settings.training.model_copy(update=place)
    return settings.model_copy(update=neutral)


def _trials(
    folders: Sequence[Path], settings: Sequence[StudySettings], models: Sequence[str], notes: list[str]
) -> tuple[list[Trial], list[Unfinished]]:
    found: list[Trial] = []
    unfinished: list[Unfinished] = []
    for model, repeat, homes in _wanted(folders, settings, models):
        read = [_read(home, model, repeat) for home in homes]
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
) -> Iterator[tuple[str, int, list[Path]]]:
    """Each trial that any folder plans, in order, with the folders that plan it."""
    for model in models:
        homes: dict[int, list[Path]] = {}
        for folder, own in zip(folders, settings, strict=True):
            if model in own.models:
                for repeat in range(own.first_repeat, own.first_repeat + own.repeats):
                    homes.setdefault(repeat, []).append(folder)
        for repeat in sorted(homes):
            yield model, repeat, homes[repeat]


def _read(study: Path, model: str, repeat: int) -> Trial | Unfinished:
    folder = trial_folder(study, model, repeat)
    try:
        finished = read_trial(study, model, repeat)
        if finished is not None:
            return _checked(finished)
        failure = read_failure(study, model, repeat)
        manifest, exists = (folder / "manifest.json").is_file(), folder.is_dir()
    except (
        ValueError,
        OSError,
        KeyError,
        TypeError,
    ) as error:  # EcrnnError and JSON's errors are ValueErrors
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Unfinished(model, repeat, "damaged", line)
    if manifest:
        return Unfinished(model, repeat, "damaged", "a file does not match manifest.json")
    if failure is not None:
        return Unfinished(model, repeat, "failed", failure)
    if exists:
        return Unfinished(model, repeat, "unfinished", "training was interrupted or still runs")
    return Unfinished(model, repeat, "not started", "no folder of this trial")


def _checked(finished: FinishedTrial) -> Trial:
    """What the manifest's checksums cannot know: that the facts fit the predictions.

    Raises:
        ValueError, KeyError, TypeError: they do not.
    """
    facts, task = finished.facts, _task(finished.facts)
    if not isinstance(facts["n_train"], int) or facts["n_train"] < 1:
        raise ValueError(f"manifest.json: n_train must be a whole number above 0, not {facts['n_train']!r}")
    fit = _classes_given(finished.predictions, facts["classes"]) if task.classes else _scored(finished, task)
    metrics = tuple(line for line in finished.metrics if isinstance(line, dict))
    json.dumps(facts)  # TypeError for what is not plain data
    return Trial(finished.model, finished.repeat, facts, metrics, fit)


def _task(facts: dict[str, Any]) -> Task:
    """The task of a trial; manifests of image classifiers need not name it."""
    name = facts.get("task", IMAGE_CLASSIFICATION.name)
    if name not in TASKS:
        raise unknown_name("task", str(name), TASKS, where="manifest.json")
    return TASKS[name]


def _classes_given(predictions: AnyPredictions, classes: Any) -> PredictedClasses:
    if not (isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)):
        raise ValueError("manifest.json: classes must be a list of names")
    if isinstance(predictions, Scored):
        raise ValueError("predictions.npz holds statistics, where the task of manifest.json has classes")
    label, predicted = predictions.label, predictions.predicted
    if isinstance(predictions, Predictions):
        fits = predictions.logits.shape[1] == len(classes)
    else:
        fits = predicted.min(initial=0) >= 0 and predicted.max(initial=0) < len(classes)
    if not fits or label.size < 1 or label.min() < 0 or label.max() >= len(classes):
        raise ValueError(f"predictions.npz does not fit the {len(classes)} classes of manifest.json")
    if isinstance(predictions, Predictions) and not np.isfinite(predictions.logits).all():
        raise ValueError("predictions.npz holds logits that are not finite")
    return PredictedClasses(predictions.index, label, predicted)


def _scored(finished: FinishedTrial, task: Task) -> Scored:
    if not isinstance(finished.predictions, Scored):
        raise ValueError(f"predictions.npz holds classes, which {task.name} does not have")
    METRICS[task.metric].checked(finished.predictions.statistics, "predictions.npz: statistics")
    return finished.predictions


def _consistent(found: Sequence[Trial]) -> tuple[list[Trial], list[Unfinished]]:
    """Trials that share task and classes with the first, and examples with the first of their repeat; pairing needs
    all of it."""
    kept: list[Trial] = []
    misfits: list[Unfinished] = []
    first: dict[int, Trial] = {}
    for trial in found:
        if kept and _task(trial.facts) != _task(kept[0].facts):
            reason = f"another task than {kept[0].model}, repeat {kept[0].repeat}"
        elif kept and trial.facts.get("classes") != kept[0].facts.get("classes"):
            reason = f"other classes than {kept[0].model}, repeat {kept[0].repeat}"
        elif not _same_examples(trial, same := first.setdefault(trial.repeat, trial)):
            reason = f"scored on other {_task(trial.facts).examples} than {same.model} in this repeat"
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
