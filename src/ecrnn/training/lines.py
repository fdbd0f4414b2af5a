"""Reading lines of text with CTC (Graves et al. 2006) as the training loop sees it: pictures of any width."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast
from ecrnn.core.runs import Scored
from ecrnn.data.batches import batch_bounds, bucketed
from ecrnn.data.lines import LineSet
from ecrnn.data.splits import Split
from ecrnn.data.tokens import PAD
from ecrnn.models.answers import line_batch, transcripts
from ecrnn.models.inference import Standardise, evaluating
from ecrnn.models.prepared import Prepared
from ecrnn.models.scoring import character_edits
from ecrnn.stats.metrics import CER
from ecrnn.training.objective import Loss

Texts = tuple[Tensor, Tensor]  # tokens of a batch one after another, and how many belong to each picture


class Transcription:
    """An `Objective`.

    Args:
        data: pictures with their texts.
        split: which train and which validate.
        prepared: standardisation and alphabet; its PAD is the blank.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: LineSet, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        assert prepared.vocabulary is not None
        assert prepared.preprocessing is not None
        self.metric = CER
        self.data, self.split, self.settings, self.vocabulary = data, split, settings, prepared.vocabulary
        self.standardise = Standardise(prepared.preprocessing).to(settings.device)
        self.tokens = [prepared.vocabulary.encode(text) for text in data.texts]
        self.widths = np.array([data.images[i].shape[1] for i in split.train])

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self.widths), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return bucketed(self.widths, self.settings.batch_size, seed, epoch)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, Tensor], Texts]:
        """Pictures (B, 1, H, W) and widths (B,); their texts."""
        return self._batch(self.split.train[positions])

    def _batch(self, index: np.ndarray) -> tuple[tuple[Tensor, Tensor], Texts]:
        inputs = line_batch([self.data.images[i] for i in index], self.standardise, torch.device(self.settings.device))
        texts = [self.tokens[i] for i in index]
        together = torch.tensor([token for text in texts for token in text], dtype=torch.int64)
        return inputs, (together, torch.tensor([len(text) for text in texts]))

    def loss(self, model: nn.Module, inputs: tuple[Tensor, Tensor], targets: Texts) -> Loss:
        """Mean of -log p of a picture's text, in nats a picture."""
        with autocast(self.settings.device, self.settings.precision):
            logits, lengths = model(*inputs)
        return Loss(_ctc(logits, lengths, targets) / len(lengths), None, len(lengths))

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Scored | None]:
        """`validation_loss` in nats a picture, `validation_cer` of the greedy reading."""
        index = self.split.validation
        if not len(index):
            return {}, None
        read = transcripts(model, [self.data.images[i] for i in index], self.standardise)
        statistics = character_edits(map(self.vocabulary.decode, read), [self.data.texts[i] for i in index])
        nats = 0.0
        with evaluating(model):
            for start in range(0, len(index), 64):
                inputs, targets = self._batch(index[start : start + 64])
                logits, lengths = model(*inputs)
                nats += float(_ctc(logits, lengths, targets))
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": nats / len(index), "validation_cer": CER.value(statistics)}, scored


def _ctc(logits: Tensor, lengths: Tensor, targets: Texts) -> Tensor:
    """The sum of -log p of the texts, scalar."""
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_probs, targets[0], lengths, targets[1], blank=PAD, reduction="sum")
