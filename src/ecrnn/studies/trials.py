"""One trial: one model trained on one repeat, and left on disk as a finished trial."""

from __future__ import annotations

import hashlib
import json
import math
import traceback
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings, TrainSettings, to_yaml
from ecrnn.core.devices import machine
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Event, Message, Progress, silent
from ecrnn.core.files import make_folder, write_atomically, write_json
from ecrnn.core.manifests import read_manifest, write_manifest
from ecrnn.core.predictions import AnyPredictions, Predictions, write_predictions
from ecrnn.core.reading import check_inside
from ecrnn.core.runs import FAILURE, plan_note, trial_folder, trial_home, write_settings
from ecrnn.core.seals import seal
from ecrnn.core.seeds import trial_seed
from ecrnn.core.text import counted
from ecrnn.core.trial_of_study import CONFIG, SEARCH, another_trial, other_settings, settings_beside, with_recipe
from ecrnn.data import catalogue, counter_rng
from ecrnn.data.example_set import ExampleSet, LabelledSet
from ecrnn.data.keys import Keys
from ecrnn.data.splits import Split, parse_split, tuning_part, without_tuning_part
from ecrnn.models.baselines import make_classifier
from ecrnn.models.build import make
from ecrnn.models.names import ModelName, common_task, parse
from ecrnn.models.own_code import check_digest, place_of
from ecrnn.models.processor import Processor
from ecrnn.models.summary import summarise
from ecrnn.models.weights import save_weights
from ecrnn.stats import AUC
from ecrnn.studies.inner_search import inner_settings, search_facts
from ecrnn.studies.settings import models_of
from ecrnn.studies.tasks import check_bad_files, load_examples, objective, prepare
from ecrnn.studies.tuning import metric_of, with_next_point
from ecrnn.training import checkpoints
from ecrnn.training.baselines import fit_classifier
from ecrnn.training.classification import Classification, auc_of
from ecrnn.training.loop import fit_events
from ecrnn.training.tried_points import ModelSearch, best_recipe, search_of

WEIGHTS = "checkpoint/weights.safetensors"
FILES = (CONFIG, "metrics.jsonl", "predictions.npz")  # of every trial; WEIGHTS too of one that trains a network


def load(settings: StudySettings | TrainSettings, progress: Progress = silent) -> ExampleSet:
    """The examples of a study or a training, and a check that they are the ones it was begun with.

    Args:
        settings: settings of the study or the training.
        progress: called while data is downloaded or decoded.

    Raises:
        DataError: missing or damaged data.
        RunDirectoryError: the data has changed since the study was begun.
    """
    task = common_task(models_of(settings))
    data = load_examples(task, settings, progress)
    if settings.fingerprint is not None:
        check_bad_files(data, settings.bad_files)
    if settings.fingerprint not in (None, data.fingerprint):
        what = f"the {task.examples} of '{settings.data}'"
        raise RunDirectoryError(
            f"{what} are not those the study was begun with: some were added, removed or altered; choose another --out"
        )
    return data


def split_of(data: ExampleSet, settings: StudySettings | TrainSettings, repeat: int) -> Split:
    """The split of a repeat, without examples that recipes were tuned on; of a tuning, the one of all its points."""
    rule = parse_split(settings.split)
    if isinstance(settings, TrainSettings):
        return rule.split(data, settings.seed, repeat)
    if settings.tuning is not None:
        return rule.split(data, settings.seed, settings.drawn(repeat), tuned_on(data, settings), counter_rng.TUNING)
    tuned = settings.tuned
    among = without_tuning_part(data, tuned.part, tuned.seed) if tuned and tuned.part else None
    return rule.split(data, settings.seed, settings.split_number(repeat), among)


