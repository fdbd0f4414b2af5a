"""Text classification as the training loop sees it: texts of about one length side by side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.runs import Predictions
from ecrnn.data.batches import batch_bounds, bucketed, padded
from ecrnn.data.splits import Split
from ecrnn.data.texts import TextSet
from ecrnn.models.answers import text_logits
from ecrnn.models.prepared import Prepared
from ecrnn.stats.metrics import ACCURACY
from ecrnn.training.classes import class_loss, score
from ecrnn.training.objective import Loss


class TextClassification:
    """An `Objective`.

    Args:
        data: the texts.
        split: which train and which validate.
        prepared: the vocabulary, and the length after which a text is cut off.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: TextSet, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        assert prepared.vocabulary is not None
        self.metric = ACCURACY
        self.labels, self.split, self.settings = data.labels, split, settings
        self.tokens = [prepared.vocabulary.encode(text)[: prepared.length] for text in data.texts]
        self.lengths = np.array([len(self.tokens[i]) for i in split.train])

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self.lengths), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return bucketed(self.lengths, self.settings.batch_size, seed, epoch)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Tokens (B, T) and their lengths (B,), and the labels (B,), int64. An empty text is one token of padding."""
        index = self.split.train[positions]
        tokens, lengths = padded([self.tokens[i] for i in index])
        arrays = tokens, np.maximum(lengths, 1), self.labels[index]
        inputs, lengths_, labels = (torch.from_numpy(array).to(self.settings.device) for array in arrays)
        return (inputs, lengths_), labels

    def loss(self, model: nn.Module, inputs: tuple[Tensor, Tensor], targets: Tensor) -> Loss:
        return class_loss(model, inputs, targets, self.settings)

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Predictions | None]:
        index = self.split.validation
        if not len(index):
            return {}, None
        logits = text_logits(model, [self.tokens[i] for i in index])
        predictions = Predictions(index.astype(np.int64), self.labels[index], logits)
        return score(predictions), predictions
