"""What every set of examples in memory has, whatever its task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ecrnn.data.keys import Keys


@dataclass(frozen=True, kw_only=True)
class ExampleSet(ABC):
    """A data set of any task: images, texts, blocks of a text, pairs of sentences, clips.

    Attributes:
        name: the registered name or the path.
        n_train: the first ``n_train`` examples are the data set's own training part; all when it has no test part.
        n_validation: the last ``n_validation`` examples of the training part are the data set's own for validation; 0
            where it has none.
        fingerprint: SHA-256 (hexadecimal) over the examples and their parts; equal fingerprints give equal studies.
            Neither name nor files are part of it.
        files: of a folder the path of each example relative to it (with "/"), else empty.
        left_out: of a folder the number of files that are no examples, by suffix.
        notes: sentences about what was left out, to be shown.
        bad_files: files that were left out as they cannot be read, and why, where that was asked for.
        groups: int64 (N,), the group of each example, which no split parts; None where each stands alone.
    """

    name: str
    n_train: int
    fingerprint: str
    n_validation: int = 0
    files: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    bad_files: Mapping[str, str] = field(default_factory=dict)
    groups: np.ndarray | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def keys(self) -> Keys:
        """By which each example is recognised."""


@dataclass(frozen=True, kw_only=True)
class LabelledSet(ExampleSet):
    """A data set with classes. Attributes are those of `ExampleSet`, and:

    Attributes:
        labels: int64 (N,), indices into ``classes``.
        classes: names of the classes.
    """

    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)