def tuned_on(data: ExampleSet, settings: StudySettings) -> np.ndarray:
    """The examples that the points of a tuning are tried on, or that the recipes of a comparison were tuned on.

    Those of a search inside each trial are not among them, being training examples of that trial.

    Returns:
        int64 indices, ascending.
    """
    tuning, tuned = settings.tuning, settings.tuned
    if tuning is not None and tuning.within is not None:
        return parse_split(tuning.within).split(data, settings.seed, tuning.split_number).train
    if tuning is not None and tuning.part is not None:
        return tuning_part(data, tuning.part, settings.seed)
    if tuned is not None and tuned.part is not None:
        return tuning_part(data, tuned.part, tuned.seed)
    return np.zeros(0, np.int64)


def sizes_of_groups(data: ExampleSet, settings: StudySettings | TrainSettings, split: Split) -> str:
    """A sentence on how large the parts of a split are where groups are kept whole; "" where there are no groups."""
    rule = parse_split(settings.split)
    if data.groups is None or rule.kind == "own":
        return ""
    taking_part = np.concatenate([split.train, split.validation])
    groups = counted(len(np.unique(data.groups[taking_part])), "groups")
    sizes = f"{len(split.train):,} of {len(taking_part):,} train in the first repeat"
    fraction = rule.fraction
    asked = "" if fraction is None else f", where {float(fraction):g} asks for {rule.asked(len(taking_part)):,}"
    return f"{data.name}: {groups} are kept whole, files that stand alone among them; {sizes}{asked}"


def trained_on_too(name: str, count: int, split: Split, examples: str) -> str:
    """That some of the validation examples are among those trained on, in a sentence.

    Args:
        name: name of the data.
        count: how many of them.
        split: which examples train and validate.
        examples: what the task calls them, in the plural.
    """
    are = "is" if count == 1 else "are"
    what = f"{count:,} of {len(split.validation):,} validation {examples} {are} also among those trained on"
    return f"{name}: {what}, being the same to a model; the figures are too good by that"


def contradiction(data: ExampleSet, keys: Keys) -> str:
    """A sentence on examples of your own that are the same but have different labels; "" where there are none."""
    if not isinstance(data, LabelledSet) or catalogue.task_of(data.name) is not None:
        return ""
    if not (count := keys.contradicting(data.labels)):
        return ""
    return f"{data.name}: {count:,} examples lie in several classes, being the same to a model; which class is right?"


def run_trial(
    data: ExampleSet, study: Path, settings: StudySettings, model: str, repeat: int
) -> Generator[Event, None, None]:
    """Train one trial to its end, going on from its checkpoint if there is one; a finished trial is left alone.

    Args:
        data: as `load` gives it for ``settings``.
        study: the study's folder.
        settings: resolved.
        model, repeat: which trial.

    Yields:
        The training's events; it goes no further than it is asked for them.

    Raises:
        EcrnnError, Interrupted: from the training; or the code of an own model has changed.
        RunDirectoryError: the finished trial that lies there is another one, or of another study.
    """
    folder = trial_folder(study, model, repeat)
    if (facts := read_manifest(home := trial_home(study, model, repeat))) is not None:
        if line := another_trial(facts, model, repeat):
            raise RunDirectoryError(f"{home} {line}; delete it, and it is trained anew")
        if line := other_settings(study, settings, model, repeat, facts):  # such as of a search that was copied there
            raise RunDirectoryError(f"{home} is of another study: {line}; delete it, and it is trained anew")
        return
    plan = plan_note(settings)
    study_settings, settings = settings, settings.of_trial(model, repeat)
    for family, digest in settings.sources.items():  # a worker has read the file anew
        check_digest(family, digest, f"{study}; bring that file back")
    name, found = parse(model), None
    if settings.nested and not name.row.estimator:
        found = yield from _search_inside(data, study, study_settings, settings)
        settings = with_recipe(settings, best_recipe(found))
    write_atomically(folder / CONFIG, to_yaml(settings))
    split = split_of(data, settings, repeat)
    processor = prepare(name.task, data, split, settings)
    seed = trial_seed(settings.seed, settings.drawn(repeat))
    facts = _facts_before(data, settings, model, repeat, seed, split, processor)
    facts |= search_facts(found) if found else {}
    if name.row.estimator:
        facts |= yield from _fit_classifier(data, settings, name, seed, split, processor, folder)
        files: tuple[str, ...] = FILES
    else:
        facts |= yield from _fit_network(data, settings, name, seed, split, processor, folder)
        files = (*FILES, WEIGHTS)
    vocabularies = processor.files()
    for file, text in vocabularies.items():
        write_atomically(folder / file, text)
    write_manifest(folder, (*files, *vocabularies), facts, plan=plan)
    checkpoints.remove(folder / "checkpoint", *checkpoints.NAMES)


