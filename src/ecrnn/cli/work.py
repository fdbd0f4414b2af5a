"""`ecrnn work STUDY`: a worker that trains what nobody else trains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain, complain_of_failures, say, say_json

EXAMPLE = "Example: ecrnn work runs/compare-cifar10 --jobs 2 --for 3h50m"
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def work(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of a study, as 'ecrnn compare' wrote it.")],
    jobs: Annotated[
        int, typer.Option(help="Number of trials that run at the same time, each in its own process.", min=1, max=256)
    ] = 1,
    trials_per_gpu: options.TrialsPerGpu = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="Time, as in 3h50m, after which trainings write a checkpoint and the worker leaves. Default: none.",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            help="Stay while other workers train the last trials, to take those over that are lost, or leave.",
        ),
    ] = True,
    retry: Annotated[bool, typer.Option("--retry", help="New attempts at trials that have failed.")] = False,
    lease: Annotated[
        float,
        typer.Option(help="Seconds without a sign of life, after which others may take a trial.", min=0.1, max=86_400),
    ] = 60.0,
    data: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Place of the data on this machine. Default: the one in the study."),
    ] = None,
    data_dir: options.DataDir = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> int:
    """Train trials of STUDY that nobody else trains, until none is left.

    Started on several machines that see the folder of STUDY, workers share it; what one of them leaves or loses, the
    others go on with. 'ecrnn compare ... --engine none' writes a STUDY without training, and 'ecrnn status' shows how
    it stands. The status is 0 only if all of it is finished.
    """
    seconds = None if time is None else seconds_of(time)

    from ecrnn.cli.progress import Display
    from ecrnn.core.runs import read_settings
    from ecrnn.core.text import counted
    from ecrnn.studies.work import work as work_on

    settings = read_settings(study)
    with Display(quiet=as_json) as display:
        done = work_on(
            study,
            jobs=jobs,
            trials_per_gpu=trials_per_gpu,
            seconds=seconds,
            wait=wait,
            retry=retry,
            lease=lease,
            data=data,
            data_dir=data_dir,
            progress=display.show,
        )
    failures = [f"{settings.label(*trial)}: {line}" for trial, line in done.failed.items()]
    if as_json:
        trained = [{"model": model, "repeat": repeat} for model, repeat in done.trained]
        failed = [{"model": m, "repeat": r, "error": line} for (m, r), line in done.failed.items()]
        counts = {"planned": done.planned, "finished": done.finished, "left": done.left, "in_time": done.in_time}
        say_json({"study": str(study), **counts, "trained": trained, "failed": failed})
    else:
        most = " at most" if settings.sequential else ""
        are = "trial is" if done.planned == 1 else "trials are"
        here = f"{len(done.trained)} of them trained here" if done.trained else "none of them trained here"
        say(f"{study}: {done.finished} of{most} {done.planned} {are} finished, {here}")
    if done.left:
        ended = "others are at work" if done.in_time else "the time is over"
        complain(f"{counted(done.left, 'trials')} to be trained, {ended}; the same command goes on")
    return complain_of_failures(failures, again="--retry") or int(done.left > 0)


def seconds_of(time: str) -> float:
    """The seconds that --for names: 3h50m, 90s, 1d12h, or a number of minutes as SLURM takes it."""
    parts = _DURATION.fullmatch(time.strip().lower())
    seconds = 0
    if parts and any(parts.groups()):
        days, hours, minutes, rest = (int(part or 0) for part in parts.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if not 0 < seconds <= 366 * 86_400:
        raise options.WrongCall(f"--for wants a time as in 3h50m or 45m, not '{time[:50]}'")
    return float(seconds)
