"""What `metrics.json` of a bundle holds of its training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings, TrainingSettings, TrainSettings
from ecrnn.core.predictions import AnyPredictions, Predictions
from ecrnn.core.tasks import Task
from ecrnn.data.sources import TERMS
from ecrnn.serving.its_training import OF_MACHINES
from ecrnn.serving.rejection import rejection_table
from ecrnn.stats import metric_interval
from ecrnn.stats.metrics import METRICS
from ecrnn.studies.places import data_name
from ecrnn.training.classification import score as class_score

LAST_EPOCHS = 5  # whose spread a model card shows


def measured(
    settings: TrainSettings | StudySettings,
    task: Task,
    predictions: AnyPredictions,
    history: list[dict[str, Any]],
    *,
    n_train: int,
    parameters: int,
    multiply_adds: int,
    best: tuple[int, AnyPredictions | None] | None = None,
    ended: bool = True,
    seen: np.ndarray | None = None,
) -> dict[str, Any]:
    """What `metrics.json` holds: figures of the last epoch, and on which examples they were measured.

    Where the best epoch's weights are kept, theirs is a figure of its own: on the examples that the epoch was chosen
    with it is no estimate for new ones, and the last epoch's is.

    Args:
        settings: resolved.
        task: task of the model.
        predictions: predictions of the last epoch's weights, for the validation examples.
        history: the metrics of each epoch.
        n_train: examples trained on.
        parameters, multiply_adds: of the network.
        best: the epoch (from 1) whose weights were kept as the best, and their predictions; None if the last's were.
        ended: the training has ended, at its last epoch or by its patience.
        seen: places of examples that were trained on, which say nothing of how sure the model is of others.
    """
    training = settings.training
    epochs = len(history)
    kept: dict[str, Any] = {"keep": "last", "epoch": epochs}
    of_the_bundle = predictions
    if best is not None:
        epoch, chosen = best
        assert chosen is not None
        assert isinstance(settings, TrainSettings)
        of_the_bundle = chosen
        kept = {"keep": "best", "epoch": epoch, "keep_window": settings.keep_window}
        kept[f"kept_{task.metric}"] = scores(task, chosen)[task.metric]
    return {
        "data": data_name(settings),
        "terms": TERMS.get(settings.data),
        "fingerprint": settings.fingerprint,
        **({"bad_files": list(settings.bad_files)} if settings.bad_files else {}),
        "split": settings.split,
        "seed": settings.seed,
        **_left_out(settings),
        "n_train": n_train,
        "n_validation": len(predictions.index),
        **scores(task, predictions),
        **spread(task, history),
        **kept,
        **({"rejection": rejection_table(of_the_bundle, seen)} if isinstance(of_the_bundle, Predictions) else {}),
        "epochs": epochs,
        **({} if epochs == training.epochs and ended else _shorter(training, ended)),
        "recipe": _recipe(training),
        "training": training.model_dump(
            mode="json", exclude={*OF_MACHINES, "epochs", "patience"}, exclude_defaults=True
        ),
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "seconds": sum(line.get("seconds") or 0.0 for line in history),
        "history": history,
    }


def _shorter(training: TrainingSettings, ended: bool) -> dict[str, Any]:
    """Why there are fewer epochs than were asked for."""
    if not ended:
        return {"unfinished": {"epochs": training.epochs}}
    return {"stopped": {"epochs": training.epochs, "patience": training.patience}}


def _recipe(training: TrainingSettings) -> str:
    schedule = "" if training.schedule == "constant" else f", {training.schedule}"
    parts = (
        f"{training.optimizer} at {training.lr:g}{schedule}",
        f"batch {training.batch_size}",
        *(() if training.augment == "none" else (f"augmentation {training.augment}",)),
        *training.besides,
        training.precision,
    )
    return ", ".join(parts)


def _left_out(settings: TrainSettings | StudySettings) -> dict[str, Any]:
    """What recipes were tuned on, so that nothing of it was drawn for this training."""
    tuned = settings.tuned if isinstance(settings, StudySettings) else None
    return {"tuning_part": {"part": tuned.part, "seed": tuned.seed}} if tuned and tuned.part else {}


def spread(task: Task, history: list[dict[str, Any]]) -> dict[str, Any]:
    """Lowest, mean and highest metric of the last epochs, at most `LAST_EPOCHS`; nothing of a single epoch."""
    values = [line[f"validation_{task.metric}"] for line in history[-LAST_EPOCHS:]]
    if len(values) < 2:
        return {}
    mean = sum(values) / len(values)
    return {"last_epochs": {"epochs": len(values), "lowest": min(values), "mean": mean, "highest": max(values)}}


def scores(task: Task, predictions: AnyPredictions) -> dict[str, float]:
    """The task's metric with its interval over examples; beside accuracy cross-entropy (nats)."""
    name = task.metric
    interval = metric_interval(predictions.statistics, METRICS[name])
    found = {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found | (
        {"loss": class_score(predictions)["validation_loss"]} if isinstance(predictions, Predictions) else {}
    )
