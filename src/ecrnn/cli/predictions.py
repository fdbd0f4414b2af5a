"""Output of `ecrnn predict`: a table for people, JSON lines, CSV and Parquet for machines, on the screen or in a file.

All but a table are written as the predictions come, in bounded memory.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from ecrnn.cli.options import WrongCall
from ecrnn.cli.output import UNLIMITED, complain, say, terminal
from ecrnn.cli.predicted import Prediction, Shape, class_columns, lead_names
from ecrnn.core.errors import unknown_name
from ecrnn.core.files import disk_errors, path_of, whole_file, whole_text
from ecrnn.core.text import counted, json_text, one_line, printable
from ecrnn.report.render.csv_file import safe

STYLES = ("table", "jsonl", "csv", "parquet")
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


class Written(NamedTuple):
    """How many inputs were predicted, of these rejected, and how many could not be predicted."""

    predicted: int
    rejected: int
    failed: int


def style_of(style: str | None, out: Path | None, inputs: Iterable[Path], excel: bool = False) -> str:
    """The format that a command line asks for, by name or by the suffix of the file for the predictions.

    Raises:
        UnknownNameError: there is no such format.
        WrongCall: the file is a folder, or one of the inputs, or the format cannot be written there.
    """
    if style is not None and style not in STYLES:
        raise unknown_name("format", style, STYLES)
    if out is not None and path_of(out, "--out").is_dir():
        raise WrongCall(f"--out: {out} is a folder; name a file, as in --out predictions.csv")
    if out is not None and out.exists() and any(os.path.exists(path) and out.samefile(path) for path in inputs):
        raise WrongCall(f"--out: {out} is one of the inputs; name another file")
    found = style or (SUFFIXES.get(out.suffix.lower(), "table") if out else "table")
    if found == "parquet" and out is None:
        raise WrongCall("--format parquet wants a file, as in --out predictions.parquet")
    if excel and (found != "csv" or out is None):
        raise WrongCall("--excel is for CSV in a file, as in --excel --out predictions.csv")
    return found


@dataclass
class _Counted:
    """The predictions that are written, counted; what cannot be predicted is said."""

    shape: Shape
    style: str
    to_file: bool
    predicted: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)

    def through(self, predictions: Iterator[Prediction]) -> Iterator[Prediction]:
        for one in predictions:
            self.failed += bool(one.error)
            self.predicted += not one.error
            self.rejected += self.shape.rejects(one)
            if one.error and (self.style != "jsonl" or self.to_file):
                complain(one.error)
            if not one.error or self.style != "table":
                yield one


def write(
    predictions: Iterator[Prediction], shape: Shape, style: str, out: Path | None, *, excel: bool = False
) -> Written:
    """Print the predictions, or write them into the file ``out``, whole or not at all.

    An input that cannot be predicted gives a line on the standard error; in JSON lines an object with "error" instead
    (on the screen), or as well (in a file); in Parquet a row with "error"; and an image in CSV a row that is empty
    behind its name.

    Returns:
        How many were predicted, rejected, and could not be predicted.
    """
    counts = _Counted(shape, style, out is not None)
    found = counts.through(predictions)
    writers: dict[str, Callable[[Iterator[Prediction], Shape, Any], None]]
    writers = {"jsonl": _jsonl, "csv": _excel if excel else _csv, "table": _table}
    if out is None:
        writers[style](found, shape, sys.stdout)
    elif style == "parquet":
        from ecrnn.cli.predictions_parquet import write_parquet

        with disk_errors(out), whole_file(out) as raw:
            write_parquet(found, shape, raw)
    else:
        with whole_text(out, "utf-8-sig" if excel else "utf-8") as file:
            writers[style](found, shape, file)
    if out is not None:
        rejected = f", of which {counts.rejected:,} are rejected," if shape.least is not None else ""
        say(f"{counted(counts.predicted, 'predictions')}{rejected} in {out}")
    return Written(counts.predicted, counts.rejected, counts.failed)


def _jsonl(predictions: Iterator[Prediction], shape: Shape, file: IO[str]) -> None:
    for one in predictions:
        line: dict[str, Any] = {shape.input: one.input}
        if one.error:
            line = {"file": one.input, "error": one.error}
        elif shape.classes:
            line |= {} if shape.least is None else {"rejected": shape.rejects(one)}
            line["classes"] = [{"class": name, "probability": share} for name, share in shape.best(one)]
        else:
            line[shape.output] = one.text
        print(json_text(line), file=file)


def _excel(predictions: Iterator[Prediction], shape: Shape, file: IO[str]) -> None:
    """As `_csv`, with the line ends that Excel writes; the mark at the file's beginning is of its encoding."""
    _csv(predictions, shape, file, "\r\n")


def _csv(predictions: Iterator[Prediction], shape: Shape, file: IO[str], end: str = "\n") -> None:
    """One row per input: the prediction, and for classifiers one column per class with its exact probability."""
    writer = csv.writer(file, lineterminator=end)
    lead = lead_names(shape)
    writer.writerow([*lead, *(safe(name) for name in class_columns(shape, lead))])
    for one in predictions:
        if one.error:
            if shape.input == "file":
                writer.writerow([safe(one.input), *[None] * (len(lead) - 1 + len(shape.classes))])
        elif one.probabilities is None:
            writer.writerow([safe(one.input), safe(one.text)])
        else:
            rejected = shape.rejects(one)
            best = None if rejected else safe(shape.classes[int(one.probabilities.argmax())])
            flag = [] if shape.least is None else [int(rejected)]
            writer.writerow([safe(one.input), best, *flag, *one.probabilities.tolist()])


def _table(predictions: Iterator[Prediction], shape: Shape, file: IO[str]) -> None:
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
        mark = "rejected: " if shape.rejects(one) else ""
        table.add_row(Text(_input(one, shape)), Text(mark + one_line(shown)))
    if table.rows:
        Console(file=file, width=None if narrow else UNLIMITED).print(table)


def _input(one: Prediction, shape: Shape) -> str:
    return printable(one.input) if shape.input == "file" else one_line(one.input)
