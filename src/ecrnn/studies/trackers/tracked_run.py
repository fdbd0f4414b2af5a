"""What trackers get of a run: its trials with their settings and the metrics of each epoch, without torch.

A trial has a key that does not depend on where the run lies, so an export that is repeated finds what it wrote before.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.reading import there
from ecrnn.core.runs import METRICS, STUDY, TRAINING, read_settings, trial_home
from ecrnn.models.names import parse
from ecrnn.serving.bundle import DESCRIPTION, is_bundle, read_description, read_metrics
from ecrnn.serving.its_training import read_training
from ecrnn.studies.planned import planned_trials
from ecrnn.training.finished import read_finished

_PLACES = ("data", "data_dir")  # where the examples lie; what they are, the fingerprint says
_GROWS = dict.fromkeys(("points", "budget", "edges", "others"), True)  # of a search, as models are added
_OF_TRIALS = {"models": True, "repeats": True, "recipes": True, "sources": True, "planned_repeats": True}
_OF_STUDY: dict[str, Any] = {"models": True, "repeats": True, "tuning": {"budget"}, "tuned": {"budget"}}
_SOMEBODYS_MODEL = re.compile(r"[a-z0-9][\w.@+=-]{0,199}")  # a name of a folder and no path


@dataclass(frozen=True)
class TrackedTrial:
    """One training that has ended.

    Attributes:
        key: SHA-256 of what it is; another place on the disk does not change it.
        name: "cnn/repeat-0", of a training that was kept the model.
        settings: by their dotted names, as text.
        history: the metrics of each epoch, each a number.
        figures: numbers about the whole training, such as its parameters.
        digest: SHA-256 of all that.
        ended: seconds since 1970, of its file of metrics.
    """

    key: str
    name: str
    settings: dict[str, str]
    history: list[dict[str, float]]
    figures: dict[str, float]
    digest: str
    ended: float

    def times(self) -> list[float]:
        """When each epoch ended, in seconds since 1970, by the seconds that those after it took."""
        left, found = self.ended, []
        for line in reversed(self.history):
            found.append(left)
            left -= line.get("seconds", 0.0)
        return found[::-1]


@dataclass(frozen=True)
class TrackedRun:
    """A study with its finished trials, or one training that was kept.

    Attributes:
        key: as of `TrackedTrial`, of one training its own; the same for a study with more models, repeats and points of
            a search.
        name: of its folder.
        settings: that all its trials share.
        trials: those that are finished.
        unfinished: number of others.
    """

    key: str
    name: str
    settings: dict[str, str]
    trials: tuple[TrackedTrial, ...]
    unfinished: int


def read_tracked(folder: Path) -> TrackedRun:
    """The run that lies in ``folder``, from `ecrnn compare`, `tune` or `train`.

    Raises:
        EcrnnError: there is none, or a file of it is damaged.
    """
    if there(folder / STUDY):
        return _study(folder, read_settings(folder))
    if there(folder / TRAINING) and is_bundle(folder):
        return _training(folder)
    line = f"{folder} is no run: it has neither {STUDY} nor {TRAINING} with a finished bundle"
    raise RunDirectoryError(f"{line}; give the folder of 'ecrnn compare', 'tune' or 'train'")


def _study(folder: Path, settings: StudySettings) -> TrackedRun:
    plain = _flat(settings.model_dump(mode="json", exclude={**_OF_TRIALS, "tuning": _GROWS, "tuned": _GROWS}))
    key = _sha256({name: value for name, value in plain.items() if name not in _PLACES})
    trials, unfinished = [], 0
    for model, repeat in planned_trials(settings):
        finished = read_finished(folder, settings, model, repeat)
        if finished is None:
            unfinished += 1
            continue
        trial = settings.of_trial(model, repeat)
        of_trial = trial.model_dump(mode="json", exclude=_OF_STUDY)
        settings_of_trial = {"model": model, "repeat": str(repeat), **_flat(of_trial)}
        ended = _modified(trial_home(folder, model, repeat) / METRICS, folder)
        found = finished.facts.get("recipe") if settings.nested else None  # by a search inside the trial
        parts = [key, model, repeat, settings.recipe(model, repeat), found, trial.sources]
        trials.append(
            _trial(parts, f"{model}/repeat-{repeat}", settings_of_trial, finished.metrics, finished.facts, ended)
        )
    return TrackedRun(key, folder.resolve().name, plain, tuple(trials), unfinished)


def _training(folder: Path) -> TrackedRun:
    settings, model = read_training(folder), _model(folder)
    metrics, plain = read_metrics(folder), _flat(settings.model_dump(mode="json"))
    free = (*_PLACES, "start", "training.epochs", "continued")
    key = _sha256({name: value for name, value in plain.items() if name not in free})
    history = metrics.get("history")
    if not isinstance(history, list) or not all(isinstance(line, dict) for line in history):
        raise RunDirectoryError(f"{folder} has no metrics of its epochs in metrics.json")
    ended = _modified(folder / "metrics.json", folder)
    trial = _trial([key, "training"], model, plain, history, metrics, ended)
    return TrackedRun(trial.key, folder.resolve().name, plain, (trial,), 0)


def _model(folder: Path) -> str:
    """The model of a bundle, which names a folder of an export and so must be no path.

    Raises:
        EcrnnError: it is no model's name.
    """
    described = read_description(folder)
    if described.source is None:
        return str(parse(described.model))
    if not _SOMEBODYS_MODEL.fullmatch(described.model):  # whose code is not run here
        raise RunDirectoryError(f"{folder / DESCRIPTION}: {described.model[:100]!r} is no name of a model")
    return described.model


def _trial(
    parts: list[Any],
    name: str,
    settings: dict[str, str],
    history: list[dict[str, Any]],
    facts: Mapping[str, Any],
    ended: float,
) -> TrackedTrial:
    lines, figures = [_numbers(line) for line in history], _numbers(facts)
    digest = _sha256([settings, lines, figures])
    return TrackedTrial(_sha256(parts), name, settings, lines, figures, digest, ended)


def _modified(path: Path, folder: Path) -> float:
    """When a file was written; of an archive, when the folder was."""
    return (path if path.is_file() else folder).stat().st_mtime


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of ``values`` that are finite numbers."""
    return {
        str(name)[:200]: float(value)
        for name, value in values.items()
        if type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings by dotted names, as text; those that are not given are not named."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None and value not in ([], ()):
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
