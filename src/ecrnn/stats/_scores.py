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
Index = Mapping[int, ArrayLike] | Sequence[ArrayLike]  # repeat number -> (n,) which examples these are
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


def places(examples: Mapping[str, Examples], index: Index | None, *, fixed_test: bool) -> dict[int, NDArray[np.int64]]:
    """Which examples each repeat has scored, in the order of the scores; nothing where that is not known."""
    sizes = {repeat: len(array) for arrays in examples.values() for repeat, array in arrays.items()}
    if index is None:
        if not fixed_test:
            return {}
        if len(set(sizes.values())) > 1:
            (first, size), *others = sizes.items()
            other = next(repeat for repeat, count in others if count != size)
            raise EcrnnError(
                f"a fixed test set has the same examples in all repeats, got {size} in repeat {first} and "
                f"{sizes[other]} in repeat {other}"
            )
        return {repeat: np.arange(size) for repeat, size in sizes.items()}
    numbered = index if isinstance(index, Mapping) else dict(enumerate(index))
    found = {}
    for repeat, size in sizes.items():
        if repeat not in numbered:
            raise EcrnnError(f"index lacks repeat {repeat}")
        array = np.asarray(numbered[repeat])
        if array.shape != (size,) or not np.issubdtype(array.dtype, np.integer):
            raise EcrnnError(
                f"index of repeat {repeat} must be {size} whole numbers, one an example, got shape {array.shape} of "
                f"{array.dtype}"
            )
        if np.unique(array).size < size:
            raise EcrnnError(f"index of repeat {repeat} names an example twice")
        found[repeat] = array
    every, places = np.unique(np.concatenate(list(found.values())), return_inverse=True)
    ends = np.cumsum([array.size for array in found.values()])[:-1]
    return dict(zip(found, np.split(places, ends), strict=True)) if every.size else {}


def failed(
    model: str, finished: Mapping[int, object], of_models: Mapping[str, Sequence[int]] | None
) -> tuple[int, ...]:
    """The repeats in which the training of ``model`` failed, checked."""
    repeats = sorted({_checks.whole(f"a failed repeat of {model}", r, 0) for r in (of_models or {}).get(model, ())})
    both = [repeat for repeat in repeats if repeat in finished]
    if both:
        raise EcrnnError(f"repeat {both[0]} of {model} cannot both have failed and have scores")
    return tuple(repeats)


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
    scores = _checks.vector(where, values)
    if ((scores < 0) | (scores > 1)).any():
        raise EcrnnError(f"{where} must lie between 0 and 1 (are they in percent?)")
    return np.stack([scores, np.ones_like(scores)]).T  # columns are contiguous, so their sums are as exact as a mean
