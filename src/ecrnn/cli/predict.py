"""`ecrnn predict [BUNDLE] FILE-OR-FOLDER...`: what a trained model says of pictures and texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain

if TYPE_CHECKING:
    from ecrnn.cli.predictions import Prediction
    from ecrnn.serving.classifier import Classifier
    from ecrnn.serving.model import Model

EXAMPLE = "Example: ecrnn predict my-classifier photos/ --out predictions.csv"
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
    style: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, jsonl (a JSON object a line) or csv (a row an input, a column a class, exact). Default: what "
            "the name of the --out file ends in, or table.",
        ),
    ] = None,
    code: options.Code = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File for the predictions. Default: the screen.")
    ] = None,
    device: options.Device = None,
) -> int:
    """Say what is in pictures, what they show in words, what they say, or what class or translation texts have.

    A picture that cannot be read is reported, the rest is done, and the status is 1.
    """
    from ecrnn.cli.predictions import Shape, style_of, write
    from ecrnn.core.errors import DataError
    from ecrnn.data.folder import picture_files

    style = style_of("jsonl" if json else style, out, paths)

    from ecrnn.serving import pretrained
    from ecrnn.serving.classifier import Classifier
    from ecrnn.serving.load import load

    named, pictures = _bundle_first(paths, bool(text))
    model = load(named or pretrained.default(), device or "auto")
    _check_call(model, named, bool(pictures or text))
    if not isinstance(model, Classifier):
        from ecrnn.cli.predict_texts import predict_texts

        return predict_texts(model, pictures, text or [], beam, top, style, out)
    if text or beam > 1:
        option = "--text" if text else "--beam"
        raise options.WrongCall(f"{option} is not for a classifier of pictures, which {named or 'the default'} is")
    classifier = model
    files: list[Path] = []
    missing: dict[Path, str] = {}
    for path in pictures:
        try:
            files += picture_files(path)
        except DataError as error:
            files.append(path)
            missing[path] = str(error)
    style_of(style, out, files)
    if named is None and len(files) > len(missing):
        model, known = classifier.description.model, ", ".join(classifier.classes)
        line = f"no bundle is named, so '{pretrained.DEFAULT}' answers, a pretrained {model} that knows {known}"
        complain(line)
    found = _predictions(classifier, files, missing)
    return 1 if write(found, Shape("file", classes=classifier.classes, top=top), style, out) else 0


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


def _predictions(classifier: Classifier, files: list[Path], missing: dict[Path, str]) -> Iterator[Prediction]:
    """For each file the probabilities of its classes, or the line that says why it is missing or cannot be read."""
    import numpy as np

    from ecrnn.cli.predictions import Prediction
    from ecrnn.core.errors import DataError
    from ecrnn.data.folder import read_picture

    for start in range(0, len(files), BATCH):
        chunk = files[start : start + BATCH]
        images, errors = {}, {file: missing[file] for file in chunk if file in missing}
        for file in (file for file in chunk if file not in missing):
            try:
                images[file] = read_picture(file, classifier.image)
            except DataError as error:
                errors[file] = str(error)
        rows = classifier.probabilities(np.stack(list(images.values())), list(images)) if images else ()
        found = dict(zip(images, rows, strict=True))
        for file in chunk:
            yield Prediction(str(file), error=errors.get(file, ""), probabilities=found.get(file))
