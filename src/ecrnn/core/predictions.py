"""What trained models answered, as studies and archives keep it: `predictions.npz`. No torch here.

Where the score of a trial is the mean over several epochs, the file keeps the epochs before the last one too, in the
smallest form that gives metric and correctness of each example: the predicted class, or the statistics of the metric.
It is then one array more, "earlier". A class stands there as its exclusive or with the one predicted after the last
epoch: most are 0 and take little room.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from ecrnn.core.arrays import read_arrays
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import write_atomically


class _OfEpochs(ABC):
    """Predictions of the last epoch, and in small those of the epochs before it that count too.

    Attributes:
        index: (n,) int64, the example's place in the data set.
        statistics: (n, k) float64, those of the task's metric, see `ecrnn.stats.metrics`.
        earlier: (m - 1, n, ...) what `compact` gives of those epochs, oldest first; None: no other epoch counts.
    """

    index: np.ndarray
    statistics: np.ndarray
    earlier: np.ndarray | None

    @abstractmethod
    def compact(self) -> np.ndarray:
        """What is kept of an epoch before the last."""

    @abstractmethod
    def without_logits(self) -> PredictedClasses | Scored:
        """What an archive keeps, and a report reads."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the file, without "earlier"."""

    @abstractmethod
    def packed(self, earlier: np.ndarray) -> np.ndarray:
        """What the file keeps of `earlier`."""

    @abstractmethod
    def unpacked(self, earlier: np.ndarray) -> np.ndarray | None:
        """`earlier` as `packed` made it small; None if the array is none of these examples."""

    @abstractmethod
    def of_epoch(self, compact: np.ndarray) -> PredictedClasses | Scored:
        """The predictions of which `compact` is what was kept."""

    def with_earlier(self, earlier: Sequence[np.ndarray]) -> Self:
        """These with what `compact` gave of the epochs before, oldest first."""
        return replace(self, earlier=np.stack(earlier) if len(earlier) else None)  # type: ignore[type-var]

    def epochs(self) -> tuple[AnyPredictions, ...]:
        """The predictions of each epoch that counts, oldest first; the last are these without the others."""
        before = () if self.earlier is None else self.earlier
        last: AnyPredictions = self.with_earlier(())  # type: ignore[assignment]  # of one of the three classes below
        return (*map(self.of_epoch, before), last)


class _OfClasses(_OfEpochs):
    """Predictions of classes.

    Attributes:
        label: (n,) int64, the true classes.
        predicted: (n,) int64, the predicted ones.
    """

    label: np.ndarray
    predicted: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool: the predicted class is the true one."""
        return self.predicted == self.label

    @property
    def statistics(self) -> np.ndarray:  # type: ignore[override]
        """(n, 2) float64: correct and 1, the statistics of accuracy."""
        return np.stack([self.correct, np.ones_like(self.correct)], axis=1).astype(np.float64)

    def compact(self) -> np.ndarray:
        """(n,) int32: the predicted classes."""
        return self.predicted.astype(np.int32)

    def without_logits(self) -> PredictedClasses:
        """The predicted classes alone, of all epochs that count."""
        return PredictedClasses(self.index, self.label, self.predicted, self.earlier)

    def packed(self, earlier: np.ndarray) -> np.ndarray:
        """Mostly zeros, for most examples get the same class after each of the last epochs."""
        return _narrow(earlier.astype(np.int64) ^ self.predicted)

    def unpacked(self, earlier: np.ndarray) -> np.ndarray | None:
        """(m - 1, n) int32 classes."""
        if not _fits(earlier, self.predicted.shape, ("u1", "u2", "u4")):
            return None
        return (earlier ^ self.predicted).astype(np.int32)

    def of_epoch(self, compact: np.ndarray) -> PredictedClasses:
        """Without logits, which are kept of the last epoch alone."""
        return PredictedClasses(self.index, self.label, compact.astype(np.int64))


@dataclass(frozen=True)
class Predictions(_OfClasses):
    """What a trained model said of its validation images.

    Attributes:
        index: (n,) int64, the image's place in the data set.
        label: (n,) int64, its true class.
        logits: (n, classes) float32.
        earlier: (m - 1, n) int32, the classes predicted after the epochs before that count too, oldest first; None:
            no other epoch counts.
    """

    index: np.ndarray
    label: np.ndarray
    logits: np.ndarray
    earlier: np.ndarray | None = None

    @property
    def predicted(self) -> np.ndarray:  # type: ignore[override]
        """(n,) int64: the class with the largest logit, the first of equals."""
        return self.logits.argmax(axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are."""
        return {"index": self.index, "label": self.label, "logits": self.logits}


@dataclass(frozen=True)
class PredictedClasses(_OfClasses):
    """What an archive keeps of `Predictions`: (n,) int64 each, the predicted class in place of logits."""

    index: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    earlier: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """An index ascends, so the steps from one image to the next are small and compress well."""
        steps = np.diff(self.index, prepend=0)
        arrays = {"index_steps": steps, "label": self.label, "predicted": self.predicted}
        return {name: _narrow(array) for name, array in arrays.items()}


