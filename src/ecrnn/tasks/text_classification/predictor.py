"""A trained text classifier in use: texts in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecrnn.core.predictions import Predictions
from ecrnn.models.generation import text_logits
from ecrnn.models.inference import check_finite, softmax
from ecrnn.serving.predictor import Judged, Predictor, check_list, short, true_labels
from ecrnn.tasks.text_classification import texts as reader
from ecrnn.tasks.text_classification.texts import TextSet


class TextPredictor(Predictor):
    """A trained text classifier; its attributes are those of `Predictor`."""

    def examples(self, data: str, data_dir: Path | None = None) -> TextSet:
        return reader.load(data, data_dir=data_dir)

    def judge(self, data: TextSet, index: np.ndarray) -> Judged:
        label = true_labels(self.classes, data, index)
        return Judged(Predictions(index, label, self.logits([data.texts[i] for i in index])))

    def look(self, data: TextSet, place: int) -> tuple[str, np.ndarray | None]:
        return data.texts[place], None

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The most probable class of each text, by name: array of str (n,)."""
        return np.asarray(self.classes)[self.predict_proba(texts).argmax(axis=1)]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of the classes, float64 (n, classes).

        Raises:
            DataError: one text was given, not a list of them.
        """
        return softmax(self.logits(texts))

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """The network's output before the softmax, float32 (n, classes); what `predict_proba` raises."""
        check_list(texts, "texts")
        if not texts:
            return np.zeros((0, len(self.classes)), np.float32)
        with self.naming(lambda row: f"the text '{short(texts[row])}'"):
            return check_finite(text_logits(self.network, [self.processor.encode(text) for text in texts]))

    def answers(self, inputs: Sequence[str]) -> np.ndarray:
        return self.predict_proba(inputs)
