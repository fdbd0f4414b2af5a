"""A text classifier as an exported file: token ids in, with the vocabulary that makes them beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import nn

from ecrnn.core.text import json_text
from ecrnn.data.batches import padded
from ecrnn.data.vocabulary import SPECIAL
from ecrnn.models.inference import softmax
from ecrnn.serving.export.exportable import BATCH, Exportable, SequenceClassifier
from ecrnn.tasks.text_classification.predictor import TextPredictor

_LONGEST = 40  # tokens of a synthetic text


class TextExport(Exportable[TextPredictor]):
    """See `Exportable`. The inputs are ``tokens``, int64 (batch, steps), 0 behind the end of the shorter texts, and
    ``lengths``, int64 (batch,)."""

    inputs: ClassVar = {"tokens": {0: "batch", 1: "steps"}, "lengths": BATCH}
    noun = "texts"

    def module(self) -> nn.Module:
        return SequenceClassifier(self.model.network).eval()

    def examples(self, data: Any, index: np.ndarray) -> list[str]:
        return [data.texts[i] for i in index]

    def synthetic(self, n: int, generator: np.random.Generator) -> list[str]:
        vocabulary = self.model.processor.vocabulary
        assert vocabulary is not None
        lengths = generator.integers(1, _LONGEST, n)
        return [vocabulary.decode(generator.integers(len(SPECIAL), len(vocabulary), k).tolist()) for k in lengths]

    def collate(self, examples: Sequence[str]) -> tuple[np.ndarray, ...]:
        return padded([self.model.processor.encode(text) for text in examples])

    def answers(self, examples: Sequence[str]) -> dict[str, np.ndarray]:
        logits = self.model.logits(examples)
        return {"probabilities": softmax(logits), "logits": logits}

    def preprocessing(self) -> dict[str, Any]:
        vocabulary = self.model.processor.vocabulary
        assert vocabulary is not None
        return {"tokens": vocabulary.kind, "length": self.model.processor.limit}

    def more_metadata(self) -> dict[str, str]:
        return {"vocabulary": json_text(self.model.processor.files())}
