"""One trained model on labelled data: accuracy, classes, confusions, calibration, and the examples it gets most wrong.

How its probabilities are read, a `Decision`, is the user's choice. Tasks without classes: metric_evaluation.py. The
intervals are of sampling examples like these. They say nothing about training again: for that there is a study.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal

import numpy as np

from ecrnn.core.errors import DataError, EcrnnError, unknown_name
from ecrnn.report import formats
from ecrnn.report.analysis.confusion import confusion
from ecrnn.report.analysis.schema import Confusion
from ecrnn.stats import (
    Calibration,
    ClassAverages,
    Interval,
    OperatingCurve,
    OperatingPoint,
    calibration,
    class_averages,
    cross_fitted,
    fit_temperature,
    operating_curve,
    wilson,
)

WORST = 48  # examples that are shown
_THRESHOLDS = (0.05, *(tenth / 10 for tenth in range(1, 10)), 0.95)  # of the table

EVALUATION_WARNING = (
    "The intervals cover which {examples} were drawn, for this one trained model; training again may give another "
    "result. They hold only if none of the {examples} was trained on."
)


@dataclass(frozen=True)
class Decision:
    """How a model's logits become probabilities and a class.

    Attributes:
        temperature: what logits are divided by; "fit" divides nothing, but also shows calibration with a temperature
            fitted on one half of the examples and judged on the other, each half in turn.
        threshold: of two classes, the probability from which on the ``positive`` one is given; None: the more probable.
        positive: of two classes, the one that is looked for; None: the second one.
    """

    temperature: float | Literal["fit"] = 1.0
    threshold: float | None = None
    positive: str | None = None

    def check(self, classes: Sequence[str]) -> None:
        """Raise an EcrnnError unless this can be of a model with these classes."""
        if self.temperature != "fit" and not _between(self.temperature, 0, math.inf):
            raise EcrnnError(f"temperature should be above 0, or fit, not {self.temperature}")
        if self.threshold is not None and not _between(self.threshold, 0, 1):
            raise EcrnnError(f"threshold should lie between 0 and 1, not {self.threshold}")
        for name, value in (("threshold", self.threshold), ("positive", self.positive)):
            if value is not None and len(classes) != 2:
                raise EcrnnError(f"{name} is for models of two classes; this one has {len(classes)}")
        if self.positive is not None and self.positive not in classes:
            raise unknown_name("class", self.positive, classes)

    def number(self, classes: Sequence[str]) -> int:
        """The number of the positive one of two ``classes``."""
        return 1 if self.positive is None else list(classes).index(self.positive)


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, Real) and low < float(value) < high


@dataclass(frozen=True)
class ClassResult:
    """One class: examples of it, share of them found (recall) with Wilson's interval, share of the examples given this
    class that are of it (precision), and F1 with Wilson's of its own; None where there are no such examples."""

    name: str
    n: int
    recall: Interval | None
    precision: Interval | None
    f1: Interval | None


@dataclass(frozen=True)
class FittedTemperature:
    """Temperatures fitted on two halves, calibration and cross-entropy (nats) with that of the other half, and the
    temperature fitted on all, which is for other examples."""

    halves: tuple[float, float]
    all: float
    cross_entropy: float
    calibration: Calibration


@dataclass(frozen=True)
class TwoClasses:
    """Every threshold of a model of two classes; ``points`` are some of them, ascending."""

    positive: str
    threshold: float | None
    curve: OperatingCurve
    points: tuple[OperatingPoint, ...]


@dataclass(frozen=True)
class Misjudged:
    """An example that was given a wrong class: what it is called, the probabilities of the class given and of the true
    one, and an image of it, uint8 (H, W, C), where it has one."""

    example: str
    true: str
    given: str
    probability: float
    of_true: float
    image: np.ndarray | None = field(default=None, repr=False, compare=False, metadata={"key": None})


Look = Callable[[int], tuple[str, np.ndarray | None]]  # a row to what the example is called, and an image of it


@dataclass(frozen=True)
class Rows:
    """Every example: (n,) its true and its given class, and (n, classes) the probabilities."""

    label: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    look: Look


