"""Labels that a study's own models contradict, on images that they had not seen.

The rule is that of confident learning (Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in
Dataset Labels, JAIR 70, 2021, equations 1 and 2). The threshold of a class is the mean probability that its own images
are given of it. An image is confidently of every class whose probability for it reaches that class's threshold, and
most probably of the one with the largest probability among them. Where that is not the class of its label, the label is
suspect. The probabilities of an image are the mean over all trainings that held it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Suspect(NamedTuple):
    """An image whose label is suspect: its place, the class that is more probable, and both probabilities."""

    place: int
    instead: int
    probability: float
    of_label: float


def held_out_probabilities(
    trials: Iterable[tuple[np.ndarray, np.ndarray]], count: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mean probabilities of each image over the trainings that held it out.

    Args:
        trials: of each training the places of the images that it held out, int64 (n,), and the network's outputs before
            the softmax, (n, C).
        count: number of images.
        classes: C.

    Returns:
        float64 (N, C), 0 for images that none held out, and bool (N,), which some held out.
    """
    total, times = np.zeros((count, classes)), np.zeros(count)
    for index, logits in trials:
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        total[index] += exponentials / exponentials.sum(axis=1, keepdims=True)
        times[index] += 1
    return total / np.maximum(times, 1)[:, None], times > 0


def suspects(probabilities: np.ndarray, labels: np.ndarray) -> list[Suspect]:
    """The images whose label is suspect, the clearest first.

    Args:
        probabilities: float64 (n, C), of models that had not seen the image.
        labels: int64 (n,).
    """
    n, classes = probabilities.shape
    of_label = probabilities[np.arange(n), labels]
    counts = np.bincount(labels, minlength=classes)
    thresholds = np.bincount(labels, of_label, minlength=classes) / np.maximum(counts, 1)
    thresholds[counts == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    best = confident.argmax(axis=1)
    wrong = np.flatnonzero((confident[np.arange(n), best] >= 0) & (best != labels))
    order = wrong[np.argsort(of_label[wrong] - probabilities[wrong, best[wrong]], kind="stable")]
    return [Suspect(int(i), int(best[i]), float(probabilities[i, best[i]]), float(of_label[i])) for i in order]
