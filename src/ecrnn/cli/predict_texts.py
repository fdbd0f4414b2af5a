"""What `ecrnn predict` does for models that read texts: an answer for each text and each line of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ecrnn.cli.output import complain
from ecrnn.cli.predicted import Prediction
from ecrnn.core.errors import DataError
from ecrnn.data.textfiles import HEADINGS
from ecrnn.serving.predictor import ReadsTexts

BATCH = 64  # texts at a time
LONGEST = 2**20  # bytes of a line


def of_texts(model: ReadsTexts, texts: list[str], paths: list[Path]) -> Iterator[Prediction]:
    """The model's answers to ``texts``, then to the lines of the files ``paths``; "-" is the standard input."""
    for path in [None, *paths]:
        waiting: list[str] = []
        reason = None
        try:
            for number, line in enumerate(texts if path is None else _lines(path)):
                if number == 0 and path is not None and _names_columns(line):
                    complain(f"the first line of {path}, '{line}', looks like a heading; it is taken for a text")
                waiting.append(line)
                if len(waiting) == BATCH:
                    yield from _answered(model, waiting)
                    waiting = []
        except (OSError, UnicodeDecodeError, DataError) as error:
            reason = _reason(error)
        yield from _answered(model, waiting)
        if reason is not None:
            yield Prediction(str(path), error=f"cannot read {path} as text: {reason}")


def _names_columns(line: str) -> bool:
    return all(cell.strip("#\"' ").lower() in HEADINGS for cell in line.split("\t"))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return error.strerror or "it cannot be opened" if isinstance(error, OSError) else str(error)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file that hold anything; "-" is the standard input."""
    file = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    with file:
        while line := file.readline(LONGEST + 1):
            if len(line) > LONGEST:
                raise DataError(f"a line is longer than {LONGEST} bytes")
            if text := line.decode("utf-8-sig").strip():
                yield text


def _answered(model: ReadsTexts, texts: list[str]) -> Iterator[Prediction]:
    if texts:
        yield from (Prediction.of(text, answer) for text, answer in zip(texts, model.answers(texts), strict=True))
