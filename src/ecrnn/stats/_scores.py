"""The examples of a comparison: what users give, as checked statistics of the metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.metrics import Metric

Scores = Mapping[int, ArrayLike] | Sequence[ArrayLike]  # repeat number -> (n,) or (n, k) of its examples
Values = Mapping[int, float] | Sequence[float]  # repeat number -> its score
Examples = dict[int, NDArray[np.float64]]  # repeat -> (n, k) statistics of the metric


def read(scores: Mapping[str, Scores], metric: Metric) -> dict[str, Examples]:
    """The scores as statistics, checked: each one by itself, and all models of a repeat against each other."""
    if not scores:
        raise EcrnnError("there are no models to compare")
    checked: dict[str, Examples] = {}
    first: dict[int, tuple[str, int]] = {}  # repeat -> the model seen first, and its number of examples
    for model, repeats in scores.items():
        numbered = repeats if isinstance(repeats, Mapping) else dict(enumerate(repeats))
        checked[model] = {}
        for repeat in sorted(numbered):
            array = _statistics(f"scores of {model} in repeat {repeat}", numbered[repeat], metric)
            other, size = first.setdefault(repeat, (model, len(array)))
            if len(array) != size:
                raise EcrnnError(
                    f"all models of a repeat must be scored on the same examples, got {size} of {other} and "
                    f"{len(array)} of {model} in repeat {repeat}"
                )
            checked[model][_checks.whole(f"the number of a repeat of {model}", repeat, 0)] = array
    return checked


def read_values(scores: Mapping[str, Values], metric: Metric) -> dict[str, dict[int, float]]:
    """One score a repeat, checked."""
    if not scores:
        raise EcrnnError("there are no models to compare")
    checked: dict[str, dict[int, float]] = {}
    for model, repeats in scores.items():
        numbered = repeats if isinstance(repeats, Mapping) else dict(enumerate(repeats))
        checked[model] = {}
        for repeat in sorted(numbered):
            (value,) = _checks.vector(f"the score of {model} in repeat {repeat}", [numbered[repeat]])
            if not metric.least <= value <= metric.most:
                bounds = f"between {metric.least:g} and {metric.most:g} (is it in percent?)"
                raise EcrnnError(f"{metric.title} of {model} in repeat {repeat} must lie {bounds}, got {value:g}")
            checked[model][_checks.whole(f"the number of a repeat of {model}", repeat, 0)] = float(value)
    return checked


def correctness(statistics: NDArray[np.float64], metric: Metric) -> NDArray[np.float64] | None:
    """(n,) zeros and ones, where ``metric`` asks whether each example is right and that is what stands here."""
    if metric.binary and (statistics[:, 1] == 1).all() and _checks.is_binary(statistics[:, 0]):
        return statistics[:, 0]
    return None


def _statistics(where: str, values: ArrayLike, metric: Metric) -> NDArray[np.float64]:
    if not metric.binary or np.ndim(values) > 1:
        return metric.checked(values, where)
    own = _checks.vector(where, values)
    if ((own < 0) | (own > 1)).any():
        raise EcrnnError(f"{where} must lie between 0 and 1 (are they in percent?)")
    return np.stack([own, np.ones_like(own)]).T  # columns are contiguous, so their sums are as exact as a mean
