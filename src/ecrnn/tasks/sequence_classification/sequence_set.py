"""A set of labelled numeric sequences in memory: sensors, audio features, measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.data.example_set import LabelledSet
from ecrnn.data.keys import Keys, of_arrays

MOST_CLASSES, MOST_FEATURES, MOST_STEPS = 10_000, 4096, 2**20


@dataclass(frozen=True)
class SequenceSet(LabelledSet):
    """Labelled sequences, all with the same features a step. Attributes are those of `LabelledSet`, and:

    Attributes:
        values: float32 (steps of all sequences, C), one sequence after the other. Not to be written to.
        ends: int64 (N,), where each sequence ends in ``values``.
    """

    values: np.ndarray
    ends: np.ndarray

    def __getitem__(self, number: int) -> np.ndarray:
        """One sequence, float32 (T, C)."""
        start = self.ends[number - 1] if number else 0
        sequence: np.ndarray = self.values[start : self.ends[number]]
        return sequence

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each sequence, int64 (N,)."""
        return np.diff(self.ends, prepend=0)

    @property
    def features(self) -> int:
        """Values a step, C."""
        return int(self.values.shape[1])

    def keys(self) -> Keys:
        """By which each example is known again."""
        return of_arrays(self[i] for i in range(len(self)))


def make_sequence_set(
    name: str,
    sequences: Sequence[np.ndarray],
    labels: Sequence[int] | np.ndarray,
    classes: Sequence[str],
    *,
    n_train: int | None = None,
    n_validation: int = 0,
) -> SequenceSet:
    """A `SequenceSet` with its fingerprint.

    Args:
        name: name of the data, for errors.
        sequences: arrays of numbers, (T, C) each.
        labels: one a sequence, indices into ``classes``.
        classes: their names.
        n_train, n_validation: as the set has them; default: no test part, no validation part.

    Raises:
        DataError: values that are not finite, other shapes, or fewer than two classes.
    """
    if len(classes) < 2:
        raise DataError(f"{name} holds {f'one class ({classes[0]})' if classes else 'no sequences'}; give at least two")
    if len(classes) > MOST_CLASSES:
        raise DataError(f"{name} holds {len(classes):,} classes, more than {MOST_CLASSES:,}")
    arrays = [checked(sequence, f"{name}: sequence {number}") for number, sequence in enumerate(sequences)]
    widths = {sequence.shape[1] for sequence in arrays}
    if len(widths) > 1:
        raise DataError(
            f"{name} holds sequences of {min(widths)} and of {max(widths)} values a step; give them the same"
        )
    values = np.concatenate(arrays)
    ends = np.cumsum([len(sequence) for sequence in arrays], dtype=np.int64)
    numbers = np.asarray(labels, np.int64)
    n_train = len(arrays) if n_train is None else n_train
    header = repr((values.shape, int(n_train), int(n_validation), [str(name) for name in classes]))
    digest = hashlib.sha256(header.encode())
    for array in (numbers.astype("<i8"), ends.astype("<i8"), values.astype("<f4", copy=False)):
        digest.update(np.ascontiguousarray(array).data)
    return SequenceSet(
        values,
        ends,
        labels=numbers,
        classes=tuple(classes),
        name=name,
        n_train=n_train,
        n_validation=n_validation,
        fingerprint=digest.hexdigest(),
    )


def checked(sequence: np.ndarray, what: str) -> np.ndarray:
    """A sequence as float32 (T, C).

    Raises:
        DataError: it is none; ``what`` names it.
    """
    array = np.asarray(sequence)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iufb":
        raise DataError(f"{what} is {array.dtype} of shape {array.shape}, but should be numbers (steps, values a step)")
    if array.shape[1] > MOST_FEATURES or len(array) > MOST_STEPS:
        most = f"at most {MOST_STEPS:,} steps of {MOST_FEATURES:,} values"
        raise DataError(f"{what} has {len(array):,} steps of {array.shape[1]:,} values, and {most} are read")
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        step = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise DataError(f"{what} has a value at step {step} that is NaN or infinite; fill gaps before, or remove it")
    return values
