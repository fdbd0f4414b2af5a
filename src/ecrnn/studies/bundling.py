"""Bundles from trained models: what a training to be kept and a trial of a study have in common, and the latter."""

from __future__ import annotations

import math
from collections.abc import Set
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import (
    MAX_SETTINGS,
    StudySettings,
    begins,
    read_yaml,
    to_yaml,
)
from ecrnn.core.errors import EcrnnError, RunDirectoryError, unknown_name
from ecrnn.core.events import Progress, silent
from ecrnn.core.files import disk_errors, write_atomically
from ecrnn.core.predictions import AnyPredictions, PredictedClasses
from ecrnn.core.reading import MAX_OTHER, read_text, there
from ecrnn.core.runs import LOCK, FinishedTrial, holds_nothing, locked, read_settings, trial_home
from ecrnn.core.spelling import on_disk
from ecrnn.core.tasks import Task
from ecrnn.core.trial_of_study import CONFIG, check_planned, with_recipe
from ecrnn.data.example_set import ExampleSet
from ecrnn.models.build import check_network
from ecrnn.models.names import ModelName, parse
from ecrnn.models.own_code import check_digest
from ecrnn.models.processor import PARTS, Processor
from ecrnn.models.registry import families, plugins
from ecrnn.models.weights import load_network, round_to_half
from ecrnn.serving.bundle import describe, file_names, is_bundle, write_bundle
from ecrnn.serving.card import model_card
from ecrnn.serving.evaluation import choose
from ecrnn.serving.load import in_use
from ecrnn.serving.predictor import Predictor
from ecrnn.serving.trained_on import STUDY_FILE, TrainedOn, read_study
from ecrnn.stats import Metric
from ecrnn.stats.class_scores import metric_for
from ecrnn.studies.bundle_metrics import measured, scores
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.trials import WEIGHTS, load, split_of
from ecrnn.training.epoch_values import score
from ecrnn.training.finished import read_finished, trial_task


