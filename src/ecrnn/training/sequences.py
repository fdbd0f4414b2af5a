"""Translation and captioning as the training loop sees them: a decoder learns to write a target, token after token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.predictions import Scored
from ecrnn.data import counter
from ecrnn.data.augmentation import augment
from ecrnn.data.batches import by_length, padded
from ecrnn.data.captions import CaptionSet
from ecrnn.data.sentence_pairs import PairSet
from ecrnn.data.splits import Split
from ecrnn.data.vocabulary import PAD
from ecrnn.models.answers import captions, target_nats, translations, with_ends
from ecrnn.models.inference import evaluating
from ecrnn.models.prepared import Prepared
from ecrnn.models.scoring import bleu_of_captions, bleu_of_translations
from ecrnn.stats.metrics import BLEU
from ecrnn.training.objective import Loss, Objective

MOST = 5  # captions of a picture in one epoch
VALIDATED = 64  # examples at a time whose validation loss is computed


@dataclass(frozen=True)
class Targets:
    """What a decoder should answer: tokens (B, T), PAD after the end, and how many they are."""

    tokens: Tensor
    count: int


Batch = tuple[tuple[Tensor, ...], Targets]  # the network's arguments, of which the last is what the decoder is given


class _Writing(Objective):
    """What both have in common."""

    metric = BLEU

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...], targets: Targets) -> Loss:
        """Mean cross-entropy of the target's tokens and its END, in nats."""
        logits = self._answer(model, *inputs)
        right = ((logits.argmax(-1) == targets.tokens) & (targets.tokens != PAD)).sum()
        return Loss(target_nats(logits, targets.tokens) / targets.count, right, targets.count)

    def _targets(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Targets]:
        """What the decoder is given (B, T), and what it should answer."""
        given, wanted = self._tensors(*with_ends(sequences))
        return given, Targets(wanted, sum(len(sequence) + 1 for sequence in sequences))


class Translation(_Writing):
    """An `Objective`.

    Args:
        data: pairs of sentences.
        split: which train and which validate.
        prepared: both vocabularies, and the length after which a sentence is cut off.
        settings: resolved (device and precision are not "auto").
    """

    def __init__(self, data: PairSet, split: Split, prepared: Prepared, settings: TrainingSettings) -> None:
        self.data, self.prepared = data, prepared
        self.sources = [prepared.encode_source(text) for text in data.sources]
        self.targets = [prepared.encode(text) for text in data.targets]
        most = 1 + max(map(len, self.targets))
        lengths = [len(self.sources[i]) * most + len(self.targets[i]) for i in split.train]  # of equal sources targets'
        super().__init__(split, settings, np.array(lengths))

    def batch(self, positions: np.ndarray, epoch: int) -> Batch:
        """Sources (B, S), their lengths (B,) and what the decoder is given (B, T), int64; and its targets."""
        return self._batch(self.split.train[positions])

    def _batch(self, index: np.ndarray) -> Batch:
        sources = self._tensors(*padded([self.sources[i] for i in index]))
        given, targets = self._targets([self.targets[i] for i in index])
        return (*sources, given), targets

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats a token, `validation_bleu` of greedy translations."""
        written = translations(model, [self.sources[i] for i in index], self.prepared.limit)
        statistics = bleu_of_translations(map(self.prepared.decode, written), [[self.data.targets[i]] for i in index])
        parts = by_length([len(self.sources[i]) for i in index], VALIDATED)
        loss = _mean_nats(model, (self._batch(index[own]) for own in parts))
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": loss, "validation_bleu": BLEU.value(statistics)}, scored


class Captioning(_Writing):
    """An `Objective`. An epoch shows every picture once, with as many captions as every picture has, `MOST` at most.

    A picture that has more gets others in each epoch. The network sees a picture once for all of them.

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
        super().__init__(split, settings)
        self.data, self.prepared, self.seed = data, prepared, seed
        self.standardise = prepared.standardise().to(self.device)
        self.captions = [[prepared.encode(text) for text in own] for own in data.captions]
        self.each = min(MOST, *(len(self.captions[i]) for i in split.train))

    def batch(self, positions: np.ndarray, epoch: int) -> Batch:
        """Standardised pictures (B, 3, H, W) and what the decoder is given (B * k, T), int64; and its targets.

        The k captions of a picture stand side by side.
        """
        index = self.split.train[positions]
        pictures = augment(self.data.images[index], index, self.seed, epoch, self.settings.augment)
        return self._batch(pictures, [caption for i in index for caption in self._drawn(int(i), epoch)])

    def _drawn(self, i: int, epoch: int) -> list[list[int]]:
        own = self.captions[i]
        order = counter.permutation(len(own), (counter.CAPTION, self.seed, epoch, i))
        return [own[k] for k in order[: self.each]]

    def _batch(self, pictures: np.ndarray, captions_: Sequence[Sequence[int]]) -> Batch:
        given, targets = self._targets(captions_)
        return (self.standardise(*self._tensors(pictures)), given), targets

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats a token of the first captions, `validation_bleu` of greedy captions against all."""
        written = captions(model, self.data.images, index, self.standardise, self.prepared.limit)
        statistics = bleu_of_captions(map(self.prepared.decode, written), [self.data.captions[i] for i in index])
        parts = (index[start : start + VALIDATED] for start in range(0, len(index), VALIDATED))
        firsts = (self._batch(self.data.images[own], [self.captions[i][0] for i in own]) for own in parts)
        loss = _mean_nats(model, firsts)
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": loss, "validation_bleu": BLEU.value(statistics)}, scored


def _mean_nats(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Mean cross-entropy of the targets of all batches, computed in float32."""
    nats, count = 0.0, 0
    with evaluating(model):
        for inputs, targets in batches:
            nats += float(target_nats(model(*inputs), targets.tokens))
            count += targets.count
    return nats / count
