"""Output of `ecrnn predict`: a table for people, JSON lines and CSV for machines, on the screen or in a file."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ecrnn.cli.options import WrongCall
from ecrnn.cli.output import UNLIMITED, complain, say, terminal
from ecrnn.core.errors import unknown_name
from ecrnn.core.files import path_of, write_atomically
from ecrnn.core.text import counted, json_text, one_line, printable
from ecrnn.report.render.csv_file import safe

if TYPE_CHECKING:
    import numpy as np

STYLES = ("table", "jsonl", "csv")
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image or text.

    Attributes:
        input: path of the image, or the text.
        error: why there is no prediction; then the rest is empty.
        probabilities: float64 (classes,) of a classifier.
        text: what a model that writes has written.
    """

    input: str
    error: str = ""
    probabilities: np.ndarray | None = None
    text: str = ""

    @classmethod
    def of(cls, asked: str, answer: np.ndarray | str) -> Prediction:
        """What a model answered to ``asked``: probabilities of its classes, or a text."""
        return cls(asked, text=answer) if isinstance(answer, str) else cls(asked, probabilities=answer)


@dataclass(frozen=True)
class Shape:
    """What the predictions of a model are called.

    Attributes:
        input: "file" or "text".
        output: "prediction" of a classifier, or what a model writes: "caption", "text", "translation".
        classes: names of a classifier's classes, in the order of the probabilities.
        top: most classes that a table or a line of JSON has.
    """

    input: str
    output: str = "prediction"
    classes: tuple[str, ...] = ()
    top: int = 3

    def best(self, prediction: Prediction) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities."""
        assert prediction.probabilities is not None
        order = (-prediction.probabilities).argsort(kind="stable")[: self.top]
        return [(self.classes[k], float(prediction.probabilities[k])) for k in order]


def style_of(style: str | None, out: Path | None, inputs: Iterable[Path]) -> str:
    """The format that a command line asks for, by name or by the suffix of the file for the predictions.

    Raises:
        UnknownNameError: there is no such format.
        WrongCall: the file is a folder, or one of the inputs.
    """
    if style is not None and style not in STYLES:
        raise unknown_name("format", style, STYLES)
    if out is not None and path_of(out, "--out").is_dir():
        raise WrongCall(f"--out: {out} is a folder; name a file, as in --out predictions.csv")
    if out is not None and out.exists() and any(os.path.exists(path) and out.samefile(path) for path in inputs):
        raise WrongCall(f"--out: {out} is one of the inputs; name another file")
    return style or (_SUFFIXES.get(out.suffix.lower(), "table") if out else "table")


def write(predictions: Iterator[Prediction], shape: Shape, style: str, out: Path | None) -> int:
    """Print the predictions, or write them into the file ``out``, whole or not at all.

    An input that cannot be predicted gives a line on the standard error; in JSON lines an object with "error" instead
    (on the screen), or as well (in a file); and an image in CSV a row that is empty behind its name.

    Returns:
        How many could not be predicted.
    """
    failed = count = 0

    def good() -> Iterator[Prediction]:
        nonlocal failed, count
        for one in predictions:
            failed += bool(one.error)
            count += not one.error
            if one.error and (style != "jsonl" or out is not None):
                complain(one.error)
            if not one.error or style != "table":
                yield one

    file = sys.stdout if out is None else io.StringIO()
    {"jsonl": _jsonl, "csv": _csv, "table": _table}[style](good(), shape, file)
    if out is not None:
        assert isinstance(file, io.StringIO)
        write_atomically(out, file.getvalue())
        say(f"{counted(count, 'predictions')} in {out}")
    return failed


def _jsonl(predictions: Iterator[Prediction], shape: Shape, file: TextIO) -> None:
    for one in predictions:
        line: dict[str, Any] = {shape.input: one.input}
        if one.error:
            line = {"file": one.input, "error": one.error}
        elif shape.classes:
            line["classes"] = [{"class": name, "probability": share} for name, share in shape.best(one)]
        else:
            line[shape.output] = one.text
        print(json_text(line), file=file)


def _csv(predictions: Iterator[Prediction], shape: Shape, file: TextIO) -> None:
    """One row per input: the prediction, and for classifiers one column per class with its exact probability."""
    lead = [shape.input, shape.output]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*lead, *(safe(f"{name} (class)" if name in lead else name) for name in shape.classes)])
    for one in predictions:
        if one.error:
            if shape.input == "file":
                writer.writerow([safe(one.input), *[None] * (1 + len(shape.classes))])
        elif one.probabilities is None:
            writer.writerow([safe(one.input), safe(one.text)])
        else:
            best = shape.classes[int(one.probabilities.argmax())]
            writer.writerow([safe(one.input), safe(best), *map(float, one.probabilities)])


def _table(predictions: Iterator[Prediction], shape: Shape, file: TextIO) -> None:
    """Names and texts are whole: a terminal wraps them, elsewhere each row is one line of any length."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    narrow = file is sys.stdout and terminal()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (shape.input, "classes" if shape.classes else shape.output):
        table.add_column(heading, overflow="fold", no_wrap=not narrow)
    for one in predictions:
        shown = (
            ", ".join(f"{name} {100 * share:.1f} %" for name, share in shape.best(one)) if shape.classes else one.text
        )
        table.add_row(Text(_input(one, shape)), Text(one_line(shown)))
    if table.rows:
        Console(file=file, width=None if narrow else UNLIMITED).print(table)


def _input(one: Prediction, shape: Shape) -> str:
    return printable(one.input) if shape.input == "file" else one_line(one.input)
