"""`ecrnn reproduce`: the paper's study, and its tables beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.compare import run
from ecrnn.cli.output import remark

EXAMPLE = "Example: ecrnn reproduce --profile paper --data-dir ~/data --jobs 2"

QUICK_WARNING = (
    "quick: the paper's models, splits and recipe on digits, two epochs of ten steps; this shows the work, "
    "and its figures are no result"
)


def reproduce(
    profile: Annotated[
        str, typer.Option(help="Profile: quick (digits, two minutes on two cores) or paper (CIFAR-10, some hours).")
    ] = "quick",
    data_dir: options.DataDir = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Number of trials that run at the same time. Default: one per core, at most 8; one on a GPU.",
            min=1,
            max=256,
        ),
    ] = None,
    threads: options.Threads = None,
    device: options.Device = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the study. Default: runs/reproduce-PROFILE.")
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Train the paper's 17 models on three random splits and set the paper's tables beside ours.

    Given again, the command goes on with the study, also with one that 'ecrnn compare' began with these settings.
    """
    from ecrnn.core.config import merge
    from ecrnn.core.devices import available_cores, resolve_device
    from ecrnn.core.errors import unknown_name
    from ecrnn.paper import PROFILES

    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    overrides = {
        "data_dir": str(data_dir) if data_dir else None,
        "training": {"threads": threads, "device": device},
    }
    settings = PROFILES[profile]
    with options.wrong_call():
        settings = type(settings).read(merge(settings.model_dump(), overrides))
    if jobs is None:
        jobs = 1 if resolve_device(settings.training.device) == "cuda" else min(available_cores(), 8)
    if profile == "quick" and not as_json:
        remark(QUICK_WARNING)
    return run(settings, out or Path("runs") / f"reproduce-{profile}", jobs=jobs, as_json=as_json)
