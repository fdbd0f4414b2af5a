"""Tables with several seeds on each of several splits, where a repeat of the verdict is a split.

Trainings of one split share its luck, so they are no independent repeats. The score of a split is the mean over its
trainings, as in a report of a study with several seeds a split.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.scores.records import PARTS_OF_DATA, Scores

Value = TypeVar("Value", float, NDArray[np.float64])


def split_numbers(scores: Scores) -> dict[int, int] | None:
    """The number of the split of each repeat, where some share one; None where each has its own, as far as is known.

    Args:
        scores: of one data set, of more than one split. Where no column names splits, repeats that are scored on the
            same examples are of one.

    Raises:
        EcrnnError: a model has repeats of one split, and which repeats these are of all models the table does not say;
            or their examples are others.
    """
    names = _split_names(scores)
    places: dict[str | bytes, int] = {}
    numbers = {repeat: places.setdefault(names[repeat], len(places)) for repeat in sorted(names)}
    if len(places) == len(numbers):
        return None
    _check_examples(scores, numbers)
    return numbers


def seeds_of(numbers: Mapping[int, int]) -> int:
    """The most trainings that a split has."""
    return max(Counter(numbers.values()).values())


def means(of_model: Mapping[int, Value], numbers: Mapping[int, int] | None) -> dict[int, Value]:
    """The mean over the trainings of each split; without ``numbers`` what was given.

    Args:
        of_model: by repeat, a score or what is known of each example.
        numbers: from `split_numbers`.
    """
    if numbers is None:
        return dict(of_model)
    of_split: dict[int, list[Value]] = {}
    for repeat in sorted(of_model):
        of_split.setdefault(numbers[repeat], []).append(of_model[repeat])
    return {split: _mean(values) for split, values in sorted(of_split.items())}


def _mean(values: list[Value]) -> Value:
    if isinstance(values[0], np.ndarray):
        return np.asarray(np.mean(values, axis=0))
    return math.fsum(values) / len(values)


def _split_names(scores: Scores) -> Mapping[int, str | bytes]:
    """By repeat what its split is known by; empty where splits have names and none is shared."""
    if not scores.splits:
        return {repeat: one.example.tobytes() for of in scores.answers.values() for repeat, one in of.items()}
    shared = _shared_by_name(scores)
    return {} if shared is None else _names(scores, shared)


def _shared_by_name(scores: Scores) -> tuple[str, int, int, str] | None:
    """The first model with two repeats of one split: its name, both repeats and the split."""
    for model in scores.models:
        seen: dict[str, int] = {}
        for (of, repeat), split in scores.splits.items():
            if of == model and seen.setdefault(split, repeat) != repeat:
                return model, seen[split], repeat, split
    return None


def _names(scores: Scores, shared: tuple[str, int, int, str]) -> dict[int, str]:
    """The name of the split of each repeat, which all its models must have."""
    names: dict[int, set[str]] = {}
    for model in scores.models:
        for repeat in (scores.values or scores.answers)[model]:
            names.setdefault(repeat, set()).add(scores.splits.get((model, repeat), ""))
    known = {name for of in names.values() for name in of}
    if any(len(of) > 1 for of in names.values()) or "" in known or any(n.lower() in PARTS_OF_DATA for n in known):
        model, one, other, split = shared
        line = f"repeats {one} and {other} of {model} are of one split, '{split}'"
        raise EcrnnError(
            f"{line}: seeds of one split are no repeats; name the split of every repeat, the same for all models, or "
            "give one score a split, such as the mean over its seeds"
        )
    return {repeat: next(iter(of)) for repeat, of in names.items()}


def _check_examples(scores: Scores, numbers: Mapping[int, int]) -> None:
    """Trainings of one split are scored on the same examples."""
    first: dict[int, tuple[int, bytes]] = {}
    for of in scores.answers.values():
        for repeat, one in of.items():
            other, examples = first.setdefault(numbers[repeat], (repeat, one.example.tobytes()))
            if examples != one.example.tobytes():
                raise EcrnnError(
                    f"repeats {min(other, repeat)} and {max(other, repeat)} are of one split, and are scored on other "
                    "examples"
                )
