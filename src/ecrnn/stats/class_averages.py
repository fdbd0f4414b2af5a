"""F1 of each class and the means over the classes, with intervals of sampling examples like these.

F1 of a class rises with the share that is correct of the examples that are of the class or predicted as it,
J = correct / (true + predicted - correct): F1 = 2 J / (1 + J). So its interval is Wilson's of J. The intervals of the
means are of a percentile bootstrap over the examples. An example's true and predicted class are all that counts, so
what is drawn are the cells of the confusion matrix that are not empty. As in scikit-learn, a class that is neither
true nor predicted in a draw is left out of that draw's means. A bootstrap does not see errors that did not occur:
where there are hardly any, its intervals are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.intervals import Interval, wilson

_RESAMPLES = 1000
_DRAWN = 10**7  # cells at the most
_AT_ONCE = 2**20


@dataclass(frozen=True)
class ClassAverages:
    """``f1`` has an interval a class, None for one that is neither true nor predicted; the others are plain means over
    the classes, each class counted once however many examples it has. Macro recall is the balanced accuracy."""

    macro_f1: Interval
    balanced_accuracy: Interval
    macro_precision: Interval
    f1: tuple[Interval | None, ...]


def class_averages(
    label: ArrayLike, predicted: ArrayLike, classes: int, level: float = 0.95, seed: int = 0
) -> ClassAverages:
    """F1 of each class, and the means over the classes.

    Args:
        label: (n,) numbers of the true classes.
        predicted: (n,) numbers of the predicted classes.
        classes: how many there are.
        level: confidence of the intervals.
        seed: of the bootstrap.

    Raises:
        EcrnnError: shapes that do not fit, no examples, or classes out of range.
    """
    label, predicted = np.asarray(label, np.int64), np.asarray(predicted, np.int64)
    level = _checks.share("level", level)
    if label.ndim != 1 or label.shape != predicted.shape or not label.size:
        raise EcrnnError(f"labels and predicted classes should be (n,) both, got {label.shape} and {predicted.shape}")
    if min(label.min(), predicted.min()) < 0 or max(label.max(), predicted.max()) >= classes:
        raise EcrnnError(f"classes should be numbers from 0 to {classes - 1}")
    cells, counts = np.unique(label * classes + predicted, return_counts=True)
    sums = _Sums(cells // classes, cells % classes, classes)
    rng, n = np.random.default_rng(seed), len(label)
    resamples = max(100, min(_RESAMPLES, _DRAWN // len(cells)))
    step = max(1, _AT_ONCE // (classes + len(cells)))
    drawn = [
        sums.scores(rng.multinomial(n, counts / n, size=min(step, resamples - start)))
        for start in range(0, resamples, step)
    ]
    found = sums.scores(counts[None])
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = np.quantile(np.concatenate(drawn), tails, axis=0)
    macro_f1, balanced, precision = (
        Interval(float(of), float(min(a, of)), float(max(b, of)), level)
        for of, a, b in zip(found[0], low, high, strict=True)
    )
    of_class, as_class, correct = (
        np.bincount(of, minlength=classes) for of in (label, predicted, label[label == predicted])
    )
    f1 = tuple(_f1(int(c), int(t + p - c), level) for t, p, c in zip(of_class, as_class, correct, strict=True))
    return ClassAverages(macro_f1, balanced, precision, f1)


def _f1(correct: int, either: int, level: float) -> Interval | None:
    """F1 of a class of which ``correct`` examples are true and predicted, and ``either`` are one of the two."""
    if not either:
        return None
    share = wilson(correct, either, level)
    estimate, low, high = (2 * end / (1 + end) for end in (share.estimate, share.low, share.high))
    return Interval(estimate, low, high, level)


class _Sums:
    """Scores from counts of cells: ``true`` and ``predicted`` classes, both (cells,)."""

    def __init__(self, true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> None:
        places, ones = np.arange(len(true)), np.ones(len(true))
        correct = true == predicted
        shape = (len(true), classes)
        self._true = sparse.csr_array((ones, (places, true)), shape)
        self._predicted = sparse.csr_array((ones, (places, predicted)), shape)
        self._correct = sparse.csr_array((ones[correct], (places[correct], true[correct])), shape)

    def scores(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """(draws, 3): macro F1, balanced accuracy, macro precision, of (draws, cells)."""
        true, predicted, correct = (np.asarray(counts @ of) for of in (self._true, self._predicted, self._correct))
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = 2 * correct / (true + predicted)
            recall = correct / true
            precision = np.where(true + predicted > 0, correct / np.maximum(predicted, 1), np.nan)
        return np.stack([np.nanmean(of, axis=1) for of in (f1, recall, precision)], axis=1)
