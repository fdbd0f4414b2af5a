"""Evaluates a trained model: chooses the examples to judge it on, and predicts for them.

A model must not be judged on examples it was trained on. Its bundle knows them one by one (`trained_on`), wherever they
lie and whatever they are called; they are left out, and the note says how many. Where the data set is the one the
bundle came from, its own split is drawn again.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import BundleError, DataError, unknown_name
from ecrnn.data import catalogue
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.keys import Keys
from ecrnn.data.splits import parse_split, without_tuning_part
from ecrnn.serving.predictor import Judged, Predictor, has_test_part

_UNKNOWN = "the bundle does not say whether any of them were trained on"
PARTS = ("auto", "test", "validation", "all")


@dataclass(frozen=True)
class Judgement:
    """A model judged on a part of a data set.

    Attributes:
        data: the data set.
        index: int64, which of its examples.
        judged: the model's predictions for them.
        note: a phrase on which examples they are, and how many of them were trained on or left out for that.
        trained_on: how many of them the model was trained on; None where its bundle does not say.
        left_out: how many more there are that were left out because the model was trained on them.
    """

    data: ExampleSet
    index: np.ndarray
    judged: Judged
    note: str
    trained_on: int | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Choice:
    """Examples to judge on; the attributes are those of `Judgement`."""

    index: np.ndarray
    note: str
    trained_on: int | None = None
    left_out: int = 0


def judge(model: Predictor, data: str | ExampleSet, *, data_dir: Path | None = None, part: str = "auto") -> Judgement:
    """The model's predictions for the examples of ``data``.

    Args:
        model: from `ecrnn.load`.
        data: registered name, file or folder; its examples are brought to the form that the model takes. Or examples
            in this form, such as `ecrnn.data.image_set.from_arrays` makes.
        data_dir: local copies of registered data sets.
        part: "test", the data set's own; "validation", what the model's training left out; "all", those of training
            too; or "auto": of data with a test part that, of the data the model was trained on "validation", of other
            data all that it was not trained on.

    Raises:
        DataError: the data set has no such part, or a class that the model does not know.
        UnknownNameError: unknown part or data set.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    examples: Any = model.examples(str(data), data_dir) if isinstance(data, str | Path) else data
    choice = choose(model, examples, part)
    judged = model.judge(examples, choice.index)
    return Judgement(examples, choice.index, judged, choice.note, choice.trained_on, choice.left_out)


def choose(model: Predictor, data: Any, part: str) -> Choice:
    """Which examples of ``data`` the model is judged on; ``part`` and what is raised as for `judge`."""
    own_test = has_test_part(data)
    same = model.metrics.get("fingerprint") == data.fingerprint
    what, known = model.task.examples, model.trained_on
    if part == "auto":
        part = "test" if own_test else "validation" if same else "new"
    keys = None if known is None else data.keys()
    trained = None if known is None or keys is None else keys.known(known.train)
    if part == "test":
        if not own_test:
            raise DataError(f"{data.name} has no test part of its own; use --part validation or all")
        return _test_part(model, data, keys, trained)
    if part in ("all", "new"):
        if trained is None:
            too_good = f"all {what}, those of training among them: the figure is too good"
            note = too_good if same else f"all {what}; {_UNKNOWN}"
            return Choice(np.arange(len(data)), note)
        choice = _without(np.arange(len(data)), f"all {what}", trained, what, keep=part == "all")
        return choice if part == "all" else _with_alike(model, keys, _with_validation(model, keys, choice))
    if same:
        return _without(
            _validation(model, data), "those that training left out for validation", trained, what, keep=True
        )
    index = np.zeros(0, np.int64)
    if known is not None and keys is not None:
        index = np.flatnonzero(keys.known(known.validation) & ~keys.known(known.train))
    if not len(index):
        raise DataError(f"the model was not trained on {data.name}: it has no validation part there; use --part all")
    return Choice(index, f"the {len(index):,} {what} that training left out for validation", 0)


def _test_part(model: Predictor, data: Any, keys: Keys | None, trained: np.ndarray | None) -> Choice:
    registered = catalogue.task_of(data.name) is not None  # its figures are compared with those of others
    index = np.arange(data.n_train, len(data))
    choice = _without(index, "the data set's own test part", trained, model.task.examples, keep=registered)
    if registered:
        return choice
    if trained is None and model.metrics.get("fingerprint") != data.fingerprint:
        return replace(choice, note=f"{choice.note}; {_UNKNOWN}")
    return _with_alike(model, keys, _with_validation(model, keys, choice))


def _without(index: np.ndarray, part: str, trained: np.ndarray | None, what: str, *, keep: bool) -> Choice:
    """The examples at ``index`` without those trained on; with them to ``keep`` them or where there are no others."""
    if trained is None:
        return Choice(index, part)
    count = int(trained[index].sum())
    if not count:
        return Choice(index, part, 0)
    if keep or count == len(index):
        every = f"all {count:,}" if count == len(index) else f"{count:,} of these {len(index):,}"
        return Choice(index, f"{part}; the model was trained on {every}, so the figure is too good", count)
    left = f"left out, because trained on: {count:,} of {len(index):,} {what}"
    return Choice(index[~trained[index]], f"{part}; {left}", 0, count)


def _with_validation(model: Predictor, keys: Keys | None, choice: Choice) -> Choice:
    """``choice``, its note with how many of the examples chose the model's epoch."""
    known = model.trained_on
    if known is None or keys is None or choice.trained_on or model.metrics.get("keep", "best") != "best":
        return choice
    count = int(keys.known(known.validation)[choice.index].sum())
    of_these = "of the others" if choice.left_out else "of them"
    return replace(choice, note=f"{choice.note}; {count:,} {of_these} chose the epoch") if count else choice


def _with_alike(model: Predictor, keys: Keys | None, choice: Choice) -> Choice:
    """``choice``, its note with how many examples come again, and how many images look like ones trained on."""
    if keys is not None and (again := keys.repeated(choice.index)):
        choice = replace(choice, note=f"{choice.note}; {again:,} are the same as others of them, and count each time")
    if model.trained_on is None or keys is None or choice.trained_on:
        return choice
    count = model.trained_on.alike(keys, choice.index)
    note = f"{choice.note}; {count:,} look much like ones trained on, as if saved again: the figure may be too good"
    return replace(choice, note=note) if count else choice


def _validation(model: Predictor, data: Any) -> np.ndarray:
    """What training left out of this very data set."""
    try:
        seed, repeat = operator.index(model.metrics["seed"]), operator.index(model.metrics.get("repeat", 0))
        number = repeat // operator.index(model.metrics.get("seeds_per_split", 1))
        if repeat < 0:
            raise ValueError
        tuned = model.metrics.get("tuning_part")
        among = (
            None if tuned is None else without_tuning_part(data, _part(tuned["part"]), operator.index(tuned["seed"]))
        )
        split = parse_split(model.metrics["split"]).split(data, seed, number, among)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise BundleError("the bundle's metrics.json does not say how the data was split; use --part all") from error
    return split.validation


def _part(text: Any) -> str:
    """How much was tuned on, from a file that may come from anywhere."""
    if not (isinstance(text, str) and re.fullmatch(r"0?\.\d{1,20}", text)):
        raise ValueError
    return text
