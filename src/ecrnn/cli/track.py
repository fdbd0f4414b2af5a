"""`ecrnn track RUN --to TRACKER`: a finished run for TensorBoard or MLflow."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say, say_json

EXAMPLE = "Example: ecrnn track runs/compare-digits --to mlflow --uri sqlite:///mlflow.db"


def track(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory of a study, or bundle that 'ecrnn train' left.")
    ],
    to: Annotated[str, typer.Option(metavar="TRACKER", help="Tracker: tensorboard or mlflow.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of tensorboard. Default: runs/tensorboard/RUN."),
    ] = None,
    uri: Annotated[
        str | None, typer.Option(metavar="URI", help="Store of mlflow. Default: sqlite:///mlflow.db, a file here.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Experiment of mlflow. Default: the name of the run's folder.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Give the epochs and settings of a finished run to TensorBoard or MLflow; repeated, it adds what is new."""
    from ecrnn.studies.trackers.track import TRACKERS
    from ecrnn.studies.trackers.track import track as export

    if to not in TRACKERS:
        raise options.WrongCall(f"unknown tracker '{to[:40]}', known are {', '.join(TRACKERS)}")
    if to == "tensorboard" and (uri or experiment):
        raise options.WrongCall("--uri and --experiment are of mlflow; omit them")
    if to == "mlflow" and out:
        raise options.WrongCall("--out is of tensorboard; mlflow has --uri")
    found = export(run, to, out=out, uri=uri, experiment=experiment)  # type: ignore[arg-type]
    if as_json:
        say_json(asdict(found))
    else:
        say(found.line())
