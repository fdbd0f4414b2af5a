"""Translation as the training loop sees it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.predictions import Scored
from ecrnn.data.batches import by_length, padded
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, texts, written
from ecrnn.models.generation import translations
from ecrnn.models.processor import Processor
from ecrnn.models.scoring import bleu_of_translations
from ecrnn.models.spec import InputSpec
from ecrnn.stats.metrics import BLEU
from ecrnn.tasks.translation.sentence_pairs import PairSet
from ecrnn.training.seq2seq import VALIDATED, Seq2SeqObjective, TargetBatch, mean_nats


class Translation(Seq2SeqObjective):
    """An `Objective`.

    Args:
        data: pairs of sentences.
        split: which train and which validate.
        processor: both vocabularies, and the length after which a sentence is cut off.
        settings: resolved (device and precision are not "auto").
        seed: not used; nothing is drawn here.
    """

    def __init__(
        self, data: PairSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int = 0
    ) -> None:
        self.data, self.processor = data, processor
        self.sources = [processor.encode_source(text) for text in data.sources]
        self.targets = [processor.encode(text) for text in data.targets]
        most = 1 + max(map(len, self.targets))
        lengths = [len(self.sources[i]) * most + len(self.targets[i]) for i in split.train]  # of equal sources targets'
        super().__init__(split, settings, np.array(lengths))

    def batch(self, positions: np.ndarray, epoch: int) -> TargetBatch:
        """Sources (B, S), their lengths (B,) and what the decoder is given (B, T), int64; and its targets."""
        return self._batch(self.split.train[positions])

    def _batch(self, index: np.ndarray) -> TargetBatch:
        sources = self._tensors(*padded([self.sources[i] for i in index]))
        inputs, targets = self._targets([self.targets[i] for i in index])
        return (*sources, inputs), targets

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats/token, `validation_bleu` of greedy translations."""
        written = translations(model, [self.sources[i] for i in index], self.processor.limit)
        statistics = bleu_of_translations(map(self.processor.decode, written), [[self.data.targets[i]] for i in index])
        parts = by_length([len(self.sources[i]) for i in index], VALIDATED)
        loss = mean_nats(model, (self._batch(index[rows]) for rows in parts))
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": loss, "validation_bleu": BLEU.value(statistics)}, scored


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Random sentences, of up to ``steps`` tokens, with random translations."""
    return written(texts(generator, n, steps, *spec.take("source_tokens")), spec, n, steps, generator)
