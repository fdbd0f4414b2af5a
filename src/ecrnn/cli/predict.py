"""`ecrnn predict [BUNDLE] FILE-OR-FOLDER...`: what a trained model says of images and texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain
from ecrnn.cli.rejecting import least_of
from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.core.text import json_text

if TYPE_CHECKING:
    from ecrnn.cli.predicted import Prediction
    from ecrnn.cli.predictions import Written
    from ecrnn.serving.predictor import Predictor, ReadsFiles

EXAMPLE = "Example: ecrnn predict my-classifier photos/ --out predictions.csv"


def predict(
    context: typer.Context,
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
            help="Format: table, jsonl (one JSON object per line), csv or parquet (one row per input, one column per "
            "class, exact). Default: the suffix of the --out file, or table.",
        ),
    ] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="CSV that Excel reads as it is: with a byte order mark and its line ends.")
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Part of the sorted files, such as 3/40; --out may be one folder for all. A finished part is skipped.",
        ),
    ] = None,
    parts: Annotated[
        int | None,
        typer.Option(
            help="Number of parts with --engine ray. Default: one for every 2,000 files.", min=1, max=1_000_000
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Place where the parts are done: here, or ray (a cluster). Default: here."),
    ] = None,
    ray_address: options.RayAddress = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Number of threads that decode and compute. Default: as many as cores, on Ray 2.", min=1),
    ] = None,
    reject: options.Reject = None,
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
    from ecrnn.cli import predict_parts
    from ecrnn.cli.predicted import Shape
    from ecrnn.cli.predictions import style_of, write

    style = "jsonl" if as_json else style
    its_part = None if part is None else predict_parts.part_of(part)
    folder = out
    if (on_ray := _is_ray(engine, part, parts, ray_address)) or its_part is not None:
        out = (its_part or predict_parts.Part(1, parts or 1)).place(out, style)
    if on_ray and out == folder:
        raise options.WrongCall("--engine ray wants a folder for its parts, as in -o predictions/")
    style = style_of(style, out, paths, excel)
    if style == "parquet":
        from ecrnn.cli.predictions_parquet import check_parquet

        check_parquet()

    from ecrnn.core.devices import threads as computing_threads
    from ecrnn.serving import pretrained
    from ecrnn.serving.predictor import ReadsFiles, ReadsTexts

    named, inputs = _bundle_first(paths, bool(text))
    model = _loaded(named, out, device)
    _check_call(model, named, text or [], bool(inputs or text))
    with options.wrong_call():
        model.search(beam)
    least = None if reject is None else least_of(model, reject)
    shape = Shape(
        "text" if model.task.reads == "texts" else "file", model.task.writes, model.processor.classes, top, least
    )
    if model.task.reads == "texts" and isinstance(model, ReadsTexts):
        from ecrnn.cli.predict_texts import of_texts

        if on_ray or its_part is not None:
            raise options.WrongCall(
                f"{'--engine ray' if on_ray else '--part'} is for files, not for {model.task.reads}"
            )
        written = write(of_texts(model, text or [], inputs), shape, style, out, excel=excel)
    elif isinstance(model, ReadsFiles):
        files, missing = files_at(inputs, model.task.suffixes)
        style_of(style, out, files, excel)
        if named is None and len(files) > len(missing):
            name, known = model.description.model, ", ".join(model.processor.classes)
            complain(f"no bundle is named, so '{pretrained.DEFAULT}' answers, a pretrained {name} that knows {known}")

        def some(of: list[Path]) -> Written:
            with computing_threads(threads):
                return write(_of_files(model, of, missing, threads), shape, style, out, excel=excel)

        how = {"bundle": _digest(model), "format": style, "excel": excel, "top": top, "least": least, "beam": beam}
        if on_ray and folder is not None:
            written = _by_ray(context, files, missing, how, folder, style)
        elif its_part is not None and out is not None:
            written = predict_parts.predict_part(its_part, out, files, missing, how, some)
        else:
            written = some(files)
    else:
        raise EcrnnError(f"the predictor of {model.task.name} has no method to read {model.task.reads} one by one")
    return 1 if written.failed else 0


def _is_ray(engine: str | None, part: str | None, parts: int | None, ray_address: str | None) -> bool:
    """Whether the parts are to be done on Ray; a WrongCall where the options do not go together."""
    if engine not in (None, "here", "ray"):
        raise unknown_name("engine", engine, ("here", "ray"))
    if engine != "ray" and (parts or ray_address):
        raise options.WrongCall(f"{'--parts' if parts else '--ray-address'} is for --engine ray")
    if engine == "ray" and part:
        raise options.WrongCall("--engine ray does all parts; --parts says how many, and --part is of a single one")
    return engine == "ray"


def _by_ray(
    context: typer.Context,
    files: list[Path],
    missing: dict[Path, str],
    how: dict[str, Any],
    folder: Path,
    style: str,
) -> Written:
    """Have a Ray cluster do the parts that are not done yet, with the options of this command."""
    from ecrnn.cli.predict_on_ray import FILES_A_PART, predict_on_ray
    from ecrnn.cli.predict_parts import Part, done, in_order, wanted_of
    from ecrnn.core.devices import THREADS_ELSEWHERE

    asked, ordered = context.params, in_order(files)
    threads = asked["threads"] or THREADS_ELSEWHERE

    def found(part: Part) -> Written | None:
        return done(part.place(folder, style), wanted_of(part, part.among(ordered), missing, how))

    return predict_on_ray(
        [*_options_of_part(asked, style, threads), "--out", str(folder), "--", *map(str, asked["paths"])],
        asked["parts"] or max(1, -(-len(files) // FILES_A_PART)),
        found,
        threads=threads,
        gpu=asked["device"] == "cuda",
        address=asked["ray_address"],
    )


def _options_of_part(asked: dict[str, Any], style: str, threads: int) -> list[str]:
    """The options of a command that does one part, on any machine."""
    words = ["--format", style, "--top", asked["top"], "--beam", asked["beam"], "--threads", threads]
    words += ["--excel"] if asked["excel"] else []
    for name in ("reject", "device"):
        words += [] if asked[name] is None else [f"--{name}", asked[name]]
    for file in asked["code"] or ():
        words += ["--code", file.resolve()]
    return [str(word) for word in words]


def _digest(model: Predictor) -> str:
    """Tells bundles apart."""
    return hashlib.sha256(json_text(model.description.model_dump(mode="json")).encode()).hexdigest()


def _bundle_first(paths: list[Path], texts: bool) -> tuple[Path | None, list[Path]]:
    """The bundle, or None where the first path names images already, and the other paths."""
    from ecrnn.data.folder import names_images
    from ecrnn.serving.bundle import is_bundle
    from ecrnn.serving.pretrained import find

    first, *others = paths
    if texts or is_bundle(find(first)):  # the pretrained model does not read texts
        return first, others
    return (None, paths) if not others or names_images(first) else (first, others)


def _loaded(named: Path | None, out: Path | None, device: str | None) -> Predictor:
    """The model of the bundle that was named, or of the one that comes with ecrnn, over which nothing is written."""
    from ecrnn.serving import pretrained
    from ecrnn.serving.bundle import spare
    from ecrnn.serving.load import load

    bundle = named or pretrained.default()
    folder = pretrained.find(bundle)
    if out is not None:
        with options.wrong_call():
            spare(folder, out)
    return load(bundle, device or "auto")


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


def _of_files(
    model: ReadsFiles, files: list[Path], missing: dict[Path, str], threads: int | None
) -> Iterator[Prediction]:
    """The model's answer to each file, or the line that says why it is missing or cannot be read."""
    from ecrnn.cli.predicted import Prediction
    from ecrnn.serving.bulk import answers_of

    for file, answer, error in answers_of(model, files, missing, threads):
        yield Prediction(str(file), error) if answer is None else Prediction.of(str(file), answer)
