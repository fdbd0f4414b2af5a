"""Tests on the images of one test set: the paper's own test, McNemar's, and a paired bootstrap.

They ask whether two *trained networks* differ on images like these. None of them sees what training again
would change; that is what the repeats and paired.py are for. A difference is always a minus b, in fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.intervals import Interval, percentiles

PAPER_TEST_WARNING = (
    "This is the paper's image-level test, and it is too optimistic: it takes the images of all repeats as "
    "independent, though the images of one trained network are not repetitions of training. What another "
    "seed or split would change is ignored, so p comes out far too small."
)

_STARS = ((0.0001, "***"), (0.005, "**"), (0.05, "*"))


@dataclass(frozen=True)
class ImageTest:
    """The paper's z test on ``n`` images.

    ``stars`` is "", "*" (p < .05), "**" (p < .005) or "***" (p < .0001). ``z`` is None where it would be
    infinite (accuracies 0 and 1).
    """

    difference: float
    z: float | None
    p: float
    stars: str
    n: int


@dataclass(frozen=True)
class McNemar:
    """Images that only a, and only b, has right, and the exact two-sided p of both being as likely."""

    only_a: int
    only_b: int
    p: float


def paper_test(accuracy_a: float, accuracy_b: float, n: int) -> ImageTest:
    """The test behind the stars of the paper's Tables 2-5; print PAPER_TEST_WARNING beside it.

    Worked out from the printed marks, all of which it reproduces:
    z = (a - b) / sqrt((a (1 - a) + b (1 - b)) / n), two-sided p from the normal distribution.

    Args:
        accuracy_a: accuracy of a over all images of all repeats, a fraction.
        accuracy_b: accuracy of b, a fraction.
        n: images of all repeats together: 45,000 in the paper (3 x 15,000).

    Raises:
        EcrnnError: an accuracy outside 0..1 (is it in percent?), n below 1.
    """
    for name, accuracy in (("accuracy_a", accuracy_a), ("accuracy_b", accuracy_b)):
        if not 0 <= accuracy <= 1:
            raise EcrnnError(f"{name} must be a fraction between 0 and 1, got {accuracy}")
    n = _checks.whole("n", n)
    difference = accuracy_a - accuracy_b
    variance = (accuracy_a * (1 - accuracy_a) + accuracy_b * (1 - accuracy_b)) / n
    z: float | None
    if variance > 0:
        z = difference / math.sqrt(variance)
        p = 2.0 * float(special.ndtr(-abs(z)))
    else:
        z, p = (0.0, 1.0) if difference == 0 else (None, 0.0)
    stars = next((mark for bound, mark in _STARS if p < bound), "")
    return ImageTest(difference, z, p, stars, n)


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """McNemar's exact test (1947) of two trained models on the same images.

    Of the images on which they disagree, each is as likely to be right: p is twice the smaller tail of a
    binomial with probability one half, at most 1.

    Args:
        correct_a: (n,) whether a is right on each image, bool or 0 and 1.
        correct_b: (n,) the same for b, the same images in the same order.

    Raises:
        EcrnnError: lengths that differ, values other than 0 and 1, no images.
    """
    a, b = _paired_correctness(correct_a, correct_b)
    only_a, only_b = int(np.count_nonzero(a > b)), int(np.count_nonzero(b > a))
    tail = float(special.bdtr(min(only_a, only_b), only_a + only_b, 0.5))
    return McNemar(only_a, only_b, min(1.0, 2.0 * tail))


def accuracy_difference_interval(
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 10_000,
) -> Interval:
    """Difference of two accuracies on the same images, with a paired percentile bootstrap over the images.

    Resampling images is drawing how many of them have the difference +1, 0 and -1, a multinomial, so the cost
    does not depend on the number of images.

    Args:
        correct_a: (n,) whether a is right on each image, bool or 0 and 1.
        correct_b: (n,) the same for b, the same images in the same order.
        level: confidence of the interval.
        seed: of the resampling.
        resamples: number of bootstrap samples.

    Raises:
        EcrnnError: lengths that differ, values other than 0 and 1, no images, a level outside (0, 1).
    """
    a, b = _paired_correctness(correct_a, correct_b)
    level = _checks.share("level", level)
    resamples = _checks.whole("resamples", resamples)
    n = a.size
    only_a, only_b = np.count_nonzero(a > b), np.count_nonzero(b > a)
    shares = [only_a / n, only_b / n, (n - only_a - only_b) / n]
    drawn = np.random.default_rng(seed).multinomial(n, shares, resamples)
    low, high = percentiles((drawn[:, 0] - drawn[:, 1]) / n, level)
    return Interval((only_a - only_b) / n, low, high, level)


def _paired_correctness(correct_a: ArrayLike, correct_b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = _checks.correctness("correct_a", correct_a), _checks.correctness("correct_b", correct_b)
    if a.size != b.size:
        raise EcrnnError(f"both models must be scored on the same images, got {a.size} and {b.size}")
    return a, b
