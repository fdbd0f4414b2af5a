"""What `ecrnn predict` does for models that read or write texts: an answer for each text or picture."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.cli import options
from ecrnn.core.errors import DataError
from ecrnn.data.folder import picture_files
from ecrnn.serving.model import Model
from ecrnn.serving.texts import TextClassifier
from ecrnn.serving.writers import Captioner, Reader, Translator

BATCH = 64  # texts or pictures at a time
LONGEST = 2**20  # bytes of a line


def predict_texts(model: Model, paths: list[Path], texts: list[str], beam: int, top: int, style: str) -> int:
    """Print the model's answers; gives the status of the command.

    Args:
        model: from `ecrnn.load`: a writer, or a text classifier.
        paths: of pictures, or of files with a text a line, by the model's task.
        texts: given on the command line, first.
        beam: hypotheses of a beam search.
        top: most classes that are shown.
        style: "table", "jsonl" or "csv".
    """
    with options.wrong_call():
        model.search(beam)
    if isinstance(model, Captioner | Reader):
        if texts:
            raise options.WrongCall(f"--text is not for {model.task.name}, which takes pictures")
        results = _of_pictures(model, paths)
    else:
        assert isinstance(model, TextClassifier | Translator)
        results = _of_texts(model, texts, paths, top)
    return _STYLES[style](results)


def _of_pictures(model: Captioner | Reader, paths: list[Path]) -> Iterator[dict[str, Any]]:
    files: list[Path] = []
    for path in paths:
        try:
            files += picture_files(path)
        except DataError as error:
            yield {"file": str(path), "error": str(error)}
    key = "caption" if isinstance(model, Captioner) else "text"
    for start in range(0, len(files), BATCH):
        chunk, images = [], []
        for file in files[start : start + BATCH]:
            try:
                images.append(model.open(file))
                chunk.append({"file": str(file)})
            except DataError as error:
                yield {"file": str(file), "error": str(error)}
        if images:
            written = _written(model, images)
            yield from ({**result, key: text} for result, text in zip(chunk, written, strict=True))


def _written(model: Captioner | Reader, images: list[np.ndarray]) -> list[str]:
    if isinstance(model, Captioner):
        return model.caption_images(np.stack(images), np.arange(len(images)))
    return model.read_images(images)


def _of_texts(
    model: TextClassifier | Translator, texts: list[str], paths: list[Path], top: int
) -> Iterator[dict[str, Any]]:
    for path in [None, *paths]:
        waiting: list[str] = []
        reason = None
        try:
            for line in texts if path is None else _lines(path):
                waiting.append(line)
                if len(waiting) == BATCH:
                    yield from _answered(model, waiting, top)
                    waiting = []
        except (OSError, UnicodeDecodeError, DataError) as error:
            reason = _reason(error)
        yield from _answered(model, waiting, top)
        if reason is not None:
            yield {"file": str(path), "error": f"cannot read {path} as text: {reason}"}


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


def _answered(model: TextClassifier | Translator, texts: list[str], top: int) -> Iterator[dict[str, Any]]:
    if isinstance(model, Translator):
        written = model.translate(texts)
        yield from ({"text": text, "translation": own} for text, own in zip(texts, written, strict=True))
        return
    for text, row in zip(texts, model.predict_proba(texts), strict=True):
        best = (-row).argsort(kind="stable")[:top]
        yield {"text": text, "classes": [{"class": model.classes[k], "probability": float(row[k])} for k in best]}


def _answer(result: dict[str, Any]) -> str:
    if "classes" in result:
        return ", ".join(f"{guess['class']} {100 * guess['probability']:.1f} %" for guess in result["classes"])
    return str(result[next(key for key in ("translation", "caption", "text") if key in result)])


def _jsonl(results: Iterator[dict[str, Any]]) -> int:
    failed = False
    for result in results:
        print(json.dumps(result, ensure_ascii=False))
        failed |= "error" in result
    return int(failed)


def _csv(results: Iterator[dict[str, Any]]) -> int:
    writer = csv.writer(sys.stdout)
    writer.writerow(["input", "answer"])
    return _each(results, lambda given, answer: writer.writerow([given, answer]))


def _table(results: Iterator[dict[str, Any]]) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("input", "answer")
    status = _each(results, lambda given, answer: table.add_row(Text(given), Text(answer)))
    if table.rows:
        Console().print(table)
    return status


def _each(results: Iterator[dict[str, Any]], show: Callable[[str, str], object]) -> int:
    failed = False
    for result in results:
        if "error" in result:
            print(f"ecrnn: {result['error']}", file=sys.stderr)
            failed = True
        else:
            show(result.get("file") or result["text"], _answer(result))
    return int(failed)


_STYLES = {"table": _table, "jsonl": _jsonl, "csv": _csv}
