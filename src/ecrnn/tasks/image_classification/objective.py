"""Image classification as the training loop sees them.

The images stay uint8, one (N, H, W, C) array, on the GPU where there is one and they take no more than a quarter of its
memory; a batch becomes float and standardised on the device. Stored height, width, channel, a batch is already in
channels-last memory and is never copied for it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.machine_memory import device_memory
from ecrnn.data.augmentation import shares
from ecrnn.data.image_set import ImageSet
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, noise, of_classes
from ecrnn.models.inference import predict_logits
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.training.classification import Classification, MixedLabels, side_by_side
from ecrnn.training.image_augmentation import ImageAugmentation, mixed

_SHARE = 0.25  # of the memory of a device, for images
_PIECE = 1024  # images that are brought there at a time


class ImageClassification(Classification):
    """An `Objective`, one training's data: which images train, which validate, and how they reach the network.

    Args:
        images: the data set.
        split: the indices that train and validate.
        processor: the standardisation, fitted on the training images.
        settings: resolved (device and precision are not "auto").
        seed: seed of the augmentation.
    """

    def __init__(
        self,
        images: ImageSet,
        split: Split,
        processor: Processor,
        settings: TrainingSettings,
        seed: int,
    ) -> None:
        super().__init__(split, settings)
        self.images, self.labels, self.seed = images, images.labels, seed
        self.standardise = processor.standardise().to(self.device)
        self.augmented = ImageAugmentation(settings.augment, seed, self.standardise)
        self.on_device = None if self.device.type == "cpu" else _on_device(images.images, self.device)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor | MixedLabels]:
        """Training images by their ``positions`` (B,) in the training part.

        Returns:
            Standardised images (B, C, H, W), float32, channels last in memory, and labels (B,), int64; of mixed images
            those of both.
        """
        index = self.split.train[positions]
        if self.on_device is not None and self.settings.augment == "none":
            places, labels = self._tensors(index, self.labels[index])
            return self.standardise(self.on_device[places]), labels
        images = self.augmented(self.images.images[index], index, epoch)
        (labels,) = self._tensors(self.labels[index])
        if "mixup" not in self.augmented.kinds:
            return images, labels
        (share,) = self._tensors(shares(index, self.seed, epoch).astype(np.float32))
        return mixed(images, share), MixedLabels(labels, labels.roll(-1, 0), share)

    def part(self, positions: np.ndarray, epoch: int, start: int, end: int) -> tuple[Tensor, Tensor | MixedLabels]:
        """As `Objective.part`. The last image is mixed with the next one of the whole batch."""
        if "mixup" not in self.augmented.kinds:
            return self.batch(positions[start:end], epoch)
        images, labels = self.batch(positions.take(range(start, end + 1), mode="wrap"), epoch)
        assert isinstance(labels, MixedLabels)
        return images[:-1], MixedLabels(*(of_labels[:-1] for of_labels in labels))

    def features(self, index: np.ndarray) -> np.ndarray:
        """Standardised values, float32 (n, C * H * W)."""
        return side_by_side(self.images.images, index, self.standardise)

    def logits(self, model: nn.Module, index: np.ndarray) -> np.ndarray:
        return predict_logits(model, self.images.images, index, self.standardise)


def _on_device(images: np.ndarray, device: torch.device) -> Tensor | None:
    """All images on a device, in pieces, as they may be a memory map; None where they would take too much of it."""
    if images.nbytes > _SHARE * device_memory(device.type):
        return None
    whole = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), _PIECE):
        whole[start : start + _PIECE] = torch.from_numpy(np.array(images[start : start + _PIECE])).to(device)
    return whole


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Images of noise with random classes."""
    (image,) = spec.take("image")
    return of_classes((noise(generator, n, *image),), spec, n, generator)
