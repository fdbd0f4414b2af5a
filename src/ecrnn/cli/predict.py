"""`ecrnn predict [BUNDLE] FILE-OR-FOLDER...`: what a trained model says of pictures and texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecrnn.cli import options

if TYPE_CHECKING:
    from ecrnn.serving.classifier import Classifier
    from ecrnn.serving.model import Model

EXAMPLE = "Example: ecrnn predict my-classifier photos/ --top 3 --format csv > predictions.csv"
BATCH = 64  # pictures in memory at a time


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] FILE-OR-FOLDER...",
            help="Pictures or folders of them, or files with a text a line (- for the standard input); before them a "
            "folder that 'ecrnn train' left. Default: the pretrained cifar10 that comes with ecrnn.",
        ),
    ],
    text: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text, for models that read any; may be given again.")
    ] = None,
    beam: options.Beam = 1,
    top: Annotated[int, typer.Option(help="How many classes to show.", min=1)] = 3,
    style: Annotated[str, typer.Option("--format", help="table, jsonl (a JSON object a line) or csv.")] = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    device: options.Device = None,
) -> int:
    """Say what is in pictures, what they show in words, what they say, or what class or translation texts have.

    A picture that cannot be read is reported, the rest is done, and the status is 1.
    """
    from ecrnn.core.errors import DataError, unknown_name
    from ecrnn.data.folder import picture_files

    if style not in _SHOW:
        raise unknown_name("format", style, _SHOW)

    from ecrnn.serving import pretrained
    from ecrnn.serving.classifier import Classifier
    from ecrnn.serving.load import load

    named, pictures = _bundle_first(paths, bool(text))
    model = load(named or pretrained.default(), device or "auto")
    _check_call(model, named, bool(pictures or text))
    if not isinstance(model, Classifier):
        from ecrnn.cli.predict_texts import predict_texts

        return predict_texts(model, pictures, text or [], beam, top, "jsonl" if json else style)
    if text or beam > 1:
        option = "--text" if text else "--beam"
        raise options.WrongCall(f"{option} is not for a classifier of pictures, which {named or 'the default'} is")
    classifier = model
    files: list[Path] = []
    missing = 0
    for path in pictures:
        try:
            files += picture_files(path)
        except DataError as error:
            print(f"ecrnn: {error}", file=sys.stderr)
            missing += 1
    if named is None and files:
        model, known = classifier.description.model, ", ".join(classifier.classes)
        line = f"no bundle is named, so '{pretrained.DEFAULT}' answers, a pretrained {model} that knows {known}"
        print(f"ecrnn: {line}", file=sys.stderr)
    show = _SHOW["jsonl" if json else style]
    failed = show(_results(classifier, files, min(top, len(classifier.classes))))
    return 1 if failed or missing else 0


def _bundle_first(paths: list[Path], texts: bool) -> tuple[Path | None, list[Path]]:
    """The bundle, or None where the first path names pictures already, and the other paths."""
    from ecrnn.data.folder import names_pictures
    from ecrnn.serving.bundle import is_bundle
    from ecrnn.serving.pretrained import find

    first, *others = paths
    if texts or is_bundle(find(first)):  # the pretrained model does not read texts
        return first, others
    return (None, paths) if not others or names_pictures(first) else (first, others)


def _check_call(model: Model, named: Path | None, given: bool) -> None:
    """Raise a WrongCall where nothing is given, or the model answers otherwise."""
    from ecrnn.cli.figures import use
    from ecrnn.core.tasks import CLIP_CLASSIFICATION, NEXT_TOKEN, TEXT_CLASSIFICATION, TRANSLATION

    right = use(model.task, str(named))
    if model.task in (NEXT_TOKEN, CLIP_CLASSIFICATION):
        raise options.WrongCall(f"predict is not for {model.task.name}, which {named} is for; use it as in: {right}")
    if not given:
        wanted = "FILE... or --text" if model.task in (TEXT_CLASSIFICATION, TRANSLATION) else "FILE-OR-FOLDER..."
        raise options.WrongCall(f"predict wants {wanted}, as in: {right}")


def _results(classifier: Classifier, files: list[Path], top: int) -> Iterator[dict[str, Any]]:
    """For each file its classes with probabilities, or the line that says why it cannot be read."""
    import numpy as np

    from ecrnn.core.errors import DataError
    from ecrnn.data.folder import read_picture

    for start in range(0, len(files), BATCH):
        chunk: list[dict[str, Any]] = [{"file": str(file)} for file in files[start : start + BATCH]]
        images = []
        for result in chunk:
            try:
                images.append(read_picture(result["file"], classifier.image))
                result["classes"] = []
            except DataError as error:
                result["error"] = str(error)
        if images:
            probabilities = iter(classifier.predict_proba(np.stack(images)))
            for result in chunk:
                if "classes" in result:
                    row = next(probabilities)
                    best = np.argsort(-row, kind="stable")[:top]
                    result["classes"] = [{"class": classifier.classes[k], "probability": float(row[k])} for k in best]
        yield from chunk


def _complain(result: dict[str, Any]) -> bool:
    if "error" in result:
        print(f"ecrnn: {result['error']}", file=sys.stderr)
    return "error" in result


def _jsonl(results: Iterator[dict[str, Any]]) -> int:
    import json

    failed = 0
    for result in results:
        print(json.dumps(result, ensure_ascii=False))
        failed += "error" in result
    return failed


def _csv(results: Iterator[dict[str, Any]]) -> int:
    import csv

    writer = csv.writer(sys.stdout)
    writer.writerow(["file", "rank", "class", "probability"])
    failed = 0
    for result in results:
        failed += _complain(result)
        for rank, guess in enumerate(result.get("classes", []), 1):
            writer.writerow([result["file"], rank, guess["class"], f"{guess['probability']:.6f}"])
    return failed


def _table(results: Iterator[dict[str, Any]]) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("picture", "classes")
    failed = 0
    for result in results:
        failed += _complain(result)
        if "classes" in result:
            shown = ", ".join(f"{guess['class']} {100 * guess['probability']:.1f} %" for guess in result["classes"])
            table.add_row(Text(result["file"]), Text(shown))
    if table.rows:
        Console().print(table)
    return failed


_SHOW = {"table": _table, "jsonl": _jsonl, "csv": _csv}
