"""`ecrnn predict [BUNDLE] FILE-OR-FOLDER...`: what a trained model says of images and texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain
from ecrnn.core.errors import EcrnnError

if TYPE_CHECKING:
    from ecrnn.cli.predictions import Prediction
    from ecrnn.serving.predictor import Predictor, ReadsFiles

EXAMPLE = "Example: ecrnn predict my-classifier photos/ --out predictions.csv"
BATCH = 64  # images in memory at a time


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] FILE-OR-FOLDER...",
            help="Images or folders of them, or files with one text per line (- for the standard input); before them a "
            "folder that 'ecrnn train' wrote. Default: the pretrained cifar10 that comes with ecrnn.",
        ),
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Text, for models that read text. May be given several times."),
    ] = None,
    beam: options.Beam = 1,
    top: Annotated[int, typer.Option(help="Number of classes shown per input.", min=1)] = 3,
    style: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format: table, jsonl (one JSON object per line) or csv (one row per input, one column per class, "
            "exact). Default: the suffix of the --out file, or table.",
        ),
    ] = None,
    code: options.Code = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, the same as --format jsonl.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="File for the predictions. Default: the standard output."),
    ] = None,
    device: options.Device = None,
) -> int:
    """Predict with a trained model: classes, captions or text of images, classes or translations of texts.

    An image that cannot be read is reported, the rest is done, and the status is 1.
    """
    from ecrnn.cli.predictions import Shape, style_of, write

    style = style_of("jsonl" if as_json else style, out, paths)

    from ecrnn.serving import pretrained
    from ecrnn.serving.load import load
    from ecrnn.serving.predictor import ReadsFiles, ReadsTexts

    named, inputs = _bundle_first(paths, bool(text))
    model: Predictor = load(named or pretrained.default(), device or "auto")
    _check_call(model, named, text or [], bool(inputs or text))
    with options.wrong_call():
        model.search(beam)
    if model.task.reads == "texts" and isinstance(model, ReadsTexts):
        from ecrnn.cli.predict_texts import of_texts

        found = of_texts(model, text or [], inputs)
    elif isinstance(model, ReadsFiles):
        files, missing = files_at(inputs, model.task.suffixes)
        style_of(style, out, files)
        if named is None and len(files) > len(missing):
            name, known = model.description.model, ", ".join(model.processor.classes)
            complain(f"no bundle is named, so '{pretrained.DEFAULT}' answers, a pretrained {name} that knows {known}")
        found = _of_files(model, files, missing)
    else:
        raise EcrnnError(f"the predictor of {model.task.name} has no method to read {model.task.reads} one by one")
    shape = Shape("text" if model.task.reads == "texts" else "file", model.task.writes, model.processor.classes, top)
    return 1 if write(found, shape, style, out) else 0


def _bundle_first(paths: list[Path], texts: bool) -> tuple[Path | None, list[Path]]:
    """The bundle, or None where the first path names images already, and the other paths."""
    from ecrnn.data.folder import names_images
    from ecrnn.serving.bundle import is_bundle
    from ecrnn.serving.pretrained import find

    first, *others = paths
    if texts or is_bundle(find(first)):  # the pretrained model does not read texts
        return first, others
    return (None, paths) if not others or names_images(first) else (first, others)


def _check_call(model: Predictor, named: Path | None, texts: list[str], asked: bool) -> None:
    """Raise a WrongCall where there is nothing to predict, or the model takes other inputs."""
    from ecrnn.cli.metrics import use

    task, example = model.task, use(model.task, str(named))
    if not task.reads:
        raise options.WrongCall(f"predict is not for {task.name}, which {named} is for; use it as in: {example}")
    if not asked:
        wanted = "FILE... or --text" if task.reads == "texts" else "FILE-OR-FOLDER..."
        raise options.WrongCall(f"predict wants {wanted}, as in: {example}")
    if texts and task.reads != "texts":
        what = "images" if task.reads == "images" else "files"
        raise options.WrongCall(f"--text is not for {task.name}, which takes {what}")


def files_at(paths: list[Path], suffixes: tuple[str, ...]) -> tuple[list[Path], dict[Path, str]]:
    """The files at ``paths``, and an error line for each path that is or holds none.

    They are images, or end in ``suffixes`` if there are any.
    """
    from ecrnn.core.errors import DataError
    from ecrnn.data.folder import image_files

    files: list[Path] = []
    missing: dict[Path, str] = {}
    for path in paths:
        try:
            files += _with_suffix(path, suffixes) if suffixes else image_files(path)
        except DataError as error:
            files.append(path)
            missing[path] = str(error)
    return files, missing


def _with_suffix(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """A file, or the files below a folder whose names end in one of ``suffixes``.

    Raises:
        DataError: there is none.
    """
    from ecrnn.core.errors import DataError
    from ecrnn.data.file_lists import files_below

    if not path.is_dir():
        return [path]
    found, _ = files_below(path, lambda name: name.lower().endswith(suffixes))
    if not found:
        raise DataError(f"{path} holds no files that end in {', '.join(suffixes)}")
    return [path / name for name in found]


def _of_files(model: ReadsFiles, files: list[Path], missing: dict[Path, str]) -> Iterator[Prediction]:
    """The model's answer to each file, or the line that says why it is missing or cannot be read."""
    from ecrnn.cli.predictions import Prediction
    from ecrnn.core.errors import DataError

    for start in range(0, len(files), BATCH):
        chunk = files[start : start + BATCH]
        images, errors = {}, {file: missing[file] for file in chunk if file in missing}
        for file in (file for file in chunk if file not in missing):
            try:
                images[file] = model.open(file)
            except DataError as error:
                errors[file] = str(error)
        with model.naming([str(file) for file in images].__getitem__):
            answers = model.answers(list(images.values())) if images else []
        found = dict(zip(images, answers, strict=True))
        for file in chunk:
            yield Prediction(str(file), errors[file]) if file in errors else Prediction.of(str(file), found[file])
