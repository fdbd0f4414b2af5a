"""A classifier of scikit-learn in the place of a network: fitted once, on the same examples, judged in the same way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ecrnn.core.errors import TrainingError
from ecrnn.core.events import Epoch, Event, Message
from ecrnn.core.predictions import Predictions
from ecrnn.core.text import one_line
from ecrnn.training.classification import Classification, score

#: The least probability that is written down. A class that a classifier rules out has it, and so has each of
#: the others where a classifier names one class and gives no probabilities: a cross-entropy must be finite.
FLOOR = 1e-6


@dataclass(frozen=True)
class FittedClassifier:
    """What fitting a classifier leaves.

    Attributes:
        history: the metrics of its one epoch.
        predictions: for the validation examples.
        parameters, multiply_adds: of one with coefficients, such as logistic regression; None of others.
    """

    history: list[dict[str, Any]]
    predictions: Predictions
    parameters: int | None
    multiply_adds: int | None


def fit_classifier(
    classifier: Any, task: Classification, *, threads: int | None, label: str
) -> Generator[Event, None, FittedClassifier]:
    """Fit a classifier on the training examples and have it classify those that validate.

    Products of matrices are computed on one thread, because sums in another order are other bits; trees of a forest
    and whatever else scikit-learn divides among threads use ``threads``.

    Args:
        classifier: of scikit-learn, not fitted.
        task: the examples, with device and precision "cpu" and "float32".
        threads: where the classifier says `n_jobs`; None: one.
        label: what the events call this training.

    Yields:
        What scikit-learn warns of, and an `Epoch`.

    Raises:
        TrainingError: its predictions are no classes, or not finite.
    """
    split, started = task.split, time.monotonic()
    limits = threadpool_limits(1, "blas"), threadpool_limits(threads or 1, "openmp")
    with limits[0], limits[1], warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        _use(classifier, threads or 1)
        classifier.fit(task.features(split.train), task.labels[split.train])
        _use(classifier, 1)  # the trees of a forest would be summed up in any order
        logits = logits_of(classifier, task.features(split.validation), int(task.labels.max()) + 1)
    for line in dict.fromkeys(one_line(warning.message) for warning in warned):
        yield Message(f"{label}: {line[:200]}")
    if not np.isfinite(logits).all():
        raise TrainingError(f"{label}: {type(classifier).__name__} gives values that are not finite")
    predictions = Predictions(split.validation.astype(np.int64), task.labels[split.validation], logits)
    metrics = {"epoch": 1, **score(predictions), "seconds": time.monotonic() - started}
    yield Epoch(label, 1, 1, 1, 1, metrics)
    weights = [getattr(classifier, name, None) for name in ("coef_", "intercept_")]
    sizes = [int(np.size(array)) if isinstance(array, np.ndarray) else None for array in weights]
    counted = None not in sizes
    return FittedClassifier([metrics], predictions, sum(filter(None, sizes)) if counted else None, sizes[0])


def _use(classifier: Any, threads: int) -> None:
    """Let the classifier, and those within it, use so many threads, where they use several at all."""
    parameters = classifier.get_params().items()
    keys = [key for key, value in parameters if key.split("__")[-1] == "n_jobs" and value is not None]
    classifier.set_params(**dict.fromkeys(keys, threads))


def logits_of(classifier: Any, features: Any, classes: int) -> np.ndarray:
    """Logs of the probabilities that a fitted classifier gives, float32 (n, classes).

    They come from `predict_proba`, or from the softmax of `decision_function`, or, of a classifier that has neither,
    from `predict`: then its class has what the others leave, which is `FLOOR` each. No probability is below `FLOOR`.
    The largest is always that of the class that `predict` names, the first of several equal ones too: some classifiers
    (SVC) draw classes and probabilities from two sources, and accuracy is that of the classes.

    Args:
        classifier: fitted to labels that are numbers of classes.
        features: of n examples, as it takes them.
        classes: number of classes.
    """
    predicted = np.asarray(classifier.predict(features)).astype(np.int64)
    known = np.asarray(getattr(classifier, "classes_", np.arange(classes))).astype(np.int64)
    logits = np.full((len(predicted), classes), np.log(FLOOR), np.float32)
    found = _log_probabilities(classifier, features)
    if found is None or found.shape[1] != len(known):  # such as decisions between pairs of classes
        logits[np.arange(len(predicted)), predicted] = np.log1p((1 - classes) * FLOOR)
    else:
        logits[:, known] = np.maximum(found, np.log(FLOOR))
    rows = np.flatnonzero(logits.argmax(axis=1) != predicted)
    logits[rows, predicted[rows]] = np.nextafter(logits[rows].max(axis=1), np.float32(np.inf))
    return logits


def _log_probabilities(classifier: Any, features: Any) -> np.ndarray | None:
    """Float64 (n, classes that it knows); None of a classifier that names classes alone."""
    if hasattr(classifier, "predict_proba"):
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(classifier.predict_proba(features), np.float64))
    if not hasattr(classifier, "decision_function"):
        return None
    decisions = np.asarray(classifier.decision_function(features), np.float64)
    if decisions.ndim == 1:  # of the second of two classes
        decisions = np.stack([np.zeros_like(decisions), decisions], axis=1)
    return decisions - np.logaddexp.reduce(decisions, axis=1, keepdims=True)
