"""A reader of lines of text as an exported file: images of lines in, scores of the characters at every step out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.text import json_text
from ecrnn.data.image_file import LINE_WIDTHS, read_line
from ecrnn.models.generation import line_batch
from ecrnn.models.inference import Standardise, evaluating
from ecrnn.models.ocr import Reader
from ecrnn.serving.examples import png
from ecrnn.serving.export.exportable import BATCH, Exportable
from ecrnn.serving.export.image_graph import line_graph
from ecrnn.serving.export.samples import synthetic_image
from ecrnn.tasks.text_recognition.predictor import TextLinePredictor

_WIDTHS = (40, 200)  # pixels of a synthetic line
_STEPS = {0: "batch", 1: "steps"}


class LineReader(nn.Module):
    """uint8 lines (B, H, W, 1) and their widths (B,) to probabilities and logits (B, W // 4, tokens), 0 beyond the
    steps of a line, and these steps (B,).

    Args:
        standardise: the processor's.
        network: the trained one.
    """

    def __init__(self, standardise: Standardise, network: Reader) -> None:
        super().__init__()
        self.standardise, self.network = standardise, network

    def forward(self, pixels: Tensor, widths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, lengths = self.network.scores(self.standardise(pixels), widths, padded=True)
        beyond = (torch.arange(logits.shape[1], device=logits.device) >= lengths[:, None])[..., None]
        probabilities = torch.softmax(logits, 2)
        return probabilities.masked_fill(beyond, 0), logits.masked_fill(beyond, 0), lengths


class LineExport(Exportable[TextLinePredictor]):
    """See `Exportable`. The inputs are ``pixels``, uint8 (batch, H, width, 1), anything to the right of the narrower
    lines, and ``widths``, int64 (batch,). The scores are those of CTC: id 0 is the blank."""

    inputs: ClassVar = {"pixels": {0: "batch", 2: "width"}, "widths": BATCH}
    outputs: ClassVar = {"probabilities": _STEPS, "logits": _STEPS, "lengths": BATCH}
    noun = "lines"
    page = "text"

    def module(self) -> nn.Module:
        network = self.model.network
        assert isinstance(network, Reader)
        return LineReader(self.model.standardise, network).eval()

    def examples(self, data: Any, index: np.ndarray) -> list[np.ndarray]:
        return [data.images[i] for i in index]

    def image_graph(self) -> str:
        return line_graph(self.model.height, LINE_WIDTHS)

    def of_image(self, image: np.ndarray) -> np.ndarray:
        return read_line(png(image), self.model.height)

    def synthetic(self, n: int, generator: np.random.Generator) -> list[np.ndarray]:
        widths = generator.integers(*_WIDTHS, n)
        return [synthetic_image(generator, self.model.height, width, 1)[..., 0] for width in widths]

    def collate(self, examples: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        widths = np.array([image.shape[1] for image in examples], np.int64)
        pixels = np.zeros((len(examples), self.model.height, widths.max(), 1), np.uint8)
        for row, image in zip(pixels, examples, strict=True):
            row[:, : image.shape[1], 0] = image
        return pixels, widths

    def answers(self, examples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        alone = [self._logits(image) for image in examples]
        lengths = np.array([len(logits) for logits in alone], np.int64)
        together = np.zeros((len(alone), max(image.shape[1] for image in examples) // 4, alone[0].shape[1]), np.float32)
        probabilities = np.zeros_like(together)
        for row, logits in enumerate(alone):
            together[row, : len(logits)] = logits
            probabilities[row, : len(logits)] = torch.from_numpy(logits).softmax(1).numpy()
        return {"probabilities": probabilities, "logits": together, "lengths": lengths}

    def _logits(self, image: np.ndarray) -> np.ndarray:
        """Of one line, as the predictor has them: float32 (steps, tokens)."""
        with evaluating(self.model.network) as device:
            logits, _ = self.model.network(*line_batch([image], self.model.standardise, device))
        values: np.ndarray = logits[0].cpu().numpy()
        return values

    def preprocessing(self) -> dict[str, Any]:
        assert self.model.processor.preprocessing is not None
        return self.model.processor.preprocessing.to_dict()

    def more_metadata(self) -> dict[str, str]:
        return {"vocabulary": json_text(self.model.processor.files())}
