"""How often each test errs when there is nothing to find: studies of two equal learners on real splits.

The null is the one of Nadeau and Bengio (2003): two ways of training with the same expected score over
training sets of size n_train and test examples, both drawn from the population. It does not say that the two
are equal on every finite data set. On a given one, one of them is by luck a little better, in all of its
splits alike; that shared luck is what makes repeats correlated, and what a test must not take for a
difference. So every study here draws its own data set, and the rate of errors is the rate over data sets.

The correlation between the repeats is not put in: it comes from real classifiers trained and scored on real
splits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.mcnemar import paper_test
from ecrnn.stats.metrics import ACCURACY, BITS, Metric
from ecrnn.stats.paired import corrected_resampled_t, equivalence, paired_t
from ecrnn.stats.verdicts import verdict

_SCORES_AT_ONCE = 2**21  # bounds the memory at some tens of MiB


@dataclass(frozen=True)
class FalsePositives:
    """Share of ``studies`` in which each test finds a difference that is not there, at ``alpha``.

    ``verdict`` is the default verdict being "better" or "worse", ``corrected`` the corrected resampled t,
    ``plain`` the plain paired t, ``images`` the paper's image-level test over all repeats (None for other scores than
    accuracy).
    """

    studies: int
    repeats: int
    alpha: float
    rope: float
    verdict: float
    corrected: float
    plain: float
    images: float | None


def equal_learners(
    rng: np.random.Generator,
    repeats: int,
    n_total: int,
    n_train: int,
    *,
    metric: Metric = ACCURACY,
    studies: int = 1000,
    features: int = 5,
    signal: float = 0.4,
) -> NDArray[np.float64]:
    """Test scores of two learners that are equal by symmetry, in many studies of random splits.

    Each study draws ``n_total`` examples of two classes with ``2 * features`` Gaussian features of variance
    1, whose means are +-``signal`` by class. Both learners are nearest-centroid classifiers; the first sees
    the first half of the features, the second the other half. Swapping the halves changes nothing in the
    population, so their expected scores are equal, for every size of training set. Each repeat trains
    both on the same ``n_train`` examples drawn without replacement and scores both on all the others: by the class
    that they give, or by the bits that the true class costs under the odds of classes of variance 1.

    Args:
        rng: source of all randomness.
        repeats: splits of each study.
        n_total: examples of each study.
        n_train: training examples of each split, below n_total.
        metric: ACCURACY or BITS, one character an example.
        studies: number of studies.
        features: features of each learner.
        signal: distance of each class mean from 0, in standard deviations of a feature.

    Returns:
        (studies, 2, repeats) values of the metric.

    Raises:
        EcrnnError: a size below 1, no example left to score, or another metric.
    """
    if metric not in (ACCURACY, BITS):
        raise EcrnnError(f"equal learners are scored by accuracy or bits, not by {metric.name}")
    for name, value in (("repeats", repeats), ("studies", studies), ("features", features)):
        _checks.count(name, value)
    if not 2 <= n_train < n_total:
        raise EcrnnError(f"n_train must lie between 2 and n_total - 1 = {n_total - 1}, got {n_train}")
    step = max(1, _SCORES_AT_ONCE // (n_total * max(repeats, 2 * features)))
    chunks = [
        _studies(rng, metric, min(step, studies - start), repeats, n_total, n_train, features=features, signal=signal)
        for start in range(0, studies, step)
    ]
    return np.concatenate(chunks)


def _studies(
    rng: np.random.Generator,
    metric: Metric,
    studies: int,
    repeats: int,
    n_total: int,
    n_train: int,
    *,
    features: int,
    signal: float,
) -> NDArray[np.float64]:
    label = rng.choice([-1.0, 1.0], size=(studies, n_total, 1))  # (S, N, 1)
    x = signal * label + rng.standard_normal((studies, n_total, 2 * features))  # (S, N, 2F)
    # The first n_train places of a random order are the training set of a repeat.
    rank = rng.random((studies, repeats, n_total)).argsort(axis=2).argsort(axis=2)
    train = (rank < n_train).astype(float)  # (S, R, N), 1 where the example is trained on

    positive = (label[:, None, :, 0] > 0) * train  # (S, R, N)
    centroids = []
    for members in (positive, train - positive):
        size = np.maximum(members.sum(axis=2, keepdims=True), 1)  # a class may be absent from a tiny split
        centroids.append(members @ x / size)  # (S, R, 2F)
    normal = centroids[0] - centroids[1]  # (S, R, 2F), of the plane half-way between the centroids
    offset = (centroids[0] ** 2 - centroids[1] ** 2) / 2  # (S, R, 2F), summed over a learner's features below

    scores = np.empty((studies, 2, repeats))
    for learner, columns in enumerate((slice(0, features), slice(features, None))):
        side = normal[..., columns] @ x[..., columns].transpose(0, 2, 1)  # (S, R, N)
        side -= offset[..., columns].sum(axis=2, keepdims=True)
        true = label[:, None, :, 0]
        # The first statistic of an example: right, or nats, for which ``side`` is the logarithm of the odds.
        first = (side > 0) == (true > 0) if metric is ACCURACY else np.logaddexp(0.0, -true * side)
        sums = (first * (1 - train)).sum(axis=2), np.full((studies, repeats), n_total - n_train)
        scores[:, learner] = metric.of_sums(np.stack(sums, axis=-1))
    return scores


def false_positives(
    scores: ArrayLike,
    n_train: int,
    n_test: int,
    *,
    metric: Metric = ACCURACY,
    alpha: float = 0.05,
    rope: float | None = None,
) -> FalsePositives:
    """The rate at which each test errs on studies of equal learners.

    Args:
        scores: (studies, 2, repeats), from :func:`equal_learners`; at least 3 repeats.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        metric: of the scores.
        alpha: level of all tests.
        rope: region of practical equivalence of the verdict; None takes the metric's own.

    Raises:
        EcrnnError: scores of another shape, settings out of range.
    """
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 3 or scores.shape[1] != 2 or scores.shape[0] < 1 or scores.shape[2] < 3:
        raise EcrnnError(f"scores must be (studies, 2, repeats >= 3), got shape {scores.shape}")
    studies, _, repeats = scores.shape
    rope = metric.rope if rope is None else rope
    wrong = np.zeros(4)
    for a, b in scores:
        test = corrected_resampled_t(a - b, n_train, n_test)
        wrong += (
            verdict(test, test.p, equivalence(test, rope), alpha) in ("better", "worse"),  # one pair: nothing to adjust
            test.p < alpha,
            paired_t(a - b).p < alpha,
            metric.binary and paper_test(float(a.mean()), float(b.mean()), repeats * n_test).p < alpha,
        )
    word, corrected, plain, images = (float(rate) for rate in wrong / studies)
    return FalsePositives(studies, repeats, alpha, rope, word, corrected, plain, images if metric.binary else None)
