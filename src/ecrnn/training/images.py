"""Image classification as the training loop sees it: batches, loss, metrics. And pictures through a trained network.

The pictures stay uint8, one (N, H, W, C) array, on the GPU where there is one; a batch becomes float and standardised
on the device. Stored height, width, channel, a batch is already in channels-last memory and is never copied for it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast
from ecrnn.core.runs import Predictions
from ecrnn.data.augmentation import augment
from ecrnn.data.images import ImageSet
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.inference import Standardise, predict_logits


class ImageClassification:
    """One training's data: which pictures train, which validate, and how they reach the network.

    Args:
        images: the data set.
        split: the indices that train and validate.
        preprocessing: fitted on the training pictures.
        settings: resolved (device and precision are not "auto").
        seed: of the augmentation.
    """

    def __init__(
        self,
        images: ImageSet,
        split: Split,
        preprocessing: Preprocessing,
        settings: TrainingSettings,
        seed: int,
    ) -> None:
        self.images, self.split, self.settings, self.seed = images, split, settings, seed
        self.device = torch.device(settings.device)
        self.standardise = Standardise(preprocessing).to(self.device)
        self.labels = torch.from_numpy(images.labels).to(self.device)
        on_cpu = self.device.type == "cpu"
        self.on_device = None if on_cpu else torch.from_numpy(np.array(images.images)).to(self.device)

    def __len__(self) -> int:
        return len(self.split.train)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Training pictures by their ``positions`` (B,) in the training part.

        Returns:
            Standardised pictures (B, C, H, W), float32, channels last in memory, and labels (B,), int64.
        """
        index = self.split.train[positions]
        if self.on_device is not None and self.settings.augment == "none":
            pictures = self.on_device[torch.from_numpy(index).to(self.device)]
        else:
            taken = augment(self.images.images[index], index, self.seed, epoch, self.settings.augment)
            pictures = torch.from_numpy(taken).to(self.device)
        return self.standardise(pictures), self.labels[torch.from_numpy(index).to(self.device)]

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The mean error, and the number of right answers; the network computes in the settings' precision.

        The error is cross-entropy, in nats, unless the model has a ``loss`` of its own.
        """
        with autocast(self.settings.device, self.settings.precision):
            logits = model(inputs)
        logits = logits.float()
        error = getattr(model, "loss", F.cross_entropy)
        return error(logits, targets), (logits.argmax(1) == targets).sum()

    def predict(self, model: nn.Module) -> Predictions:
        """The network's logits for every validation picture, in float32 whatever the precision of training."""
        index = self.split.validation
        logits = predict_logits(model, self.images.images, index, self.standardise)
        return Predictions(index.astype(np.int64), self.images.labels[index], logits)

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Predictions | None]:
        """The network's answers on the validation pictures and their metrics: `validation_loss`, `validation_accuracy`.

        Nothing where no picture validates.
        """
        if not len(self.split.validation):
            return {}, None
        predictions = self.predict(model)
        return score(predictions), predictions


def score(predictions: Predictions) -> dict[str, float]:
    """Mean cross-entropy (nats) and accuracy (fraction) of ``predictions``, computed in float64."""
    logits = torch.from_numpy(predictions.logits).double()
    loss = F.cross_entropy(logits, torch.from_numpy(predictions.label))
    return {"validation_loss": float(loss), "validation_accuracy": float(predictions.correct.mean())}
