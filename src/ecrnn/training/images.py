"""Image and clip classification as the training loop sees them.

The pictures stay uint8, one (N, H, W, C) array, on the GPU where there is one; a batch becomes float and standardised
on the device. Stored height, width, channel, a batch is already in channels-last memory and is never copied for it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.runs import Predictions
from ecrnn.data.augmentation import augment
from ecrnn.data.batches import batch_bounds, shuffled
from ecrnn.data.clips import ClipSet
from ecrnn.data.images import ImageSet
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.inference import Standardise, predict_logits
from ecrnn.models.prepared import Prepared
from ecrnn.stats.metrics import ACCURACY
from ecrnn.training.classes import class_loss, score
from ecrnn.training.objective import Loss


class ImageClassification:
    """An `Objective`, one training's data: which pictures train, which validate, and how they reach the network.

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
        self.metric = ACCURACY
        self.images, self.split, self.settings, self.seed = images, split, settings, seed
        self.device = torch.device(settings.device)
        self.standardise = Standardise(preprocessing).to(self.device)
        self.labels = torch.from_numpy(images.labels).to(self.device)
        on_cpu = self.device.type == "cpu"
        self.on_device = None if on_cpu else torch.from_numpy(np.array(images.images)).to(self.device)

    def __len__(self) -> int:
        return len(self.split.train)

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return shuffled(len(self), self.settings.batch_size, seed, epoch)

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

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
        """The mean error, see `class_loss`."""
        return class_loss(model, (inputs,), targets, self.settings)

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


class ClipClassification:
    """An `Objective` of clips, whose frames are standardised as pictures are; nothing augments them.

    Args:
        data: the clips.
        split: which train and which validate.
        prepared: the standardisation.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: ClipSet, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        assert prepared.preprocessing is not None
        self.metric = ACCURACY
        self.data, self.split, self.settings = data, split, settings
        self.standardise = Standardise(prepared.preprocessing).to(settings.device)

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self.split.train), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return shuffled(len(self.split.train), self.settings.batch_size, seed, epoch)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Standardised clips (B, T, C, H, W), float32, and labels (B,), int64."""
        index = self.split.train[positions]
        arrays = self.data.clips[index], self.data.labels[index]
        clips, labels = (torch.from_numpy(array).to(self.settings.device) for array in arrays)
        return self.standardise(clips), labels

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
        return class_loss(model, (inputs,), targets, self.settings)

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Predictions | None]:
        index = self.split.validation
        if not len(index):
            return {}, None
        logits = predict_logits(model, self.data.clips, index, self.standardise)
        predictions = Predictions(index.astype(np.int64), self.data.labels[index], logits)
        return score(predictions), predictions
