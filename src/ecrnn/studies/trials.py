"""One trial: one model trained on one repeat, and left on disk as a finished trial."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecrnn.core.config import DataSettings, StudySettings, TrainSettings, to_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import make_folder, write_atomically, write_json
from ecrnn.core.progress import Progress, silent
from ecrnn.core.runs import read_manifest, trial_folder, write_manifest, write_predictions
from ecrnn.core.seeds import trial_seed
from ecrnn.data import images as image_data
from ecrnn.data.images import ImageSet
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split, parse_split
from ecrnn.models.registry import build
from ecrnn.models.store import save_weights
from ecrnn.models.summary import summarise
from ecrnn.training import checkpoints
from ecrnn.training.images import ImageClassification
from ecrnn.training.loop import Trained, fit

CONFIG, WEIGHTS = "config.yaml", "checkpoint/weights.safetensors"
FILES = (CONFIG, "metrics.jsonl", "predictions.npz", WEIGHTS)


def load_images(settings: DataSettings, loading: image_data.Progress | None = None) -> ImageSet:
    """The pictures of a study or a training, and a check that they are the ones it was begun with.

    Raises:
        DataError: missing or damaged data.
        RunDirectoryError: the data has changed since the study was begun.
    """
    data_dir = Path(settings.data_dir) if settings.data_dir else None
    images = image_data.load(
        settings.data,
        data_dir=data_dir,
        image_size=settings.image_size,
        channels=settings.channels,
        progress=loading,
    )
    if settings.fingerprint not in (None, images.fingerprint):
        raise RunDirectoryError(
            f"the pictures of '{settings.data}' are not those the study was begun with; choose another --out"
        )
    return images


def prepare(images: ImageSet, settings: StudySettings | TrainSettings, repeat: int) -> tuple[Split, Preprocessing]:
    """The split of a repeat, and the standardisation of its training pictures."""
    split = parse_split(settings.split).split(images, settings.seed, repeat)
    return split, fit_preprocessing(images.images, split.train, settings.training.standardise)


def run_trial(
    images: ImageSet, study: Path, settings: StudySettings, model: str, repeat: int, progress: Progress = silent
) -> None:
    """Train one trial to its end, going on from its checkpoint if there is one; a finished trial is left alone.

    Args:
        images: as `load_images` gives them for ``settings``.
        study: the study's folder.
        settings: resolved.

    Raises:
        EcrnnError, Interrupted: from the training.
    """
    folder = trial_folder(study, model, repeat)
    if read_manifest(folder) is not None:
        return
    own = settings.model_copy(update={"models": (model,), "repeats": 1, "first_repeat": repeat})
    write_atomically(folder / CONFIG, to_yaml(own))
    split, preprocessing = prepare(images, settings, repeat)
    seed = trial_seed(settings.seed, repeat)
    network = build(model, images.image, len(images.classes), seed)
    facts = _facts_before(images, settings, model, repeat, seed, network, split, preprocessing)
    task = ImageClassification(images, split, preprocessing, settings.training, seed)
    identity = {"fingerprint": images.fingerprint, "split": settings.split, "model": model, "repeat": repeat}
    label = f"{model}, repeat {repeat}"
    trained = fit(
        network, task, settings.training, seed=seed, folder=folder, identity=identity, label=label, progress=progress
    )
    assert trained.predictions is not None  # every rule of splitting leaves pictures to validate
    write_predictions(folder / "predictions.npz", trained.predictions)
    save_weights(network, folder / WEIGHTS)
    write_manifest(folder, FILES, facts | _facts_after(trained))
    checkpoints.remove(folder / "checkpoint", *checkpoints.NAMES)


def record_failure(study: Path, model: str, repeat: int, error: BaseException) -> str:
    """Leave `error.json` in the trial's folder; gives the error's one line."""
    line = str(error) if isinstance(error, EcrnnError) else f"{type(error).__name__}: {error}".splitlines()[0]
    trace = "".join(traceback.format_exception(error))
    folder = make_folder(trial_folder(study, model, repeat))
    write_json(folder / "error.json", {"error": line, "trace": trace, "time": _now()})
    return line


def _facts_before(
    images: ImageSet,
    settings: StudySettings,
    model: str,
    repeat: int,
    seed: int,
    network: Any,
    split: Split,
    preprocessing: Preprocessing,
) -> dict[str, Any]:
    summary = summarise(network, images.image)
    training = settings.training
    return {
        "model": model,
        "repeat": repeat,
        "seed": seed,
        "parameters": summary.parameters,
        "trainable": summary.trainable,
        "multiply_adds": summary.multiply_adds,
        "device": training.device,
        "precision": training.precision,
        "threads": training.threads,
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "n_images": len(images),
        "fixed_test": split.kind == "own",
        "classes": list(images.classes),
        "preprocessing": preprocessing.to_dict(),
    }


def _facts_after(trained: Trained) -> dict[str, Any]:
    return {
        "steps": trained.steps,
        "seconds": sum(metrics["seconds"] for metrics in trained.history),
        "last_accuracy": trained.history[-1]["validation_accuracy"],
        "best_accuracy": trained.best_accuracy,
        "best_epoch": trained.best_epoch,
        "skipped_steps": trained.skipped,
        "roll_backs": trained.roll_backs,
        "finished": _now(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
