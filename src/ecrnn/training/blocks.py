"""Next-token prediction as the training loop sees it: blocks of a text, each read from a fresh state."""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.predictions import Scored
from ecrnn.data.corpus import Corpus
from ecrnn.data.splits import Split
from ecrnn.models.answers import block_nats
from ecrnn.models.prepared import Prepared
from ecrnn.stats.metrics import BITS
from ecrnn.training.objective import Loss, Objective


class NextToken(Objective):
    """An `Objective`.

    Args:
        data: the text in blocks.
        split: which blocks train and which validate.
        prepared: the vocabulary, of characters.
        settings: resolved (device and precision are not "auto").
    """

    metric = BITS

    def __init__(self, data: Corpus, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        super().__init__(split, settings)
        assert prepared.vocabulary is not None
        encode = prepared.vocabulary.encode
        self.blocks = np.array([encode(data.block(i)) for i in range(len(data))], np.int64)  # (N, T + 1)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Tokens (B, T) and their successors (B, T), int64."""
        (blocks,) = self._tensors(self.blocks[self.split.train[positions]])
        return blocks[:, :-1], blocks[:, 1:]

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
        """Mean cross-entropy of the next token, in nats."""
        logits = self._answer(model, inputs)[0].float()
        right = (logits.argmax(-1) == targets).sum()
        return Loss(F.cross_entropy(logits.flatten(0, 1), targets.flatten()), right, targets.numel())

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats, `validation_bits` in bits a character."""
        characters = np.full(len(index), self.blocks.shape[1] - 1.0)
        statistics = np.stack([block_nats(model, self.blocks[index]), characters], axis=1)
        bits = BITS.value(statistics)
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": bits * math.log(2), "validation_bits": bits}, scored
