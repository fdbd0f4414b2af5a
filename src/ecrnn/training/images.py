"""Image and clip classification as the training loop sees them.

The pictures stay uint8, one (N, H, W, C) array, on the GPU where there is one; a batch becomes float and standardised
on the device. Stored height, width, channel, a batch is already in channels-last memory and is never copied for it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.data.augmentation import augment
from ecrnn.data.clips import ClipSet
from ecrnn.data.image_set import ImageSet
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.inference import Standardise, predict_logits
from ecrnn.models.prepared import Prepared
from ecrnn.training.classes import Classification

_CHUNK = 1024  # examples standardised at once


class ImageClassification(Classification):
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
        super().__init__(split, settings)
        self.images, self.labels, self.seed = images, images.labels, seed
        self.standardise = Standardise(preprocessing).to(self.device)
        on_cpu = self.device.type == "cpu"
        self.on_device = None if on_cpu else torch.from_numpy(np.array(images.images)).to(self.device)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Training pictures by their ``positions`` (B,) in the training part.

        Returns:
            Standardised pictures (B, C, H, W), float32, channels last in memory, and labels (B,), int64.
        """
        index = self.split.train[positions]
        if self.on_device is not None and self.settings.augment == "none":
            places, labels = self._tensors(index, self.labels[index])
            return self.standardise(self.on_device[places]), labels
        taken = augment(self.images.images[index], index, self.seed, epoch, self.settings.augment)
        pictures, labels = self._tensors(taken, self.labels[index])
        return self.standardise(pictures), labels

    def features(self, index: np.ndarray) -> np.ndarray:
        """Standardised values, float32 (n, C * H * W)."""
        return side_by_side(self.images.images, index, self.standardise)

    def logits(self, model: nn.Module, index: np.ndarray) -> np.ndarray:
        return predict_logits(model, self.images.images, index, self.standardise)


class ClipClassification(Classification):
    """An `Objective` of clips, whose frames are standardised as pictures are; nothing augments them.

    Args:
        data: the clips.
        split: which train and which validate.
        prepared: the standardisation.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: ClipSet, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        super().__init__(split, settings)
        self.clips, self.labels = data.clips, data.labels
        self.standardise = prepared.standardise().to(self.device)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Standardised clips (B, T, C, H, W), float32, and labels (B,), int64."""
        index = self.split.train[positions]
        clips, labels = self._tensors(self.clips[index], self.labels[index])
        return self.standardise(clips), labels

    def features(self, index: np.ndarray) -> np.ndarray:
        """Standardised values, float32 (n, T * C * H * W)."""
        return side_by_side(self.clips, index, self.standardise)

    def logits(self, model: nn.Module, index: np.ndarray) -> np.ndarray:
        return predict_logits(model, self.clips, index, self.standardise)


def side_by_side(images: np.ndarray, index: np.ndarray, standardise: Standardise) -> np.ndarray:
    """The standardised values of the images or clips ``images[index]``, a row each, float32 (n, values)."""
    values = np.empty((len(index), int(np.prod(images.shape[1:]))), np.float32)
    for start in range(0, len(index), _CHUNK):
        part = torch.from_numpy(images[index[start : start + _CHUNK]])
        values[start : start + _CHUNK] = standardise(part).flatten(1).numpy()
    return values
