"""Calibration of one classifier: of the examples to which it gives 80 %, are four in five right?

    found = calibration(probability.max(axis=1), predicted == label)
    found.ece, found.expected_ece

ECE is a mean of absolute differences, so it is above 0 for a perfectly calibrated model too; `expected_ece` says what
such a model would show on as many examples (Bröcker and Smith 2007, "Increasing the reliability of reliability
diagrams"). Temperature scaling is that of Guo et al. (2017), "On calibration of modern neural networks".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.intervals import Interval, wilson

BINS = 15
TEMPERATURES = (0.05, 20.0)  # that are fitted: without an error, or with many, there is no best one
_SIMULATIONS = 1000
_DRAWN = 3 * 10**7  # draws of a simulation at the most
_AT_ONCE = 2**22


@dataclass(frozen=True)
class ConfidenceBin:
    """Examples whose confidence is above ``low`` and at most ``high``: mean confidence, and share that is right with
    Wilson's interval; None where there are none."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: Interval | None


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy are apart.

    Attributes:
        n: examples.
        confidence: mean probability of the most probable class.
        accuracy: share of the examples of which it is the true one.
        ece: expected calibration error: over the bins, the mean of |accuracy - confidence|, weighted by examples.
        expected_ece: its mean for a perfectly calibrated model with these confidences.
        expected_ece_high: which 95 % of such models stay below.
        bins: of equal width, from 0 to 1.
    """

    n: int
    confidence: float
    accuracy: float
    ece: float
    expected_ece: float
    expected_ece_high: float
    bins: tuple[ConfidenceBin, ...]


def calibration(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS, seed: int = 0) -> Calibration:
    """Compare confidence with accuracy, in bins of equal width (k / bins, (k + 1) / bins].

    Args:
        confidence: (n,) probability of the class that is most probable, 0 to 1.
        correct: (n,) whether it is the true one.
        bins: number of bins.
        seed: of the simulation of calibrated models.

    Raises:
        EcrnnError: no examples, shapes that do not fit, or values out of bounds.
    """
    sure, hit = _checks.vector("confidence", confidence), _checks.correctness("correct", correct)
    bins = _checks.whole("bins", bins)
    if sure.shape != hit.shape:
        raise EcrnnError(f"there are {len(sure)} confidences for {len(hit)} examples")
    if sure.min() < 0 or sure.max() > 1:
        raise EcrnnError("confidences must lie between 0 and 1")
    n = len(sure)
    number = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    count, total, hits = (np.bincount(number, weights, bins) for weights in (None, sure, hit))
    found = tuple(
        ConfidenceBin(
            k / bins,
            (k + 1) / bins,
            int(count[k]),
            float(total[k] / count[k]) if count[k] else None,
            wilson(int(hits[k]), int(count[k])) if count[k] else None,
        )
        for k in range(bins)
    )
    expected = _of_calibrated(sure, number, seed)
    return Calibration(
        n,
        float(sure.mean()),
        float(hit.mean()),
        float(np.abs(hits - total).sum() / n),
        float(expected.mean()),
        float(np.quantile(expected, 0.95)),
        found,
    )


def _of_calibrated(sure: NDArray[np.float64], number: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """ECE of simulated models that are right as often as they say."""
    order = np.argsort(number, kind="stable")
    sure, number = sure[order], number[order]
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    rng, n = np.random.default_rng(seed), len(sure)
    simulations = max(100, min(_SIMULATIONS, _DRAWN // n))
    step = max(1, _AT_ONCE // n)
    found = np.empty(simulations)
    for start in range(0, simulations, step):
        rows = min(step, simulations - start)
        gaps = (rng.random((rows, n)) < sure) - sure
        found[start : start + rows] = np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1) / n
    return found


def fit_temperature(logits: ArrayLike, label: ArrayLike) -> float:
    """The temperature T for which the cross-entropy of softmax(logits / T) is smallest, within `TEMPERATURES`.

    Args:
        logits: (n, classes), any floating type.
        label: (n,) numbers of the true classes.

    Raises:
        EcrnnError: no examples, shapes that do not fit, or logits that are not finite.
    """
    logits, label = np.asarray(logits, np.float64), np.asarray(label)
    if logits.ndim != 2 or label.shape != (len(logits),) or not label.size:
        raise EcrnnError(f"logits should be (n, classes), got {logits.shape} for {label.shape} labels")
    if not np.isfinite(logits).all():
        raise EcrnnError("logits must be finite")
    centred = logits - logits.max(axis=1, keepdims=True)
    true = np.take_along_axis(centred, label[:, None], axis=1)[:, 0]

    def slope(log_inverse: float) -> float:  # of the cross-entropy, by 1 / T; it rises with 1 / T
        share = special.softmax(centred * np.exp(log_inverse), axis=1)
        return float(((share * centred).sum(axis=1) - true).mean())

    low, high = -np.log(TEMPERATURES[1]), -np.log(TEMPERATURES[0])
    if slope(low) >= 0:
        return TEMPERATURES[1]
    if slope(high) <= 0:
        return TEMPERATURES[0]
    return float(np.exp(-optimize.brentq(slope, low, high, xtol=1e-10)))


def cross_fitted(logits: ArrayLike, label: ArrayLike, seed: int = 0) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Logits divided by a temperature that was fitted on the other half, so that no example judges its own.

    Args:
        logits: (n, classes), of at least two examples.
        label: (n,) numbers of the true classes.
        seed: draws the halves.

    Returns:
        The scaled logits, and the temperatures that were fitted on the two halves.

    Raises:
        EcrnnError: as of `fit_temperature`, or one example alone.
    """
    logits, label = np.asarray(logits, np.float64), np.asarray(label)
    if len(logits) < 2:
        raise EcrnnError("a temperature is fitted on one half and judged on the other; one example is not enough")
    order = np.random.default_rng(seed).permutation(len(logits))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    temperatures = tuple(fit_temperature(logits[half], label[half]) for half in halves)
    scaled = np.empty_like(logits)
    for half, temperature in zip(halves, reversed(temperatures), strict=True):
        scaled[half] = logits[half] / temperature
    return scaled, (temperatures[0], temperatures[1])
