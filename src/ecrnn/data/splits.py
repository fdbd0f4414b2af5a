"""Which examples train and which validate, in each repeat of a study: a pure function of (seed, repeat).

Three rules: a fraction ("0.7", the paper's), k folds ("5-fold"), and the data set's own parts ("own"). The first two
use the data set's training part only, with its validation part in it; a fixed test part stays untouched, as in the
paper. The third validates on the data set's validation part, or where there is none on its test part.

Splits are plain random ones. A rule with "stratified" behind it keeps each class's share in each part, exactly but for
what rounding takes; a data set with groups is split by whole groups, so that sizes may miss what was asked for, and of
both together the shares are kept as well as whole groups allow (see `allocation`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.text import counted
from ecrnn.data import counter_rng
from ecrnn.data.allocation import dealt, largest_remainder
from ecrnn.data.example_set import ExampleSet, LabelledSet
from ecrnn.data.groups import parted

_STRATIFIED = "stratified"


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
        stratified: each class keeps its share in each part.
    """

    kind: Literal["fraction", "folds", "own"]
    text: str
    fraction: Fraction | None = None
    folds: int | None = None
    stratified: bool = False

    def __str__(self) -> str:
        return self.text

    def stratify(self) -> SplitRule:
        """This rule with each class's share kept.

        Raises:
            DataError: the data set's own parts are not drawn.
        """
        if self.kind == "own":
            raise DataError("the data's own parts are not drawn, so they cannot be stratified; omit --stratify")
        return self if self.stratified else replace(self, text=f"{self.text} {_STRATIFIED}", stratified=True)

    def split(
        self,
        data: ExampleSet,
        seed: int,
        repeat: int,
        among: np.ndarray | None = None,
        stream: int = counter_rng.SPLIT,
    ) -> Split:
        """The split of one repeat, of all of the data set's training part or of the examples ``among`` it.

        "fraction": the first part of a random permutation of (seed, repeat) trains; its size is the fraction
        of the data set's training part, rounded half up (0.7 of 50,000: 35,000 and 15,000). "folds": repeat r
        validates on fold r % k of permutation number r // k; sizes differ by one at most. "own": the same in
        every repeat; the test part is validated on only where the data set has no validation part.

        Args:
            data: the examples.
            seed, repeat: what the permutation is a function of.
            among: indices into the training part, ascending; the others neither train nor validate. None: all.
            stream: of `ecrnn.data.counter_rng`, for draws that have nothing to do with a study's splits.

        Raises:
            DataError: the data set has no test part of its own ("own"), fewer examples or groups than parts, a class of
                which none would be trained on, or a group that lies in two of its parts.
        """
        assert repeat >= 0
        n = data.n_train
        pool = np.arange(n) if among is None else among
        _check_groups(data, self.kind == "own")
        if self.kind == "own":
            n_validation = data.n_validation
            if n == len(data) and not n_validation:
                raise DataError(f"{data.name} has no test part of its own, give a fraction such as --split 0.7")
            train, validation = (
                np.arange(n - n_validation),
                np.arange(n - n_validation, n if n_validation else len(data)),
            )
            train, validation = (part[(part >= n) | np.isin(part, pool)] for part in (train, validation))
        else:
            key = (stream, seed, repeat // (self.folds or 1))
            if self.stratified or data.groups is not None:
                places = self._balanced(data, pool, key, repeat)
            elif self.kind == "folds":
                places = self._fold(len(pool), key, repeat)
            else:
                places = self._parts(len(pool), key)
            train, validation = (pool[part] for part in places)
        split = Split(np.sort(train), np.sort(validation), self.kind, f"{self.text}, repeat {repeat}")
        _check_classes(split, data)
        return split

    def asked(self, n: int) -> int:
        """How many of ``n`` examples a fraction asks to train on.

        Raises:
            DataError: none or all of them.
        """
        assert self.fraction is not None
        size = math.floor(self.fraction * n + Fraction(1, 2))
        self._check_sizes(size, n - size, counted(n, "examples"))
        return size

    def _check_sizes(self, n_train: int, n_validation: int, of: str) -> None:
        if not n_train or not n_validation:
            part = "training" if n_train == 0 else "validation"
            raise DataError(f"split {self.text} of {of} leaves none for {part}, choose another fraction")

    def _check_folds(self, n: int, what: str) -> int:
        assert self.folds is not None
        if self.folds > n:
            raise DataError(f"split {self.text} needs at least {self.folds} {what}, but there are {n}; use fewer folds")
        return self.folds

    def _parts(self, n: int, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        size = self.asked(n)
        order = counter_rng.permutation(n, key)
        return order[:size], order[size:]

    def _balanced(
        self, data: ExampleSet, pool: np.ndarray, key: tuple[int, ...], repeat: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whole groups, each class's share kept, or both; places in ``pool``."""
        n = len(pool)
        classes = np.zeros(n, np.int64)
        if self.stratified:
            if not isinstance(data, LabelledSet):
                raise DataError(f"{data.name} has no classes whose shares could be kept; omit --stratify")
            classes = data.labels[pool]
        folds = self._check_folds(n, "examples") if self.kind == "folds" else 1
        if data.groups is not None:
            part = self._part_of_groups(data.groups[pool], classes, key)
        elif self.kind == "folds":  # dealt out class by class
            order = counter_rng.permutation(n, key)
            order = order[np.argsort(classes[order], kind="stable")]
            part = np.empty(n, np.int64)
            part[order] = np.arange(n) % folds
        else:
            part = self._part_of_classes(classes, counter_rng.permutation(n, key))
        held_out = part == (repeat % folds if self.kind == "folds" else 1)
        train, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        return train, validation

    def _part_of_classes(self, classes: np.ndarray, order: np.ndarray) -> np.ndarray:
        """0 where an example trains, 1 where it validates: the first of each class in ``order`` train."""
        self.asked(len(classes))
        assert self.fraction is not None
        part = np.ones(len(classes), np.int64)
        for c, size in enumerate(largest_remainder(np.bincount(classes), self.fraction)):
            part[order[classes[order] == c][:size]] = 0
        return part

    def _part_of_groups(self, groups: np.ndarray, classes: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
        """The part of each example, that of its group."""
        numbers, groups = np.unique(groups, return_inverse=True)
        counts, what = np.bincount(classes), f"{counted(len(classes), 'examples')} in {counted(len(numbers), 'groups')}"
        if self.kind == "folds":
            folds = self._check_folds(len(numbers), "groups")
            targets = np.tile(counts / folds, (folds, 1))
        else:
            self.asked(len(classes))
            assert self.fraction is not None
            train = largest_remainder(counts, self.fraction)
            targets = np.stack([train, counts - train]).astype(np.float64)
        part = dealt(groups, classes, targets, counter_rng.permutation(len(numbers), key))[groups]
        sizes = np.bincount(part, minlength=len(targets))
        self._check_sizes(int(sizes[0]), int(sizes[1:].min()), what)
        return part

    def _fold(self, n: int, key: tuple[int, ...], repeat: int) -> tuple[np.ndarray, np.ndarray]:
        assert self.folds is not None
        self._check_folds(n, "examples")
        order = counter_rng.permutation(n, key)
        fold = repeat % self.folds
        start, end = n * fold // self.folds, n * (fold + 1) // self.folds
        return np.concatenate([order[:start], order[end:]]), order[start:end]


def tuning_part(data: ExampleSet, part: str, seed: int) -> np.ndarray:
    """The examples of the training part that recipes are tuned on: a function of the examples and the seed.

    Args:
        data: the examples; groups are kept whole.
        part: how much of the training part, "0.2".
        seed: of the tuning.

    Returns:
        int64 indices, ascending.

    Raises:
        DataError: it would be none of them or all, or nothing of a class would be left.
    """
    rule = SplitRule("fraction", f"off a tuning part of {part}", fraction=1 - Fraction(part))
    return rule.split(data, seed, 0, stream=counter_rng.TUNING).validation


def without_tuning_part(data: ExampleSet, part: str, seed: int) -> np.ndarray:
    """The examples of the training part that recipes are not tuned on; arguments and errors as of `tuning_part`."""
    return np.setdiff1d(np.arange(data.n_train), tuning_part(data, part, seed))


def _check_groups(data: ExampleSet, own_parts: bool) -> None:
    """Raise a DataError where a group lies both in the training part and in another of the data's own parts."""
    if data.groups is None:
        return
    for name, first in (("test", data.n_train), ("validation", data.n_train - data.n_validation)):
        place = parted(data.groups[: None if name == "test" else data.n_train], first)
        if place is not None and (own_parts or name == "test"):
            train = int(np.flatnonzero(data.groups == data.groups[place])[0])
            files = f"{data.files[train]} and {data.files[place]}" if data.files else f"examples {train} and {place}"
            raise DataError(f"{data.name}: {files} are of one group, but one is of the {name} part; move one of them")


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
    "own"; behind the first two may stand "stratified".

    Raises:
        DataError: ``text`` is none of these, the fraction is outside (0, 1), or k < 2.
    """
    text = str(text).strip()
    if (plain := text.removesuffix(_STRATIFIED)) != text and plain.endswith(" "):
        return parse_split(plain).stratify()
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
