"""What a node of a cluster does that does not see the study's folder: train one trial and give it away.

It has a folder of its own for that, below the system's one for temporary files, which is deleted at the end. The
training is a process of its own, a worker as `ecrnn work` has them, so this one needs no torch and a crash of that one
is no crash of this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.files import make_folder
from ecrnn.core.filesystems import lock, open_lock_file
from ecrnn.core.gpu_slots import share_gpu
from ecrnn.core.ray_cluster import node_id
from ecrnn.core.runs import FAILURE, LOCK, STUDY, locked, trial_folder
from ecrnn.studies.engines.processes import how_it_ended
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.trial_messages import FAILED, FINISHED, LOST, UNFIT, files_of, message, pieces

_PREFIX = "ecrnn-trial-"
_OLD = 3600.0  # seconds, after which a folder that nobody holds is one of a process that was killed
_GRACE = 60.0  # seconds for a worker to leave that has said its last word


def train_and_send(
    study: bytes, trial: Trial, code: Sequence[tuple[str, bytes]], here: str, sharing: int = 1
) -> Iterator[bytes]:
    """Train one trial.

    Args:
        study: the content of its study.yaml.
        trial: model and repeat.
        code: names and contents of the files of own models.
        here: folder that paths in the settings start from, if it is on this machine too.
        sharing: trials that share the GPU of this one.

    Yields:
        Messages as of `ecrnn.studies.trial_messages`: events, the pieces of the trial or of the error that it left, and
        how it ended, and on which node.
    """
    _sweep()
    share_gpu(sharing)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as place, locked(Path(place), shared=True):
        folder = make_folder(Path(place, "study"))
        (folder / STUDY).write_bytes(study)
        files = []
        for number, (name, content) in enumerate(code):
            files.append(make_folder(Path(place, "code", str(number))) / name)
            files[-1].write_bytes(content)
        command = [sys.executable, "-P", "-m", "ecrnn.studies.engines.sharing_worker", str(folder)]
        asked = {"code": list(map(str, files)), "lease": _GRACE, "wait": False, "most": 1, "only": trial, "places": {}}
        how, line = yield from _trained([*command, json.dumps(asked)], here if os.path.isdir(here) else None)
        home = trial_folder(folder, *trial)
        if how in (FINISHED, FAILED):
            yield from pieces(home, files_of(home) if how == FINISHED else [FAILURE])
    yield message(
        "end", how=how, line=line, node=node_id()
    )  # with which the cluster may end too, so the folder is gone before


def _trained(command: list[str], here: str | None) -> Generator[bytes, None, tuple[str, str]]:
    """Pass on what a worker says; gives how its trial ended, and a line on it where it did not end well."""
    how, line = LOST, ""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=here
    ) as worker:
        threading.Thread(target=_listen, args=(worker, lines), daemon=True).start()
        try:
            while (heard := _next(lines)) is not None:
                event: dict[str, Any] = json.loads(heard)
                match event["kind"]:
                    case "epoch" | "message":
                        line = event.get("text", "")
                        yield message("event", heard.encode())
                    case "finished":
                        how = FINISHED
                    case "failed":
                        how, line = FAILED, event["error"]
                    case "fatal":
                        how, line = UNFIT, event["error"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(_GRACE)
        finally:
            worker.kill()  # where this call is given up: nobody can go on with a checkpoint
    return how, line or (how_it_ended(worker.returncode) if how == LOST else "")


def _listen(worker: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put(line)
    lines.put(None)


def _next(lines: queue.SimpleQueue[str | None]) -> str | None:
    """The next line; a signal, which Python hears between two calls, does not wait for it."""
    while True:
        with contextlib.suppress(queue.Empty):
            return lines.get(timeout=0.2)


def _sweep() -> None:
    """Delete the folders of processes of this user that were killed here."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, RunDirectoryError):
            status = folder.lstat()
            if status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > _OLD:
                handle = open_lock_file(folder / LOCK)
                try:
                    if lock(handle, folder / LOCK) == "taken":  # and where there are no locks, any may be trained in
                        shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(handle)
