"""Small studies, trainings, bundles and archives that are killed at any of their file operations."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import signal
from pathlib import Path
from typing import Any

from studies.small import settings, train_settings

from ecrnn.core.events import Progress, silent
from ecrnn.report import archive_study, write_report
from ecrnn.studies.bundling import bundle_trial
from ecrnn.studies.study import run_study
from ecrnn.studies.train import train_bundle

MODEL = "mlp-4"
OPERATIONS = (
    *((os, name) for name in ("mkdir", "open", "fsync", "replace", "unlink", "rmdir")),
    (fcntl, "flock"),
)
TRAINING = {"checkpoint_seconds": 1e-9}  # a checkpoint a step
WORK = {
    "study": lambda data, out: run_study(settings(data, models=(MODEL,), repeats=1, training=TRAINING), out),
    "training": lambda data, out: train_bundle(train_settings(data, model=MODEL, training=TRAINING), out, resume=True),
    "bundle": lambda study, out: bundle_trial(Path(study), MODEL, out),
    "archive": lambda study, out: archive_study(Path(study), out),
    "report": lambda study, out: write_report([Path(study)], out),
}


def work(
    what: str, source: str, out: str, count: str | None = None, kill_at: int = 0, after: bool = False,
    progress: Progress = silent,
) -> None:  # fmt: skip
    """Do one of `WORK`.

    Args:
        source: the images or the study it is made from.
        count: a file for the names of the operations, in their order.
        kill_at: the operation, from 1, at which the process kills itself; 0: none.
        after: kill after it, not before.
    """
    names: list[str] = []
    for module, name in OPERATIONS:
        setattr(module, name, _counted(getattr(module, name), names, kill_at, after))
    WORK[what](source, Path(out))
    if count:
        Path(count).write_text(json.dumps(names))


def _counted(operation: Any, names: list[str], kill_at: int, after: bool) -> Any:
    @functools.wraps(operation)
    def counted(*arguments: Any, **options: Any) -> Any:
        names.append(operation.__name__)
        at = len(names)
        if at == kill_at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = operation(*arguments, **options)
        if at == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return counted
