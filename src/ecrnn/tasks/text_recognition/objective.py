"""Reading lines of text with CTC (Graves et al. 2006) as the training loop sees it: images of any width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.augmentations import kinds_of
from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import TrainingError
from ecrnn.core.predictions import Scored
from ecrnn.data.augmentation import augment
from ecrnn.data.batches import by_length
from ecrnn.data.splits import Split
from ecrnn.data.vocabulary import PAD
from ecrnn.explain.batches import FIRST, Batch, ids, noise
from ecrnn.models.generation import line_batch, transcripts
from ecrnn.models.inference import evaluating
from ecrnn.models.processor import Processor
from ecrnn.models.scoring import character_edits
from ecrnn.models.spec import InputSpec
from ecrnn.stats.metrics import CER
from ecrnn.tasks.text_recognition.lines import LineSet
from ecrnn.training.objective import Loss, Objective

VALIDATED = 64  # images at a time whose validation loss is computed

Texts = tuple[Tensor, Tensor]  # tokens of a batch one after another, and how many belong to each image


class Transcription(Objective):
    """An `Objective`.

    Args:
        data: images with their texts.
        split: which train and which validate.
        processor: standardisation and alphabet; its PAD is the blank.
        settings: resolved (device and precision are not "auto").
        seed: seed of the augmentation.

    Raises:
        TrainingError: an augmentation that mirrors.
    """

    metric = CER

    def __init__(
        self, data: LineSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int
    ) -> None:
        super().__init__(split, settings, np.array([data.images[i].shape[1] for i in split.train]))
        self.kinds = kinds_of(settings.augment)
        if {"flip", "mirror"} & set(self.kinds):
            raise TrainingError(f"--augment {settings.augment} mirrors, and so no text can be read; use crop or none")
        self.data, self.processor, self.seed = data, processor, seed
        self.standardise = processor.standardise().to(self.device)
        self.tokens = [processor.encode(text) for text in data.texts]

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, Tensor], Texts]:
        """Images (B, 1, H, W) and widths (B,); their texts."""
        index = self.split.train[positions]
        return self._batch(index, [self._as_shown(int(i), epoch) for i in index])

    def _as_shown(self, i: int, epoch: int) -> np.ndarray:
        """The image ``i`` as ``epoch`` shows it, uint8 (H, W)."""
        shown = self.data.images[i][None, :, :, None]
        return augment(shown, np.array([i]), self.seed, epoch, self.kinds)[0, :, :, 0]

    def _batch(self, index: np.ndarray, images: Sequence[np.ndarray]) -> tuple[tuple[Tensor, Tensor], Texts]:
        inputs = line_batch(images, self.standardise, self.device)
        texts = [self.tokens[i] for i in index]
        together = torch.tensor([token for text in texts for token in text], dtype=torch.int64)
        return inputs, (together, torch.tensor([len(text) for text in texts]))

    def loss(self, model: nn.Module, inputs: tuple[Tensor, Tensor], targets: Texts) -> Loss:
        """Mean of -log p of an image's text, in nats an image."""
        logits, lengths = self._outputs(model, *inputs)
        return Loss(_ctc(logits, lengths, targets) / len(lengths), None, len(lengths))

    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], Scored]:
        """`validation_loss` in nats an image, `validation_cer` of the greedy reading."""
        images = [self.data.images[i] for i in index]
        read = map(self.processor.decode, transcripts(model, images, self.standardise))
        statistics = character_edits(read, [self.data.texts[i] for i in index])
        nats = 0.0
        with evaluating(model):
            for rows in by_length([image.shape[1] for image in images], VALIDATED):
                inputs, targets = self._batch(index[rows], [images[i] for i in rows])
                logits, lengths = model(*inputs)
                nats += float(_ctc(logits, lengths, targets))
        scored = Scored(index.astype(np.int64), statistics)
        return {"validation_loss": nats / len(index), "validation_cer": CER.value(statistics)}, scored


def _ctc(logits: Tensor, lengths: Tensor, targets: Texts) -> Tensor:
    """The sum of -log p of the texts, scalar."""
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_probs, targets[0], lengths, targets[1], blank=PAD, reduction="sum")


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Lines of noise, all of the usual width, with texts of two different characters."""
    (channels, height, width), tokens = spec.take("image", "tokens")
    widths = torch.full((n,), width)  # beyond a narrower one lies the bias of a convolution alone: 0, a kink of ReLU
    texts = ids(generator, tokens, n, 2)
    texts[:, 1] = (texts[:, 0] - FIRST + 1) % (tokens - FIRST) + FIRST  # two different ones

    def error(outputs: tuple[Tensor, Tensor]) -> Tensor:
        logits, lengths = outputs
        log_probs = logits.log_softmax(-1).transpose(0, 1)
        return F.ctc_loss(log_probs, texts, lengths, torch.full((n,), 2), blank=PAD)

    return Batch((noise(generator, n, channels, height, width), widths), texts, error)
