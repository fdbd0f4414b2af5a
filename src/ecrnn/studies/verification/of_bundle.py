"""The checks of a bundle: its digests, its settings, its examples, its score, and its training done again."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ecrnn.core.config import StudySettings, TrainSettings, read_yaml
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Progress, passed_on
from ecrnn.core.reading import MAX_WEIGHTS, read_bytes, there
from ecrnn.core.runs import METRICS as METRICS_LINES
from ecrnn.core.runs import TRAINING, trial_folder
from ecrnn.core.runs import read_metrics as read_lines
from ecrnn.core.text import counted
from ecrnn.core.trial_of_study import CONFIG
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.splits import Split
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.models.weights import halved
from ecrnn.serving.bundle import WEIGHTS, read_bundle, read_metrics, read_trained_on
from ecrnn.serving.its_card import card_fault, read_card
from ecrnn.serving.its_training import other_training
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.studies.tasks import objective
from ecrnn.studies.train import train_bundle
from ecrnn.studies.trials import WEIGHTS as TRIAL_WEIGHTS
from ecrnn.studies.trials import load, run_trial, split_of
from ecrnn.studies.verification.again import NAME, other_metrics, other_weights
from ecrnn.studies.verification.result import Check, check

Settings = TrainSettings | StudySettings


def check_bundle(folder: Path, train: bool, data_dir: Path | None, progress: Progress) -> tuple[Check, ...]:
    """All checks of a bundle.

    Args:
        folder: of the bundle.
        train: whether its training is done again, and all else for which the data is needed.
        data_dir: local copies of registered data sets; None: where the training had them.
        progress: called with what happens.
    """
    try:
        description, processor, network, metrics = read_bundle(folder)
        known = read_trained_on(folder)
        settings = _settings(folder)
        fault = card_fault(read_card(folder), description, metrics)
    except EcrnnError as error:
        return (check("seals", "", [str(error)]),)
    wrong = [f"{fault}: it is the card of another bundle, or was changed"] if fault else []
    old = [] if description.format > 1 else ["the bundle is of an earlier version, whose files have no digests"]
    seals = check(
        "seals", "settings, description, weights, vocabularies, metrics and examples match their digests", wrong, old
    )
    if settings is None:
        line = f"it keeps no {TRAINING} and no {CONFIG}, so how it was trained is not known"
        return seals, check(NAME, "", unknown=[line])
    kept = seals, _plan(folder, settings, description.model, metrics)
    if not train:
        return kept
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": str(data_dir)})
    try:
        data = load(settings, progress)
        split = split_of(data, settings, _repeat(settings))
    except EcrnnError as error:
        return *kept, check(NAME, "", unknown=[f"the data is not at hand, so nothing was trained again: {error}"])
    return (
        *kept,
        _splits(data, split, metrics, known),
        _scores(data, split, settings, processor, network, metrics),
        _again(folder, settings, data, metrics, progress),
    )


def _settings(folder: Path) -> Settings | None:
    """How it was trained: by `ecrnn train`, or as a trial of a study."""
    if there(folder / TRAINING):
        return TrainSettings.read(read_yaml(folder / TRAINING, folder, sealed=True), str(folder / TRAINING))
    if there(folder / CONFIG):
        return StudySettings.read(read_yaml(folder / CONFIG, folder), str(folder / CONFIG))
    return None


def _repeat(settings: Settings) -> int:
    return settings.first_repeat if isinstance(settings, StudySettings) else 0


def _model(settings: Settings) -> str:
    return settings.models[0] if isinstance(settings, StudySettings) else settings.model


def _plan(folder: Path, settings: Settings, model: str, metrics: dict[str, Any]) -> Check:
    """What stands in the settings and in metrics.json both."""
    wanted = {
        "split": settings.split,
        "seed": settings.seed,
        "fingerprint": settings.fingerprint,
        "epochs": settings.training.epochs,
    }
    stopped = metrics.get("stopped")
    planned = stopped.get("epochs") if isinstance(stopped, dict) else metrics.get("epochs")
    wrong = [
        f"metrics.json has {key} {metrics.get(key)}, the settings {value}"
        for key, value in wanted.items()
        if (planned if key == "epochs" else metrics.get(key)) != value
    ]
    if line := other_training(settings, metrics):
        wrong.append(f"metrics.json notes another training than the settings: {line}")
    if model != _model(settings):
        wrong.append(f"bundle.json is of {model}, the settings of {_model(settings)}")
    history = metrics.get("history", [])
    name = f"validation_{parse(model).task.metric}"
    rounded = metrics.get("weights") == "float16"  # whose figure is measured anew, see `_scores`
    if not history or not (rounded or history[-1].get(name) == metrics.get(parse(model).task.metric)):
        wrong.append(f"metrics.json has {metrics.get(parse(model).task.metric)}, which is not {name} of its last epoch")
    if there(folder / METRICS_LINES):
        try:
            lines = read_lines(folder / METRICS_LINES, within=folder)
            wrong += [f"metrics.json has another history: {line}" for line in other_metrics(history, lines)][:1]
        except EcrnnError as error:
            wrong.append(str(error))
    return check("plan", "settings, description and metrics say the same", wrong)


def _splits(data: ExampleSet, split: Split, metrics: dict[str, Any], known: TrainedOn | None) -> Check:
    sizes = {"n_train": len(split.train), "n_validation": len(split.validation)}
    wrong = [f"metrics.json has {k} {metrics.get(k)}, the split {n}" for k, n in sizes.items() if metrics.get(k) != n]
    unknown, started = [], "start" in metrics  # from a bundle whose examples it knows as well
    if known is None:
        unknown.append("it keeps no keys of its examples, so only the numbers of the split were compared")
    else:
        drawn = TrainedOn.of(data.keys(), split.train, split.validation)
        for name in ("train", "validation"):
            mine, theirs = getattr(known, name), getattr(drawn, name)
            if not (np.isin(theirs, mine).all() if started else np.array_equal(mine, theirs)):
                wrong.append(f"examples.bin holds other {name} examples than split {split.name} draws")
    return check("splits", f"split {split.name} drawn again: the same {len(data):,} examples", wrong, unknown)


def _scores(
    data: ExampleSet,
    split: Split,
    settings: Settings,
    processor: Processor,
    network: nn.Module,
    metrics: dict[str, Any],
) -> Check:
    """The network's own score on its validation examples."""
    metric = processor.task.metric
    key = f"kept_{metric}" if metrics.get("keep") == "best" else metric
    task = objective(data, split, processor, settings.training.model_copy(update={"device": "cpu"}), 0)
    value = task.validate(network)[0][f"validation_{metric}"]
    kept = metrics.get(key)
    same = isinstance(kept, int | float) and math.isclose(kept, value, rel_tol=1e-9, abs_tol=1e-12)
    wrong = [] if same else [f"metrics.json has {key} {kept}, its weights give {value} on the validation examples"]
    return check("scores", f"{key} {value:.6g} computed again from the weights: the same", wrong)


