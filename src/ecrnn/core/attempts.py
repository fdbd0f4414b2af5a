"""What workers that share a study call their attempts at its trials: the names in `.work` of the study.

A claim on a trial is `<model>.<repeat>.<number>`, and the folder of that attempt
`<model>.<repeat>.<number>.<token>.folder`.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from ecrnn.core.files import disk_errors

WORK = ".work"  # folder of a study
FOLDER = ".folder"
ATTEMPT = re.compile(r"(?P<name>.+)\.(?P<number>[1-9][0-9]{0,5})\.[0-9a-f]*" + re.escape(FOLDER), re.DOTALL)


def name_of(trial: tuple[str, int]) -> str:
    """What a trial, its model and repeat, is called in `.work`."""
    return f"{trial[0]}.{trial[1]}"


def trial_of(name: str) -> tuple[str, int]:
    """The trial that is called ``name`` in `.work`; ("", 0) where none is."""
    model, _, repeat = name.rpartition(".")
    return (model, int(repeat)) if repeat.isascii() and repeat.isdigit() else ("", 0)


def begun_in(work: Path) -> set[tuple[str, int]]:
    """The trials of which attempts have a folder in ``work``, the `.work` of a study, which need not be there.

    Raises:
        RunDirectoryError: the folder cannot be read.
    """
    names: list[str] = []
    with disk_errors(work, "read"), contextlib.suppress(FileNotFoundError, NotADirectoryError):  # or deleted just now
        names = os.listdir(work)
    return {trial_of(attempt["name"]) for name in names if (attempt := ATTEMPT.fullmatch(name))}