def _search_inside(
    data: ExampleSet, study: Path, settings: StudySettings, trial: StudySettings
) -> Generator[Event, None, ModelSearch]:
    """Search for the recipe of a trial among its training examples; ``settings`` are those of the study."""
    model = trial.models[0]
    folder = trial_folder(study, model, trial.first_repeat) / SEARCH
    check_inside(folder, study)
    inner = inner_settings(settings, trial)
    assert inner.tuning is not None
    for point in range(inner.tuning.budget):
        assert inner.tuning is not None
        if point == len(inner.tuning.points[model]):
            inner = with_next_point(folder, inner, model)
        write_settings(folder, inner)
        try:
            yield from run_trial(data, folder, inner, model, point)
        except RunDirectoryError:
            raise
        except EcrnnError as error:
            line = record_failure(folder, model, point, error)
            yield Message(f"{inner.label(model, point)} failed: {line}")
    return search_of(folder, inner, model, metric_of(inner, model))


def _fit_network(
    data: ExampleSet,
    settings: StudySettings,
    model: ModelName,
    seed: int,
    split: Split,
    processor: Processor,
    folder: Path,
) -> Generator[Event, None, dict[str, Any]]:
    """Train a network and write down its predictions and weights; gives the facts of it."""
    repeat, training = settings.first_repeat, settings.training
    network = make(model, processor.sizes, seed)
    summary = summarise(network, processor.sizes, model)
    task = objective(data, split, processor, training, seed)
    identity = {**identity_of(data, settings.split, split, processor), **of_model(model), "repeat": repeat}
    label = settings.label(str(model), repeat)
    trained = yield from fit_events(
        network,
        task,
        training,
        seed=seed,
        folder=folder,
        identity=identity,
        score_epochs=settings.score_epochs,
        label=label,
    )
    assert trained.last_predictions is not None  # every rule of splitting leaves examples to validate
    write_predictions(folder / "predictions.npz", trained.last_predictions)
    save_weights(network, folder / WEIGHTS)
    metric = task.metric.name
    return {
        "parameters": summary.parameters,
        "trainable": summary.trainable,
        "multiply_adds": summary.multiply_adds,
        "device": training.device,
        "precision": training.precision,
        "threads": training.threads,
        "steps": trained.steps,
        "seconds": sum(metrics["seconds"] for metrics in trained.history),
        f"last_{metric}": trained.history[-1][f"validation_{metric}"],
        f"best_{metric}": trained.best_value,
        **_averaged(trained.history[-settings.score_epochs :], metric),
        **_ranked(trained.last_predictions),
        "best_epoch": trained.best_epoch,
        "skipped_steps": trained.skipped,
        "roll_backs": trained.roll_backs,
        "finished": _now(),
    }


def identity_of(data: ExampleSet, rule: str, split: Split, processor: Processor) -> dict[str, str]:
    """What tells the training of a model from others on the same data; only the same one goes on from a checkpoint.

    Args:
        data: the examples.
        rule: of splitting them, as a settings file has it.
        split: which of them train and validate.
        processor: what they are to the network.
    """
    parts = hashlib.sha256(split.train.astype("<i8").tobytes() + b"|" + split.validation.astype("<i8").tobytes())
    processing = json.dumps([processor.to_plain(), processor.files()], sort_keys=True)
    return {
        "fingerprint": data.fingerprint,
        "split": rule,
        "examples": parts.hexdigest(),
        "processor": hashlib.sha256(processing.encode()).hexdigest(),
    }


