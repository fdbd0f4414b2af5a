"""One trained model on labelled data: what `ecrnn evaluate` says, as plain data, on a terminal, in JSON and
as a page.

Tasks without classes: scored.py. The intervals are of sampling examples like these. They say nothing about training
again: for that there is a study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.text import json_text
from ecrnn.report import formats, tables
from ecrnn.report.confusion import confusion
from ecrnn.report.results import Confusion, plain
from ecrnn.report.table import Cell, Column, Table, text
from ecrnn.stats import Interval, wilson

if TYPE_CHECKING:
    from rich.console import Console

EVALUATION_WARNING = (
    "The intervals cover which {examples} were drawn, for this one trained model; training again may give another "
    "result. They hold only if none of the {examples} was trained on."
)


@dataclass(frozen=True)
class ClassResult:
    """One class: examples of it, share of them found (recall) with Wilson's interval, and share of the
    examples given this class that are of it (precision); None where there are no such examples."""

    name: str
    n: int
    recall: Interval | None
    precision: Interval | None


@dataclass(frozen=True)
class Evaluation:
    """One trained model on ``n`` examples; accuracy is a fraction with Wilson's interval, cross-entropy is in
    nats. ``examples`` is what they are called; JSON leaves it out for pictures. ``trained_on`` is how many of them the
    model was trained on, where that is known, ``left_out`` how many more were left out for that, ``files_left_out`` how
    many files of the data were no examples, by suffix."""

    model: str
    data: str
    n: int
    n_note: str
    accuracy: Interval
    cross_entropy: float
    classes: tuple[ClassResult, ...]
    confusion: Confusion
    headline: str
    warning: str
    examples: str = "pictures"
    trained_on: int | None = None
    left_out: int = 0
    files_left_out: Mapping[str, int] = field(default_factory=dict)


def evaluate_predictions(
    label: np.ndarray,
    logits: np.ndarray,
    classes: Sequence[str],
    *,
    model: str,
    data: str,
    n_note: str = "",
    examples: str = "pictures",
    trained_on: int | None = None,
    left_out: int = 0,
    files_left_out: Mapping[str, int] | None = None,
) -> Evaluation:
    """Judge a model's logits.

    Args:
        label: (n,) whole numbers, the true classes.
        logits: (n, classes), any floating type.
        classes: their names.
        model: what to call the model.
        data: what to call the data.
        n_note: which examples these are, such as "the test part"; may be empty.
        examples: what the examples are called, in the plural.
        trained_on, left_out, files_left_out: as `Evaluation` has them.

    Raises:
        DataError: no examples, shapes that do not fit, classes out of range, logits that are not finite.
    """
    label, logits = np.asarray(label), np.asarray(logits, dtype=np.float64)
    if label.ndim != 1 or logits.shape != (len(label), len(classes)):
        raise DataError(
            f"logits must be ({len(label)}, {len(classes)}), {examples} by classes, got shape {logits.shape}"
        )
    if not len(label):
        raise DataError(f"there are no {examples} to evaluate")
    if label.dtype.kind not in "iu" or label.min() < 0 or label.max() >= len(classes):
        raise DataError(f"labels must be whole numbers from 0 to {len(classes) - 1}")
    if not np.isfinite(logits).all():
        raise DataError(f"the model gives logits that are not finite for {model} on {data}")
    label = label.astype(np.int64)
    predicted = logits.argmax(axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - np.take_along_axis(shifted, label[:, None], axis=1)[:, 0]
    counted = confusion(model, label, predicted, tuple(classes))
    accuracy = wilson(int((predicted == label).sum()), len(label))
    return Evaluation(
        model=model,
        data=data,
        n=len(label),
        n_note=n_note,
        accuracy=accuracy,
        cross_entropy=float(losses.mean()),
        classes=tuple(
            ClassResult(
                own.name,
                own.n,
                wilson(own.right, own.n) if own.n else None,
                wilson(own.right, own.given) if own.given else None,
            )
            for own in counted.classes
        ),
        confusion=counted,
        headline=f"{model} gives {tables.proportion(accuracy)} of {formats.plural(len(label), formats.one(examples))} "
        f"of {data} the right class.",
        warning=EVALUATION_WARNING.format(examples=examples),
        examples=examples,
        trained_on=trained_on,
        left_out=left_out,
        files_left_out=dict(files_left_out or {}),
    )


def class_table(evaluation: Evaluation) -> Table:
    """One row a class."""

    def share(interval: Interval | None) -> tuple[Cell, Cell]:
        if interval is None:
            return Cell(formats.NOTHING, (None,)), Cell(formats.NOTHING, (None, None))
        ends = formats.interval(interval.low, interval.high)
        return Cell(formats.percent(interval.estimate), (interval.estimate,)), Cell(ends, (interval.low, interval.high))

    return Table(
        "classes",
        "Classes",
        f"Recall is the share of a class's {evaluation.examples} that got it, precision the share of the "
        f"{evaluation.examples} given a class that are of it, each with Wilson's 95 % interval.",
        (
            Column("Class", ("class",), "left"),
            Column(formats.capital(evaluation.examples), (evaluation.examples,)),
            Column("Recall (%)", ("recall",)),
            Column("95 % interval", ("recall_low", "recall_high")),
            Column("Precision (%)", ("precision",)),
            Column("95 % interval", ("precision_low", "precision_high")),
        ),
        tuple(
            (text(own.name), Cell(formats.count(own.n), (own.n,)), *share(own.recall), *share(own.precision))
            for own in evaluation.classes
        ),
    )


def confused_table(evaluation: Evaluation, most: int = 10) -> Table:
    """The most confused pairs of classes; no rows when nothing was confused."""
    return Table(
        "confused",
        "Most confused classes",
        f"Which class is taken for which; the share is of the {evaluation.examples} of the true class.",
        (
            Column("True class", ("true",), "left"),
            Column("Taken for", ("given",), "left"),
            Column(formats.capital(evaluation.examples), (evaluation.examples,)),
            Column("Share (%)", ("share",)),
        ),
        tuple(
            (
                text(pair.true),
                text(pair.given),
                Cell(formats.count(pair.n), (pair.n,)),
                Cell(formats.percent(pair.share), (pair.share,)),
            )
            for pair in evaluation.confusion.most_confused[:most]
        ),
        row_headings=2,
    )


def evaluation_json(evaluation: Evaluation) -> str:
    """Everything at full precision; no NaN and no infinity."""
    content = {"format": 1, "kind": "ecrnn evaluation", **plain(evaluation)}
    return json_text(content, indent=1) + "\n"


def evaluation_page(evaluation: Evaluation) -> str:
    """One self-contained HTML document that shows ``evaluation``."""
    from ecrnn.report.html import render

    return render(
        "evaluation.html.j2",
        evaluation=evaluation,
        key_facts=[
            ("Model", evaluation.model),
            ("Data", evaluation.data),
            (
                formats.capital(evaluation.examples),
                f"{evaluation.n:,}" + (f" ({evaluation.n_note})" if evaluation.n_note else ""),
            ),
            ("Accuracy", tables.proportion(evaluation.accuracy)),
            ("Mean cross-entropy", f"{evaluation.cross_entropy:.4f} nats"),
        ],
        classes=class_table(evaluation),
        confused=confused_table(evaluation),
        matrix_too=len(evaluation.classes) <= tables.MANY_CLASSES,
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    """Write ``evaluation`` as evaluation.json and evaluation.html into ``folder``, atomically; their paths by name."""
    make_folder(folder)
    contents = {
        "evaluation.json": evaluation_json(evaluation),
        "evaluation.html": evaluation_page(evaluation),
    }
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return {name: folder / name for name in contents}


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """The finding of ``evaluation``, its classes and what is confused, on a `rich` ``console``."""
    from ecrnn.report.terminal import rich_table, words

    console.print()
    console.print(words(evaluation.headline, "bold"))
    if evaluation.n_note:
        console.print(words(f"Judged on {evaluation.n_note}.", "bold red" if evaluation.trained_on else ""))
    console.print(words(f"Mean cross-entropy {evaluation.cross_entropy:.4f} nats. {evaluation.warning}", "dim"))
    console.print()
    for table in (class_table(evaluation), confused_table(evaluation)):
        if table.rows:
            console.print(rich_table(table, console.width))
