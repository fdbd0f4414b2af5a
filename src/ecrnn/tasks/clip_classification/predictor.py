"""A trained classifier of clips in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.predictions import Predictions
from ecrnn.models.inference import check_finite, predict_logits, softmax
from ecrnn.serving.predictor import Judged, Predictor, example_name, true_labels
from ecrnn.tasks.clip_classification import clips as reader
from ecrnn.tasks.clip_classification.clips import ClipSet


class ClipPredictor(Predictor):
    """A trained classifier of clips; its attributes are those of `Predictor`, and ``frames``."""

    @property
    def frames(self) -> int:
        """The number of frames of a clip."""
        assert self.processor.frames is not None
        return self.processor.frames

    def examples(self, data: str, data_dir: Path | None = None) -> ClipSet:
        channels, height, width = self.image
        return reader.load(
            data,
            frames=self.frames,
            image_size=(height, width),
            channels=channels,
            fit=self.fit,
            data_dir=data_dir,
        )

    def judge(self, data: ClipSet, index: np.ndarray) -> Judged:
        label = true_labels(self.classes, data, index)
        with self.naming(example_name(data, index, "clip")):
            return Judged(Predictions(index, label, self._logits(data.clips, index)))

    def look(self, data: ClipSet, place: int) -> tuple[str, np.ndarray | None]:
        return super().look(data, place)[0], data.clips[place, self.frames // 2]

    def predict(self, clips: np.ndarray) -> np.ndarray:
        """The most probable class of each clip, by name: array of str (n,)."""
        return np.asarray(self.classes)[self.predict_proba(clips).argmax(axis=1)]

    def predict_proba(self, clips: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, float64 (n, classes), each row sums to 1; arguments and errors of `logits`."""
        return softmax(self.logits(clips))

    def logits(self, clips: np.ndarray) -> np.ndarray:
        """The network's output before the softmax.

        Args:
            clips: uint8 (n, T, H, W, C), of the network's own size.

        Returns:
            float32 (n, classes).

        Raises:
            DataError: another shape or type.
        """
        channels, height, width = self.image
        if clips.dtype != np.uint8 or clips.shape[1:] != (self.frames, height, width, channels):
            wanted = f"uint8 (n, {self.frames}, {height}, {width}, {channels})"
            raise DataError(f"clips should be {wanted}, not {clips.dtype} {clips.shape}")
        with self.naming(lambda row: f"clip {row}"):
            return self._logits(clips, np.arange(len(clips)))

    def _logits(self, clips: np.ndarray, index: np.ndarray) -> np.ndarray:
        return check_finite(predict_logits(self.network, clips, index, self.standardise))
