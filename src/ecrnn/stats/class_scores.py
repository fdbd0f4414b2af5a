"""Scores of a classifier on one repeat that are no sums over its examples: macro F1, balanced accuracy, AUC.

    class_scores(label, predicted, probability)["macro-f1"]

Each is what scikit-learn computes by the same name. A score is one number a repeat, and repeats are what a comparison
tests; of single examples nothing follows, so there is no test of images by these scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.core.tasks import Task
from ecrnn.stats.metrics import ACCURACY, METRICS, Metric

MOST_CLASSES = 1000  # of which AUC is computed; each one's examples are ranked against all others


def _no_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    raise EcrnnError("macro F1, balanced accuracy and AUC are no functions of sums over examples")


def _score(name: str, title: str) -> Metric:
    return Metric(name, title, (), _no_sums, True, 100.0, "%", "points", 0.005, least=0.0, most=1.0)


MACRO_F1 = _score("macro-f1", "macro F1")
BALANCED_ACCURACY = _score("balanced-accuracy", "balanced accuracy")
AUC = _score("auc", "AUC")

#: By which classifiers may be compared, accuracy first.
CLASS_SCORES: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (ACCURACY, MACRO_F1, BALANCED_ACCURACY, AUC)}
)


def metric_named(name: str) -> Metric:
    """Any metric or score by its name.

    Args:
        name: of one of `METRICS` or `CLASS_SCORES`.

    Raises:
        UnknownNameError: there is none.
    """
    known = {**METRICS, **CLASS_SCORES}
    if name not in known:
        raise unknown_name("metric", name, known)
    return known[name]


def metric_for(task: Task, name: str | None) -> Metric:
    """The metric by which models of ``task`` are compared where ``name`` is asked for; None: the task's own.

    Raises:
        UnknownNameError: it is none of this task.
    """
    known = CLASS_SCORES if task.classes else {task.metric: METRICS[task.metric]}
    if name is None:
        return METRICS[task.metric]
    if name not in known:
        raise unknown_name("metric", name, known, f"of {task.name}")
    return known[name]


def class_scores(
    label: ArrayLike, predicted: ArrayLike, probability: ArrayLike | None = None
) -> dict[str, float | None]:
    """Every score of `CLASS_SCORES`.

    Args:
        label: (n,) numbers of the true classes, at least one example.
        predicted: (n,) numbers of the classes that were given.
        probability: (n, classes), or anything that ranks the examples of each column alike; None: AUC is not known.

    Returns:
        By name; None for an AUC that is not known or not defined.

    Raises:
        EcrnnError: shapes that do not fit, or no example.
    """
    label, predicted = np.asarray(label), np.asarray(predicted)
    if label.ndim != 1 or label.shape != predicted.shape or not label.size:
        raise EcrnnError(f"labels and classes given should be (n,) both, got {label.shape} and {predicted.shape}")
    return {
        ACCURACY.name: float((label == predicted).mean()),
        MACRO_F1.name: macro_f1(label, predicted),
        BALANCED_ACCURACY.name: balanced_accuracy(label, predicted),
        AUC.name: None if probability is None else auc(label, probability),
    }


def macro_f1(label: NDArray[np.integer], predicted: NDArray[np.integer]) -> float:
    """The mean of the F1 of each class, 2 right / (true + given), over the classes that are true or given.

    Args:
        label: (n,) numbers of the true classes, at least one.
        predicted: (n,) numbers of the classes that were given.

    Raises:
        ValueError: there is no example.
    """
    true, predictions, correct = _counts(label, predicted)
    occurs = true + predictions > 0
    return float((2 * correct[occurs] / (true + predictions)[occurs]).mean())


def balanced_accuracy(label: NDArray[np.integer], predicted: NDArray[np.integer]) -> float:
    """The mean of the recall of each class, over the classes that are true.

    Args:
        label: (n,) numbers of the true classes, at least one.
        predicted: (n,) numbers of the classes that were given.

    Raises:
        ValueError: there is no example.
    """
    true, _, correct = _counts(label, predicted)
    return float((correct[true > 0] / true[true > 0]).mean())


def _counts(label: NDArray[np.integer], predicted: NDArray[np.integer]) -> tuple[NDArray[np.integer], ...]:
    """Examples of each class, given each class, and right ones."""
    classes = int(max(label.max(), predicted.max())) + 1
    true, predictions, correct = (
        np.bincount(of, minlength=classes) for of in (label, predicted, label[label == predicted])
    )
    return true, predictions, correct


def auc(label: ArrayLike, probability: ArrayLike) -> float | None:
    """Area under the ROC curve, one class against the others, averaged over the classes (macro).

    That of one class is the share of pairs, an example of it and one of another, in which the first has the larger
    probability, ties counted half (Mann and Whitney, 1947). A class of which no example is true, or all are, has none,
    and is left out of the mean.

    Args:
        label: (n,) numbers of the true classes.
        probability: (n, classes).

    Returns:
        Between 0 and 1; None where fewer than two classes are true, or there are more than `MOST_CLASSES`.

    Raises:
        EcrnnError: shapes that do not fit, or values that are not finite.
    """
    label, probability = np.asarray(label), np.asarray(probability)
    if probability.ndim != 2 or label.shape != (len(probability),):
        raise EcrnnError(f"probabilities should be (n, classes), got {probability.shape} for {label.shape} labels")
    if not np.isfinite(probability).all():
        raise EcrnnError("probabilities must be finite")
    present = np.unique(label)
    if len(present) < 2 or probability.shape[1] > MOST_CLASSES:
        return None
    columns = probability.astype(np.float64).T
    return float(np.mean([_area(label == number, columns[number]) for number in present]))


def _area(mine: NDArray[np.bool_], value: NDArray[np.float64]) -> float:
    """The share of pairs of one of ``mine`` and one of the others in which the first has the larger value."""
    others = np.sort(value[~mine])
    below, up_to = (np.searchsorted(others, value[mine], side) for side in ("left", "right"))
    return float((below + up_to).sum() / (2 * len(others) * mine.sum()))
