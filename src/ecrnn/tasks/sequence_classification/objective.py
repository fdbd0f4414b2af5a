"""Sequence classification as the training loop sees it: sequences of about one length side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.data.batches import by_length
from ecrnn.data.splits import Split
from ecrnn.explain.batches import Batch, of_classes
from ecrnn.models.inference import evaluating
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.tasks.sequence_classification.scaling import Scaling
from ecrnn.tasks.sequence_classification.sequence_set import SequenceSet
from ecrnn.training.classification import Classification


class SequenceClassification(Classification):
    """An `Objective`.

    Args:
        data: the sequences.
        split: which train and which validate.
        processor: the scaling, and the step after which a sequence is cut off.
        settings: resolved (device and precision are not "auto").
        seed: not used; nothing is drawn here.
    """

    def __init__(
        self, data: SequenceSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int = 0
    ) -> None:
        scale = Scaling.from_plain(processor.extra)
        self.sequences, self.labels = [scale(data[i][: processor.limit]) for i in range(len(data))], data.labels
        super().__init__(split, settings, np.array([len(self.sequences[i]) for i in split.train]))

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """Sequences (B, T, C), 0 behind their ends, and their lengths (B,); and the labels (B,), int64."""
        index = self.split.train[positions]
        *inputs, labels = self._tensors(*padded([self.sequences[i] for i in index]), self.labels[index])
        return tuple(inputs), labels

    def logits(self, model: nn.Module, index: np.ndarray) -> np.ndarray:
        return sequence_logits(model, [self.sequences[i] for i in index])


def padded(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (T, C) side by side: float32 (B, T, C), 0 behind the end of the shorter ones, and lengths (B,)."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    batch = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]), np.float32)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence)] = sequence
    return batch, lengths


def sequence_logits(model: nn.Module, sequences: Sequence[np.ndarray], batch: int = 256) -> np.ndarray:
    """Logits of a classifier of sequences, float32 (n, classes).

    Args:
        model: from sequences (B, T, C) and lengths (B,) to logits.
        sequences: standardised, float32 (T, C), at least one.
        batch: sequences at a time.
    """
    logits: dict[int, np.ndarray] = {}
    with evaluating(model) as device:
        for rows in by_length([len(sequence) for sequence in sequences], batch):
            inputs = (torch.from_numpy(array).to(device) for array in padded([sequences[i] for i in rows]))
            logits.update(zip(rows.tolist(), model(*inputs).float().cpu().numpy(), strict=True))
    return np.stack([logits[i] for i in range(len(sequences))])


def random_batch(spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """Random sequences, of up to ``steps`` steps, with random classes."""
    (features,) = spec.take("features")
    sequences = torch.randn(n, steps, features, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, steps + 1, (n,), generator=generator)
    lengths[0] = steps
    return of_classes((sequences, lengths), spec, n, generator)
