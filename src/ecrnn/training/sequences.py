"""Translation and captioning as the training loop sees them: a decoder learns to write a target, token after token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast
from ecrnn.core.runs import Scored
from ecrnn.data import counter
from ecrnn.data.augmentation import augment
from ecrnn.data.batches import batch_bounds, bucketed, by_length, padded, shuffled
from ecrnn.data.captions import CaptionSet
from ecrnn.data.sentence_pairs import PairSet
from ecrnn.data.splits import Split
from ecrnn.data.tokens import PAD
from ecrnn.models.answers import captions, target_nats, translations, with_ends
from ecrnn.models.inference import Standardise, evaluating
from ecrnn.models.prepared import Prepared
from ecrnn.models.scoring import bleu_of_captions, bleu_of_translations
from ecrnn.stats.metrics import BLEU
from ecrnn.training.objective import Loss


@dataclass(frozen=True)
class Targets:
    """What a decoder should answer: tokens (B, T), PAD after the end, and how many they are."""

    tokens: Tensor
    count: int


class _Writing:
    """What both have in common. Inputs are the network's arguments, the last one the tokens it is given (B, T)."""

    metric = BLEU
    settings: TrainingSettings

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...], targets: Targets) -> Loss:
        """Mean cross-entropy of the target's tokens and its END, in nats."""
        with autocast(self.settings.device, self.settings.precision):
            logits = model(*inputs)
        right = ((logits.argmax(-1) == targets.tokens) & (targets.tokens != PAD)).sum()
        return Loss(target_nats(logits, targets.tokens) / targets.count, right, targets.count)

    def _targets(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Targets]:
        given, wanted = with_ends(sequences)
        count = sum(len(sequence) + 1 for sequence in sequences)
        device = self.settings.device
        return torch.from_numpy(given).to(device), Targets(torch.from_numpy(wanted).to(device), count)

    def _mean_nats(self, model: nn.Module, index: np.ndarray, batch: Callable[[np.ndarray], Any]) -> float:
        """Mean cross-entropy of the targets of the examples ``index``, whose batches ``batch`` makes, in float32."""
        nats = count = 0.0
        with evaluating(model):
            for inputs, targets in map(batch, (index[own] for own in by_length(np.zeros(len(index)), 64))):
                nats += float(target_nats(model(*inputs), targets.tokens))
                count += targets.count
        return nats / count


class Translation(_Writing):
    """An `Objective`.

    Args:
        data: pairs of sentences.
        split: which train and which validate.
        prepared: both vocabularies, and the length after which a sentence is cut off.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: PairSet, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        assert prepared.vocabulary is not None
        assert prepared.source_vocabulary is not None
        assert prepared.length is not None
        self.data, self.split, self.prepared, self.settings = data, split, prepared, settings
        length = prepared.length
        self.sources = [prepared.source_vocabulary.encode(text)[:length] or [PAD] for text in data.sources]
        self.targets = [prepared.vocabulary.encode(text)[:length] for text in data.targets]
        own = split.train
        self.lengths = np.array([len(self.sources[i]) * (length + 1) + len(self.targets[i]) for i in own])

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self.lengths), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return bucketed(self.lengths, self.settings.batch_size, seed, epoch)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, ...], Targets]:
        """Sources (B, S), their lengths (B,) and what the decoder is given (B, T), int64; and its targets."""
        return self._batch(self.split.train[positions])

    def _batch(self, index: np.ndarray) -> tuple[tuple[Tensor, ...], Targets]:
        sources, lengths = (
            torch.from_numpy(a).to(self.settings.device) for a in padded([self.sources[i] for i in index])
        )
        given, targets = self._targets([self.targets[i] for i in index])
        return (sources, lengths, given), targets

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Scored | None]:
        """`validation_loss` in nats a token, `validation_bleu` of greedy translations."""
        index = self.split.validation
        if not len(index):
            return {}, None
        assert self.prepared.vocabulary is not None
        assert self.prepared.length is not None
        tokens = translations(model, [self.sources[i] for i in index], self.prepared.length)
        written = [self.prepared.vocabulary.decode(own) for own in tokens]
        statistics = bleu_of_translations(written, [[self.data.targets[i]] for i in index])
        loss = self._mean_nats(model, index, self._batch)
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": loss, "validation_bleu": BLEU.value(statistics)}, scored


class Captioning(_Writing):
    """An `Objective`. An epoch shows every picture once, with one of its captions, drawn anew in each.

    Args:
        data: pictures with captions.
        split: which pictures train and which validate.
        prepared: standardisation, vocabulary, and the length after which a caption is cut off.
        settings: resolved (device and precision are not "auto").
        seed: of the captions drawn, and of the augmentation.
    """

    def __init__(
        self, data: CaptionSet, split: Split, prepared: Prepared, settings: TrainingSettings, seed: int
    ) -> None:
        assert prepared.vocabulary is not None
        assert prepared.preprocessing is not None
        self.data, self.split, self.prepared, self.settings, self.seed = data, split, prepared, settings, seed
        self.standardise = Standardise(prepared.preprocessing).to(settings.device)
        encode = prepared.vocabulary.encode
        self.captions = [[encode(text)[: prepared.length] for text in own] for own in data.captions]

    @property
    def steps(self) -> int:
        return len(batch_bounds(len(self.split.train), self.settings.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        return shuffled(len(self.split.train), self.settings.batch_size, seed, epoch)

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, ...], Targets]:
        """Standardised pictures (B, 3, H, W) and what the decoder is given (B, T), int64; and its targets."""
        index = self.split.train[positions]
        drawn = counter.hashed((counter.CAPTION, self.seed, epoch), index)
        own = [self.captions[i][int(d % np.uint64(len(self.captions[i])))] for i, d in zip(index, drawn, strict=True)]
        pictures = augment(self.data.images[index], index, self.seed, epoch, self.settings.augment)
        return self._inputs(pictures, own)

    def _inputs(self, pictures: np.ndarray, captions_: Sequence[Sequence[int]]) -> tuple[tuple[Tensor, ...], Targets]:
        given, targets = self._targets(captions_)
        return (self.standardise(torch.from_numpy(pictures).to(self.settings.device)), given), targets

    def _first(self, index: np.ndarray) -> tuple[tuple[Tensor, ...], Targets]:
        return self._inputs(self.data.images[index], [self.captions[i][0] for i in index])

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Scored | None]:
        """`validation_loss` in nats a token of the first captions, `validation_bleu` of greedy captions against all."""
        index = self.split.validation
        if not len(index):
            return {}, None
        assert self.prepared.vocabulary is not None
        assert self.prepared.length is not None
        tokens = captions(model, self.data.images, index, self.standardise, self.prepared.length)
        written = [self.prepared.vocabulary.decode(own) for own in tokens]
        statistics = bleu_of_captions(written, [self.data.captions[i] for i in index])
        loss = self._mean_nats(model, index, self._first)
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": loss, "validation_bleu": BLEU.value(statistics)}, scored
