"""`ecrnn status STUDY`: how a study stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say, say_json, show

if TYPE_CHECKING:
    from ecrnn.studies.status import StudyStatus

EXAMPLE = "Example: ecrnn status runs/compare-cifar10"


def status(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of a study, as 'ecrnn compare' wrote it.")],
    as_json: options.Json = False,
) -> int:
    """Show what of STUDY runs where and since when, what has failed and why, what is left and how long it takes.

    Nothing is trained or changed. The status is 0 unless the folder cannot be read.
    """
    import dataclasses

    from ecrnn.studies.status import status as status_of

    found = status_of(study)
    if as_json:
        plain = dataclasses.asdict(found)
        plain["begun"] = [{"model": model, "repeat": repeat} for model, repeat in found.begun]
        say_json({"format": 1, "kind": "ecrnn status", **plain})
    else:
        _show(found, study)
    return 0


def _show(found: StudyStatus, study: Path) -> None:
    from rich import box
    from rich.table import Table

    from ecrnn.cli.progress import duration
    from ecrnn.core.runs import read_settings
    from ecrnn.core.text import printable

    settings = read_settings(study)
    parts = [f"{found.finished} of {'at most ' if settings.sequential else ''}{found.planned} trials are finished"]
    parts += [f"{len(found.running)} run"] if found.running else []
    parts += [f"{len(found.failed)} failed"] if found.failed else []
    parts += [f"{found.left - len(found.running)} wait"] if found.left > len(found.running) else []
    say(f"{found.study}: {', '.join(parts)}")
    if found.running:
        table = Table("trial", "worker", "since", "attempt", "epochs", "sign of life", box=box.SIMPLE_HEAD)
        for one in found.running:
            sign = "" if one.seen is None else f"{duration(one.seen)} ago{', lost' if one.silent else ''}"
            row = (
                printable(f"{one.host}, {one.pid}"),
                printable(one.since),
                str(one.attempt),
                f"{one.epoch} of {one.epochs}",
                sign,
            )
            table.add_row(settings.label(one.model, one.repeat), *row)
        show(table)
    for trial in found.begun:
        say(f"{settings.label(*trial)}: begun, goes on from its checkpoint")
    for failure in found.failed:
        times = f" after {failure.attempts} attempts" if failure.attempts > 1 else ""
        say(f"{settings.label(failure.model, failure.repeat)} failed{times}: {failure.error}")
    if found.decided:
        say(f"Nothing is left to be trained; 'ecrnn report {study}' compares.")
    elif found.seconds_left is not None:
        say(f"About {duration(found.seconds_left)} left for the workers that run now.")
    elif not found.running:
        say(f"No worker has a trial; 'ecrnn work {study}' trains, on this machine and on others.")
