"""Clip classification as the training loop sees it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, noise, of_classes
from ecrnn.models.inference import predict_logits
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.tasks.clip_classification.clips import ClipSet
from ecrnn.training.classification import Classification, side_by_side


class ClipClassification(Classification):
    """An `Objective` of clips, whose frames are standardised as images are; nothing augments them.

    Args:
        data: the clips.
        split: which train and which validate.
        processor: the standardisation.
        settings: resolved (device and precision are not "auto").
        seed: not used; nothing is drawn here.
    """

    def __init__(
        self, data: ClipSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int = 0
    ) -> None:
        super().__init__(split, settings)
        self.clips, self.labels = data.clips, data.labels
        self.standardise = processor.standardise().to(self.device)

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


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Clips of noise with random classes."""
    frames, image = spec.take("frames", "image")
    return of_classes((noise(generator, n, frames, *image),), spec, n, generator)
