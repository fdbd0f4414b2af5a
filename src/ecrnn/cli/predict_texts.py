"""What `ecrnn predict` does for models that read or write texts: an answer for each text or picture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecrnn.cli import options
from ecrnn.cli.output import complain
from ecrnn.cli.predictions import Prediction, Shape, write
from ecrnn.core.errors import DataError
from ecrnn.data.folder import picture_files
from ecrnn.data.textfiles import HEADINGS
from ecrnn.serving.model import Model
from ecrnn.serving.texts import TextClassifier
from ecrnn.serving.writers import Captioner, Reader, Translator

BATCH = 64  # texts or pictures at a time
LONGEST = 2**20  # bytes of a line


def predict_texts(
    model: Model, paths: list[Path], texts: list[str], beam: int, top: int, style: str, out: Path | None = None
) -> int:
    """Print the model's answers; gives the status of the command.

    Args:
        model: from `ecrnn.load`: a writer, or a text classifier.
        paths: of pictures, or of files with a text a line, by the model's task.
        texts: given on the command line, first.
        beam: hypotheses of a beam search.
        top: most classes that are shown.
        style: "table", "jsonl" or "csv".
        out: file for the predictions; None for the standard output.
    """
    with options.wrong_call():
        model.search(beam)
    if isinstance(model, Captioner | Reader):
        if texts:
            raise options.WrongCall(f"--text is not for {model.task.name}, which takes pictures")
        shape = Shape("file", "caption" if isinstance(model, Captioner) else "text")
        predictions = _of_pictures(model, paths)
    else:
        assert isinstance(model, TextClassifier | Translator)
        classes = model.classes if isinstance(model, TextClassifier) else ()
        shape = Shape("text", "prediction" if classes else "translation", classes, top)
        predictions = _of_texts(model, texts, paths)
    return 1 if write(predictions, shape, style, out) else 0


def _of_pictures(model: Captioner | Reader, paths: list[Path]) -> Iterator[Prediction]:
    files: list[Path] = []
    for path in paths:
        try:
            files += picture_files(path)
        except DataError as error:
            yield Prediction(str(path), error=str(error))
    for start in range(0, len(files), BATCH):
        chunk, images = [], []
        for file in files[start : start + BATCH]:
            try:
                images.append(model.open(file))
                chunk.append(str(file))
            except DataError as error:
                yield Prediction(str(file), error=str(error))
        if images:
            with model.naming(chunk.__getitem__):
                written = _written(model, images)
            yield from (Prediction(file, text=text) for file, text in zip(chunk, written, strict=True))


def _written(model: Captioner | Reader, images: list[np.ndarray]) -> list[str]:
    if isinstance(model, Captioner):
        return model.caption_images(np.stack(images), np.arange(len(images)))
    return model.read_images(images)


def _of_texts(model: TextClassifier | Translator, texts: list[str], paths: list[Path]) -> Iterator[Prediction]:
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


def _answered(model: TextClassifier | Translator, texts: list[str]) -> Iterator[Prediction]:
    if isinstance(model, Translator):
        written = model.translate(texts)
        yield from (Prediction(text, text=own) for text, own in zip(texts, written, strict=True))
    else:
        rows = model.predict_proba(texts)
        yield from (Prediction(text, probabilities=row) for text, row in zip(texts, rows, strict=True))
