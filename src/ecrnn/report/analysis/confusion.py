"""Confusion matrices, the classes one by one, and which are taken for which."""

from __future__ import annotations

import numpy as np

from ecrnn.report.analysis.schema import ClassScore, ConfusedPair, Confusion

MOST_CONFUSED = 20
MOST_CLASSES = 1000  # of a matrix that is written out; memory and time are otherwise linear in classes and examples


def confusion(model: str, label: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]) -> Confusion:
    """The scores of each class, the most confused pairs, and the matrix where there are not too many classes.

    Args:
        model: its name.
        label, predicted: (n,) class indices.
        names: names of the classes.
    """
    classes = len(names)
    true, assigned, correct = (
        np.bincount(of, minlength=classes) for of in (label, predicted, label[label == predicted])
    )
    cells, counts = np.unique(label.astype(np.int64) * classes + predicted, return_counts=True)
    scores = tuple(
        ClassScore(name, int(n), int(a), int(c), float(c / n) if n else None, float(c / a) if a else None)
        for name, n, a, c in zip(names, true, assigned, correct, strict=True)
    )
    matrix = np.zeros((0, 0), np.int64)
    if classes <= MOST_CLASSES:
        matrix = np.zeros((classes, classes), np.int64)
        matrix.flat[cells] = counts
    return Confusion(
        model, tuple(tuple(map(int, row)) for row in matrix), scores, _most_confused(cells, counts, true, names)
    )


def _most_confused(
    cells: np.ndarray, counts: np.ndarray, true: np.ndarray, names: tuple[str, ...]
) -> tuple[ConfusedPair, ...]:
    """The most frequent confusions, from cells (by place in the flat matrix) and the sizes of the classes."""
    wrong = cells // len(names) != cells % len(names)
    cells, counts = cells[wrong], counts[wrong]
    order = np.argsort(-counts, kind="stable")[:MOST_CONFUSED]
    pairs = []
    for cell, n in zip(cells[order], counts[order], strict=True):
        row, column = divmod(int(cell), len(names))
        pairs.append(ConfusedPair(names[row], names[column], int(n), int(n) / int(true[row])))
    return tuple(pairs)
