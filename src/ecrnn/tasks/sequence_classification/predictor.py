"""A trained classifier of sequences in use: sequences in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.predictions import Predictions
from ecrnn.models.inference import check_finite, softmax
from ecrnn.serving.predictor import Judged, Predictor, check_list, example_name, true_labels
from ecrnn.tasks.sequence_classification import data as reader
from ecrnn.tasks.sequence_classification.objective import sequence_logits
from ecrnn.tasks.sequence_classification.scaling import Scaling
from ecrnn.tasks.sequence_classification.sequence_files import read_csv
from ecrnn.tasks.sequence_classification.sequence_set import SequenceSet, checked


class SequencePredictor(Predictor):
    """A trained classifier of sequences; its attributes are those of `Predictor`, and ``features``."""

    def prepare(self) -> None:
        self.scale = Scaling.from_plain(self.processor.extra)
        self.features = len(self.scale.mean)

    def examples(self, data: str, data_dir: Path | None = None) -> SequenceSet:
        found = reader.load(data)
        self._check_features(found.features, str(data))
        return found

    def judge(self, data: SequenceSet, index: np.ndarray) -> Judged:
        label = true_labels(self.classes, data, index)
        with self.naming(example_name(data, index, "sequence")):
            return Judged(Predictions(index, label, self._logits([data[i] for i in index])))

    def open(self, path: str | Path) -> np.ndarray:
        """A sequence from a CSV file, a line a step."""
        sequence = read_csv(Path(path))
        self._check_features(sequence.shape[1], str(path))
        return sequence

    def answers(self, inputs: Sequence[Any]) -> np.ndarray:
        return self.predict_proba(inputs)

    def predict(self, sequences: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """The most probable class of each sequence, by name: array of str (n,)."""
        return np.asarray(self.classes)[self.predict_proba(sequences).argmax(axis=1)]

    def predict_proba(self, sequences: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Probabilities of the classes, float64 (n, classes).

        Args:
            sequences: of numbers, (T, C) each, or (T,) where a step is one value; or an array (n, T, C).

        Raises:
            DataError: other shapes, or values that are not finite.
        """
        return softmax(self.logits(sequences))

    def logits(self, sequences: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """The network's output before the softmax, float32 (n, classes); what `predict_proba` raises."""
        check_list(sequences, "sequences")
        if len(sequences) == 0:
            return np.zeros((0, len(self.classes)), np.float32)
        arrays = [checked(sequence, f"sequence {number}") for number, sequence in enumerate(sequences)]
        for number, array in enumerate(arrays):
            self._check_features(array.shape[1], f"sequence {number}")
        with self.naming(lambda row: f"sequence {row}"):
            return self._logits(arrays)

    def _logits(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        scaled = [self.scale(sequence[: self.processor.limit]) for sequence in sequences]
        return check_finite(sequence_logits(self.network, scaled))

    def _check_features(self, features: int, what: str) -> None:
        if features != self.features:
            raise DataError(f"{what} has {features} values a step, and the model reads {self.features}")
