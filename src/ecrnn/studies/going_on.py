"""A training that is to be kept and goes on: with the epochs it was begun with, or with more.

Beside a finished bundle the checkpoint of its last epoch stays, from which it gets more epochs. At a constant rate they
are those of a training that was to have so many from the beginning, to the bit; where the rate depends on the number of
epochs they are others, which settings and card then say.
"""

from __future__ import annotations

import os
from pathlib import Path

from ecrnn.core.config import TrainSettings
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.files import disk_errors, write_atomically
from ecrnn.core.reading import MAX_WEIGHTS, read_bytes, there
from ecrnn.core.runs import difference, holds_nothing
from ecrnn.core.tasks import Task
from ecrnn.serving.best_so_far import CHECKPOINTS, remove
from ecrnn.serving.bundle import WEIGHTS, is_bundle, read_metrics
from ecrnn.studies.fine_tuning import COPY

LAST = "epoch.safetensors"  # the checkpoint of the last whole epoch


def lengthened(before: TrainSettings, settings: TrainSettings) -> TrainSettings:
    """The settings of a training that may have more epochs than it was begun with.

    Where the rate depended on the epochs that were planned before, they note these.
    """
    training, planned = settings.training, before.training.epochs
    plain = training.schedule == "constant" and not training.warmup
    noted = before.continued if plain or training.epochs <= planned else (*before.continued, planned)
    return settings.model_copy(update={"continued": noted})


def check_same_training(before: TrainSettings, settings: TrainSettings, out: Path, task: Task) -> None:
    """Look whether settings differ from those of the training in ``out`` in nothing but more epochs and in patience.

    Raises:
        RunDirectoryError: they differ in anything else.
    """
    update = {"patience": settings.training.patience}
    update["epochs"] = max(before.training.epochs, settings.training.epochs)
    begun = before.model_copy(update={"training": before.training.model_copy(update=update)})
    if other := difference(begun, settings, ("continued", "start"), task.examples):
        raise RunDirectoryError(f"{out} holds another training: {other}; choose another -o")


def check_goes_on(out: Path) -> None:
    """Look whether a finished training in ``out`` has what it needs to go on.

    Raises:
        RunDirectoryError: it has not.
    """
    if is_bundle(out) and not there(out / CHECKPOINTS / LAST):
        line = f"{out} keeps no {CHECKPOINTS}/{LAST}, from which it could go on"
        raise RunDirectoryError(f"{line}; train anew with another -o")


def message(before: TrainSettings | None, settings: TrainSettings) -> str:
    """What to know of a training that gets more epochs than it was begun with."""
    epochs = settings.training.epochs
    if before is None or before.training.epochs == epochs:
        return ""
    line = f"goes on to epoch {epochs}; it was begun with {before.training.epochs}"
    if settings.continued == before.continued:
        return f"{line}, and at a constant rate the bits are those of a training of {epochs}"
    how = f"the {settings.training.schedule} rate of its epochs so far was planned for those"
    return f"{line}. {how[0].upper()}{how[1:]}, and jumps now to that of {epochs}: other bits than in one go"


def is_finished(out: Path, settings: TrainSettings) -> bool:
    """Whether ``out`` holds the bundle of as many epochs as the settings ask for."""
    if not is_bundle(out):
        return False
    metrics, training = read_metrics(out), settings.training
    stopped = {"epochs": training.epochs, "patience": training.patience}
    return metrics.get("epochs", training.epochs) == training.epochs or metrics.get("stopped") == stopped


def leftovers(out: Path) -> list[str]:
    """The names of what a training that was killed at its very end left beside its bundle."""
    with disk_errors(out, "read"):
        left = [name for name in os.listdir(out) if holds_nothing(name)]
        checkpoints = os.listdir(out / CHECKPOINTS) if (out / CHECKPOINTS).is_dir() else [LAST]
    return left + [name for name in checkpoints if name not in (LAST, COPY)] + ([] if checkpoints else [CHECKPOINTS])


def put_best_back(out: Path) -> None:
    """Give a finished training that goes on the weights of its best epoch, which are the bundle's."""
    place = out / CHECKPOINTS / "best.safetensors"
    if is_bundle(out) and there(out / WEIGHTS) and there(place.parent) and not there(place):
        write_atomically(place, read_bytes(out / WEIGHTS, MAX_WEIGHTS, out))


def clear(out: Path) -> None:
    """Delete what a training needs while it goes on; its last checkpoint stays, from which it may go on."""
    folder = out / CHECKPOINTS
    if not folder.is_dir():
        return
    remove(out)
    with disk_errors(folder, "delete"):
        for name in os.listdir(folder):
            if name != LAST and not (folder / name).is_dir():
                (folder / name).unlink()
        if not os.listdir(folder):
            folder.rmdir()
