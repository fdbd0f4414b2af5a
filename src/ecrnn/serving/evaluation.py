"""Which examples a trained model is judged on, and its answers to them.

A model must not be judged on examples it was trained on. Where the data set is the one the bundle came from, its own
split is drawn again and the training examples are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import BundleError, DataError, unknown_name
from ecrnn.data.splits import parse_split
from ecrnn.serving.model import Judged, Model, has_test_part

PARTS = ("auto", "test", "validation", "all")


@dataclass(frozen=True)
class Judgement:
    """A model judged on a part of a data set: the data, which of its examples, the answers, and a phrase for them."""

    data: Any
    index: np.ndarray
    judged: Judged
    note: str


def judge(model: Model, data: str, *, data_dir: Path | None = None, part: str = "auto") -> Judgement:
    """The model's answers to the examples of ``data``.

    Args:
        model: from `ecrnn.load`.
        data: registered name, file or folder; its examples are brought to the form that the model takes.
        data_dir: local copies of registered data sets.
        part: "test", the data set's own; "validation", what the model's training left out of this very data set;
            "all"; or "auto": the first of these that there is, and "all" only for data the model was not trained on.

    Raises:
        DataError: the data set has no such part, or a class that the model does not know.
        UnknownNameError: unknown part or data set.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    examples = model.examples(data, data_dir)
    index, note = _choose(model, examples, part)
    return Judgement(examples, index, model.judge(examples, index), note)


def _choose(model: Model, data: Any, part: str) -> tuple[np.ndarray, str]:
    own_test = has_test_part(data)
    trained_on = model.metrics.get("fingerprint") == data.fingerprint
    what = model.task.examples
    if part == "auto":
        part = "test" if own_test else "validation" if trained_on else "all"
    if part == "test":
        if not own_test:
            raise DataError(f"{data.name} has no test part of its own; use --part validation or all")
        return np.arange(data.n_train, len(data)), "the data set's own test part"
    if part == "all":
        note = f"all {what}, those of training among them: the figure is too good" if trained_on else f"all {what}"
        return np.arange(len(data)), note
    if not trained_on:
        raise DataError(f"the model was not trained on {data.name}: it has no validation part there; use --part all")
    try:
        seed, repeat = int(model.metrics["seed"]), int(model.metrics.get("repeat", 0))
        if repeat < 0:
            raise ValueError
        split = parse_split(model.metrics["split"]).split(data, seed, repeat)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BundleError("the bundle's metrics.json does not say how the data was split; use --part all") from error
    return split.validation, "those that training left out for validation"