@dataclass(frozen=True)
class Evaluation:
    """One trained model on ``n`` examples; accuracy is a fraction with Wilson's interval, cross-entropy is in
    nats, both with logits divided by ``temperature``. ``worst`` are the wrong ones whose true class has the
    smallest probability. ``two_classes`` is None of other models, and where examples of a class are missing.
    ``examples`` is what they are called; JSON leaves it out for images. ``trained_on`` is how many of them the
    model was trained on, where that is known, ``left_out`` how many more were left out for that,
    ``files_left_out`` how many files of the data were no examples, by suffix."""

    model: str
    data: str
    n: int
    n_note: str
    accuracy: Interval
    cross_entropy: float
    classes: tuple[ClassResult, ...]
    averages: ClassAverages
    confusion: Confusion
    temperature: float
    calibration: Calibration
    fitted: FittedTemperature | None
    two_classes: TwoClasses | None
    worst: tuple[Misjudged, ...]
    headline: str
    warning: str
    rows: Rows = field(repr=False, compare=False, metadata={"key": None})
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
    decision: Decision | None = None,
    look: Look | None = None,
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
        decision: how logits become probabilities and a class; None: by the softmax, the most probable one.
        look: from a row to what the example is called, and an image of it; None: they have numbers.

    Raises:
        DataError: no examples, shapes that do not fit, classes out of range, logits that are not finite.
        EcrnnError: a decision that is not for these classes.
    """
    decision = decision or Decision()
    decision.check(classes)
    label, logits = _checked(label, logits, classes, examples, f"{model} on {data}")
    temperature = 1.0 if decision.temperature == "fit" else decision.temperature
    with np.errstate(over="ignore"):
        logits = logits / temperature
    if not np.isfinite(logits).all():
        raise EcrnnError(f"temperature {temperature:g} is too small: logits divided by it are not finite")
    probability, losses = _softmax(logits, label)
    predicted = logits.argmax(axis=1)
    two = _two_classes(label, probability, classes, decision)
    if decision.threshold is not None:
        mine = decision.number(classes)
        predicted = np.where(probability[:, mine] >= decision.threshold, mine, 1 - mine)
    counted = confusion(model, label, predicted, tuple(classes))
    accuracy = wilson(int((predicted == label).sum()), len(label))
    averages = class_averages(label, predicted, len(classes))
    rows = Rows(label, predicted, probability, look or (lambda row: (f"{formats.one(examples)} {row}", None)))
    from_on = f" from a probability of {decision.threshold:g} on" if decision.threshold is not None else ""
    where = f", which is {classes[decision.number(classes)]}{from_on}" if from_on else ""
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
                f1,
            )
            for scores, f1 in zip(counted.classes, averages.f1, strict=True)
        ),
        averages=averages,
        confusion=counted,
        temperature=temperature,
        calibration=_calibration(probability, label),
        fitted=_fitted(logits, label) if decision.temperature == "fit" else None,
        two_classes=two,
        worst=_worst(rows, losses, classes),
        headline=f"{model} gives {formats.proportion(accuracy)} of {formats.plural(len(label), formats.one(examples))} "
        f"of {data} the right class{where}.",
        warning=EVALUATION_WARNING.format(examples=examples),
        rows=rows,
        examples=examples,
        trained_on=trained_on,
        left_out=left_out,
        files_left_out=dict(files_left_out or {}),
    )


def _checked(
    label: np.ndarray, logits: np.ndarray, classes: Sequence[str], examples: str, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Labels as int64 and logits as float64."""
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
        raise DataError(f"the model gives logits that are not finite for {what}")
    return label.astype(np.int64), logits


def _softmax(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, classes), and the cross-entropy of each example (n,) in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    totals = powers.sum(axis=1)
    return powers / totals[:, None], np.log(totals) - np.take_along_axis(shifted, label[:, None], axis=1)[:, 0]


def _calibration(probability: np.ndarray, label: np.ndarray) -> Calibration:
    return calibration(np.minimum(probability.max(axis=1), 1.0), probability.argmax(axis=1) == label)


def _fitted(logits: np.ndarray, label: np.ndarray) -> FittedTemperature:
    scaled, halves = cross_fitted(logits, label)
    probability, losses = _softmax(scaled, label)
    return FittedTemperature(
        halves, fit_temperature(logits, label), float(losses.mean()), _calibration(probability, label)
    )


def _two_classes(
    label: np.ndarray, probability: np.ndarray, classes: Sequence[str], decision: Decision
) -> TwoClasses | None:
    if len(classes) != 2 or label.min() == label.max():
        return None
    mine = decision.number(classes)
    curve = operating_curve(label == mine, probability[:, mine])
    why = {curve.largest_youden: "Youden's J", curve.largest_f1: "largest F1"}
    if curve.largest_youden == curve.largest_f1:
        why[curve.largest_f1] = "largest F1, Youden's J"
    if decision.threshold is not None:
        why[decision.threshold] = "chosen"
    points = tuple(curve.at(threshold, why.get(threshold, "")) for threshold in sorted({*_THRESHOLDS, *why}))
    return TwoClasses(classes[mine], decision.threshold, curve, points)


def _worst(rows: Rows, losses: np.ndarray, classes: Sequence[str]) -> tuple[Misjudged, ...]:
    """The wrong examples whose true class has the smallest probability, that first."""
    wrong = np.flatnonzero(rows.predicted != rows.label)
    found = []
    for row in wrong[np.argsort(-losses[wrong], kind="stable")][:WORST].tolist():
        name, image = rows.look(row)
        true, predicted = int(rows.label[row]), int(rows.predicted[row])
        of_given, of_true = float(rows.probability[row, predicted]), float(rows.probability[row, true])
        found.append(Misjudged(name, classes[true], classes[predicted], of_given, of_true, image))
    return tuple(found)
