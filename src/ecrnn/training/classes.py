"""What the tasks that choose one of several classes have in common: their loss and their scores."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast
from ecrnn.core.runs import Predictions
from ecrnn.training.objective import Loss


def class_loss(model: nn.Module, inputs: tuple[Any, ...], labels: Tensor, settings: TrainingSettings) -> Loss:
    """The mean error of a classifier on a batch, and its right answers.

    The error is cross-entropy, in nats, unless the model has a ``loss`` of its own.

    Args:
        model: gives logits (B, classes) for ``inputs``.
        inputs: its arguments, on the device.
        labels: (B,), int64.
        settings: resolved; the network computes in their precision.
    """
    with autocast(settings.device, settings.precision):
        logits = model(*inputs)
    logits = logits.float()
    error = getattr(model, "loss", F.cross_entropy)
    return Loss(error(logits, labels), (logits.argmax(1) == labels).sum(), len(labels))


def score(predictions: Predictions) -> dict[str, float]:
    """Mean cross-entropy (nats) and accuracy (fraction) of ``predictions``, computed in float64."""
    logits = torch.from_numpy(predictions.logits).double()
    loss = F.cross_entropy(logits, torch.from_numpy(predictions.label))
    return {"validation_loss": float(loss), "validation_accuracy": float(predictions.correct.mean())}