def bundle_trial(
    study: Path,
    model: str,
    out: Path,
    *,
    repeat: int | None = None,
    half: bool = False,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make a bundle of a finished trial of a study.

    Where the data set has a test part that the study left alone, the model is judged on it. The card says of how many
    trials this one is and how good they are. The same study gives the same bytes.

    Args:
        study: its folder, with the weights of its trials.
        model: name of a model of the study.
        out: the bundle's folder, new or empty.
        repeat: whose weights; None for those of the trial with the best score, which is the study's: the mean of its
            metric on the validation examples over the last epochs that count.
        half: keep 16 bits of each weight, in a file of half the size. Metric, loss and what is rejected are then those
            of the rounded weights, measured anew; the course of the training and the trials' scores are not.
        data_dir: local copies of registered data sets; default: where the study had them.
        progress: called while data is downloaded or decoded.

    Returns:
        What the bundle's `metrics.json` holds.

    Raises:
        UnknownNameError: the study has no such model.
        RunDirectoryError: there is no study or no finished trial of this kind in it, or only an archive's without
            weights, its data has changed, or ``out`` is not empty.
        DataError: data for the test that is missing or damaged.
    """
    settings = read_settings(study := on_disk(study))
    if settings.tuning is not None:
        line = f"{study} holds a tuning, whose trainings saw a part of the data"
        raise RunDirectoryError(f"{line}; bundle a trial of 'ecrnn compare --recipes {study}'")
    _check_known(model, settings, study)
    name = parse(model)
    check_network(name)
    model = str(name)
    if model not in settings.models:
        raise unknown_name("model", model, settings.models, f"the models of {study}")
    check_planned(study, settings)
    task = name.task
    finished = _finished(study, settings, model, task)
    metric = metric_for(task, settings.metric)
    values = {other.repeat: score(other, metric, settings.score_epochs) for other in finished}
    trial = _chosen(finished, values, metric, repeat, study)
    home = trial_home(study, model, trial.repeat)
    if isinstance(trial.predictions, PredictedClasses) or not there(home / WEIGHTS):
        line = f"{home} is of an archive, which keeps no weights"
        raise RunDirectoryError(f"{line}; give the run directory it was made from")
    facts = trial.facts
    processor = processor_of(name, trial, study)
    trial_settings = StudySettings.read(read_yaml(home / CONFIG, study), str(home / CONFIG))
    config = to_yaml(trial_settings.model_copy(update={"data_dir": None}))
    killed = (out / LOCK).exists()
    _check_free_or_ours(out, config, processor, killed)
    network = load_network(name, processor.sizes, home / WEIGHTS, study)
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": str(data_dir)})
    predictions: AnyPredictions = trial.predictions
    if half:
        round_to_half(network)
        rounded = in_use(describe(name, processor), processor, network, {}, "cpu")
        predictions = rounded.judge(load(settings, progress), predictions.index).predictions
    trained = settings.of_trial(model, trial.repeat)
    if trained.nested and facts.get("recipe"):
        trained = with_recipe(trained, facts["recipe"])
    metrics = measured(
        trained,
        task,
        predictions,
        trial.metrics,
        n_train=facts["n_train"],
        parameters=facts["parameters"],
        multiply_adds=facts["multiply_adds"],
    )
    metrics |= {
        "study": study.resolve().name,
        "repeat": trial.repeat,
        **({"seeds_per_split": settings.seeds_per_split} if settings.seeds_per_split > 1 else {}),
        "trials": _trials_of_model(trial, values, settings.score_epochs, metric, task, half),
        **({"weights": "float16"} if half else {}),
    }
    trained_on = _trained_on(study, trial, settings, progress)
    if facts["n_images"] > facts.get("n_train_part", facts["n_train"] + facts["n_validation"]):
        model_in_use = in_use(describe(name, processor), processor, network, metrics, "cpu")
        model_in_use.trained_on = trained_on
        metrics["test"] = on_test_part(model_in_use, load(settings, progress))
    with locked(out, keep=False):
        _check_free_or_ours(out, config, processor, killed)  # again, now that nobody else works in it
        write_atomically(out / CONFIG, config)
        card = model_card(name, processor, metrics, out.name)
        write_bundle(out, network, name, processor, metrics, card, trained_on, half)
    return metrics


def _trials_of_model(
    trial: FinishedTrial, values: dict[int, float], score_epochs: int, metric: Metric, task: Task, half: bool
) -> dict[str, Any]:
    """How many trials of a model there are, with which scores; and the score of ``trial``, if it is not its figure."""
    best = max(values.values()) if metric.higher_is_better else min(values.values())
    found: dict[str, Any] = {
        "finished": len(values),
        "best": best,
        "mean": math.fsum(values.values()) / len(values),
    }
    if half or score_epochs > 1 or metric.name != task.metric:  # or the score is the bundle's own figure
        epochs = min(score_epochs, len(trial.metrics))
        found |= {"score": values[trial.repeat], "score_epochs": epochs, "metric": metric.name}
    return found


def _check_known(model: str, settings: StudySettings, study: Path) -> None:
    """Check that the code of a user's model was named and is that of its study."""
    family = next((family for family in settings.sources if begins(model, family)), None)
    if family is not None:
        if family not in families() and family not in plugins():
            raise RunDirectoryError(f"{model} of {study} is of somebody's own code; name its file with --code")
        check_digest(family, settings.sources[family], f"{study}; name the file that it was trained with")


def _check_free_or_ours(out: Path, config: str, processor: Processor, killed: bool) -> None:
    """As `check_free`, but ``out`` may also hold a bundle of this trial whose making was killed.

    Args:
        config: what its `config.yaml`, which is written first, says.
        processor: processor of the model.
        killed: a lock was left in ``out``.
    """
    try:
        same = read_text(out / CONFIG, MAX_SETTINGS) == config
    except EcrnnError:
        same = False
    if not (same and killed and is_bundle(out)):
        check_free(out, besides={CONFIG, *file_names(processor)} if same else frozenset())


def check_free(out: Path, besides: Set[str] = frozenset()) -> None:
    """Check that a bundle can be made in ``out``, before anything is written.

    Args:
        out: a folder, which need not be there.
        besides: what may lie in it, relative to it, beside locks and what a killed process left.

    Raises:
        RunDirectoryError: anything else lies in it, or it is a file.
    """
    if is_bundle(out):
        raise RunDirectoryError(f"{out} holds a bundle already; choose another -o, or delete it first")
    if out.exists() and not out.is_dir():
        raise RunDirectoryError(f"{out} is a file; a bundle is a folder, choose another -o")
    with disk_errors(out, "read"):
        free = all(path.relative_to(out).as_posix() in besides or holds_nothing(path.name) for path in out.rglob("*"))
    if not free:
        raise RunDirectoryError(f"{out} is not empty and holds no training; choose another -o")


def processor_of(model: ModelName, trial: FinishedTrial, study: Path) -> Processor:
    """The parts of a finished trial of ``model``, from its manifest and the files beside it.

    Raises:
        EcrnnError: they are not as they should be, or not those of a model of that name.
    """
    folder, task = trial_home(study, trial.model, trial.repeat), trial_task(trial.facts)
    plain = {name: trial.facts[name] for name in PARTS if name in trial.facts}
    if task != model.task:
        raise RunDirectoryError(f"{folder}: manifest.json is of {task.name}, which is not the task of {model}")
    classes = tuple(trial.facts["classes"]) if task.classes else ()
    return Processor.from_plain(task.name, classes, plain, lambda name: read_text(folder / name, MAX_OTHER, study))


def _finished(study: Path, settings: StudySettings, model: str, task: Task) -> list[FinishedTrial]:
    """The finished trials of a model. A damaged one is an error: without it another might be the best."""
    finished = []
    for trial in planned_trials(settings):
        if trial[0] == model and there(trial_home(study, *trial)):
            try:
                found = read_finished(study, settings, *trial)
            except EcrnnError as error:
                again = "the study's compare command, given again, trains it anew"
                raise RunDirectoryError(f"{model}, repeat {trial[1]}: {error}; {again}") from error
            if found is not None:
                _check_needed(found, task, study)
                finished.append(found)
    if not finished:
        raise RunDirectoryError(f"no trial of {model} in {study} is finished; give its compare command again")
    return finished


def _check_needed(trial: FinishedTrial, task: Task, study: Path) -> None:
    """Raise a RunDirectoryError unless manifest and metrics say all that a bundle's `metrics.json` needs."""
    for name in ("parameters", "multiply_adds", "n_images", "n_validation", f"last_{task.metric}"):
        if trial.facts.get(name) is None:
            raise RunDirectoryError(f"{trial_home(study, trial.model, trial.repeat)}: manifest.json lacks {name}")
    for number, line in enumerate(trial.metrics, 1):
        if line.get(f"validation_{task.metric}") is None:
            where = f"{trial_home(study, trial.model, trial.repeat)}: metrics.jsonl, line {number},"
            raise RunDirectoryError(f"{where} lacks validation_{task.metric}")


def _chosen(
    finished: list[FinishedTrial], values: dict[int, float], metric: Metric, repeat: int | None, study: Path
) -> FinishedTrial:
    """The trial of a repeat, or the one with the best score in ``values``."""
    if repeat is None:
        sign = 1 if metric.higher_is_better else -1
        return max(finished, key=lambda trial: (sign * values[trial.repeat], -trial.repeat))
    of_repeat = [trial for trial in finished if trial.repeat == repeat]
    if not of_repeat:
        known = ", ".join(str(trial.repeat) for trial in finished)
        raise RunDirectoryError(f"repeat {repeat} is not among the finished trials of this model in {study}: {known}")
    return of_repeat[0]


def on_test_part(model: Predictor, data: ExampleSet) -> dict[str, Any]:
    """The figures of a model on the test part of its data, and what to know of its examples."""
    choice = choose(model, data, "test")
    known = {"trained_on": choice.trained_on, "left_out": choice.left_out}
    return {
        "n": len(choice.index),
        **scores(model.task, model.judge(data, choice.index).predictions),
        **{name: count for name, count in known.items() if count},
    }


def _trained_on(study: Path, trial: FinishedTrial, settings: StudySettings, progress: Progress) -> TrainedOn | None:
    """What a trial was trained and validated on; None for a study of an earlier version, which kept no keys."""
    keys = read_study(study / STUDY_FILE, settings.fingerprint)
    if keys is None or keys.total != trial.facts["n_images"]:
        return None
    if settings.tuned is not None and settings.tuned.part is not None:  # nothing else says what was left out
        split = split_of(load(settings, progress), settings, trial.repeat)
        return TrainedOn.of(keys, split.train, split.validation)
    validation = trial.predictions.index
    others = np.setdiff1d(np.arange(keys.total), validation)
    return TrainedOn.of(keys, others[: trial.facts["n_train"]], validation)  # a test part comes after all others
