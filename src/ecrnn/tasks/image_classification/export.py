"""An image classifier as an exported file: images of the network's size in, or one whole image of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import nn

from ecrnn.data.image_file import resize_images
from ecrnn.models.inference import softmax
from ecrnn.serving.export.exportable import BATCH, Exportable, StandardisedClassifier
from ecrnn.serving.export.image_graph import image_graph
from ecrnn.serving.export.samples import synthetic_image
from ecrnn.tasks.image_classification.predictor import ImagePredictor


class ImageExport(Exportable[ImagePredictor]):
    """See `Exportable`. The input ``pixels`` is uint8 (batch, H, W, C)."""

    inputs: ClassVar = {"pixels": BATCH}
    noun = "images"
    page = "classes"

    def module(self) -> nn.Module:
        return StandardisedClassifier(self.model.standardise, self.model.network).eval()

    def examples(self, data: Any, index: np.ndarray) -> list[np.ndarray]:
        return [data.images[i] for i in index]

    def image_graph(self) -> str:
        return image_graph(self.model.image, self.model.fit)

    def of_image(self, image: np.ndarray) -> np.ndarray:
        return resize_images(image[None], self.model.image, self.model.fit)[0]

    def preprocessing(self) -> dict[str, Any]:
        assert self.model.processor.preprocessing is not None
        return self.model.processor.preprocessing.to_dict()

    def synthetic(self, n: int, generator: np.random.Generator) -> list[np.ndarray]:
        channels, height, width = self.model.image
        return [synthetic_image(generator, height, width, channels) for _ in range(n)]

    def collate(self, examples: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        return (np.stack(examples),)

    def answers(self, examples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        logits = self.model.logits(np.stack(examples))
        return {"probabilities": softmax(logits), "logits": logits}
