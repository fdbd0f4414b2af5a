"""Text classification as the training loop sees it: texts of about one length side by side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.data.batches import padded
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, of_classes, texts
from ecrnn.models.generation import text_logits
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.tasks.text_classification.texts import TextSet
from ecrnn.training.classification import Classification


class TextClassification(Classification):
    """An `Objective`.

    Args:
        data: the texts.
        split: which train and which validate.
        processor: the vocabulary, and the length after which a text is cut off.
        settings: resolved (device and precision are not "auto").
        seed: not used; nothing is drawn here.
    """

    def __init__(
        self, data: TextSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int = 0
    ) -> None:
        self.tokens, self.labels = [processor.encode(text) for text in data.texts], data.labels
        super().__init__(split, settings, np.array([len(self.tokens[i]) for i in split.train]))

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """Tokens (B, T) and their lengths (B,), and the labels (B,), int64. An empty text has the length 0."""
        index = self.split.train[positions]
        *inputs, labels = self._tensors(*padded([self.tokens[i] for i in index]), self.labels[index])
        return tuple(inputs), labels

    def logits(self, model: nn.Module, index: np.ndarray) -> np.ndarray:
        return text_logits(model, [self.tokens[i] for i in index])


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Random texts, of up to ``steps`` tokens, with random classes."""
    return of_classes(texts(generator, n, steps, *spec.take("tokens")), spec, n, generator)
