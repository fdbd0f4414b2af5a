"""What trained models answered, as studies and archives keep it: `predictions.npz`. No torch here.

Where the score of a trial is the mean over several epochs, the file keeps the epochs before the last one too, in the
smallest form that gives metric and correctness of each example: the class given, or the statistics of the metric. It is
then one array more, "earlier". A class stands there as its exclusive or with the class given after the last epoch: most
are 0 and take little room.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ecrnn.core.arrays import read_arrays
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import write_atomically


@dataclass(frozen=True)
class Predictions:
    """What a trained model said of its validation images.

    Attributes:
        index: (n,) int64, the image's place in the data set.
        label: (n,) int64, its true class.
        logits: (n, classes) float32.
        earlier: (m - 1, n) int32, the classes given after the epochs before that count too, oldest first; None: no
            other epoch counts.
    """

    index: np.ndarray
    label: np.ndarray
    logits: np.ndarray
    earlier: np.ndarray | None = None

    @property
    def predicted(self) -> np.ndarray:
        """(n,) int64: the class with the largest logit, the first of equals."""
        return self.logits.argmax(axis=1)

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool: the class given is the true one."""
        return self.predicted == self.label

    @property
    def statistics(self) -> np.ndarray:
        """(n, 2) float64: right and 1, the statistics of accuracy."""
        return _right_of_one(self.correct)


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


@dataclass(frozen=True)
class Scored:
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


@dataclass(frozen=True)
class PredictedClasses:
    """What an archive keeps of `Predictions`: (n,) int64 each, the class given in place of logits, which it has not."""

    index: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    earlier: np.ndarray | None = None

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool: the class given is the true one."""
        return self.predicted == self.label

    @property
    def statistics(self) -> np.ndarray:
        """(n, 2) float64: right and 1, the statistics of accuracy."""
        return _right_of_one(self.correct)


def _right_of_one(correct: np.ndarray) -> np.ndarray:
    return np.stack([correct, np.ones_like(correct)], axis=1).astype(np.float64)


AnyPredictions = Predictions | PredictedClasses | Scored


def compact(predictions: AnyPredictions) -> np.ndarray:
    """What is kept of the predictions of an epoch before the last: (n,) int32 classes, or (n, k) float64 statistics."""
    return predictions.statistics if isinstance(predictions, Scored) else predictions.predicted.astype(np.int32)


def with_earlier(predictions: AnyPredictions, earlier: Sequence[np.ndarray]) -> AnyPredictions:
    """The predictions of the last epoch with those of epochs before it, oldest first, each as `compact` gives it."""
    return replace(predictions, earlier=np.stack(earlier) if len(earlier) else None)


def epochs(predictions: AnyPredictions) -> tuple[AnyPredictions, ...]:
    """The predictions of each epoch that counts, oldest first; the last are ``predictions`` without the others."""
    last = replace(predictions, earlier=None)
    before = () if predictions.earlier is None else predictions.earlier
    if isinstance(predictions, Scored):
        return (*(Scored(predictions.index, statistics) for statistics in before), last)
    index, label = predictions.index, predictions.label
    return (*(PredictedClasses(index, label, given.astype(np.int64)) for given in before), last)


def write_predictions(path: Path, predictions: AnyPredictions) -> None:
    """Write ``predictions`` as .npz, atomically; the same predictions give the same bytes."""
    write_atomically(path, predictions_bytes(predictions))


def predictions_bytes(predictions: AnyPredictions) -> bytes:
    """The content of the .npz that `write_predictions` writes."""
    if isinstance(predictions, Predictions):
        arrays = {"index": predictions.index, "label": predictions.label, "logits": predictions.logits}
    elif isinstance(predictions, Scored):
        arrays = {"index": predictions.index, "statistics": predictions.statistics}
    else:  # an index ascends, so the steps from one image to the next are small and compress well
        steps = np.diff(predictions.index, prepend=0)
        arrays = {"index_steps": steps, "label": predictions.label, "predicted": predictions.predicted}
        arrays = {name: _narrow(array) for name, array in arrays.items()}
    if predictions.earlier is not None:
        arrays["earlier"] = _packed_earlier(predictions, predictions.earlier)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _packed_earlier(predictions: AnyPredictions, earlier: np.ndarray) -> np.ndarray:
    if not isinstance(predictions, Scored):
        return _narrow(earlier.astype(np.int64) ^ predictions.predicted)
    whole = (earlier == np.floor(earlier)).all() and earlier.max(initial=0) < 2**31
    return _narrow(earlier.astype(np.int64)) if whole else earlier


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
    found = read(**arrays)
    if found is not None and earlier is not None:
        found = _unpacked_earlier(found, earlier)
    if found is None:
        raise EcrnnError(f"{path}: arrays of the wrong shape or type for predictions")
    return found


def _unpacked_earlier(last: AnyPredictions, earlier: np.ndarray) -> AnyPredictions | None:
    shape = last.statistics.shape if isinstance(last, Scored) else last.predicted.shape
    kinds = ("u1", "u2", "u4", "f8") if isinstance(last, Scored) else ("u1", "u2", "u4")
    if earlier.ndim == 0 or len(earlier) == 0 or earlier.shape[1:] != shape or earlier.dtype.str[1:] not in kinds:
        return None
    if isinstance(last, Scored):
        return replace(last, earlier=earlier.astype(np.float64))
    return replace(last, earlier=(earlier ^ last.predicted).astype(np.int32))


def _logits(index: np.ndarray, label: np.ndarray, logits: np.ndarray) -> Predictions | None:
    right = index.ndim == label.ndim == 1 and len(index) == len(label) == len(logits)
    right = right and logits.ndim == 2 and logits.shape[1] > 0
    right = right and index.dtype == label.dtype == np.int64 and logits.dtype == np.float32
    return Predictions(index, label, logits) if right else None


def _archived(index_steps: np.ndarray, label: np.ndarray, predicted: np.ndarray) -> PredictedClasses | None:
    arrays = (index_steps, label, predicted)
    if any(array.shape != (label.size,) or array.dtype.kind not in "ui" for array in arrays):
        return None
    return PredictedClasses(index_steps.cumsum(dtype=np.int64), label.astype(np.int64), predicted.astype(np.int64))


def _scored(index: np.ndarray, statistics: np.ndarray) -> Scored | None:
    right = index.ndim == 1 and statistics.ndim == 2 and len(index) == len(statistics)
    return Scored(index, statistics) if right and index.dtype == np.int64 and statistics.dtype == np.float64 else None


_READERS: dict[frozenset[str], Callable[..., AnyPredictions | None]] = {  # by the names of the arrays
    frozenset(("index", "label", "logits")): _logits,
    frozenset(("index_steps", "label", "predicted")): _archived,
    frozenset(("index", "statistics")): _scored,
}
