"""Whether the settings beside a bundle are those of its training: files of another training are whole, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings, TrainingSettings, TrainSettings, differences, read_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.runs import TRAINING
from ecrnn.serving.bundle import read_description, read_metrics

OF_MACHINES = ("device", "threads", "checkpoint_seconds")  # settings of a training that change no figure


def read_training(folder: Path) -> TrainSettings:
    """The settings of the training whose bundle lies in a folder.

    Raises:
        EcrnnError: `train.yaml` is missing or damaged, or the bundle's files are.
        RunDirectoryError: they are of two trainings.
    """
    settings = _settings(folder)
    if line := _difference(settings, folder):
        path = folder / TRAINING
        raise RunDirectoryError(f"{path} is of another training than the bundle beside it: {line}; put back its copy")
    return settings


def check_so_far(folder: Path, bundle: Path, epoch: int) -> None:
    """Look whether the bundle of the best model so far is of the training in ``folder``, and of that epoch.

    A `train.yaml` that is missing or damaged says nothing: it is written anew when the training goes on.

    Raises:
        EcrnnError: it is not; or its own files are damaged.
    """
    epochs = read_metrics(bundle).get("epochs")
    if epochs != epoch:
        raise RunDirectoryError(f"{bundle} is of epoch {epochs}, not {epoch}; delete it, or give it its name back")
    try:
        settings = _settings(folder)
    except EcrnnError:
        return
    if line := _difference(settings, bundle):
        raise RunDirectoryError(f"{bundle} is of another training than {folder / TRAINING}: {line}; delete it")


def _settings(folder: Path) -> TrainSettings:
    return TrainSettings.read(read_yaml(folder / TRAINING, folder, sealed=True), str(folder / TRAINING))


def _difference(settings: TrainSettings, bundle: Path) -> str | None:
    """The first difference between settings and the training of a bundle, in words; None if none."""
    model = read_description(bundle).model
    if model != settings.model:
        return f"model is {settings.model[:100]!r} here and {model[:100]!r} there"
    return other_training(settings, read_metrics(bundle))


def other_training(settings: TrainSettings | StudySettings, metrics: dict[str, Any]) -> str | None:
    """The first difference between settings and those that a bundle's `metrics.json` notes of its training, in words.

    None where nothing differs, or it notes none, as of earlier versions. More epochs are no difference.
    """
    noted = metrics.get("training")
    if not isinstance(noted, dict):
        return None
    wanted = {key: getattr(settings, key) for key in ("fingerprint", "split", "seed")}
    found = {key: metrics.get(key) for key in wanted}
    if isinstance(settings, TrainSettings):
        start = metrics.get("start")
        wanted |= {"keep": settings.keep, "start_digest": settings.start_digest}
        found |= {"keep": metrics.get("keep"), "start_digest": start.get("sha256") if isinstance(start, dict) else None}
    for key, value in wanted.items():
        if found[key] != value:
            return f"{key} is {value} here and {found[key]} there"
    places = settings.training.model_dump(include={*OF_MACHINES, "epochs", "patience"})
    others = differences(settings.training, TrainingSettings.read({**noted, **places}, "metrics.json, training"))
    return others[0] if others else None
