"""Programs that are called sbatch and squeue and keep a queue in a file: a line a worker, with the name of its job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecrnn.core.files import make_folder

SBATCH = """#!/bin/sh
[ -e "$QUEUE.refuse" ] && { echo "sbatch: error: invalid partition specified: long" >&2; exit 1; }
name=$(sed -n 's/^#SBATCH --job-name=//p' "$2")
count=$(sed -n 's/^#SBATCH --array=1-//p' "$2")
i=0; while [ $i -lt "$count" ]; do echo "$name" >> "$QUEUE"; i=$((i + 1)); done
[ "$1" = --parsable ] && echo "4711;cluster"
"""
SQUEUE = """#!/bin/sh
[ "$1 $2 $3 $4" = "--me --noheader --array --format=%T" ] || exit 2
[ -e "$QUEUE" ] && sed -n "s/^${5#--name=}$/PENDING/p" "$QUEUE"
exit 0
"""


def install(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put them on the PATH; gives the file of the queue, which is there with the first worker."""
    programs = make_folder(place / "bin")
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(place / "queue"))
    return place / "queue"
