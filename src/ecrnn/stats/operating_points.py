"""A classifier of two classes at every threshold: ROC and precision-recall curves, their areas, and single points.

    found = operating_curve(label == 1, probability[:, 1])
    found.auc, found.average_precision, found.at(0.3)

An example is given the positive class where its score is at least the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.intervals import Interval, percentiles, wilson

_RESAMPLES = 1000
_DRAWN = 10**7  # examples of a bootstrap at the most
_AT_ONCE = 2**22


@dataclass(frozen=True)
class OperatingPoint:
    """What one threshold does; ``why`` is what it is named for, if anything.

    ``recall`` is the share of the positive examples that are found (sensitivity), ``specificity`` that of the others
    that are left alone, ``precision`` that of the examples given the positive class that are of it (None where none
    is), each with Wilson's interval.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    recall: Interval
    specificity: Interval
    precision: Interval | None
    f1: float
    why: str = ""


@dataclass(frozen=True)
class OperatingCurve:
    """All thresholds that differ, from the largest score down.

    Attributes:
        positives, negatives: examples of the positive class, and of the other one.
        thresholds: (k,) the scores, descending.
        true_positives, false_positives: (k,) examples with at least this score.
        auc: area under the ROC curve: the share of pairs of a positive and another example in which the positive one
            has the larger score, ties counted half. Newcombe's interval (2006, "Confidence intervals for an effect size
            measure based on the Mann-Whitney statistic", part 2, method 5), which has a width at 1 too.
        average_precision: sum of precision times the step in recall, with a percentile bootstrap over the examples.
    """

    positives: int
    negatives: int
    auc: Interval
    average_precision: Interval
    thresholds: NDArray[np.float64] = field(repr=False, metadata={"key": None})
    true_positives: NDArray[np.int64] = field(repr=False, metadata={"key": None})
    false_positives: NDArray[np.int64] = field(repr=False, metadata={"key": None})

    def at(self, threshold: float, why: str = "") -> OperatingPoint:
        """What ``threshold`` does."""
        place = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        found, wrong = (int(n[place]) if place >= 0 else 0 for n in (self.true_positives, self.false_positives))
        missed, left = self.positives - found, self.negatives - wrong
        return OperatingPoint(
            threshold,
            found,
            wrong,
            missed,
            left,
            wilson(found, self.positives),
            wilson(left, self.negatives),
            wilson(found, found + wrong) if found + wrong else None,
            2 * found / (2 * found + wrong + missed),
            why,
        )

    @property
    def largest_f1(self) -> float:
        """The threshold with the largest F1, the largest of equals."""
        f1 = 2 * self.true_positives / (self.true_positives + self.false_positives + self.positives)
        return float(self.thresholds[f1.argmax()])

    @property
    def largest_youden(self) -> float:
        """The threshold with the largest recall + specificity - 1, Youden's J, the largest of equals."""
        j = self.true_positives / self.positives - self.false_positives / self.negatives
        return float(self.thresholds[j.argmax()])


def operating_curve(positive: ArrayLike, score: ArrayLike, level: float = 0.95, seed: int = 0) -> OperatingCurve:
    """Both curves of a classifier of two classes.

    Args:
        positive: (n,) whether an example is of the positive class; some are and some are not.
        score: (n,) its probability, or anything that rises with it.
        level: confidence of the intervals.
        seed: of the bootstrap.

    Raises:
        EcrnnError: shapes that do not fit, scores that are not finite, or examples of one class alone.
    """
    mine, score = _checks.correctness("positive", positive), _checks.vector("score", score)
    level = _checks.share("level", level)
    if mine.shape != score.shape:
        raise EcrnnError(f"there are {len(score)} scores for {len(mine)} examples")
    positives = int(mine.sum())
    negatives = len(mine) - positives
    if not positives or not negatives:
        raise EcrnnError("operating points want examples of both classes")
    order = np.argsort(-score, kind="stable")
    mine, score = mine[order], score[order]
    ends = np.flatnonzero(np.diff(score, append=-np.inf))  # the last example of each score
    found = mine.cumsum()[ends]
    wrong = ends + 1 - found
    area = float(np.trapezoid(np.append(0, found), np.append(0, wrong)) / (positives * negatives))
    low, high = percentiles(_precisions(mine, ends, seed), level)
    precision = float(np.diff(found, prepend=0) @ (found / (ends + 1)) / positives)
    return OperatingCurve(
        positives,
        negatives,
        auc_interval(area, positives, negatives, level),
        Interval(precision, min(low, precision), max(high, precision), level),
        score[ends],
        found.astype(np.int64),
        wrong.astype(np.int64),
    )


def auc_interval(area: float, positives: int, negatives: int, level: float = 0.95) -> Interval:
    """Newcombe's interval, method 5, of an area under the ROC curve.

    Its ends are the areas t for which |area - t| = z sqrt(v(t)), with v(t) = t (1 - t) (1 + m (1 - t) / (2 - t)
    + m t / (1 + t)) / (positives negatives) and m = (positives + negatives) / 2 - 1.

    Args:
        area: between 0 and 1.
        positives: examples of the positive class, at least 1.
        negatives: those of the other one, at least 1.
        level: confidence of the interval.

    Raises:
        EcrnnError: an area or a level out of bounds, or no example of a class.
    """
    positives, negatives = _checks.whole("positives", positives), _checks.whole("negatives", negatives)
    level = _checks.share("level", level)
    if not 0 <= area <= 1:
        raise EcrnnError(f"an area lies between 0 and 1, got {area}")
    low = _lower_end(area, positives, negatives, level)
    return Interval(area, low, 1 - _lower_end(1 - area, positives, negatives, level), level)  # v(t) is v(1 - t)


def _lower_end(area: float, positives: int, negatives: int, level: float) -> float:
    z, m = float(special.ndtri((1 + level) / 2)), (positives + negatives) / 2 - 1

    def beyond(t: float) -> float:
        spread = z**2 * t * (1 + m * (1 - t) / (2 - t) + m * t / (1 + t)) / (positives * negatives)
        if area == 1:  # (area - t)^2 - (1 - t) spread, of which 1 is a root, divided by 1 - t
            return 1 - t - spread
        return (area - t) ** 2 - (1 - t) * spread

    return 0.0 if area == 0 else float(optimize.brentq(beyond, 0.0, area))


def _precisions(mine: NDArray[np.float64], ends: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Average precision of examples that are drawn with replacement; ``mine`` descends by score, equal up to ``ends``.

    A draw without a positive example is left out.
    """
    rng, n = np.random.default_rng(seed), len(mine)
    resamples = max(100, min(_RESAMPLES, _DRAWN // n))
    step = max(1, _AT_ONCE // n)
    found = []
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        hits, every = (times * mine).cumsum(axis=1)[:, ends], times.cumsum(axis=1)[:, ends]
        some = hits[:, -1] > 0
        hits, every = hits[some], every[some]
        steps = np.diff(hits, prepend=0, axis=1)
        found.append((steps * hits / np.maximum(every, 1)).sum(axis=1) / hits[:, -1])
    return np.concatenate(found)
