"""What the tasks that choose one of several classes have in common: their loss and their scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError, TrainingError
from ecrnn.core.predictions import AnyPredictions, Predictions
from ecrnn.models.inference import Standardise, softmax
from ecrnn.stats import AUC, auc
from ecrnn.stats.metrics import ACCURACY
from ecrnn.training.objective import Loss, Objective

_CHUNK = 1024  # examples standardised at once


class Classification(Objective):
    """An `Objective` of examples with labels. A batch is the network's arguments, and the labels (B,), int64."""

    metric = ACCURACY
    labels: np.ndarray  # int64 (N,), of all examples
    _weights: Tensor | None = None

    def loss(self, model: nn.Module, inputs: Tensor | tuple[Tensor, ...], targets: Tensor) -> Loss:
        """The mean error: cross-entropy, in nats, unless the model has a ``loss`` of its own.

        Cross-entropy has the settings' class weights and label smoothing, as `torch.nn.CrossEntropyLoss` has them.

        Raises:
            TrainingError: the model has a loss of its own, and the settings are of cross-entropy.
        """
        logits = self._outputs(model, *(inputs if isinstance(inputs, tuple) else (inputs,))).float()
        correct = (logits.argmax(1) == targets).sum()
        smoothing, weights = self.settings.label_smoothing, self._class_weights(logits.shape[1])
        if (own := getattr(model, "loss", None)) is None:
            error = F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
        elif smoothing or weights is not None:
            raise TrainingError("this model has a loss of its own, without label_smoothing and class_weights")
        else:
            error = own(logits, targets)
        return Loss(error, correct, len(targets))

    def _class_weights(self, classes: int) -> Tensor | None:
        """The weight of each class in the loss, (classes,); None where all weigh the same."""
        if self.settings.class_weights == "none":
            return None
        if self._weights is None:
            weights = balanced_weights(self.labels[self.split.train], classes)
            self._weights = torch.from_numpy(weights).to(self.device, torch.float32)
        return self._weights

    def features(self, index: np.ndarray) -> Any:
        """What a classifier of scikit-learn is given for the examples ``index``: a row each.

        Raises:
            EcrnnError: this task has no such form of its examples.
        """
        raise EcrnnError(f"{type(self).__name__}: its examples have no form that a classifier of scikit-learn takes")

    @abstractmethod
    def logits(self, model: nn.Module, index: np.ndarray) -> np.ndarray:
        """The network's logits for the examples ``index``, float32 (n, classes)."""

    def predict(self, model: nn.Module) -> Predictions:
        """The network's logits for every example that validates, in float32 whatever the precision of training."""
        index = self.split.validation
        return Predictions(index.astype(np.int64), self.labels[index], self.logits(model, index))

    def more_scores(self, predictions: AnyPredictions) -> dict[str, float]:
        """`validation_auc`, where there is one."""
        assert isinstance(predictions, Predictions)
        area = auc_of(predictions)
        return {} if area is None else {f"validation_{AUC.name}": area}

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Predictions]:
        """`validation_loss`, `validation_accuracy`."""
        predictions = self.predict(model)
        return score(predictions), predictions


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights with which every class that has examples counts alike, as scikit-learn's "balanced": float64 (classes,).

    n / (k n_c) for n examples of k classes, n_c of class c; 0 for a class without examples.
    """
    counts = np.bincount(labels, minlength=classes)
    there = counts > 0
    return np.where(there, len(labels) / (there.sum() * np.maximum(counts, 1)), 0.0)


def score(predictions: Predictions) -> dict[str, float]:
    """Mean cross-entropy (nats) and accuracy (fraction) of ``predictions``, computed in float64."""
    logits = torch.from_numpy(predictions.logits).double()
    loss = F.cross_entropy(logits, torch.from_numpy(predictions.label))
    return {"validation_loss": float(loss), "validation_accuracy": float(predictions.correct.mean())}


def auc_of(predictions: Predictions) -> float | None:
    """Their area under the ROC curve, which the classes given do not tell; see `ecrnn.stats.auc`."""
    return auc(predictions.label, softmax(predictions.logits))


def side_by_side(images: np.ndarray, index: np.ndarray, standardise: Standardise) -> np.ndarray:
    """The standardised values of the images or clips ``images[index]``, a row each, float32 (n, values)."""
    values = np.empty((len(index), int(np.prod(images.shape[1:]))), np.float32)
    for start in range(0, len(index), _CHUNK):
        part = torch.from_numpy(images[index[start : start + _CHUNK]])
        values[start : start + _CHUNK] = standardise(part).flatten(1).numpy()
    return values
