"""Finished trials from disk, for whatever reads a study: each checked in the same way, and without torch.

The digests of a manifest say that nothing has changed since it was written; here is looked whether what was written can
be true, as a run directory may come from anywhere.
"""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings, TrainingSettings
from ecrnn.core.epoch_lines import LARGEST, check_epoch_lines, is_number
from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.core.predictions import AnyPredictions, Predictions, Scored
from ecrnn.core.runs import FinishedTrial, read_trial
from ecrnn.core.search_space import TUNABLE
from ecrnn.core.tasks import LONGEST_CLASS, MAX_CLASSES, TASKS, Task, default
from ecrnn.core.trial_of_study import another_trial, check_of_study
from ecrnn.stats import METRICS

_LONGEST_TEXT = 200  # characters
_MACHINE = ("host", "processor", "instruction_set", "torch", "ecrnn", "gpu")
_TEXTS = (
    "device",
    "precision",
    "finished",
    "model",
    "estimator",
    *_MACHINE,
)  # of a trial's facts; all of them may be missing
_COUNTS = (
    *("repeat", "seed", "parameters", "trainable", "multiply_adds", "threads", "n_train", "n_validation", "n_images"),
    *(
        "steps",
        "best_epoch",
        "score_epochs",
        "skipped_steps",
        "roll_backs",
        "search_points",
        "n_train_part",
        "n_validation_part",
    ),
)
_NUMBERS = ("seconds", "last_", "best_", "score_", "auc", "search_")  # how the names of others begin


def read_finished(study: Path, settings: StudySettings, model: str, repeat: int) -> FinishedTrial | None:
    """A finished trial of a study, or None if there is none.

    Args:
        study: the run directory.
        settings: of its study.yaml.
        model, repeat: which trial.

    Raises:
        EcrnnError: it is finished, but a file of it is damaged, the facts cannot be true or do not fit the
            predictions, or it is a trial of another study; the line names the file.
    """
    finished = read_whole(study, model, repeat)
    if finished is not None:
        check_of_study(study, settings, model, repeat, {"facts": finished.facts, "plan": finished.plan})
    return finished


def read_whole(study: Path, model: str, repeat: int) -> FinishedTrial | None:
    """As `read_finished`, of whatever study it is."""
    finished = read_trial(study, model, repeat)
    if finished is not None:
        _check_facts(finished)
        check_epoch_lines(finished.metrics, "metrics.jsonl")
        _check_predictions(finished)
    return finished


def trial_task(facts: dict[str, Any]) -> Task:
    """The task of a trial; manifests of image classifiers need not name it.

    Raises:
        UnknownNameError: there is no such task.
    """
    name = facts.get("task", default().name)
    if not isinstance(name, str) or name not in TASKS:
        raise unknown_name(
            "task", name[:50] if isinstance(name, str) else reprlib.repr(name), TASKS, where="manifest.json"
        )
    return TASKS[name]


def _check_facts(finished: FinishedTrial) -> None:
    facts = finished.facts
    for name, value in facts.items():
        if name in _TEXTS and not (value is None or (isinstance(value, str) and len(value) <= _LONGEST_TEXT)):
            raise EcrnnError(f"manifest.json: {name} must be a short text, not {reprlib.repr(value)}")
        counted = name in _COUNTS
        if (counted or name.startswith(_NUMBERS)) and value is not None and not is_number(value, counted):
            what = "a whole number" if counted else "a number"
            raise EcrnnError(f"manifest.json: {name} must be {what}, not {reprlib.repr(value)}")
    if not is_number(facts.get("n_train"), True) or facts["n_train"] < 1:
        found = reprlib.repr(facts.get("n_train"))
        raise EcrnnError(f"manifest.json: n_train must be a whole number above 0, not {found}")
    recipe, edges = facts.get("recipe", {}), facts.get("recipe_edges", [])
    if not (isinstance(recipe, dict) and isinstance(edges, list) and {*edges} <= {*TUNABLE}):
        raise EcrnnError("manifest.json: recipe must hold settings of a training, and recipe_edges names of some")
    TrainingSettings.read(recipe, "manifest.json, recipe")
    if line := another_trial(facts, finished.model, finished.repeat):
        raise EcrnnError(f"manifest.json {line}")


def _check_predictions(finished: FinishedTrial) -> None:
    task, predictions = trial_task(finished.facts), finished.predictions
    counted = 1 if predictions.earlier is None else len(predictions.earlier) + 1
    if not counted == (finished.facts.get("score_epochs") or 1) <= max(1, len(finished.metrics)):
        many = "1 epoch" if counted == 1 else f"{counted} epochs"
        raise EcrnnError(f"predictions.npz holds those of {many}, which manifest.json or metrics.jsonl does not")
    if task.classes:
        _check_classes(predictions, finished.facts.get("classes"))
        return
    if not isinstance(predictions, Scored):
        raise EcrnnError(f"predictions.npz holds classes, which {task.name} does not have")
    statistics = [epoch.statistics for epoch in predictions.epochs()]
    for of_epoch in statistics:
        METRICS[task.metric].checked(of_epoch, "predictions.npz: statistics")
    if max(of_epoch.max() for of_epoch in statistics) > LARGEST:
        raise EcrnnError("predictions.npz holds statistics that are larger than any can be")


def _check_classes(predictions: AnyPredictions, classes: Any) -> None:
    named = isinstance(classes, list) and 1 <= len(classes) <= MAX_CLASSES
    if not (named and all(isinstance(name, str) and len(name) <= LONGEST_CLASS for name in classes)):
        most = f"at most {MAX_CLASSES:,} names of at most {LONGEST_CLASS:,} characters"
        raise EcrnnError(f"manifest.json: classes must be a list of {most}")
    if isinstance(predictions, Scored):
        raise EcrnnError("predictions.npz holds statistics, where the task of manifest.json has classes")
    label, fits = predictions.label, True
    if isinstance(predictions, Predictions):
        fits = predictions.logits.shape[1] == len(classes)
    for predicted in (predictions.predicted, predictions.earlier):
        if predicted is not None:
            fits = fits and predicted.min(initial=0) >= 0 and predicted.max(initial=0) < len(classes)
    if not fits or label.size < 1 or label.min() < 0 or label.max() >= len(classes):
        raise EcrnnError(f"predictions.npz does not fit the {len(classes)} classes of manifest.json")
    if isinstance(predictions, Predictions) and not np.isfinite(predictions.logits).all():
        raise EcrnnError("predictions.npz holds logits that are not finite")
