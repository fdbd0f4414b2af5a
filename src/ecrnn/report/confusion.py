"""Confusion matrices, the classes one by one, and which are taken for which."""

from __future__ import annotations

import numpy as np

from ecrnn.report.results import ClassScore, ConfusedPair, Confusion

MOST_CONFUSED = 20


def confusion_counts(label: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64; row true, column given. Both arguments are (n,) class indices."""
    return np.bincount(label * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confusion(model: str, counts: np.ndarray, names: tuple[str, ...]) -> Confusion:
    """The scores of each class and the most confused pairs of a (classes, classes) matrix of counts."""
    true, given, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    scores = tuple(
        ClassScore(name, int(n), int(g), int(r), float(r / n) if n else None, float(r / g) if g else None)
        for name, n, g, r in zip(names, true, given, right, strict=True)
    )
    return Confusion(model, tuple(tuple(map(int, row)) for row in counts), scores, _most_confused(counts, names))


def _most_confused(counts: np.ndarray, names: tuple[str, ...]) -> tuple[ConfusedPair, ...]:
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = []
    for flat in order:
        row, column = divmod(int(flat), len(names))
        n = int(wrong[row, column])
        if n:
            pairs.append(ConfusedPair(names[row], names[column], n, n / int(counts[row].sum())))
    return tuple(pairs)
