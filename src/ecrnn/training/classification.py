"""What the tasks that choose one of several classes have in common: their loss and their scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

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


class MixedLabels(NamedTuple):
    """The labels of mixed images.

    Attributes:
        labels, others: (B,), int64, of both images.
        share: (B,), float32, of the first one.
    """

    labels: Tensor
    others: Tensor
    share: Tensor


class Classification(Objective):
    """An `Objective` of examples with labels. A batch is the network's arguments, and the labels (B,), int64."""

    metric = ACCURACY
    labels: np.ndarray  # int64 (N,), of all examples
    _weights: Tensor | None = None

    def loss(self, model: nn.Module, inputs: Tensor | tuple[Tensor, ...], targets: Tensor | MixedLabels) -> Loss:
        """The mean error: cross-entropy, in nats, unless the model has a ``loss`` of its own.

        Cross-entropy has the settings' class weights and label smoothing, as `torch.nn.CrossEntropyLoss` has them. Of
        mixed images the error is their share's of both labels, and correct is the label of the larger share.

        Raises:
            TrainingError: the model has a loss of its own, and the settings are of cross-entropy.
        """
        logits = self._outputs(model, *(inputs if isinstance(inputs, tuple) else (inputs,))).float()
        labels = targets.labels if isinstance(targets, MixedLabels) else targets
        correct = (logits.argmax(1) == labels).sum()
        smoothing, weights = self.settings.label_smoothing, self._class_weights(logits.shape[1])
        loss_of_model = getattr(model, "loss", None)
        if loss_of_model is not None and (smoothing or weights is not None or labels is not targets):
            line = "this model has a loss of its own, without label_smoothing, class_weights and mixup"
            raise TrainingError(line)
        if loss_of_model is not None:
            error = loss_of_model(logits, labels)
        elif isinstance(targets, MixedLabels):
            error = _mixed_error(logits, targets, weights, smoothing)
        else:
            error = F.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
        return Loss(error, correct, len(labels), None if weights is None else _weight(targets, weights))

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


def _mixed_error(logits: Tensor, targets: MixedLabels, weights: Tensor | None, smoothing: float) -> Tensor:
    """The mean over the weights of both labels, each by its share, as cross-entropy is over those of one."""
    errors, sums = [], []
    for labels, share in ((targets.labels, targets.share), (targets.others, 1 - targets.share)):
        error = F.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing, reduction="none")
        errors.append((error * share).sum())
        sums.append((share if weights is None else weights[labels] * share).sum())
    return (errors[0] + errors[1]) / (sums[0] + sums[1])


def _weight(targets: Tensor | MixedLabels, weights: Tensor) -> Tensor:
    """The sum of the weights of a batch, by which its mean error is divided."""
    if not isinstance(targets, MixedLabels):
        return weights[targets].sum()
    return (weights[targets.labels] * targets.share + weights[targets.others] * (1 - targets.share)).sum()


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
