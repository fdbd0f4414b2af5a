"""`ecrnn work`: trains trials of a study beside workers on other machines that see the same folder.

Nothing is handed from one worker to another, and none of them leads: what is done and what is at work lies in the
folder, see `ecrnn.studies.shared_trials`.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecrnn.core.attempts import trial_of
from ecrnn.core.devices import check_shares_gpu
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Event, Finished, Message, Progress, Waiting, from_plain, silent
from ecrnn.core.files import folder_chosen_by, path_of
from ecrnn.core.gpu_slots import jobs_on_gpus, slots
from ecrnn.core.leases import LEASE
from ecrnn.core.runs import locked, read_settings
from ecrnn.models.own_code import check_workers_know, load_code, loaded_files
from ecrnn.studies.engines.processes import how_it_ended
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.places import spelt_as_it_exists
from ecrnn.studies.settings import models_of
from ecrnn.studies.shared_trials import CHOSEN_BY, SharedTrials
from ecrnn.studies.status import forget_failures
from ecrnn.training.interruption import Interrupted, Interruption

_EARLY_DEATHS = 3  # of workers that have not begun a trial, one after another, after which something is wrong
_GRACE = 60.0  # seconds for a checkpoint, before a worker is killed


@dataclass
class Work:
    """What one call of `work` did, and how the study stands.

    Attributes:
        trained: trials that were trained here.
        finished: how many of the study are finished.
        planned: how many it has, at the most where it trains until it is decided.
        failed: lines of those that have failed, here or elsewhere.
        left: how many are still to be trained, by others or later.
        in_time: False if the time was over before all was done.
    """

    trained: list[Trial] = field(default_factory=list)
    finished: int = 0
    planned: int = 0
    failed: dict[Trial, str] = field(default_factory=dict)
    left: int = 0
    in_time: bool = True


def work(
    study: str | Path,
    *,
    jobs: int = 1,
    trials_per_gpu: int | None = None,
    seconds: float | None = None,
    wait: bool = True,
    retry: bool = False,
    most: int | None = None,
    lease: float = LEASE,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    code: str | Path | None = None,
    progress: Progress = silent,
) -> Work:
    """Train trials of a study that nobody else trains, until none is left; on as many machines as share its folder.

    Args:
        study: the folder of a study that ``compare(..., engine="none")`` wrote, or that any engine has begun.
        jobs: trials side by side, each in a process of its own; where the study trains on GPUs, on one after another.
        trials_per_gpu: trials on each GPU at the most, and as many on all of them where ``jobs`` is 1.
        seconds: after which trainings under way write a checkpoint and this call ends; None: when all is done.
        wait: for trials that other workers have, and take them over if those die; False: end where none is free.
        retry: try again what has failed.
        most: trials after which each process leaves; None: when all is done.
        lease: seconds without a sign of life, after which other workers may take a trial of this one.
        data: place of the data on this machine, where it is not that which the study names.
        data_dir: of local copies of data sets, likewise.
        code: a Python file with your models, which is run.
        progress: called with everything that happens here, see `ecrnn.core.events`.

    Raises:
        EcrnnError: there is no study, its data or models are not here, or another command holds the folder alone.
        Interrupted: SIGINT or SIGTERM came; checkpoints are written, and every worker can go on with them.
    """
    if code is not None:
        load_code(path_of(code, "code"))
    if jobs < 1 or lease < 0.1:
        raise EcrnnError("jobs must be 1 or more, and lease 0.1 seconds or more")
    folder = Path(spelt_as_it_exists(path_of(study, "study")))
    settings = read_settings(folder)
    check_workers_know(model.family for model in models_of(settings))
    check_shares_gpu(settings.training.device, trials_per_gpu)
    jobs = jobs_on_gpus(jobs, trials_per_gpu)
    places = {"data": data and spelt_as_it_exists(data), "data_dir": data_dir and spelt_as_it_exists(data_dir)}
    asked = {
        "code": list(map(str, loaded_files())),
        "lease": lease,
        "wait": wait,
        "most": most,
        "only": None,
        "places": {key: str(value) for key, value in places.items() if value},
    }
    trials = SharedTrials(folder, settings, lease)
    with folder_chosen_by(CHOSEN_BY), locked(folder, shared=True):
        if retry:
            forget_failures(folder, settings)
        trials.count()
        progress(Waiting(len(trials.needed())))
        crew = _Crew(folder, asked, slots(settings.training.device, jobs), trials)
        done = crew.run(seconds, progress)
    trials.count()
    left = len(trials.needed())
    in_time = crew.in_time or not left
    return Work(done, len(trials.finished), len(trials.planned), trials.failed, left, in_time)


class _Crew:
    """Workers in processes of their own, each served by a thread of this one, which starts another where one dies."""

    def __init__(
        self, folder: Path, asked: dict[str, Any], places: list[Mapping[str, str]], trials: SharedTrials
    ) -> None:
        self.folder, self.asked, self.leases = folder, asked, trials.leases
        self.label = trials.settings.label
        self.sent: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.workers: list[subprocess.Popen[str]] = []
        self.guard = threading.Lock()  # of workers
        self.stopping, self.in_time = False, True
        self.fatal: str | None = None
        self.threads = [threading.Thread(target=self._serve, args=(place,), daemon=True) for place in places]

    def run(self, seconds: float | None, progress: Progress) -> list[Trial]:
        """Pass on what the workers say until all of them have left; gives the trials that they have finished."""
        deadline = None if seconds is None else time.monotonic() + seconds
        done: list[Trial] = []
        with Interruption() as interruption:
            for thread in self.threads:
                thread.start()
            try:
                while any(thread.is_alive() for thread in self.threads) or not self.sent.empty():
                    with contextlib.suppress(queue.Empty):
                        event = self.sent.get(timeout=0.1)
                        if isinstance(event, Finished):
                            done.append((event.model, event.repeat))
                        progress(event)
                    if deadline is not None and time.monotonic() > deadline and not self.stopping:
                        self.in_time = False
                        self.stop()
                    if (interruption.received or self.fatal) and not self.stopping:
                        self.stop()
            finally:
                self.stop()
                for thread in self.threads:
                    thread.join()
        if interruption.received:
            raise Interrupted(interruption.received, "checkpoints are written, and any worker goes on with them")
        if self.fatal:
            raise RunDirectoryError(self.fatal)
        return done

    def stop(self) -> None:
        """Have the workers write a checkpoint and leave; does not wait for them."""
        with self.guard:
            self.stopping = True
            for worker in self.workers:
                if worker.poll() is None:
                    worker.terminate()

    def _serve(self, place: Mapping[str, str]) -> None:
        """Keep one worker at work, whose environment says where it computes, until it leaves by itself."""
        deaths = 0  # one after another without an event
        while not self.stopping:
            worker = self._start(place)
            events = self._listen(worker)
            status = self._end(worker)
            if status == 0 or self.stopping:
                return
            reason = how_it_ended(status)
            buried = self.leases.bury(self.leases.host, worker.pid, reason)
            for name in buried:
                self.sent.put(Message(f"{self.label(*trial_of(name))} was interrupted: {reason}"))
            deaths = 0 if events or buried else deaths + 1
            if deaths == _EARLY_DEATHS:
                self.fatal = f"{reason}, {deaths} times before it had begun a trial"
                return

    def _start(self, place: Mapping[str, str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "ecrnn.studies.engines.sharing_worker"]
        worker = subprocess.Popen(
            [*command, str(self.folder), json.dumps(self.asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **place},
            start_new_session=True,  # Ctrl-C at the terminal comes to this process, which passes it on once
        )
        with self.guard:
            self.workers.append(worker)
            if self.stopping:
                worker.terminate()
        return worker

    def _listen(self, worker: subprocess.Popen[str]) -> int:
        """Pass on what a worker says until its output ends; gives the number of events."""
        assert worker.stdout is not None
        events = 0
        for line in worker.stdout:
            message = json.loads(line)
            if message["kind"] == "fatal":
                self.fatal = message["error"]
            elif message["kind"] != "stopped":
                self.sent.put(from_plain(message))
                events += 1
        return events

    def _end(self, worker: subprocess.Popen[str]) -> int:
        """Wait for a worker whose output has ended; gives its status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.communicate(timeout=_GRACE)
        worker.kill()
        with self.guard:
            self.workers.remove(worker)
        return worker.wait()
