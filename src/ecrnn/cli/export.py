"""`ecrnn export BUNDLE --to onnx -o FILE`: a trained model as one file that other programs run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain, say, say_json

EXAMPLE = "Example: ecrnn export my-classifier --to onnx -o my-classifier.onnx"


def export(
    bundle: options.Bundle,
    to: Annotated[
        str | None, typer.Option(help="Kind of file: onnx, or page, an HTML page that needs no network.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write.")] = None,
    input: Annotated[
        str,
        typer.Option(
            help="Input of the file: pixels, images of the network's own size, or the sequences of other tasks; or "
            "image, one image of any size, which the file cuts and resizes itself."
        ),
    ] = "pixels",
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators, 18 to 23.")] = 20,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Data on which file and model are compared. Default: the registered data set that the model was "
            "trained on, where it is at hand, else synthetic examples.",
        ),
    ] = None,
    data_dir: options.DataDir = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Tarball of npm's package onnxruntime-web, or folder where it is installed, for a page. Default: a "
            "download, once.",
        ),
    ] = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Write a trained model as one file that other programs run, after comparing its answers with the model's."""
    if to is None:
        raise options.WrongCall("name the kind of file, as in --to onnx or --to page")
    if out is None:
        raise options.WrongCall("name the file to write, as in -o my-classifier.onnx")

    from ecrnn.cli.progress import Display
    from ecrnn.serving.export import exporting

    with Display(quiet=as_json) as display:
        written = exporting.export(
            bundle,
            out,
            cast(Any, to),
            input=cast(Any, input),
            opset=opset,
            data=data,
            data_dir=data_dir,
            runtime=runtime,
            progress=display.show,
        )
    if as_json:
        say_json(_plain(written))
        return
    say(f"{written.file}: {written.file.stat().st_size / 1e6:.1f} MB, agrees with the model on {written.compared_on}")
    say(f"Largest difference: {written.largest:.1e}; all of them are in {written.parity}")
    if not written.real:
        complain("the examples were synthetic; --data names a folder or a data set to compare on real ones")


def _plain(written: Any) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(written).items()}
