"""`ecrnn bundle STUDY --model NAME -o BUNDLE`: a trained model of a study, kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say, say_json

EXAMPLE = "Example: ecrnn bundle runs/compare-cifar10 --model ecrnn-bilstm-16 -o my-classifier"


def bundle(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Folder that 'ecrnn compare' wrote.")],
    model: Annotated[str | None, typer.Option(help="Model name, one of the study's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="BUNDLE", help="Folder for the bundle.")] = None,
    repeat: Annotated[
        int | None,
        typer.Option(help="Number of the repeat whose trial is bundled. Default: the one with the best score.", min=0),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Weights of 16 bits, half the size; accuracy is measured with them.")
    ] = False,
    data_dir: options.DataDir = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Keep a model of a study as a bundle, and judge it on the data set's own test part, if it has one."""
    from ecrnn.models.names import parse

    if model is None:
        raise options.WrongCall("name the model, as in --model ecrnn-bilstm-16")
    if out is None:
        raise options.WrongCall("name the folder for the model, as in -o my-classifier")

    from ecrnn.cli.metrics import figures, use
    from ecrnn.cli.progress import Display
    from ecrnn.studies.bundling import bundle_trial

    with Display(quiet=as_json) as display:
        metrics = bundle_trial(study, model, out, repeat=repeat, half=half, data_dir=data_dir, progress=display.show)
    if as_json:
        say_json({"bundle": str(out), **metrics})
        return
    judged, n, part = metrics, metrics["n_validation"], "validation"
    if "test" in metrics:
        judged, n, part = metrics["test"], metrics["test"]["n"], "test"
    of_task = parse(model).task
    say(
        f"{model} of repeat {metrics['repeat']} ({metrics['trials']['finished']} finished) in {out}: "
        f"{figures(of_task, judged, n, part)}"
    )
    say(f"Use it: {use(of_task, str(out))}")
