"""One trained model on labelled data: accuracy, cross-entropy, classes and confusions.

Tasks without classes: metric_evaluation.py. The intervals are of sampling examples like these. They say nothing about
training again: for that there is a study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.report import formats
from ecrnn.report.analysis.confusion import confusion
from ecrnn.report.analysis.schema import Confusion
from ecrnn.stats import Interval, wilson

EVALUATION_WARNING = (
    "The intervals cover which {examples} were drawn, for this one trained model; training again may give another "
    "result. They hold only if none of the {examples} was trained on."
)


@dataclass(frozen=True)
class ClassResult:
    """One class: examples of it, share of them found (recall) with Wilson's interval, and share of the
    examples given this class that are of it (precision); None where there are no such examples."""

    name: str
    n: int
    recall: Interval | None
    precision: Interval | None


@dataclass(frozen=True)
class Evaluation:
    """One trained model on ``n`` examples; accuracy is a fraction with Wilson's interval, cross-entropy is in
    nats. ``examples`` is what they are called; JSON leaves it out for images. ``trained_on`` is how many of them the
    model was trained on, where that is known, ``left_out`` how many more were left out for that, ``files_left_out`` how
    many files of the data were no examples, by suffix."""

    model: str
    data: str
    n: int
    n_note: str
    accuracy: Interval
    cross_entropy: float
    classes: tuple[ClassResult, ...]
    confusion: Confusion
    headline: str
    warning: str
    examples: str = "images"
    trained_on: int | None = None
    left_out: int = 0
    files_left_out: Mapping[str, int] = field(default_factory=dict)


def evaluate_predictions(
    label: np.ndarray,
    logits: np.ndarray,
    classes: Sequence[str],
    *,
    model: str,
    data: str,
    n_note: str = "",
    examples: str = "images",
    trained_on: int | None = None,
    left_out: int = 0,
    files_left_out: Mapping[str, int] | None = None,
) -> Evaluation:
    """Judge a model's logits.

    Args:
        label: (n,) whole numbers, the true classes.
        logits: (n, classes), any floating type.
        classes: their names.
        model: what to call the model.
        data: what to call the data.
        n_note: which examples these are, such as "the test part"; may be empty.
        examples: what the examples are called, in the plural.
        trained_on, left_out, files_left_out: as `Evaluation` has them.

    Raises:
        DataError: no examples, shapes that do not fit, classes out of range, logits that are not finite.
    """
    label, logits = np.asarray(label), np.asarray(logits, dtype=np.float64)
    if label.ndim != 1 or logits.shape != (len(label), len(classes)):
        raise DataError(
            f"logits must be ({len(label)}, {len(classes)}), {examples} by classes, got shape {logits.shape}"
        )
    if not len(label):
        raise DataError(f"there are no {examples} to evaluate")
    if label.dtype.kind not in "iu" or label.min() < 0 or label.max() >= len(classes):
        raise DataError(f"labels must be whole numbers from 0 to {len(classes) - 1}")
    if not np.isfinite(logits).all():
        raise DataError(f"the model gives logits that are not finite for {model} on {data}")
    label = label.astype(np.int64)
    predicted = logits.argmax(axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - np.take_along_axis(shifted, label[:, None], axis=1)[:, 0]
    counted = confusion(model, label, predicted, tuple(classes))
    accuracy = wilson(int((predicted == label).sum()), len(label))
    return Evaluation(
        model=model,
        data=data,
        n=len(label),
        n_note=n_note,
        accuracy=accuracy,
        cross_entropy=float(losses.mean()),
        classes=tuple(
            ClassResult(
                scores.name,
                scores.n,
                wilson(scores.right, scores.n) if scores.n else None,
                wilson(scores.right, scores.given) if scores.given else None,
            )
            for scores in counted.classes
        ),
        confusion=counted,
        headline=f"{model} gives {formats.proportion(accuracy)} of {formats.plural(len(label), formats.one(examples))} "
        f"of {data} the right class.",
        warning=EVALUATION_WARNING.format(examples=examples),
        examples=examples,
        trained_on=trained_on,
        left_out=left_out,
        files_left_out=dict(files_left_out or {}),
    )
