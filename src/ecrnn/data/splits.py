"""Which examples train and which validate, in each repeat of a study: a pure function of (seed, repeat).

Three rules: a fraction ("0.7", the paper's), k folds ("5-fold"), and the data set's own parts ("own"). The first two
use the data set's training part only, with its validation part in it; a fixed test part stays untouched, as in the
paper. The third validates on the data set's validation part, or where there is none on its test part. No
stratification: the splits are plain random ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.text import counted
from ecrnn.data import counter_rng
from ecrnn.data.example_set import ExampleSet, LabelledSet


@dataclass(frozen=True)
class Split:
    """The examples of one repeat.

    Attributes:
        train, validation: int64 indices into the data set, sorted ascending (the order of training comes
            from `batches.epoch_order`), with none in both.
        kind: "fraction", "folds" or "own".
        name: one phrase for reports, for example "0.7, repeat 2".
    """

    train: np.ndarray
    validation: np.ndarray
    kind: str
    name: str


@dataclass(frozen=True)
class SplitRule:
    """How to split; made by `parse_split`, whose text ``str(rule)`` gives back.

    Attributes:
        kind: "fraction", "folds" or "own".
        fraction: the part that trains, exact; None for the other kinds.
        folds: k; None for the other kinds.
    """

    kind: Literal["fraction", "folds", "own"]
    text: str
    fraction: Fraction | None = None
    folds: int | None = None

    def __str__(self) -> str:
        return self.text

    def split(self, data: ExampleSet, seed: int, repeat: int) -> Split:
        """The split of one repeat.

        "fraction": the first part of a random permutation of (seed, repeat) trains; its size is the fraction
        of the data set's training part, rounded half up (0.7 of 50,000: 35,000 and 15,000). "folds": repeat r
        validates on fold r % k of permutation number r // k; sizes differ by one at most. "own": the same in
        every repeat; the test part is validated on only where the data set has no validation part.

        Raises:
            DataError: the data set has no test part of its own ("own"), fewer examples than parts, or a class
                of which none would be trained on.
        """
        assert repeat >= 0
        n = data.n_train
        if self.kind == "own":
            n_validation = data.n_validation
            if n == len(data) and not n_validation:
                raise DataError(f"{data.name} has no test part of its own, give a fraction such as --split 0.7")
            train, validation = (
                np.arange(n - n_validation),
                np.arange(n - n_validation, n if n_validation else len(data)),
            )
        elif self.kind == "folds":
            train, validation = self._fold(n, seed, repeat)
        else:
            train, validation = self._parts(n, seed, repeat)
        split = Split(np.sort(train), np.sort(validation), self.kind, f"{self.text}, repeat {repeat}")
        _check_classes(split, data)
        return split

    def _parts(self, n: int, seed: int, repeat: int) -> tuple[np.ndarray, np.ndarray]:
        assert self.fraction is not None
        size = math.floor(self.fraction * n + Fraction(1, 2))
        if size in (0, n):
            part = "training" if size == 0 else "validation"
            raise DataError(
                f"split {self.text} of {counted(n, 'examples')} leaves none for {part}, choose another fraction"
            )
        order = counter_rng.permutation(n, (counter_rng.SPLIT, seed, repeat))
        return order[:size], order[size:]

    def _fold(self, n: int, seed: int, repeat: int) -> tuple[np.ndarray, np.ndarray]:
        assert self.folds is not None
        if self.folds > n:
            raise DataError(
                f"split {self.text} needs at least {self.folds} examples, but there are {n}; use fewer folds"
            )
        order = counter_rng.permutation(n, (counter_rng.SPLIT, seed, repeat // self.folds))
        fold = repeat % self.folds
        start, end = n * fold // self.folds, n * (fold + 1) // self.folds
        return np.concatenate([order[:start], order[end:]]), order[start:end]


def _check_classes(split: Split, data: ExampleSet) -> None:
    if not isinstance(data, LabelledSet):
        return
    counts = np.bincount(data.labels[split.train], minlength=len(data.classes))
    if (counts == 0).any():
        missing = [data.classes[i] for i in np.flatnonzero(counts == 0)]
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            f"split {split.name}: no training example is of class '{missing[0]}'{more}; "
            "add some of it, train on a larger part, or choose another seed"
        )


def parse_split(text: str) -> SplitRule:
    """The rule that ``text`` names: a fraction between 0 and 1 such as "0.7", "<k>-fold" such as "5-fold", or
    "own".

    Raises:
        DataError: ``text`` is none of these, the fraction is outside (0, 1), or k < 2.
    """
    text = str(text).strip()
    if text == "own":
        return SplitRule("own", text)
    if match := re.fullmatch(r"(\d{1,9})-?folds?", text):
        folds = int(match[1])
        if folds < 2:
            raise DataError(f"split '{text}' has {folds} folds, but needs at least 2, for example 5-fold")
        return SplitRule("folds", f"{folds}-fold", folds=folds)
    if not re.fullmatch(r"[+-]?(\d{1,20}\.?\d{0,20}|\.\d{1,20})", text):
        raise DataError(f"split '{text}' is not understood: give a fraction such as 0.7, folds such as 5-fold, or own")
    fraction = Fraction(text)
    if not 0 < fraction < 1:
        raise DataError(f"split '{text}' should lie between 0 and 1: the part of the examples that trains, such as 0.7")
    return SplitRule("fraction", text, fraction=fraction)
