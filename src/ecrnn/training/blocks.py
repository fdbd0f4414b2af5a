"""Next-token prediction as the training loop sees it: blocks of a text, each read from a fresh state."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast
from ecrnn.core.runs import Scored
from ecrnn.data.batches import batch_bounds, shuffled
from ecrnn.data.corpus import Corpus
from ecrnn.data.splits import Split
from ecrnn.models.answers import block_nats
from ecrnn.models.prepared import Prepared
from ecrnn.stats.metrics import BITS
from ecrnn.training.objective import Loss


class NextToken:
    """An `Objective`.

    Args:
        data: the text in blocks.
        split: which blocks train and which validate.
        prepared: the vocabulary, of characters.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: Corpus, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        assert prepared.vocabulary is not None
        self.metric = BITS
        self.split, self.settings = split, settings
        encode = prepared.vocabulary.encode
        self.blocks = np.array([encode(data.block(i)) for i in range(len(data))], np.int64)  # (N, T + 1)

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self.split.train), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return shuffled(len(self.split.train), self.settings.batch_size, seed, epoch)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Tokens (B, T) and their successors (B, T), int64."""
        blocks = torch.from_numpy(self.blocks[self.split.train[positions]]).to(self.settings.device)
        return blocks[:, :-1], blocks[:, 1:]

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
        """Mean cross-entropy of the next token, in nats."""
        with autocast(self.settings.device, self.settings.precision):
            logits, _ = model(inputs)
        logits = logits.float()
        right = (logits.argmax(-1) == targets).sum()
        return Loss(F.cross_entropy(logits.flatten(0, 1), targets.flatten()), right, targets.numel())

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Scored | None]:
        """`validation_loss` in nats, `validation_bits` in bits a character."""
        index = self.split.validation
        if not len(index):
            return {}, None
        nats = block_nats(model, self.blocks[index])
        characters = np.full(len(index), self.blocks.shape[1] - 1.0)
        scored = Scored(index.astype(np.int64), np.stack([nats, characters], axis=1))
        bits = BITS.value(scored.statistics)
        return {"validation_loss": bits * math.log(2), "validation_bits": bits}, scored
