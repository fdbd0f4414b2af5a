"""What the tasks that choose one of several classes have in common: their loss and their scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
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

    def loss(self, model: nn.Module, inputs: Tensor | tuple[Tensor, ...], targets: Tensor) -> Loss:
        """The mean error: cross-entropy, in nats, unless the model has a ``loss`` of its own."""
        logits = self._outputs(model, *(inputs if isinstance(inputs, tuple) else (inputs,))).float()
        error = getattr(model, "loss", F.cross_entropy)
        return Loss(error(logits, targets), (logits.argmax(1) == targets).sum(), len(targets))

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
