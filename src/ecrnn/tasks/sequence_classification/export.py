"""A classifier of numeric sequences as an exported file: sequences in, as they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.models.inference import softmax
from ecrnn.serving.export.exportable import BATCH, Exportable, SequenceClassifier
from ecrnn.tasks.sequence_classification.objective import padded
from ecrnn.tasks.sequence_classification.predictor import SequencePredictor
from ecrnn.tasks.sequence_classification.scaling import Scaling

_LONGEST = 60  # steps of a synthetic sequence


class ScaledClassifier(SequenceClassifier):
    """`SequenceClassifier` of sequences as they were measured.

    Args:
        scale: of the processor.
        network: the trained one.
    """

    def __init__(self, scale: Scaling, network: nn.Module) -> None:
        super().__init__(network)
        self.mean, self.deviation = (
            nn.Buffer(torch.from_numpy(scale.mean)),
            nn.Buffer(torch.from_numpy(scale.deviation)),
        )

    def forward(self, sequences: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(((sequences.double() - self.mean) / self.deviation).float(), lengths)


class SequenceExport(Exportable[SequencePredictor]):
    """See `Exportable`. The inputs are ``sequences``, float32 (batch, steps, features), anything behind the end of the
    shorter ones, and ``lengths``, int64 (batch,)."""

    inputs: ClassVar = {"sequences": {0: "batch", 1: "steps"}, "lengths": BATCH}
    noun = "sequences"

    def module(self) -> nn.Module:
        return ScaledClassifier(self.model.scale, self.model.network).eval()

    def examples(self, data: Any, index: np.ndarray) -> list[np.ndarray]:
        return [data[i] for i in index]

    def synthetic(self, n: int, generator: np.random.Generator) -> list[np.ndarray]:
        scale = self.model.scale
        steps = generator.integers(1, min(_LONGEST, self.model.processor.limit) + 1, n)
        drawn = (generator.normal(0, 1, (k, self.model.features)).cumsum(0) / np.sqrt(k) for k in steps)
        return [(scale.mean + scale.deviation * values).astype(np.float32) for values in drawn]

    def collate(self, examples: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        return padded([sequence[: self.model.processor.limit] for sequence in examples])

    def answers(self, examples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        logits = self.model.logits(examples)
        return {"probabilities": softmax(logits), "logits": logits}

    def preprocessing(self) -> dict[str, Any]:
        scale = self.model.scale
        return {"length": self.model.processor.limit, **scale.to_plain()}
