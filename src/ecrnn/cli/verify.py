"""`ecrnn verify RUN`: whether a study, an archive or a bundle is what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say, say_json

EXAMPLE = "Example: ecrnn verify runs/compare-cifar10 --train cnn:0"


def verify(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a study, of its archive, of a training or of a bundle.")
    ],
    train: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL:REPEAT",
            help="Trial that is trained again and compared to the bit; none: no training, and nothing else that needs "
            "the data. Default: the one that took the least time.",
        ),
    ] = None,
    data_dir: options.DataDir = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> int:
    """Compare digests, draw splits again, compute scores again from the predictions, and train one trial again.

    The status is 0 only if all of it holds. What could not be found out, as without the data, is open, and 1 too.
    """
    from ecrnn.cli.progress import Display
    from ecrnn.studies.verification.verify import verify as verify_run

    with Display(quiet=as_json) as display:
        found = verify_run(run, train, data_dir=data_dir, progress=display.show)
    if as_json:
        checks = [{"name": check.name, "status": check.status, "lines": list(check.lines)} for check in found.checks]
        say_json({"run": str(run), "kind": found.kind, "holds": found.holds, "checks": checks})
    else:
        for check in found.checks:
            for line in check.lines:
                say(f"{check.status:5}  {check.name + ':':9} {line}")
        say(f"{run}: {_verdict([check.status for check in found.checks])}")
    return 0 if found.holds else 1


def _verdict(statuses: list[str]) -> str:
    if "fails" in statuses:
        return "not what was trained"
    return "not all of it could be verified" if "open" in statuses else "all that was looked at holds"
