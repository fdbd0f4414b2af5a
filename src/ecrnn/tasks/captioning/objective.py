"""Captioning as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.predictions import Scored
from ecrnn.data import counter_rng
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, noise, written
from ecrnn.models.generation import captions
from ecrnn.models.processor import Processor
from ecrnn.models.scoring import bleu_of_captions
from ecrnn.models.spec import InputSpec
from ecrnn.stats.metrics import BLEU
from ecrnn.tasks.captioning.captions import CaptionSet
from ecrnn.training.image_augmentation import ImageAugmentation
from ecrnn.training.seq2seq import VALIDATED, Seq2SeqObjective, TargetBatch, mean_nats

MOST = 5  # captions of an image in one epoch


class Captioning(Seq2SeqObjective):
    """An `Objective`. An epoch shows every image once, with as many captions as every image has, `MOST` at most.

    An image that has more gets others in each epoch. The network sees an image once for all of them.

    Args:
        data: images with captions.
        split: which images train and which validate.
        processor: standardisation, vocabulary, and the length after which a caption is cut off.
        settings: resolved (device and precision are not "auto").
        seed: seed of the captions drawn, and of the augmentation.
    """

    def __init__(
        self, data: CaptionSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int
    ) -> None:
        super().__init__(split, settings)
        self.data, self.processor, self.seed = data, processor, seed
        self.standardise = processor.standardise().to(self.device)
        self.augmented = ImageAugmentation(settings.augment, seed, self.standardise)
        self.captions = [[processor.encode(text) for text in texts] for texts in data.captions]
        self.each = min(MOST, *(len(self.captions[i]) for i in split.train))

    def batch(self, positions: np.ndarray, epoch: int) -> TargetBatch:
        """Standardised images (B, 3, H, W) and what the decoder is given (B * k, T), int64; and its targets.

        The k captions of an image stand side by side.
        """
        index = self.split.train[positions]
        images = self.augmented(self.data.images[index], index, epoch)
        return self._batch(images, [caption for i in index for caption in self._drawn(int(i), epoch)])

    def _drawn(self, i: int, epoch: int) -> list[list[int]]:
        of_image = self.captions[i]
        order = counter_rng.permutation(len(of_image), (counter_rng.CAPTION, self.seed, epoch, i))
        return [of_image[k] for k in order[: self.each]]

    def _batch(self, images: Tensor, captions_: Sequence[Sequence[int]]) -> TargetBatch:
        inputs, targets = self._targets(captions_)
        return (images, inputs), targets

    def _shown(self, rows: np.ndarray) -> Tensor:
        """Images as they are, standardised."""
        return cast(Tensor, self.standardise(*self._tensors(self.data.images[rows])))

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats/token of the first captions, `validation_bleu` of greedy captions against all."""
        written = captions(model, self.data.images, index, self.standardise, self.processor.limit)
        statistics = bleu_of_captions(map(self.processor.decode, written), [self.data.captions[i] for i in index])
        parts = (index[start : start + VALIDATED] for start in range(0, len(index), VALIDATED))
        firsts = (self._batch(self._shown(rows), [self.captions[i][0] for i in rows]) for rows in parts)
        loss = mean_nats(model, firsts)
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": loss, "validation_bleu": BLEU.value(statistics)}, scored


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Images of noise with random captions of up to ``steps`` tokens."""
    (image,) = spec.take("image")
    return written((noise(generator, n, *image),), spec, n, steps, generator)