@dataclass(frozen=True)
class Scored(_OfEpochs):
    """How well a model of a task without classes did on its validation examples.

    Attributes:
        index: (n,) int64, the example's place in the data set.
        statistics: (n, k) float64, those of the task's metric, see `ecrnn.stats.metrics`.
        earlier: (m - 1, n, k) float64, the same of the epochs before that count too, oldest first; None: no other
            epoch counts.
    """

    index: np.ndarray
    statistics: np.ndarray
    earlier: np.ndarray | None = None

    def compact(self) -> np.ndarray:
        """(n, k) float64: the statistics."""
        return self.statistics

    def without_logits(self) -> Scored:
        """These: there are no logits."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are."""
        return {"index": self.index, "statistics": self.statistics}

    def packed(self, earlier: np.ndarray) -> np.ndarray:
        """Counts in the narrowest type that holds them."""
        counts = (earlier == np.floor(earlier)).all() and earlier.max(initial=0) < 2**31
        return _narrow(earlier.astype(np.int64)) if counts else earlier

    def unpacked(self, earlier: np.ndarray) -> np.ndarray | None:
        """(m - 1, n, k) float64."""
        fits = _fits(earlier, self.statistics.shape, ("u1", "u2", "u4", "f8"))
        return earlier.astype(np.float64) if fits else None

    def of_epoch(self, compact: np.ndarray) -> Scored:
        """Of one epoch before the last."""
        return Scored(self.index, compact)


AnyPredictions = Predictions | PredictedClasses | Scored


def _fits(earlier: np.ndarray, shape: tuple[int, ...], types: tuple[str, ...]) -> bool:
    return len(np.atleast_1d(earlier)) > 0 and earlier.shape[1:] == shape and earlier.dtype.str[1:] in types


@dataclass(frozen=True)
class Example:
    """One example to look at.

    Attributes:
        input: what the model was given: a text, or the name of an image.
        expected: what would be right, one text or several.
        given: what the model gave.
        score: the metric on this example alone, if that says anything.
        image: the input as a PNG file, if it is one; it is shown in the page and not kept in JSON.
    """

    input: str
    expected: tuple[str, ...]
    given: str
    score: float | None = None
    image: bytes | None = field(default=None, repr=False)


def write_predictions(path: Path, predictions: AnyPredictions) -> None:
    """Write ``predictions`` as .npz, atomically; the same predictions give the same bytes."""
    write_atomically(path, predictions_bytes(predictions))


def predictions_bytes(predictions: AnyPredictions) -> bytes:
    """The content of the .npz that `write_predictions` writes."""
    arrays = predictions.arrays()
    if predictions.earlier is not None:
        arrays["earlier"] = predictions.packed(predictions.earlier)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _narrow(array: np.ndarray) -> np.ndarray:
    """Whole numbers in the narrowest type that holds them."""
    ends = np.min_scalar_type(array.min(initial=0)), np.min_scalar_type(array.max(initial=0))
    return array.astype(np.result_type(*ends))


def read_predictions(path: Path, within: Path | None = None) -> AnyPredictions:
    """Read what `write_predictions` wrote, checking types and shapes.

    Args:
        path: of the file.
        within: the folder that it must lie in, see `ecrnn.core.reading.opened`.

    Raises:
        EcrnnError: the file is damaged or holds something else.
    """
    arrays = read_arrays(path, within)
    earlier = arrays.pop("earlier", None)
    read = _READERS.get(frozenset(arrays))
    if read is None:
        names = ", ".join(sorted(arrays))[:200] or "nothing"
        raise EcrnnError(f"{path} is not a file of predictions: it holds {names}")
    predictions = read(**arrays)
    if predictions is not None and earlier is not None:
        unpacked = predictions.unpacked(earlier)
        predictions = None if unpacked is None else replace(predictions, earlier=unpacked)
    if predictions is None:
        raise EcrnnError(f"{path}: arrays of the wrong shape or type for predictions")
    return predictions


def _logits(index: np.ndarray, label: np.ndarray, logits: np.ndarray) -> Predictions | None:
    fits = index.ndim == label.ndim == 1 and len(index) == len(label) == len(logits)
    fits = fits and logits.ndim == 2 and logits.shape[1] > 0
    fits = fits and index.dtype == label.dtype == np.int64 and logits.dtype == np.float32
    return Predictions(index, label, logits) if fits else None


def _archived(index_steps: np.ndarray, label: np.ndarray, predicted: np.ndarray) -> PredictedClasses | None:
    arrays = (index_steps, label, predicted)
    if any(array.shape != (label.size,) or array.dtype.kind not in "ui" for array in arrays):
        return None
    return PredictedClasses(index_steps.cumsum(dtype=np.int64), label.astype(np.int64), predicted.astype(np.int64))


def _scored(index: np.ndarray, statistics: np.ndarray) -> Scored | None:
    fits = index.ndim == 1 and statistics.ndim == 2 and len(index) == len(statistics)
    return Scored(index, statistics) if fits and index.dtype == np.int64 and statistics.dtype == np.float64 else None


_READERS: dict[frozenset[str], Callable[..., AnyPredictions | None]] = {  # by the names of the arrays
    frozenset(("index", "label", "logits")): _logits,
    frozenset(("index_steps", "label", "predicted")): _archived,
    frozenset(("index", "statistics")): _scored,
}
