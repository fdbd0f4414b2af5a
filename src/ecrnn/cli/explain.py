"""`ecrnn explain BUNDLE FILE...`: why a model says what it says of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain, console, say

EXAMPLE = "Example: ecrnn explain my-classifier photo.jpg --against dandelion -o why.html"
MOST = 100  # images on a page


def explain(
    bundle: options.Bundle,
    files: Annotated[list[Path], typer.Argument(metavar="FILE-OR-FOLDER...", help="Images, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PAGE", help="Page.")] = Path("explanation.html"),
    target: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Class to explain. Default: the most probable one.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="Class that the explained one is set against. Default: none.")
    ] = None,
    methods: Annotated[
        str, typer.Option(help="Maps, separated by commas: cam (Grad-CAM), ig (integrated gradients), occlusion.")
    ] = "cam,ig,occlusion",
    steps: Annotated[
        int | None,
        typer.Option(
            help="Number of points of integrated gradients. Default: doubled until the sum is right to 1 %.",
            min=1,
            max=4096,
        ),
    ] = None,
    arrays: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="File for all maps as arrays.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the tests.", min=0)] = 0,
    lang: options.Lang = "en",
    device: options.Device = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> int:
    """Show why an image classifier says what it says: maps of pixels with tests, feature maps, gates, steps.

    Each map is tested: it must change when the weights are shuffled, and the pixels it names must be those that the
    class rests on. An image that cannot be read is reported, the rest is done, and the status is 1.
    """
    from ecrnn.cli.predict import files_at
    from ecrnn.core.errors import DataError
    from ecrnn.explain.explanation import METHODS
    from ecrnn.report.render.explanation_files import explanations_json, print_explanations, write_explanations
    from ecrnn.serving.load import load
    from ecrnn.serving.predictor import Explains, Predictor

    language = options.language(lang)
    model: Predictor = load(bundle, device or "auto")
    if not isinstance(model, Explains):
        raise options.WrongCall(f"explain is for classifiers of images; {bundle} is for {model.task.name}")
    wanted = [part.strip() for part in methods.split(",") if part.strip()]
    if not wanted:
        raise options.WrongCall(f"--methods wants some of {','.join(METHODS)}")
    paths, missing = files_at(files, ())
    if len(paths) > MOST:
        raise options.WrongCall(f"{len(paths):,} images are too many for one page; name at most {MOST}")
    found, status = [], 0
    for number, path in enumerate(paths, 1):
        try:
            if path in missing:
                raise DataError(missing[path])
            image = model.open(path)
        except DataError as error:
            complain(str(error))
            status = 1
            continue
        if len(paths) > 1 and not as_json:
            complain(f"{number} of {len(paths)}: {path}")
        with options.wrong_call():
            found.append(
                model.explain(
                    image,
                    name=str(path),
                    target=target,
                    against=against,
                    methods=wanted,
                    integral_steps=steps,
                    seed=seed,
                )
            )
    if not found:
        return 1
    write_explanations(found, model.description.model, out, arrays, language)
    if as_json:
        typer.echo(explanations_json(found, model.description.model), nl=False)
        return status
    print_explanations(found, console())
    say(f"Page: {out}")
    return status
