"""A classifier of clips as an exported file: clips of the network's size in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import nn

from ecrnn.models.inference import softmax
from ecrnn.serving.export.exportable import BATCH, Exportable, StandardisedClassifier
from ecrnn.serving.export.samples import synthetic_image
from ecrnn.tasks.clip_classification.predictor import ClipPredictor


class ClipExport(Exportable[ClipPredictor]):
    """See `Exportable`. The input ``pixels`` is uint8 (batch, frames, H, W, C)."""

    inputs: ClassVar = {"pixels": BATCH}
    noun = "clips"

    def module(self) -> nn.Module:
        return StandardisedClassifier(self.model.standardise, self.model.network).eval()

    def examples(self, data: Any, index: np.ndarray) -> list[np.ndarray]:
        return [data.clips[i] for i in index]

    def preprocessing(self) -> dict[str, Any]:
        assert self.model.processor.preprocessing is not None
        return self.model.processor.preprocessing.to_dict()

    def synthetic(self, n: int, generator: np.random.Generator) -> list[np.ndarray]:
        channels, height, width = self.model.image
        clips = (synthetic_image(generator, self.model.frames * height, width, channels) for _ in range(n))
        return [clip.reshape(self.model.frames, height, width, channels) for clip in clips]

    def collate(self, examples: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        return (np.stack(examples),)

    def answers(self, examples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        logits = self.model.logits(np.stack(examples))
        return {"probabilities": softmax(logits), "logits": logits}