def _again(folder: Path, settings: Settings, data: ExampleSet, metrics: dict[str, Any], progress: Progress) -> Check:
    """The training done again. What machine it was done on a bundle does not say, so other bits leave this open."""
    if isinstance(settings, TrainSettings) and settings.continued:
        line = f"it was begun with {settings.continued[0]} epochs and got more, which is not done again"
        return check(NAME, "", unknown=[line])
    if isinstance(settings, TrainSettings) and settings.processes > 1:
        line = f"it was trained by {settings.processes} processes of torchrun together, which is not done again"
        return check(NAME, "", unknown=[line])
    kept = read_bytes(folder / WEIGHTS, MAX_WEIGHTS, folder)
    history = metrics.get("history", [])
    with tempfile.TemporaryDirectory(prefix="ecrnn-verify-") as place:
        again = Path(place) / "bundle"
        try:
            if isinstance(settings, TrainSettings):
                train_bundle(settings, again, progress=progress)
                weights, lines = again / WEIGHTS, read_metrics(again)["history"]
            else:
                trial = _model(settings), _repeat(settings)
                passed_on(run_trial(data, again, settings, *trial), progress)
                home = trial_folder(again, *trial)
                weights, lines = home / TRIAL_WEIGHTS, read_lines(home / METRICS_LINES)
        except EcrnnError as error:
            return check(NAME, "", unknown=[f"it could not be trained again: {error}"])
        now = read_bytes(weights, MAX_WEIGHTS)
        now = halved(now) if metrics.get("weights") == "float16" else now
        differences = [*other_metrics(history, lines), *other_weights(kept, now)]
    if not differences:
        return check(NAME, f"trained again, {counted(len(history), 'epochs')}: the same to the bit")
    machine = "on which machine and by which versions it was trained a bundle does not say"
    return check(NAME, "", unknown=[f"trained again it differs, first in {differences[0]}; {machine}"])
