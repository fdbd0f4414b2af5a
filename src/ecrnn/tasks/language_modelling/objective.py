"""Next-token prediction as the training loop sees it: blocks of a text, each read from a fresh state."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.predictions import Scored
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, ids, of_tokens
from ecrnn.models.generation import block_nats
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.stats.metrics import BITS
from ecrnn.tasks.language_modelling.corpus import Corpus
from ecrnn.training.objective import Loss, Objective


class NextToken(Objective):
    """An `Objective`.

    Args:
        data: the text in blocks.
        split: which blocks train and which validate.
        processor: the vocabulary, of characters.
        settings: resolved (device and precision are not "auto").
        seed: not used; nothing is drawn here.
    """

    metric = BITS

    def __init__(
        self, data: Corpus, split: Split, processor: Processor, settings: TrainingSettings, seed: int = 0
    ) -> None:
        super().__init__(split, settings)
        assert processor.vocabulary is not None
        encode = processor.vocabulary.encode
        self.blocks = np.array([encode(data.block(i)) for i in range(len(data))], np.int64)  # (N, T + 1)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Tokens (B, T) and their successors (B, T), int64."""
        (blocks,) = self._tensors(self.blocks[self.split.train[positions]])
        return blocks[:, :-1], blocks[:, 1:]

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
        """Mean cross-entropy of the next token, in nats."""
        logits = self._outputs(model, inputs)[0].float()
        correct = (logits.argmax(-1) == targets).sum()
        return Loss(F.cross_entropy(logits.flatten(0, 1), targets.flatten()), correct, targets.numel())

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats, `validation_bits` in bits a character."""
        characters = np.full(len(index), self.blocks.shape[1] - 1.0)
        statistics = np.stack([block_nats(model, self.blocks[index]), characters], axis=1)
        bits = BITS.value(statistics)
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": bits * math.log(2), "validation_bits": bits}, scored


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Random blocks of ``steps`` tokens with their successors."""
    blocks = ids(generator, *spec.take("tokens"), n, steps + 1)
    return Batch((blocks[:, :-1],), blocks[:, 1:], lambda outputs: of_tokens(outputs[0], blocks[:, 1:]))
