"""Commands and scripts in processes of their own, without the seconds that importing torch takes each.

They are children of the server in training/forks.py: each has its own arguments, folder, environment, streams and
status, as after `python -m ecrnn`, and finds the modules in memory.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.forks import Forks

USED = (
    "commands",
    "ecrnn.cli.main",
    "ecrnn.report.render.write",
    "matplotlib.backends.backend_svg",
    "sklearn.pipeline",
)
SECONDS = 300  # after which a child that hangs is ended, with status -SIGALRM


class Commands:
    """Runs "ecrnn" or "python" with the words that follow."""

    def __init__(self, forks: Forks) -> None:
        self.forks = forks
        forks.load(*USED)

    def __call__(self, *words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run in ``folder``; what is in ``environment`` is set beside what is set here."""
        with tempfile.TemporaryDirectory() as streams:
            variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
            status = self.forks("commands:run", words=words, folder=str(folder), streams=streams, variables=variables)
            out, err = ((Path(streams) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess(words, status, out, err)


def one_of_the_cores(process: int) -> set[int]:
    """What a process may use that is to train on one thread where no number is given."""
    return {0}


def run(progress: object, words: Sequence[str], folder: str, streams: str, variables: Mapping[str, str]) -> None:
    """What a child does; ``progress`` counts nothing."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(streams) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the server reads its requests there
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    signal.alarm(SECONDS)
    os.sched_getaffinity = one_of_the_cores
    sys.path.insert(0, folder)
    word, *rest = words
    try:
        if word == "ecrnn":
            sys.argv = list(words)
            runpy.run_module("ecrnn", run_name="__main__", alter_sys=True)
        else:
            sys.argv = rest
            runpy.run_path(rest[0], run_name="__main__")
    finally:
        sys.stdout.flush()