def of_model(model: ModelName) -> dict[str, str]:
    """What tells the training of a model from those of others: its name, and the code of one that is not ecrnn's."""
    source = model.row.source
    return {"model": str(model), **({"source": source.sha256} if source else {})}


def _fit_classifier(
    data: ExampleSet,
    settings: StudySettings,
    model: ModelName,
    seed: int,
    split: Split,
    processor: Processor,
    folder: Path,
) -> Generator[Event, None, dict[str, Any]]:
    """Fit a classifier of scikit-learn and write down its predictions; gives the facts of it. Nothing is pickled."""
    training = settings.training.model_copy(update={"device": "cpu", "precision": "float32"})
    classifier = make_classifier(model, processor.sizes, seed)
    task = objective(data, split, processor, training, seed)
    if not isinstance(task, Classification):
        raise EcrnnError(f"{model} chooses a class, which is not what {processor.task.name} asks for")
    label = settings.label(str(model), settings.first_repeat)
    fitted = yield from fit_classifier(classifier, task, threads=training.threads, label=label)
    write_predictions(folder / "predictions.npz", fitted.predictions)
    write_atomically(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in fitted.history))
    accuracy = fitted.history[-1]["validation_accuracy"]
    return {
        "estimator": type(classifier).__name__,
        "parameters": fitted.parameters,
        "trainable": fitted.parameters,
        "multiply_adds": fitted.multiply_adds,
        "device": training.device,
        "precision": training.precision,
        "threads": training.threads,
        "steps": None,
        "seconds": fitted.history[-1]["seconds"],
        "last_accuracy": accuracy,
        "best_accuracy": accuracy,
        **_ranked(fitted.predictions),
        "best_epoch": 1,
        "finished": _now(),
    }


def _averaged(counted: list[dict[str, Any]], metric: str) -> dict[str, float | int]:
    """The score and how many epochs it is the mean over, where they are more than one."""
    if len(counted) == 1:
        return {}
    values = [line[f"validation_{metric}"] for line in counted]
    return {f"score_{metric}": math.fsum(values) / len(values), "score_epochs": len(values)}


def _ranked(predictions: AnyPredictions) -> dict[str, float | None]:
    """The AUC, which an archive without logits could not tell any more."""
    return {AUC.name: auc_of(predictions)} if isinstance(predictions, Predictions) else {}


def record_failure(study: Path, model: str, repeat: int, error: BaseException) -> str:
    """Leave `error.json` in the trial's folder; gives the error's one line."""
    place = "" if isinstance(error, EcrnnError) else place_of(error)
    line = str(error) if isinstance(error, EcrnnError) else f"{type(error).__name__}: {error}".splitlines()[0]
    line = f"{place}: {line}" if place else line
    trace = "".join(traceback.format_exception(error))
    folder = make_folder(trial_folder(study, model, repeat))
    noted = settings_beside(study, model, repeat)
    write_json(folder / FAILURE, seal({"error": line, "trace": trace, "time": _now(), **noted}))
    return line


def _facts_before(
    data: ExampleSet,
    settings: StudySettings,
    model: str,
    repeat: int,
    seed: int,
    split: Split,
    processor: Processor,
) -> dict[str, Any]:
    return {
        "task": processor.task.name,
        "model": model,
        "repeat": repeat,
        "seed": seed,
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "n_images": len(data),
        "fixed_test": split.kind == "own",
        **machine("cpu" if parse(model).row.estimator else settings.training.device),
        **(_parts(data) if settings.tuning or settings.tuned else {}),
        **({"classes": list(processor.classes)} if processor.task.classes else {}),
        **processor.to_plain(),
    }


def _parts(data: ExampleSet) -> dict[str, int]:
    """What a split is drawn from where not all examples take part."""
    return {"n_train_part": data.n_train, "n_validation_part": data.n_validation}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
