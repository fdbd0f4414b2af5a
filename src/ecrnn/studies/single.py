"""One model, trained to be kept: from a data set to a bundle."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from ecrnn.core.config import TrainSettings, differences, read_yaml, to_yaml
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.files import disk_errors, make_folder, write_atomically
from ecrnn.core.progress import Progress, silent
from ecrnn.core.runs import locked
from ecrnn.core.seeds import trial_seed
from ecrnn.data.images import ImageSet
from ecrnn.data.images import Progress as LoadingProgress
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.splits import Split, parse_split
from ecrnn.models.names import parse
from ecrnn.models.registry import build, check_sizes
from ecrnn.models.summary import summarise
from ecrnn.serving.bundle import FORMAT, Description, is_bundle, write_bundle
from ecrnn.serving.card import model_card
from ecrnn.stats import wilson
from ecrnn.studies.trials import load_images, prepare
from ecrnn.training.images import ImageClassification, score
from ecrnn.training.interruption import Interrupted
from ecrnn.training.loop import Trained, fit, resolve

SETTINGS = "train.yaml"


def train_bundle(
    settings: TrainSettings,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress = silent,
    loading: LoadingProgress | None = None,
) -> bool:
    """Train one model and leave a bundle in ``out``.

    Args:
        settings: as given; the resolved ones are saved as `train.yaml`.
        out: the bundle's folder, new or empty, or with ``resume`` one that holds this training unfinished.
        resume: go on with an unfinished training; where there is none, begin.
        progress: called after every step.
        loading: called while data is downloaded or decoded, see `ecrnn.data.images.load`.

    Returns:
        True if it was trained now, False if the bundle was finished already.

    Raises:
        EcrnnError: wrong names, data or settings, before anything is trained.
        RunDirectoryError: ``out`` holds something else.
        Interrupted: by a signal; ``resume`` goes on.
    """
    settings = settings.model_copy(
        update={"model": str(parse(settings.model)), "split": str(parse_split(settings.split))}
    )
    _check_folder(out, resume)
    images = load_images(settings, loading)
    check_sizes(images.image, len(images.classes))
    training, before = settings.training, None
    if (out / SETTINGS).is_file():
        before = TrainSettings.read(read_yaml(out / SETTINGS), str(out / SETTINGS))
        training = training.model_copy(update={"threads": training.threads or before.training.threads})
    settings = settings.model_copy(update={"fingerprint": images.fingerprint, "training": resolve(training)})
    if before and (others := differences(settings, before.model_copy(update={"data_dir": settings.data_dir}))):
        raise RunDirectoryError(f"{out} holds another training: {others[0]}; choose another -o")
    if is_bundle(out):
        _remove_checkpoints(out)
        return False
    split, preprocessing = prepare(images, settings, repeat=0)
    make_folder(out)
    with locked(make_folder(out / "checkpoint")):
        write_atomically(out / SETTINGS, to_yaml(settings))
        try:
            _train(images, split, preprocessing, settings, out, progress)
        except Interrupted as stop:
            raise Interrupted(stop.signal, "--resume goes on with it") from stop
    _remove_checkpoints(out)
    return True


def _remove_checkpoints(out: Path) -> None:
    with disk_errors(out / "checkpoint", "delete"):
        if (out / "checkpoint").is_dir():
            shutil.rmtree(out / "checkpoint")


def _check_folder(out: Path, resume: bool) -> None:
    if is_bundle(out) and not resume:
        raise RunDirectoryError(f"{out} holds a bundle already; choose another -o, or delete it first")
    if (out / SETTINGS).is_file() and not resume:
        raise RunDirectoryError(f"{out} holds an unfinished training; add --resume to go on, or choose another -o")
    if out.exists() and not out.is_dir():
        raise RunDirectoryError(f"{out} is a file; a bundle is a folder, choose another -o")
    if not (out / SETTINGS).is_file() and out.is_dir() and not _is_empty(out):
        raise RunDirectoryError(f"{out} is not empty and holds no training; choose another -o")


def _is_empty(out: Path) -> bool:
    """Nothing lies in ``out`` but what a training killed before its settings were written leaves."""
    entries = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    return entries <= {"checkpoint", "checkpoint/.lock"}


def _train(
    images: ImageSet, split: Split, preprocessing: Preprocessing, settings: TrainSettings, out: Path, progress: Progress
) -> None:
    seed = trial_seed(settings.seed, 0)
    network = build(settings.model, images.image, len(images.classes), seed)
    task = ImageClassification(images, split, preprocessing, settings.training, seed)
    identity = {"fingerprint": images.fingerprint, "split": settings.split, "model": settings.model}
    trained = fit(
        network,
        task,
        settings.training,
        seed=seed,
        folder=out,
        identity=identity,
        keep=settings.keep,
        label=settings.model,
        progress=progress,
    )
    description = Description(
        format=FORMAT,
        task="image-classification",
        model=settings.model,
        classes=images.classes,
        preprocessing=preprocessing.to_dict(),
        ecrnn_version=version("ecrnn"),
    )
    metrics = _metrics(images, split, settings, network, trained)
    write_bundle(out, network, description, metrics, model_card(description, metrics, out.name))


def _metrics(
    images: ImageSet,
    split: Split,
    settings: TrainSettings,
    network: nn.Module,
    trained: Trained,
) -> dict[str, Any]:
    """What `metrics.json` holds: figures of the kept weights, and on which pictures they were measured."""
    predictions = trained.predictions
    assert predictions is not None  # every rule of splitting leaves pictures to validate
    measured = score(predictions)
    interval = wilson(int(predictions.correct.sum()), len(predictions.label))
    summary = summarise(network, images.image)
    training = settings.training
    return {
        "data": Path(settings.data).name,
        "fingerprint": images.fingerprint,
        "split": settings.split,
        "seed": settings.seed,
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "accuracy": measured["validation_accuracy"],
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "loss": measured["validation_loss"],
        "keep": settings.keep,
        "epoch": trained.best_epoch if settings.keep == "best" else training.epochs,
        "epochs": training.epochs,
        "recipe": f"{training.optimizer} at {training.lr:g}, batch {training.batch_size}, {training.precision}",
        "parameters": summary.parameters,
        "multiply_adds": summary.multiply_adds,
        "seconds": sum(line["seconds"] for line in trained.history),
        "history": trained.history,
    }
